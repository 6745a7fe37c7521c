"""`mailbearer messages`: what became of the mail."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.api import segment
from cli.moments import read_ahead, read_since
from cli.operation import begin
from cli.options import ApiKeyStdin, AsJson, StageName
from cli.output import details, table
from mailbearer.ids import rfc3339
from mailbearer.message import Status

_FIELDS = (
    "id",
    "status",
    "account",
    "message_id",
    "provider_id",
    "created_at",
    "updated_at",
    "send_at",
    "sent_at",
    "tags",
)
_ATTEMPT = ("at", "outcome", "code", "detail", "retry_at")

app = typer.Typer(no_args_is_help=True, help="See what became of the mail, and do something about it.")


@app.command("show")
def show(
    ctx: typer.Context,
    *,
    message_id: Annotated[str, typer.Argument(metavar="ID", help="The message's id, msg_...")],
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Show one message's status and every attempt to send it."""
    operation = begin(ctx, stage, as_json=as_json)
    message = operation.api(key_stdin=api_key_stdin).get(f"/v1/messages/{segment(message_id)}")
    operation.out.show(message, lambda console: print_message(console, message))


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    account: Annotated[
        str, typer.Option(help="The mailbox: its id or its address. Needed unless the key has just one.")
    ] = "",
    status: Annotated[Status | None, typer.Option(help="Only messages in this status.")] = None,
    tag: Annotated[str, typer.Option(help="Only messages with this tag.")] = "",
    since: Annotated[str, typer.Option(help="Not older than this: 2h, 7d or a time.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 50,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """List messages, the newest first."""
    operation = begin(ctx, stage, as_json=as_json)
    after = rfc3339(read_since(since, "--since", operation.surroundings.clock())) if since else ""
    wanted = {"account": account, "status": str(status or ""), "tag": tag, "since": after}
    query = {name: value for name, value in wanted.items() if value}
    found = list(operation.api(key_stdin=api_key_stdin).listing("/v1/messages", query, limit=limit))
    columns = ("id", "status", "account", "created_at", "sent_at")

    def human(console: Console) -> None:
        if found:
            console.print(table(columns, ([message.get(name) for name in columns] for message in found)))
        else:
            console.print("No messages.")

    operation.out.show(found, human)


@app.command("cancel")
def cancel(
    ctx: typer.Context,
    *,
    message_id: Annotated[str, typer.Argument(metavar="ID", help="The message's id, msg_...")],
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Cancel a message that has not begun to be sent."""
    operation = begin(ctx, stage, as_json=as_json)
    message = operation.api(key_stdin=api_key_stdin).post(f"/v1/messages/{segment(message_id)}/cancel", {})
    operation.out.show(message, lambda console: print_message(console, message))


@app.command("retry")
def retry(
    ctx: typer.Context,
    *,
    message_id: Annotated[str, typer.Argument(metavar="ID", help="The message's id, msg_...")],
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Send a failed, unknown or held message again."""
    operation = begin(ctx, stage, as_json=as_json)
    message = operation.api(key_stdin=api_key_stdin).post(f"/v1/messages/{segment(message_id)}/retry", {})
    operation.out.show(message, lambda console: print_message(console, message))


@app.command("reschedule")
def reschedule(
    ctx: typer.Context,
    *,
    message_id: Annotated[str, typer.Argument(metavar="ID", help="The message's id, msg_...")],
    send_at: Annotated[str, typer.Option(help="When to send it: in 2h, 7d, or at a time.")] = "",
    now: Annotated[bool, typer.Option("--now", help="Send it now.")] = False,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Move a scheduled message to another time, or send it now."""
    if now == bool(send_at):
        raise typer.BadParameter("give one of --send-at and --now.", param_hint="--send-at")
    operation = begin(ctx, stage, as_json=as_json)
    moment = None if now else rfc3339(read_ahead(send_at, "--send-at", operation.surroundings.clock()))
    api = operation.api(key_stdin=api_key_stdin)
    message = api.patch(f"/v1/messages/{segment(message_id)}", {"send_at": moment})
    operation.out.show(message, lambda console: print_message(console, message))


def print_message(console: Console, message: Mapping[str, Any]) -> None:
    """Print a message resource for a person."""
    problem = message.get("problem") or {}
    pairs = [(name, message.get(name)) for name in _FIELDS]
    pairs.append(("metadata", [f"{name}={value}" for name, value in (message.get("metadata") or {}).items()]))
    pairs.append(("problem", problem_line(problem)))
    console.print(details(pairs))
    attempts = message.get("attempts") or []
    if attempts:
        rows = ([number, *(attempt.get(name) for name in _ATTEMPT)] for number, attempt in enumerate(attempts, 1))
        console.print()
        console.print(table(("attempt", *_ATTEMPT), rows))


def problem_line(problem: Mapping[str, Any]) -> str:
    """Write the problem of a message on one line."""
    code = f"[{problem['code']}]" if problem.get("code") else ""
    return f"{problem.get('detail') or problem.get('title') or ''} {code}".strip()
