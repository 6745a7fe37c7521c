"""`mailbearer accounts`: connect, see and cut off mailboxes."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.api import segment
from cli.doctor import print_standing
from cli.mailboxes import find, print_account, resolve
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
    contact: Annotated[list[str] | None, typer.Option(help="Who is told when it needs a person.")] = None,
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
        "contacts": contact,
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
            print_account(console, account)

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
    found = api.get(f"/v1/accounts/{segment(resolve(api, account))}")
    operation.out.show(found, lambda console: print_account(console, found))


@app.command("update")
def update(
    ctx: typer.Context,
    *,
    account: Reference,
    display_name: Annotated[str | None, typer.Option(help="The name beside the address in From.")] = None,
    alias: Annotated[
        list[str] | None, typer.Option(help="An address it may send as, in place of those it has.")
    ] = None,
    no_aliases: Annotated[bool, typer.Option("--no-aliases", help="Let it send as itself alone.")] = False,
    contact: Annotated[
        list[str] | None, typer.Option(help="Who is told when it needs a person, in place of those who are.")
    ] = None,
    no_contacts: Annotated[bool, typer.Option("--no-contacts", help="Let its own address be told.")] = False,
    carries_notices: Annotated[
        bool | None,
        typer.Option("--carries-notices/--no-carries-notices", help="Let notices about other mailboxes go through it."),
    ] = None,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Change a mailbox: what is not named stays as it is."""
    operation = begin(ctx, stage, as_json=as_json)
    wanted = {
        "display_name": display_name,
        "aliases": [] if no_aliases else alias or None,
        "contacts": [] if no_contacts else contact or None,
        "carries_notices": carries_notices,
    }
    changes = {name: value for name, value in wanted.items() if value is not None}
    if not changes:
        raise Refused("Nothing is to be changed.", remedy="`mailbearer accounts update --help` shows what can be.")
    api = operation.api(key_stdin=api_key_stdin)
    changed = api.patch(f"/v1/accounts/{segment(resolve(api, account))}", changes)
    operation.out.show(changed, lambda console: print_account(console, changed))


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
        f"/v1/accounts/{segment(resolve(api, account))}/consent",
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
    account_id = find(api, address, provider) or str(
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
    operation.out.show(connected, lambda console: print_account(console, connected))


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
    account_id = resolve(api, account)
    if operation.surroundings.interactive and not yes:
        typer.confirm(f"Revoke {plain(account)} on stage {operation.stage.name}?", abort=True, err=True)
    answer = api.post(
        f"/v1/accounts/{segment(account_id)}/revoke",
        {},
        if_lost="The same command again is safe: revoking twice is revoking once.",
    )
    operation.out.show(answer, lambda console: print_account(console, answer))


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
    operation.out.show(answer, lambda console: print_account(console, answer))


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
    operation.out.show(answer, lambda console: print_account(console, answer))


def _act(
    ctx: typer.Context, account: str, verb: str, stage: str, *, api_key_stdin: bool, as_json: bool
) -> tuple[Operation, dict[str, Any]]:
    """Do one thing to an account that may be done again."""
    operation = begin(ctx, stage, as_json=as_json)
    api = operation.api(key_stdin=api_key_stdin)
    path = f"/v1/accounts/{segment(resolve(api, account))}/{verb}"
    return operation, api.post(path, {}, if_lost="The same command again is safe.")


def _refresh_token(operation: Operation, *, from_stdin: bool) -> str:
    """Take the token from standard input or, unseen, from a terminal; an argument would stay in the shell's history."""
    if from_stdin:
        return read_secret("--refresh-token-stdin")
    if not operation.surroundings.interactive:
        raise Refused("There is no refresh token.", remedy="Pipe it in with --refresh-token-stdin.")
    return str(typer.prompt("Refresh token", hide_input=True, err=True)).strip()


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
