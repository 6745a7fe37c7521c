"""`mailbearer captured`: the mail that the built-in sandbox took instead of sending it."""

import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.operation import Operation, begin
from cli.options import AsJson, StageName
from cli.output import details, table
from cli.refusal import Refused
from mailbearer.account import Account
from mailbearer.capture import Capture
from mailbearer.ids import is_id, rfc3339
from mailbearer.lookup import find_account

_COLUMNS = ("captured_at", "message_id", "mail_from", "rcpt_to", "size", "subject")

app = typer.Typer(no_args_is_help=True, help="See the mail that the sandbox took instead of sending it.")


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The mailbox: its id or its address.")],
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 50,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """List what was captured from a mailbox of the sandbox, the newest first; it is kept for 30 days."""
    operation = begin(ctx, stage, as_json=as_json)
    found = operation.cloud.wiring.captures.listing(_account(operation, account).id, limit=limit)
    shown = [_shown(capture) for capture in found]

    def human(console: Console) -> None:
        if shown:
            console.print(table(_COLUMNS, ([one[name] for name in _COLUMNS] for one in shown)))
        else:
            console.print("Nothing was captured from this mailbox.")

    operation.out.show(shown, human)


@app.command("show")
def show(
    ctx: typer.Context,
    *,
    message: Annotated[
        str, typer.Argument(metavar="MESSAGE", help="The message's id, msg_..., or its Message-ID with --account.")
    ],
    account: Annotated[str, typer.Option(metavar="ACCOUNT", help="The mailbox of a Message-ID.")] = "",
    raw: Annotated[bool, typer.Option("--raw", help="Print the MIME itself, byte for byte.")] = False,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Show one captured message: its envelope and its header."""
    operation = begin(ctx, stage, as_json=as_json)
    captures = operation.cloud.wiring.captures
    account_id, message_id = _place(operation, message, account)
    found = captures.find(account_id, message_id)
    mime = captures.read(account_id, message_id) if raw and found else b""
    if found is None or mime is None:
        raise Refused(
            f"{message} was not captured, or more than 30 days ago.",
            remedy="See `mailbearer captured list ACCOUNT`; what became of a message shows `mailbearer messages show`.",
        )
    if raw:
        sys.stdout.buffer.write(mime)
        return
    shown = _shown(found) | {"headers": [list(header) for header in found.headers]}

    def human(console: Console) -> None:
        pairs = [(name, shown[name]) for name in ("account", *_COLUMNS[:4], "refused", "size")]
        console.print(details(pairs))
        console.print()
        console.print(details(found.headers))

    operation.out.show(shown, human)


def _place(operation: Operation, message: str, account: str) -> tuple[str, str]:
    """Give account and Message-ID of what is named."""
    if not is_id("msg_", message):
        if not account:
            raise Refused("Name the mailbox of a Message-ID.", remedy="Give --account ID or address.", exit_code=2)
        return _account(operation, account).id, message if message.startswith("<") else f"<{message}>"
    record = operation.cloud.wiring.messages.get(message)
    if record is None:
        raise Refused(f"There is no message {message}.", remedy="See `mailbearer messages list`.")
    return record.account, record.message_id


def _account(operation: Operation, named: str) -> Account:
    account = find_account(operation.cloud.wiring.accounts, named)
    if account is None:
        raise Refused(f"There is no account {named}.", remedy="See `mailbearer accounts list`.")
    return account


def _shown(capture: Capture) -> dict[str, Any]:
    subjects = [value for name, value in capture.headers if name.lower() == "subject"]
    return {
        "account": capture.account,
        "message_id": capture.message_id,
        "captured_at": rfc3339(capture.at),
        "mail_from": capture.mail_from,
        "rcpt_to": list(capture.rcpt_to),
        "refused": list(capture.refused),
        "size": capture.size,
        "subject": subjects[0] if subjects else None,
    }
