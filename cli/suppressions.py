"""`mailbearer suppressions`: to whom nothing is sent."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.text import Text

from cli.api import Api, segment
from cli.operation import begin
from cli.options import ApiKeyStdin, AsJson, StageName
from cli.output import details, plain, table
from cli.refusal import Refused

_AT_ONCE = 500
_LONGEST_LINE = 1000
_AGAIN = "The same command again is safe: what is suppressed already stays as it is."

app = typer.Typer(no_args_is_help=True, help="Say to whom nothing is sent.")

Account = Annotated[
    str,
    typer.Option(help="The mailbox whose list it is: its id or its address. Without it the list of all mailboxes."),
]
Reason = Annotated[str, typer.Option(help="Why, for those who look later.")]
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The recipient's address.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    account: Account = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, in the order of their addresses.")] = 1000,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """List the addresses of one list."""
    operation = begin(ctx, stage, as_json=as_json)
    found = list(operation.api(key_stdin=api_key_stdin).listing("/v1/suppressions", _query(account), limit=limit))
    columns = ("address", "reason", "created_at", "created_by")

    def human(console: Console) -> None:
        if found:
            console.print(table(columns, ([one.get(name) for name in columns] for one in found)))
        else:
            console.print("No suppressions on this list.")

    operation.out.show(found, human)


@app.command("add")
def add(
    ctx: typer.Context,
    *,
    address: Address,
    account: Account = "",
    reason: Reason = "",
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Send nothing to an address any more."""
    operation = begin(ctx, stage, as_json=as_json)
    body = {"address": address} | _common(account, reason)
    added = operation.api(key_stdin=api_key_stdin).post("/v1/suppressions", body, if_lost=_AGAIN)
    operation.out.show(added, lambda console: console.print(details(added.items())))


@app.command("remove")
def remove(
    ctx: typer.Context,
    *,
    address: Address,
    account: Account = "",
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Send to an address again."""
    operation = begin(ctx, stage, as_json=as_json)
    # API Gateway decodes a path before it routes, so what would end the segment is escaped twice.
    named = segment(address).replace("%2F", "%252F").replace("%3F", "%253F")
    operation.api(key_stdin=api_key_stdin).delete(f"/v1/suppressions/{named}", _query(account))
    operation.out.show({"removed": address}, lambda console: console.print(f"{plain(address)} may be written to."))


@app.command("import")
def import_(
    ctx: typer.Context,
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help="One address on each line; - is standard input.")],
    account: Account = "",
    reason: Reason = "",
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Suppress many addresses; ends with 1 if some were none, after the others were added."""
    operation = begin(ctx, stage, as_json=as_json)
    api = operation.api(key_stdin=False)
    counts, refused = {"added": 0, "stood": 0}, list[dict[str, object]]()
    with _opened(file) as stream:
        for line, result in _added(api, _addresses(stream), _common(account, reason)):
            status = result.get("status")
            if status in (200, 201):
                counts["stood" if status == 200 else "added"] += 1  # noqa: PLR2004 - HTTP
            else:
                refused.append({"line": line, **_why(result)})
    operation.out.show(counts | {"refused": refused}, lambda console: _print_import(console, counts, refused))
    if refused:
        raise typer.Exit(1)


def _query(account: str) -> dict[str, str]:
    return {"account": account} if account else {}


def _common(account: str, reason: str) -> dict[str, str]:
    return {name: value for name, value in (("account", account), ("reason", reason)) if value}


@contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    try:
        if file == "-":
            yield sys.stdin
            return
        with Path(file).open(encoding="utf-8-sig") as stream:
            yield stream
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text in UTF-8"
        raise Refused(f"{file} cannot be read: {why}.", remedy=f"Correct the file. {_AGAIN}") from error


def _addresses(stream: TextIO) -> Iterator[tuple[int, str]]:
    """Give each address with its line; blank lines and those that begin with # are none."""
    for number, line in enumerate(stream, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, text[:_LONGEST_LINE]


def _added(
    api: Api, addresses: Iterator[tuple[int, str]], common: Mapping[str, str]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Add them lot by lot; give what became of each."""
    while lot := list(islice(addresses, _AT_ONCE)):
        body = {"suppressions": [{"address": address, **common} for _, address in lot]}
        results = api.post("/v1/suppressions", body, if_lost=_AGAIN).get("results")
        if not isinstance(results, list) or len(results) != len(lot):
            raise Refused("The API did not say what became of each address.", remedy=_AGAIN)
        yield from zip((number for number, _ in lot), results, strict=True)


def _why(result: Mapping[str, Any]) -> dict[str, object]:
    problem = result.get("problem") or {}
    (first, *_) = problem.get("errors") or [problem]
    return {"code": first.get("code"), "detail": first.get("detail")}


def _print_import(console: Console, counts: Mapping[str, int], refused: list[dict[str, object]]) -> None:
    console.print(f"{counts['added']} added, {counts['stood']} were there already, {len(refused)} refused.")
    for each in refused:
        console.print(Text(plain(f"line {each['line']}: {each['detail']} [{each['code']}]")))
