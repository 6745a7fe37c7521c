"""`mailbearer keys`: who may use the API."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from cli.moments import read_span
from cli.operation import Operation, begin
from cli.options import AsJson, StageName
from cli.output import details, plain, table
from mailbearer.caller import SCOPES, ApiKey, Caller
from mailbearer.ids import rfc3339
from mailbearer.keyring import Issued, Keyring
from mailbearer.resources import key_resource

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Say who may use the API.")

_PAGE = 100
_COLUMNS = ("id", "name", "status", "scopes", "accounts", "expires_at", "last_used_at")

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, key_...; `mailbearer keys list` shows them.")]


@app.command("create")
def create(
    ctx: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Your word for the key: who has it, what it is for.")],
    scope: Annotated[list[str], typer.Option(metavar="SCOPE", help=f"What it may do: {', '.join(SCOPES)}.")],
    account: Annotated[
        list[str] | None,
        typer.Option(help="An account (id or address) it is bound to. (default: bound to none, good for all)"),
    ] = None,
    expires_in: Annotated[
        str, typer.Option(metavar="SPAN", help="How long it lives: 90d, 12h. (default: for ever)")
    ] = "",
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Make an API key and show it, this once."""
    if not name.strip() or not name.isprintable():
        raise typer.BadParameter("a name is one line of text.", param_hint="NAME")
    unknown = sorted(set(scope) - set(SCOPES))
    if unknown:
        raise typer.BadParameter(
            f"there is no scope {', '.join(unknown)}; choose from {', '.join(SCOPES)}.", param_hint="--scope"
        )
    life = read_span(expires_in, "--expires-in") if expires_in else 0
    operation = begin(ctx, stage, as_json=as_json)
    body: dict[str, Any] = {"name": name, "scopes": sorted(set(scope)), "accounts": account or []}
    if life:
        body["expires_at"] = rfc3339(operation.surroundings.clock() + life)
    _show_issued(operation, _done(operation, lambda ring, who: ring.create(body, who)))


@app.command("list")
def list_(ctx: typer.Context, *, stage: StageName = "", as_json: AsJson = False) -> None:
    """List the API keys, the oldest first."""
    operation = begin(ctx, stage, as_json=as_json)
    now, found = operation.surroundings.clock(), list[dict[str, Any]]()
    cursor, more = "", True
    while more:
        keys, cursor = operation.cloud.wiring.keyring.listing(_operator(operation), limit=_PAGE, cursor=cursor)
        found += [key_resource(key, now) for key in keys]
        more = bool(cursor)

    def human(console: Console) -> None:
        if found:
            console.print(table(_COLUMNS, ([one[name] for name in _COLUMNS] for one in found)))
        else:
            console.print("There are no API keys.")

    operation.out.show(found, human)


@app.command("show")
def show(ctx: typer.Context, *, key: KeyId, stage: StageName = "", as_json: AsJson = False) -> None:
    """Show one API key, without its secret."""
    operation = begin(ctx, stage, as_json=as_json)
    _show(operation, _done(operation, lambda ring, who: ring.find(key, who)))


@app.command("disable")
def disable(
    ctx: typer.Context,
    *,
    key: KeyId,
    reason: Annotated[str, typer.Option(help="Why, for those who look later.")] = "requested",
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Stop an API key: it is refused everywhere within 60 seconds."""
    if not reason.strip() or not reason.isprintable() or len(reason) > 200:  # noqa: PLR2004 - said right here
        raise typer.BadParameter("a reason is one line of at most 200 characters.", param_hint="--reason")
    operation = begin(ctx, stage, as_json=as_json)
    _show(operation, _done(operation, lambda ring, who: ring.disable(key, who, reason=reason)))


@app.command("enable")
def enable(ctx: typer.Context, *, key: KeyId, stage: StageName = "", as_json: AsJson = False) -> None:
    """Let a disabled API key be used again."""
    operation = begin(ctx, stage, as_json=as_json)
    _show(operation, _done(operation, lambda ring, who: ring.enable(key, who)))


@app.command("rotate")
def rotate(
    ctx: typer.Context,
    *,
    key: KeyId,
    overlap: Annotated[
        str, typer.Option(metavar="SPAN", help="How long the secret before stays good: 0, 12h, at most 30d.")
    ] = "24h",
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Give an API key a new secret and show it, this once; its id stays."""
    seconds = 0 if overlap.strip() == "0" else int(read_span(overlap, "--overlap"))
    operation = begin(ctx, stage, as_json=as_json)
    _show_issued(operation, _done(operation, lambda ring, who: ring.rotate(key, {"overlap": seconds}, who)))


@app.command("delete")
def delete(ctx: typer.Context, *, key: KeyId, stage: StageName = "", as_json: AsJson = False) -> None:
    """Forget an API key that is disabled or has expired."""
    operation = begin(ctx, stage, as_json=as_json)
    _done(operation, lambda ring, who: ring.delete(key, who))
    operation.out.show({"deleted": key}, lambda console: console.print(f"{plain(key)} is deleted."))


def _operator(operation: Operation) -> Caller:
    """Give the operator as a caller: whoever may write the table may do everything with a key."""
    return Caller(key_id=operation.cloud.actor, scopes=frozenset({"admin"}))


def _done(operation: Operation, work: Callable[[Keyring, Caller], T]) -> T:
    """Do something with the keyring, and write down what was done, even if it failed on the way."""
    wiring = operation.cloud.wiring
    try:
        return work(wiring.keyring, _operator(operation))
    finally:
        wiring.trail.flush()


def _show(operation: Operation, key: ApiKey) -> None:
    shown = key_resource(key, operation.surroundings.clock())
    operation.out.show(shown, lambda console: console.print(details(shown.items())))


def _show_issued(operation: Operation, issued: Issued) -> None:
    shown = key_resource(issued.key, operation.surroundings.clock())

    def human(console: Console) -> None:
        console.print(details(shown.items()))
        console.print("\nThe key, shown only now. Keep it where secrets are kept:")
        console.print(Text(issued.shown))

    operation.out.show(shown | {"key": issued.shown}, human)
