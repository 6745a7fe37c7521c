"""`mailbearer incident`: shut mailboxes in an emergency, see what was sent, and let them come back."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.incident_drill import drill
from cli.incident_files import ReportFiles
from cli.moments import read_since
from cli.operation import Operation, begin
from cli.options import AsJson, StageName, Yes
from cli.output import console, details, plain, table
from cli.refusal import Refused
from mailbearer.errors import Unavailable
from mailbearer.ids import rfc3339
from mailbearer.incident import Incident, Reach
from mailbearer.incidents.book import Progress
from mailbearer.incidents.containing import Contained
from mailbearer.incidents.declaring import Emergency
from mailbearer.incidents.reporting import incident_resource
from mailbearer.incidents.resolving import Resolved, Return
from mailbearer.lookup import find_account
from mailbearer.revocation import LONGEST_IN_FLIGHT

_COLUMNS = ("id", "state", "reach", "target", "declared_at", "contained_at", "resolved_at", "drill", "reason")
_SUMMARY = ("accounts", "shut", "being_retried", "manual_steps", "owners_told", "keys_disabled", "messages_sent")
_GOES_ON = "The schedule goes on every five minutes; the same command again is safe."
_WAYS = {
    Return.CONNECTED: "send again, or are paused as they were",
    Return.OWNER_ASKED: "wait for their owners, who get a link within minutes; what was held goes afterwards",
    Return.AS_BEFORE: "wait for their first consent as before",
    Return.STILL_SHUT: "stay shut by another incident",
    Return.REVOCATION_OPEN: "come back when the provider has been told of the revocation; the schedule goes on",
    Return.REFUSED: "were refused by their provider: `mailbearer accounts show` says why; add them again when mended",
    Return.LEFT: "could not be brought back yet: the same command again goes on",
}

IncidentId = Annotated[str, typer.Argument(metavar="ID", help="The incident's id, inc_...; `incident list` shows it.")]
ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FILE",
        help="Write the report there as a page for people; beside it as .json, and each message as a line of .jsonl.",
    ),
]

app = typer.Typer(no_args_is_help=True, help="Shut mailboxes in an emergency, and let them come back.")
app.command("drill")(drill)


@app.command("declare")
def declare(
    ctx: typer.Context,
    *,
    account: Annotated[str, typer.Option(help="Shut this mailbox: its id or its address.")] = "",
    provider: Annotated[str, typer.Option(metavar="NAME", help="Shut all mailboxes of this registration.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Shut all mailboxes.")] = False,
    reason: Annotated[str, typer.Option(help="Why, on one line; it stands in the report.")],
    since: Annotated[str, typer.Option(help="Report what was sent from when on: 24h, 7d or a time.")] = "24h",
    disable_keys: Annotated[
        bool, typer.Option("--disable-keys", help="Disable the API keys that reach nothing else as well.")
    ] = False,
    report: ReportFile = None,
    yes: Yes = False,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Shut mailboxes at once, end their grants, and report what was sent; ends with 1 if one could not be shut.

    First every mailbox is shut here, so that new mail is refused and accepted mail waits. Then the providers are told
    and the secrets retired. The command may be stopped at any moment: the schedule does the rest.
    """
    if [bool(account), bool(provider), everything].count(True) != 1:
        raise Refused("Say what to shut: one of --account, --provider and --all.", exit_code=2)
    operation = _begin(ctx, stage, as_json=as_json)
    now = operation.surroundings.clock()
    reach = Reach.ACCOUNT if account else Reach.PROVIDER if provider else Reach.ALL
    wanted = Emergency(
        reach=reach,
        target=_account_id(operation, account) if account else provider,
        reason=reason,
        since=read_since(since, "--since", now),
        disable_keys=disable_keys,
    )
    if operation.surroundings.interactive and not yes:
        what = {Reach.ACCOUNT: account, Reach.PROVIDER: f"all mailboxes of {provider}", Reach.ALL: "all mailboxes"}
        typer.confirm(f"Shut {plain(what[reach])} on stage {operation.stage.name}?", abort=True, err=True)
    with _files(report) as files:
        wiring, actor = operation.cloud.wiring, _actor(operation)
        incident = wiring.declaration.declare(wanted, actor=actor)
        operation.out.note(f"Incident {incident.id}. {_GOES_ON}")
        with _progress() as watch:
            done = wiring.containment.contain(incident, actor=actor, watch=watch)
        said = _reported(operation, done.incident, files)
        shown = {"incident": incident_resource(done.incident), "containment": _contained(done)} | said
        operation.out.show(shown, lambda out: _print_contained(out, done, said, files))
        if not done.complete:
            raise typer.Exit(1)


@app.command("list")
def list_(ctx: typer.Context, *, stage: StageName = "", as_json: AsJson = False) -> None:
    """List the incidents, the newest first."""
    operation = _begin(ctx, stage, as_json=as_json)
    found = [incident_resource(one) for one in operation.cloud.wiring.incident_store.listing()]

    def human(out: Console) -> None:
        if found:
            out.print(table(_COLUMNS, ([one[name] for name in _COLUMNS] for one in found)))
        else:
            out.print("There are no incidents.")

    operation.out.show(found, human)


@app.command("show")
def show(ctx: typer.Context, *, incident_id: IncidentId, stage: StageName = "", as_json: AsJson = False) -> None:
    """Show one incident."""
    operation = _begin(ctx, stage, as_json=as_json)
    shown = incident_resource(operation.cloud.wiring.incident_book.find(incident_id))
    operation.out.show(shown, lambda out: out.print(details(shown.items())))


@app.command("report")
def report_(
    ctx: typer.Context,
    *,
    incident_id: IncidentId,
    report: ReportFile = None,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Make an incident's report anew, as things stand now, and keep it in the archive; ends with 1 if it is not whole.

    --json prints it without the messages, of which there may be many: --report writes them into a file.
    """
    operation = _begin(ctx, stage, as_json=as_json)
    with _files(report) as files:
        incident = operation.cloud.wiring.incident_book.find(incident_id)
        made = operation.cloud.wiring.incident_reporting.make(incident, keep=files.keep if files else None)
        if files:
            files.finish(made)
        operation.out.show(made, lambda out: _print_report(out, made, files))
        if made["missing"]:
            raise typer.Exit(1)


@app.command("resolve")
def resolve(
    ctx: typer.Context,
    *,
    incident_id: IncidentId,
    enable_keys: Annotated[
        bool, typer.Option("--enable-keys", help="Enable the API keys again that the incident disabled.")
    ] = False,
    yes: Yes = False,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Let come back what may; the same command again goes on with what was left. Ends with 1 if something is."""
    operation = _begin(ctx, stage, as_json=as_json)
    wiring = operation.cloud.wiring
    incident = wiring.incident_book.find(incident_id)
    if operation.surroundings.interactive and not yes:
        typer.confirm(f"Resolve {incident.id} on stage {operation.stage.name}?", abort=True, err=True)
    with _progress() as watch:
        done = wiring.resolution.resolve(incident, actor=_actor(operation), enable_keys=enable_keys, watch=watch)
    shown = {"incident": incident_resource(done.incident), "resolution": _resolved(done)}
    operation.out.show(shown, lambda out: _print_resolved(out, done))
    if not done.complete:
        raise typer.Exit(1)


# --- what the commands share ------------------------------------------------------------------------------------------


def _begin(ctx: typer.Context, stage: str, *, as_json: bool) -> Operation:
    operation = begin(ctx, stage, as_json=as_json)
    operation.cloud.output("IncidentsTableName")
    return operation


def _actor(operation: Operation) -> str:
    """Give who acts; an emergency does not wait for the service that knows his name."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - with the first call to AWS

    try:
        return operation.cloud.actor
    except (BotoCoreError, ClientError):
        return "operator"


def _account_id(operation: Operation, reference: str) -> str:
    account = find_account(operation.cloud.wiring.accounts, reference)
    if account is None:
        raise Refused(f"There is no account {reference}.", remedy="`mailbearer accounts list` shows them all.")
    return account.id


@contextmanager
def _progress() -> Iterator[Callable[[Progress], object]]:
    """Show on standard error how far it has come."""
    words = {"shut": "mailboxes shut", "revoked": "grants ended", "returned": "mailboxes seen to"}
    with console(err=True).status("Looking for mailboxes.") as status:

        def watch(progress: Progress) -> None:
            failed = f", {progress.failed} to be tried again" if progress.failed else ""
            status.update(f"{progress.done} {words[progress.step]}{failed}.")

        yield watch


@contextmanager
def _files(report: Path | None) -> Iterator[ReportFiles | None]:
    """Open the files of a report before anything is done, so that a wrong path is known in time."""
    if report is None:
        yield None
        return
    with ReportFiles(report) as files:
        yield files


def _reported(operation: Operation, incident: Incident, files: ReportFiles | None) -> dict[str, Any]:
    """Make the report; whatever keeps it from being made, the mailboxes are shut."""
    try:
        made = operation.cloud.wiring.incident_reporting.make(incident, keep=files.keep if files else None)
    except Unavailable as error:
        return {"summary": None, "missing": [f"The report could not be made: {error.detail}"], "archived_as": None}
    if files:
        files.finish(made)
    steps = sorted({f"{one['address']}: {one['manual_step']}" for one in made["accounts"] if one["manual_step"]})
    return {
        "summary": made["summary"],
        "manual_steps": steps,
        "missing": made["missing"],
        "archived_as": made["archived_as"],
    }


def _contained(done: Contained) -> dict[str, Any]:
    possible = rfc3339(done.shut_at + LONGEST_IN_FLIGHT) if done.shut_at else None
    return {
        "complete": done.complete,
        "shut": done.shut,
        "shut_at": rfc3339(done.shut_at) if done.shut_at else None,
        "last_send_possible_until": possible,
        "revoked": done.revoked,
        "being_retried": done.unfinished,
        "not_shut": done.not_shut,
        "keys_disabled": done.keys_disabled,
        "keys_failed": done.keys_failed or None,
    }


def _resolved(done: Resolved) -> dict[str, Any]:
    return {
        "complete": done.complete,
        "returned": {str(way): count for way, count in done.returned.items()},
        "failed": done.failed,
        "keys_enabled": done.keys_enabled,
        "keys_failed": done.keys_failed or None,
    }


def _print_contained(out: Console, done: Contained, said: Mapping[str, Any], files: ReportFiles | None) -> None:
    shown = _contained(done)
    if done.complete:
        out.print(Text(f"{done.incident.id}: everything it covers is shut.", style="bold"))
        out.print("New mail is refused, accepted mail waits.")
        out.print(f"A call that was under way may still send until {shown['last_send_possible_until']} at the latest.")
    else:
        out.print(Text(f"{done.incident.id}: NOT everything is shut yet. {_GOES_ON}", style="bold red"))
    out.print()
    out.print(details((name, value) for name, value in shown.items() if name != "complete"))
    if said["summary"]:
        out.print(details((f"report: {name}", said["summary"][name]) for name in _SUMMARY))
    for step in said.get("manual_steps", ()):
        out.print(Text(plain(f"By hand: {step}")))
    _print_places(out, said, files)
    out.print(f"When it is over: mailbearer incident resolve {done.incident.id}")


def _print_report(out: Console, made: Mapping[str, Any], files: ReportFiles | None) -> None:
    out.print(details(made["incident"].items()))
    out.print()
    out.print(details(made["summary"].items()))
    columns = ("address", "state", "shut_at", "provider_told", "secret_retired", "retried_at", "manual_step")
    out.print(table(columns, ([one[name] for name in columns] for one in made["accounts"])))
    _print_places(out, made, files)


def _print_places(out: Console, said: Mapping[str, Any], files: ReportFiles | None) -> None:
    for each in said["missing"]:
        out.print(Text(plain(f"Missing: {each}"), style="yellow"))
    if said["archived_as"]:
        out.print(Text(plain(f"In the archive: {said['archived_as']}"), style="dim"))
    if files:
        out.print(Text(plain(f"Written: {', '.join(map(str, files.paths))}"), style="dim"))


def _print_resolved(out: Console, done: Resolved) -> None:
    out.print(Text(f"{done.incident.id} is resolved{'' if done.complete else ', and not all is done'}.", style="bold"))
    for way, count in done.returned.items():
        out.print(f"{count} {_WAYS[way]}.")
    for account, code in sorted(done.failed.items()):
        out.print(Text(plain(f"{account} could not be brought back [{code}]; the same command again goes on.")))
    if done.keys_enabled or done.keys_failed:
        failed = f", and not all [{done.keys_failed}]: the same command again goes on" if done.keys_failed else ""
        out.print(f"{done.keys_enabled} API keys are enabled again{failed}.")
