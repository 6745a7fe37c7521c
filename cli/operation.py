"""One run of one command: its surroundings, its stage, its output and its ways to the stack."""

from __future__ import annotations

import sys
from functools import cached_property

import typer

from cli.api import Api
from cli.cloud import Cloud
from cli.output import Output
from cli.refusal import Refused
from cli.stage import Stage, find_stage
from cli.surroundings import Surroundings

API_KEY = "MAILBEARER_API_KEY"


class Operation:
    """What a command works with."""

    def __init__(self, surroundings: Surroundings, stage: Stage, out: Output) -> None:
        self.surroundings = surroundings
        self.stage = stage
        self.out = out

    @cached_property
    def cloud(self) -> Cloud:
        """Give the stage's side in AWS."""
        around = self.surroundings
        return Cloud(self.stage, around.clock, around.random_bytes, around.aws_session)

    @property
    def api_url(self) -> str:
        """Give the address of the stage's API."""
        return self.stage.local.api_url if self.stage.local else self.cloud.output("ApiUrl").rstrip("/")

    def api(self, *, key_stdin: bool) -> Api:
        """Give the stage's API, with the key from where the operator keeps it."""
        local = self.stage.local
        if key_stdin:
            key = read_secret("--api-key-stdin")
        elif local:
            key = local.api_key
        else:
            key = self.surroundings.environ.get(API_KEY, "")
        if not key:
            raise Refused(
                f"There is no API key for stage {self.stage.name}.",
                remedy=f"Set {API_KEY} or give --api-key-stdin; `mailbearer keys create NAME --scope ...` makes a key.",
            )
        return Api(self.api_url, key)


def begin(ctx: typer.Context, stage: str, *, as_json: bool) -> Operation:
    """Start a command: find its stage (said after the command, before it, or in the environment)."""
    surroundings: Surroundings = ctx.obj
    found = find_stage(stage or surroundings.stage, surroundings.directory, user=surroundings.user)
    out = Output(as_json=as_json)
    if found.note:
        out.note(found.note)
    return Operation(surroundings, found, out)


def read_secret(option: str) -> str:
    """Read a secret from standard input, without the line end that `echo` adds. Raises `Refused` if there is none."""
    secret = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not secret.strip() or not secret.isprintable():
        raise Refused(
            f"Standard input holds no secret for {option}.",
            remedy=f'Pipe it in as one line: printf %s "$SECRET" | mailbearer ... {option}',
        )
    return secret
