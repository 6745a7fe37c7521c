"""Which stack a command talks to."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.refusal import Refused

LOCAL = "local"
DEFAULT = "prod"
STATE_FILE = Path(".mailbearer") / "local.json"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStack:
    """What a running local stack says of itself in its state file."""

    api_url: str
    api_key: str = field(repr=False)
    endpoint_url: str
    region: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    stack: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage and the CloudFormation stack that it is; `local` is None for a deployed one.

    `note` is what the operator should know about how the stage was chosen.
    """

    name: str
    stack: str
    local: LocalStack | None = None
    note: str = ""


def find_stage(name: str, directory: Path, *, user: int) -> Stage:
    """Find the stage `name`; without a name the local stack that runs in `directory` or above, else `prod`.

    `user` is the id of the user to whom a state file has to belong. Raises `Refused`.
    """
    if name and name != LOCAL:
        return _deployed(name)
    paths = (folder / STATE_FILE for folder in (directory, *directory.parents))
    path = next((path for path in paths if path.exists()), None)
    local = read_state(path, user=user) if path else None
    if local and _lives(local.pid):
        return Stage(name=LOCAL, stack=local.stack, local=local)
    if name == LOCAL:
        raise Refused(
            "No local stack runs in this directory or above it.",
            remedy="Start one with `make run`, or name a deployed stage with --stage.",
        )
    note = f"The local stack of {path} is not running any more, so this goes to stage {DEFAULT}." if path else ""
    return _deployed(DEFAULT, note)


def read_state(path: Path, *, user: int) -> LocalStack:
    """Read a state file. Raises `Refused` if it is not ours, is damaged, or leads away from this machine."""
    damaged = Refused(f"{path} cannot be used.", remedy="Start the local stack again with `make run`, or give --stage.")
    try:
        # A file that somebody else left in a parent directory must not lead the operator's mail to their server.
        foreign = path.stat().st_uid != user
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        aws = state["aws"]
        local = LocalStack(
            api_url=state["api_url"].rstrip("/"),
            api_key=state["api_key"],
            endpoint_url=aws["endpoint_url"],
            region=aws["region"],
            access_key_id=aws["access_key_id"],
            secret_access_key=aws["secret_access_key"],
            stack=state["stack"],
            pid=int(state["pid"]),
        )
        hosts = {urlsplit(local.api_url).hostname, urlsplit(local.endpoint_url).hostname}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged from error
    if foreign or not hosts <= _LOOPBACK:
        raise damaged
    return local


def _deployed(name: str, note: str = "") -> Stage:
    if not _NAME.fullmatch(name):
        raise Refused(
            f"{name!r} is no name of a stage.",
            remedy="A stage is up to 20 small letters, digits and hyphens, beginning with a letter: --stage prod",
        )
    return Stage(name=name, stack=f"mailbearer-{name}", note=note)


def _lives(pid: int) -> bool:
    """Tell whether a process with this id runs."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
