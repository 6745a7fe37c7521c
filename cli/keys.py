"""`mailbearer keys`: who may use the API."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.moments import read_span
from cli.operation import Operation, begin
from cli.options import AsJson, StageName
from cli.output import details
from cli.refusal import Refused
from mailbearer.account import AccountState
from mailbearer.caller import SCOPES, ApiKey, hash_secret
from mailbearer.ids import is_id, new_id, rfc3339

app = typer.Typer(no_args_is_help=True, help="Say who may use the API.")

_SECRET_BYTES = 32


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
    surroundings = operation.surroundings
    accounts = frozenset(_account_id(operation, reference) for reference in account or ())
    now = surroundings.clock()
    secret = surroundings.random_bytes(_SECRET_BYTES).hex()
    key = ApiKey(
        id=new_id("key_", now, surroundings.random_bytes),
        name=name,
        secret_hash=hash_secret(secret),
        scopes=frozenset(scope),
        accounts=accounts,
        created_at=now,
        expires_at=now + life if life else 0,
    )
    _keep(operation, key)
    shown: dict[str, Any] = {
        "id": key.id,
        "name": key.name,
        "key": f"mb_{key.id}_{secret}",
        "scopes": sorted(key.scopes),
        "accounts": sorted(key.accounts),
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at) if key.expires_at else None,
    }
    operation.out.show(shown, lambda console: _print(console, shown))


def _keep(operation: Operation, key: ApiKey) -> None:
    """Write the key down, the log first: no log, no key."""
    facts = {"name": key.name, "scopes": " ".join(sorted(key.scopes)), "accounts": " ".join(sorted(key.accounts))}
    cloud = operation.cloud
    cloud.wiring.trail.intend("key.create", key.id, actor=cloud.actor, **facts)
    if not cloud.wiring.keys.create(key):
        raise Refused("The new key met another with the same id.", remedy="Run the same command again.")
    cloud.wiring.trail.note("key.created", key.id, "created", actor=cloud.actor, **facts)
    cloud.wiring.trail.flush()


def _account_id(operation: Operation, reference: str) -> str:
    """Find the account that a key is to be bound to, since a key for a misspelled one would only fail later."""
    store = operation.cloud.wiring.accounts
    if is_id("acc_", reference):
        found = [account] if (account := store.get(reference)) else []
    else:
        found = store.by_address(reference)
    candidates = [account for account in found if account.state is not AccountState.REVOKED]
    if not candidates:
        raise Refused(f"There is no account {reference}.", remedy="`mailbearer accounts list` shows them all.")
    if len(candidates) > 1:
        ids = ", ".join(account.id for account in candidates)
        raise Refused(
            f"{reference} stands for {len(candidates)} accounts: {ids}.", remedy="Give the id of one of them."
        )
    return candidates[0].id


def _print(console: Console, shown: dict[str, Any]) -> None:
    console.print(details((name, value) for name, value in shown.items() if name != "key"))
    console.print("\nThe key, shown only now. Keep it where secrets are kept:")
    console.print(Text(shown["key"]))
