"""`mailbearer webhooks`: who hears of what happened."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.api import segment
from cli.moments import read_since, read_span
from cli.operation import Operation, begin
from cli.options import ApiKeyStdin, AsJson, StageName, Yes
from cli.output import details, plain, table
from mailbearer.ids import rfc3339

_PATH = "/v1/webhooks"
_COLUMNS = ("id", "url", "events", "disabled", "failures", "last_failure")

app = typer.Typer(no_args_is_help=True, help="Say who hears of what happened (Standard Webhooks).")

WebhookId = Annotated[str, typer.Argument(metavar="ID", help="The webhook's id.")]
Event = Annotated[
    list[str] | None, typer.Option("--event", metavar="TYPE", help="An event type; repeat it. * stands for all.")
]
Description = Annotated[str | None, typer.Option(help="What people should know of it.")]


@app.command("create")
def create(
    ctx: typer.Context,
    *,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where it is told: https://...")],
    event: Event = None,
    account: Annotated[
        list[str] | None, typer.Option("--account", help="Only what concerns this mailbox, id or address; repeat it.")
    ] = None,
    description: Description = None,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Make a webhook; its signing secret is shown this once."""
    operation = begin(ctx, stage, as_json=as_json)
    body: dict[str, Any] = {"url": url, "events": event or ["*"]}
    body |= {"accounts": account} if account else {}
    body |= {"description": description} if description else {}
    made = operation.api(key_stdin=api_key_stdin).post(
        _PATH, body, if_lost="See `mailbearer webhooks list`: if it was made, rotate it, for nobody has its secret."
    )
    _show_with_secret(operation, made)


@app.command("list")
def list_(
    ctx: typer.Context,
    *,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """List the webhooks, the oldest first."""
    operation = begin(ctx, stage, as_json=as_json)
    found = list(operation.api(key_stdin=api_key_stdin).listing(_PATH, {}))

    def human(out: Console) -> None:
        if found:
            out.print(table(_COLUMNS, ([_written(each.get(name)) for name in _COLUMNS] for each in found)))
        else:
            out.print("No webhooks. Make one with `mailbearer webhooks create URL`.")

    operation.out.show(found, human)


@app.command("show")
def show(
    ctx: typer.Context,
    *,
    webhook: WebhookId,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Show a webhook, and how it fares."""
    operation = begin(ctx, stage, as_json=as_json)
    _show(operation, operation.api(key_stdin=api_key_stdin).get(_path(webhook)))


@app.command("update")
def update(
    ctx: typer.Context,
    *,
    webhook: WebhookId,
    url: Annotated[str, typer.Option(help="Another address.")] = "",
    event: Event = None,
    description: Description = None,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Deliver nothing any more, or deliver again.")
    ] = None,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Change a webhook, disable it or enable it again."""
    wanted = {"url": url or None, "events": event or None, "description": description, "disabled": disabled}
    changes = {name: value for name, value in wanted.items() if value is not None}
    if not changes:
        raise typer.BadParameter("say what is to change: --url, --event, --description, --disable or --enable.")
    operation = begin(ctx, stage, as_json=as_json)
    _show(operation, operation.api(key_stdin=api_key_stdin).patch(_path(webhook), changes))


@app.command("rotate")
def rotate(
    ctx: typer.Context,
    *,
    webhook: WebhookId,
    overlap: Annotated[
        str, typer.Option(metavar="SPAN", help="How long the secrets before sign too, like 1h or 2d; 0 for not at all.")
    ] = "1d",
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Make a new signing secret, shown this once."""
    seconds = 0 if overlap.strip() == "0" else int(read_span(overlap, "--overlap"))
    operation = begin(ctx, stage, as_json=as_json)
    made = operation.api(key_stdin=api_key_stdin).post(
        f"{_path(webhook)}/rotate",
        {"overlap": seconds},
        if_lost="Rotate it again: the secret that the receiver has signs until its overlap ends.",
    )
    _show_with_secret(operation, made)


@app.command("test")
def send_test(
    ctx: typer.Context,
    *,
    webhook: WebhookId,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Send a test event to this webhook."""
    operation = begin(ctx, stage, as_json=as_json)
    again = "The same command again sends another test event."
    sent = operation.api(key_stdin=api_key_stdin).post(f"{_path(webhook)}/test", {}, if_lost=again)
    operation.out.show(
        sent, lambda out: out.print(Text(f"{plain(sent.get('type'))} {plain(sent.get('event'))} is on its way."))
    )


@app.command("replay")
def replay(
    ctx: typer.Context,
    *,
    webhook: WebhookId,
    since: Annotated[str, typer.Option(metavar="WHEN", help="From when on: a span back like 2d, or an RFC 3339 time.")],
    until: Annotated[str, typer.Option(metavar="WHEN", help="Until before when. (default: now)")] = "",
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Tell a webhook again what was given up."""
    operation = begin(ctx, stage, as_json=as_json)
    now = operation.surroundings.clock()
    body = {"since": rfc3339(read_since(since, "--since", now))}
    body |= {"until": rfc3339(read_since(until, "--until", now))} if until else {}
    again = "The same command again tells what is left, and perhaps something twice."
    done = operation.api(key_stdin=api_key_stdin).post(f"{_path(webhook)}/replay", body, if_lost=again)

    def human(out: Console) -> None:
        out.print(f"{done.get('replayed')} on their way again; {done.get('looked_at')} dead letters looked at.")
        if done.get("more"):
            out.print("There may be more: do it again in two minutes.")

    operation.out.show(done, human)


@app.command("delete")
def delete(
    ctx: typer.Context,
    *,
    webhook: WebhookId,
    yes: Yes = False,
    stage: StageName = "",
    api_key_stdin: ApiKeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Forget a webhook and its secrets; what is under way to it is dropped."""
    operation = begin(ctx, stage, as_json=as_json)
    if operation.surroundings.interactive and not yes:
        typer.confirm(f"Forget {plain(webhook)} on stage {operation.stage.name}?", abort=True, err=True)
    operation.api(key_stdin=api_key_stdin).delete(_path(webhook))
    operation.out.show({"deleted": webhook}, lambda out: out.print(Text(f"{plain(webhook)} is forgotten.")))


def _path(webhook: str) -> str:
    return f"{_PATH}/{segment(webhook)}"


def _show(operation: Operation, webhook: Mapping[str, Any]) -> None:
    rows = [(name, _written(value)) for name, value in webhook.items()]
    operation.out.show(webhook, lambda out: out.print(details(rows)))


def _show_with_secret(operation: Operation, webhook: Mapping[str, Any]) -> None:
    _show(operation, webhook)
    operation.out.note("The secret is shown this once: give it to the receiver now.")


def _written(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
