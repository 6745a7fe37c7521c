"""`mailbearer send`: hand one message over to the API."""

import base64
import json
import mimetypes
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.api import Api, segment
from cli.messages import print_message, problem_line
from cli.moments import read_ahead
from cli.operation import Operation, begin
from cli.options import ApiKeyStdin, AsJson, StageName
from cli.output import console
from cli.refusal import Refused
from cli.waiting import wait_for
from mailbearer.ids import rfc3339
from mailbearer.message import Status

_STDIN = "-"


def send(
    ctx: typer.Context,
    *,
    to: Annotated[list[str] | None, typer.Option(help='A recipient: a@b or "Name <a@b>".')] = None,
    cc: Annotated[list[str] | None, typer.Option(help="A recipient of a copy.")] = None,
    bcc: Annotated[list[str] | None, typer.Option(help="A recipient of a hidden copy.")] = None,
    account: Annotated[
        str,
        typer.Option(help="The mailbox: its id or its address. Needed unless the key has just one."),
    ] = "",
    sender: Annotated[
        str,
        typer.Option("--from", help="The sender, if it is an alias of the mailbox."),
    ] = "",
    reply_to: Annotated[list[str] | None, typer.Option(help="Where answers go.")] = None,
    subject: Annotated[str, typer.Option(help="The subject.")] = "",
    text: Annotated[str | None, typer.Option(help="The text; - reads standard input.")] = None,
    text_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A file (UTF-8) with the text; - reads standard input."),
    ] = None,
    html_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A file (UTF-8) with the HTML; - reads standard input."),
    ] = None,
    template: Annotated[str, typer.Option(help="A stored template, instead of subject, text and HTML.")] = "",
    variables: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A file (JSON) with the template's variables; - reads standard input."),
    ] = None,
    send_at: Annotated[str, typer.Option(help="When to send it: in 2h, 7d, or at a time.")] = "",
    attach: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="A file to attach.")] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:VALUE", help="An extra header."),
    ] = None,
    idempotency_key: Annotated[
        str,
        typer.Option(help="The same key sends once, however often it is used. (default: a new one)"),
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is sent; exit 1 if it is not.")] = False,
    timeout: Annotated[int, typer.Option(min=1, help="How long --wait waits, in seconds.")] = 120,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Send one message through a connected mailbox."""
    if text is not None and text_file is not None:
        raise typer.BadParameter("give one of --text and --text-file.", param_hint="--text-file")
    if variables is not None and not template:
        raise typer.BadParameter("it goes with --template.", param_hint="--variables")
    sources = {"--text": text, "--text-file": text_file, "--html-file": html_file, "--variables": variables}
    _check_stdin(sources, key_stdin=api_key_stdin)
    fields: dict[str, Any] = {
        "account": account,
        "from": sender,
        "to": to,
        "cc": cc,
        "bcc": bcc,
        "reply_to": reply_to,
        "subject": subject,
        "headers": _headers(header or []),
    }
    body = {name: value for name, value in fields.items() if value}
    if text is not None:
        body["text"] = _stdin() if text == _STDIN else text
    if text_file is not None:
        body["text"] = _content(text_file)
    if html_file is not None:
        body["html"] = _content(html_file)
    if template:
        body["template"] = {"name": template, "variables": _variables(variables) if variables is not None else {}}
    if attach:
        body["attachments"] = [_attachment(path) for path in attach]
    operation = begin(ctx, stage, as_json=as_json)
    if send_at:
        body["send_at"] = rfc3339(read_ahead(send_at, "--send-at", operation.surroundings.clock()))
    _submit(operation, operation.api(key_stdin=api_key_stdin), body, idempotency_key, wait_limit=timeout if wait else 0)


def _submit(operation: Operation, api: Api, body: dict[str, Any], key: str, *, wait_limit: float) -> None:
    # Even a message without the operator's own key has one, so that a lost answer can be asked for again.
    key = key or f"cli-{operation.surroundings.random_bytes(16).hex()}"
    accepted = api.post(
        "/v1/messages",
        body,
        headers={"Idempotency-Key": key},
        if_lost=f"The same command with --idempotency-key {key} sends it once, whatever happened to the first.",
    )
    message = accepted
    if wait_limit:
        path = f"/v1/messages/{segment(str(accepted.get('id')))}"
        console(err=True).print(f"Accepted as {accepted.get('id')}.")
        message = wait_for(lambda: api.get(path), _settled, operation.surroundings, limit=wait_limit)
    operation.out.show(message, lambda out: print_message(out, message))
    if wait_limit and message.get("status") != Status.SENT:
        why = problem_line(message.get("problem") or {})
        raise Refused(
            f"{message.get('id')} is {message.get('status')}, not sent{': ' + why if why else '.'}",
            remedy="`mailbearer messages show ID` shows every attempt.",
        )


def _check_stdin(sources: dict[str, str | None], *, key_stdin: bool) -> None:
    users = [name for name, value in sources.items() if value == _STDIN] + ["--api-key-stdin"] * key_stdin
    if len(users) > 1:
        raise typer.BadParameter(f"only one can read standard input, not {' and '.join(users)}.", param_hint=users[-1])


def _settled(message: Any) -> bool:
    """Tell whether waiting on is of no use: the message has ended, or somebody has to act before it goes on."""
    return message.get("status") in {Status.SENT, Status.FAILED, Status.CANCELED, Status.UNKNOWN, Status.HELD}


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, separator, value = line.partition(":")
        if not separator or not name.strip():
            raise typer.BadParameter(f"{line!r} is not of the form NAME:VALUE.", param_hint="--header")
        if name.strip().lower() in (known.lower() for known in headers):
            raise typer.BadParameter(f"{name.strip()} is given twice.", param_hint="--header")
        headers[name.strip()] = value.strip()
    return headers


def _content(name: str) -> str:
    if name == _STDIN:
        return _stdin()
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise Refused(f"{name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{name} is not UTF-8.", remedy="Convert it: iconv -f ENCODING -t UTF-8 FILE") from error


def _variables(name: str) -> Any:
    try:
        return json.loads(_content(name))
    except ValueError as error:
        raise Refused(f"{name} is not JSON: {error}.", remedy='Write an object: {"name": "value"}.') from error


def _stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise Refused("Standard input is not UTF-8.", remedy="Convert it: iconv -f ENCODING -t UTF-8") from error


def _attachment(path: Path) -> dict[str, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Refused(f"{path} cannot be attached: {error.strerror}.") from error
    kind, encoding = mimetypes.guess_type(path.name)
    return {
        "filename": path.name,
        # A compressed file is not of the type that is inside it.
        "content_type": kind if kind and not encoding else "application/octet-stream",
        "content": base64.b64encode(content).decode(),
    }
