"""`mailbearer accounts`: connect, see and cut off mailboxes."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.api import Api, segment
from cli.doctor import print_standing
from cli.operation import Operation, begin, read_secret
from cli.options import ApiKeyStdin, AsJson, StageName, Yes
from cli.output import console as console_of
from cli.output import details, plain, table
from cli.refusal import Refused
from cli.waiting import wait_for
from mailbearer.account import AccountState

app = typer.Typer(no_args_is_help=True, help="Connect, see and cut off mailboxes.")

Reference = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id or its address.")]


@app.command("add")
def add(
    ctx: typer.Context,
    *,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The mailbox's address.")],
    provider: Annotated[str, typer.Option(metavar="NAME", help="The registration to connect it through.")],
    transport: Annotated[
        str,
        typer.Option(help="gmail, graph or smtp. (default: the registration's)"),
    ] = "",
    display_name: Annotated[str, typer.Option(help="The name beside the address in From.")] = "",
    alias: Annotated[list[str] | None, typer.Option(help="Another address it may send as.")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the consent page in a browser.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the mailbox is connected; exit 1 if it is not.")
    ] = False,
    timeout: Annotated[int, typer.Option(min=1, help="How long --wait waits, in seconds.")] = 600,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Add a mailbox: connected at once if nobody has to consent, else with the page on which its owner does."""
    operation = begin(ctx, stage, as_json=as_json)
    api = operation.api(key_stdin=api_key_stdin)
    wanted = {
        "provider": provider,
        "address": address,
        "transport": transport,
        "display_name": display_name,
        "aliases": alias,
    }
    account = api.post(
        "/v1/accounts",
        {name: value for name, value in wanted.items() if value},
        if_lost="See with `mailbearer accounts list` whether it was added.",
    )
    url = str(account.get("consent_url") or "")
    if wait and url:
        # Standard output is for the result; the page is needed before there is one.
        _print_consent(console_of(err=True), account, url)
    if open_browser and url:
        _open(operation, url)
    if wait and url:
        path = f"/v1/accounts/{segment(str(account.get('id')))}"
        account = wait_for(lambda: api.get(path), _settled, operation.surroundings, limit=timeout)
        if account.get("status") != AccountState.ACTIVE:
            raise Refused(
                f"{account.get('id')} is {account.get('status')}, not connected.",
                remedy="`mailbearer audit tail` says why.",
            )

    def human(console: Console) -> None:
        if url and not wait:
            _print_consent(console, account, url)
        else:
            _print_account(console, account)

    operation.out.show(account, human)


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """List the mailboxes."""
    operation = begin(ctx, stage, as_json=as_json)
    found = list(operation.api(key_stdin=api_key_stdin).listing("/v1/accounts", {}))
    columns = ("id", "address", "provider", "transport", "status")

    def human(console: Console) -> None:
        if found:
            console.print(table(columns, ([account.get(name) for name in columns] for account in found)))
        else:
            console.print("No accounts. Add one with `mailbearer accounts add ADDRESS --provider NAME`.")

    operation.out.show(found, human)


@app.command("show")
def show(
    ctx: typer.Context,
    *,
    account: Reference,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Show one mailbox."""
    operation = begin(ctx, stage, as_json=as_json)
    api = operation.api(key_stdin=api_key_stdin)
    found = api.get(f"/v1/accounts/{segment(_resolve(api, account))}")
    operation.out.show(found, lambda console: _print_account(console, found))


@app.command("consent")
def consent(
    ctx: typer.Context,
    *,
    account: Reference,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the consent page in a browser.")] = False,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Print a new consent page for a mailbox; it keeps its id, and mail that waits for it goes out afterwards."""
    operation = begin(ctx, stage, as_json=as_json)
    api = operation.api(key_stdin=api_key_stdin)
    answer = api.post(
        f"/v1/accounts/{segment(_resolve(api, account))}/consent",
        {},
        if_lost="The same command again is safe: it only makes another link.",
    )
    url = str(answer.get("consent_url") or "")
    if open_browser and url:
        _open(operation, url)
    operation.out.show(answer, lambda console: _print_consent(console, answer, url))


@app.command("import")
def import_(
    ctx: typer.Context,
    *,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The mailbox's address.")],
    provider: Annotated[
        str, typer.Option(metavar="NAME", help="The registration whose client the token was given to.")
    ],
    refresh_token_stdin: Annotated[
        bool, typer.Option("--refresh-token-stdin", help="Read the refresh token from standard input.")
    ] = False,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Connect a mailbox by a refresh token that you have already; an account that waits for it keeps its id."""
    operation = begin(ctx, stage, as_json=as_json)
    token = _refresh_token(operation, from_stdin=refresh_token_stdin)
    api = operation.api(key_stdin=False)
    account_id = _find(api, address, provider) or str(
        api.post(
            "/v1/accounts",
            {"provider": provider, "address": address},
            if_lost="The same command again is safe.",
        ).get("id")
    )
    connected = api.post(
        f"/v1/accounts/{segment(account_id)}/import",
        {"refresh_token": token},
        if_lost="See with `mailbearer accounts show` whether it was connected; if not, the same command again.",
    )
    operation.out.show(connected, lambda console: _print_account(console, connected))


@app.command("revoke")
def revoke(
    ctx: typer.Context,
    *,
    account: Reference,
    yes: Yes = False,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Cut a mailbox off: nothing is sent through it any more, and its token is revoked at the provider."""
    operation = begin(ctx, stage, as_json=as_json)
    api = operation.api(key_stdin=api_key_stdin)
    account_id = _resolve(api, account)
    if operation.surroundings.interactive and not yes:
        typer.confirm(f"Revoke {plain(account)} on stage {operation.stage.name}?", abort=True, err=True)
    answer = api.post(
        f"/v1/accounts/{segment(account_id)}/revoke",
        {},
        if_lost="The same command again is safe: revoking twice is revoking once.",
    )
    operation.out.show(answer, lambda console: _print_account(console, answer))


@app.command("rotate")
def rotate(
    ctx: typer.Context,
    *,
    account: Reference,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Refresh a mailbox's token now, whatever pause is being kept."""
    operation, answer = _act(ctx, account, "rotate", stage, api_key_stdin=api_key_stdin, as_json=as_json)
    operation.out.show(answer, lambda console: _print_health(console, account, answer))


@app.command("validate")
def validate(
    ctx: typer.Context,
    *,
    account: Reference,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Prove that a mailbox's token opens it, sending nothing; ends with 1 if it does not."""
    operation, answer = _act(ctx, account, "validate", stage, api_key_stdin=api_key_stdin, as_json=as_json)
    operation.out.show(answer, lambda console: _print_health(console, account, answer))
    if answer.get("valid") is False:
        raise typer.Exit(1)


@app.command("pause")
def pause(
    ctx: typer.Context,
    *,
    account: Reference,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Let a mailbox's mail wait; its token is kept alive."""
    operation, answer = _act(ctx, account, "pause", stage, api_key_stdin=api_key_stdin, as_json=as_json)
    operation.out.show(answer, lambda console: _print_account(console, answer))


@app.command("resume")
def resume(
    ctx: typer.Context,
    *,
    account: Reference,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Let a paused mailbox send again, what waited first."""
    operation, answer = _act(ctx, account, "resume", stage, api_key_stdin=api_key_stdin, as_json=as_json)
    operation.out.show(answer, lambda console: _print_account(console, answer))


def _act(
    ctx: typer.Context, account: str, verb: str, stage: str, *, api_key_stdin: bool, as_json: bool
) -> tuple[Operation, dict[str, Any]]:
    """Do one thing to an account that may be done again."""
    operation = begin(ctx, stage, as_json=as_json)
    api = operation.api(key_stdin=api_key_stdin)
    path = f"/v1/accounts/{segment(_resolve(api, account))}/{verb}"
    return operation, api.post(path, {}, if_lost="The same command again is safe.")


def _refresh_token(operation: Operation, *, from_stdin: bool) -> str:
    """Take the token from standard input or, unseen, from a terminal; an argument would stay in the shell's history."""
    if from_stdin:
        return read_secret("--refresh-token-stdin")
    if not operation.surroundings.interactive:
        raise Refused("There is no refresh token.", remedy="Pipe it in with --refresh-token-stdin.")
    return str(typer.prompt("Refresh token", hide_input=True, err=True)).strip()


def _find(api: Api, address: str, provider: str) -> str:
    """Find the account of an address at a provider, one that was revoked last of all; nothing if there is none."""
    found = [
        account
        for account in api.listing("/v1/accounts", {})
        if str(account.get("address")).lower() == address.lower() and account.get("provider") == provider
    ]
    found.sort(key=lambda account: (account.get("status") == AccountState.REVOKED, str(account.get("updated_at"))))
    return str(found[0].get("id")) if found else ""


def _resolve(api: Api, reference: str) -> str:
    """Find the id that an address stands for; an id stands for itself."""
    if "@" not in reference:
        return reference
    found = [
        account
        for account in api.listing("/v1/accounts", {})
        if str(account.get("address")).lower() == reference.lower()
    ]
    # An address that was revoked and connected anew means the one in use.
    in_use = [account for account in found if account.get("status") != AccountState.REVOKED]
    candidates = in_use or found
    if not candidates:
        raise Refused(f"There is no account {reference}.", remedy="`mailbearer accounts list` shows them all.")
    if len(candidates) > 1:
        ids = ", ".join(str(account.get("id")) for account in candidates)
        raise Refused(
            f"{reference} stands for {len(candidates)} accounts: {ids}.", remedy="Give the id of one of them."
        )
    return str(candidates[0].get("id"))


def _settled(account: Mapping[str, Any]) -> bool:
    return account.get("status") != AccountState.PENDING_CONSENT


def _open(operation: Operation, url: str) -> None:
    if not url.startswith(("https://", "http://")) or not operation.surroundings.open_browser(url):
        operation.out.note("No browser could be opened; open the address yourself.")


def _print_consent(console: Console, account: Mapping[str, Any], url: str) -> None:
    console.print(f"{plain(account.get('id'))} waits for consent. Its owner opens this page, once and soon:")
    console.print(Text(plain(url)))


def _print_health(console: Console, account: str, health: Mapping[str, Any]) -> None:
    print_standing(console, account, str(health.get("state")), health.get("diagnosis"))
    for part in ("token", "last_probe"):
        shown = health.get(part)
        console.print(details(shown.items() if isinstance(shown, dict) else ()))


def _print_account(console: Console, account: Mapping[str, Any]) -> None:
    console.print(details((name, value) for name, value in account.items() if not isinstance(value, dict)))
    scopes = account.get("scopes")
    if isinstance(scopes, dict):
        for word, name in (
            ("Not granted, though it is needed", "missing"),
            ("Granted, though nobody asked", "excessive"),
        ):
            if scopes.get(name):
                console.print(Text(plain(f"{word}: {' '.join(map(str, scopes[name]))}")))
