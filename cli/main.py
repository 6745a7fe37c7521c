"""`mailbearer`: the operator's command."""

import os
import secrets
import sys
import time
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from cli import (
    accounts,
    audit,
    captured,
    credentials,
    dlq,
    incident,
    keys,
    messages,
    providers,
    suppressions,
    templates,
    webhooks,
)
from cli.cloud import aws_session, refusals_of_aws
from cli.doctor import doctor
from cli.explain import explain_
from cli.options import StageName
from cli.output import show_refusal
from cli.practices import practices
from cli.refusal import Refused
from cli.send import send
from cli.surroundings import Surroundings
from cli.verify import verify
from mailbearer.errors import InvalidInput, MailbearerError


class _Edge(TyperGroup):
    """The outermost edge: everything that was foreseen ends as one sentence and exit code 1, never as a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            with refusals_of_aws():
                return super().invoke(ctx)
        except Refused as error:
            refused = error
        except InvalidInput as error:
            refused = Refused(f"{error.title} [{error.code}].", faults=error.faults)
        except MailbearerError as error:
            again = "The same command again is safe." if error.retryable else ""
            refused = Refused(f"{error.detail} [{error.code}]", remedy=again)
        show_refusal(refused)
        raise typer.Exit(refused.exit_code)


app = typer.Typer(
    name="mailbearer",
    cls=_Edge,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and some of ours are secrets
    help="Send an application's mail through the mailboxes its owner already has.",
)
providers.app.command("verify")(verify)
providers.app.add_typer(credentials.app, name="credentials")
app.add_typer(providers.app, name="providers")
app.add_typer(accounts.app, name="accounts")
app.command("send")(send)
app.add_typer(messages.app, name="messages")
app.add_typer(captured.app, name="captured")
app.add_typer(dlq.app, name="dlq")
app.add_typer(suppressions.app, name="suppressions")
app.add_typer(templates.app, name="templates")
app.add_typer(keys.app, name="keys")
app.add_typer(webhooks.app, name="webhooks")
app.command("explain")(explain_)
app.add_typer(audit.app, name="audit")
app.add_typer(incident.app, name="incident")
app.command("doctor")(doctor)
app.command("practices")(practices)


@app.callback()
def _root(ctx: typer.Context, stage: StageName = "") -> None:
    surroundings: Surroundings = ctx.obj
    ctx.obj = replace(surroundings, stage=stage or surroundings.environ.get("MAILBEARER_STAGE", ""))


def main() -> None:
    """Run the command on this process's terminal, environment and clock."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app(
        obj=Surroundings(
            environ=os.environ,
            directory=Path.cwd(),
            user=os.getuid(),
            interactive=sys.stdin.isatty() and sys.stderr.isatty(),
            clock=time.time,
            sleep=time.sleep,
            random_bytes=secrets.token_bytes,
            open_browser=webbrowser.open,
            aws_session=aws_session,
        ),
    )
