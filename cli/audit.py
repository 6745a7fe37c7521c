"""`mailbearer audit`: read what was done, and prove that it was."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.audit_export import export
from cli.audit_verify import verify
from cli.moments import read_since
from cli.operation import Operation, begin
from cli.options import AsJson, StageName
from cli.output import console, plain, write_json
from cli.refusal import Refused
from mailbearer.auditing.searching import Wanted, search

app = typer.Typer(no_args_is_help=True, help="Read the audit log, and prove that it is as it was written.")
app.command("export")(export)
app.command("verify")(verify)

_PAUSE = 2.0  # seconds between two looks; CloudWatch allows five a second for a whole account and Region
_LATE = 60_000  # milliseconds by which a line may come in after lines that were written later


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the log: CloudWatch's id and time (epoch milliseconds), the stream, and the event that it holds."""

    id: str
    timestamp: int
    stream: str
    event: Mapping[str, Any]

    @property
    def place(self) -> tuple[int, int, str]:
        """Give what orders the lines of several writers, each time the same way."""
        seq = self.event.get("seq")
        return self.timestamp, seq if isinstance(seq, int) else 0, self.stream


@app.command("tail")
def tail(
    ctx: typer.Context,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new events until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option(help="From when on: 30m, 2d or a time.")] = "1h",
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Show the latest audit events, the oldest first; --json gives an array, with --follow one object per line."""
    operation = begin(ctx, stage, as_json=as_json)
    clock = operation.surroundings.clock
    start = int(read_since(since, "--since", clock()) * 1000)
    group = operation.cloud.output("AuditLogGroup")
    logs = operation.cloud.clients.logs
    lines = _read(logs, group, start)
    if not follow:
        operation.out.show([line.event for line in lines], lambda out: _print(out, (line.event for line in lines)))
        return
    seen: dict[str, int] = {}
    while True:
        fresh = [line for line in lines if line.id not in seen]
        for line in fresh:
            if as_json:
                write_json(line.event)
            seen[line.id] = line.timestamp
        if not as_json:
            _print(console(), (line.event for line in fresh))
        operation.surroundings.sleep(_PAUSE)
        # Late lines are looked for again, and only what may come again has to be remembered.
        start = max(start, max(seen.values(), default=start) - _LATE)
        seen = {line_id: timestamp for line_id, timestamp in seen.items() if timestamp >= start}
        lines = _read(logs, group, start)


@app.command("search")
def search_(
    ctx: typer.Context,
    *,
    action: Annotated[
        str, typer.Option(metavar="PATTERN", help="subject.verb; * stands for anything: 'token.*'.")
    ] = "",
    subject: Annotated[str, typer.Option(help="What it was done to: a message's, account's or key's id, a name.")] = "",
    actor: Annotated[str, typer.Option(help="Who did it: a key's id, an ARN, schedule, queue, a function.")] = "",
    outcome: Annotated[str, typer.Option(help="How it ended: sent, refused, intended, ...")] = "",
    account: Annotated[str, typer.Option(help="An account's id or address: what is about it and its messages.")] = "",
    since: Annotated[str, typer.Option(help="From when on: 30m, 2d or a time.")] = "1d",
    until: Annotated[str, typer.Option(help="Until when: a span back or a time. (default: now)")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Show no more than so many, from --since on.")] = 1000,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Show the audit events that fit all of the options, the oldest first."""
    operation = begin(ctx, stage, as_json=as_json)
    now = operation.surroundings.clock()
    start = int(read_since(since, "--since", now) * 1000)
    end = int((read_since(until, "--until", now) if until else now) * 1000) + 1
    accounts = _accounts(operation, account) if account else frozenset[str]()
    wanted = Wanted(action=action, subject=subject, actor=actor, outcome=outcome, accounts=accounts)
    found = search(operation.cloud.wiring.audit_reader, wanted, since=start, until=end)
    events = [entry.event for entry in islice(found, limit)]
    operation.out.show(events, lambda out: _print(out, events))
    if len(events) == limit and not as_json:
        operation.out.note(f"These are the first {limit}; there may be more. Narrow the search, or raise --limit.")


def _accounts(operation: Operation, named: str) -> frozenset[str]:
    """Give the ids of the accounts that are meant; an address may have had several."""
    if "@" not in named:
        return frozenset({named})
    found = frozenset(account.id for account in operation.cloud.wiring.accounts.by_address(named))
    if not found:
        raise Refused(
            f"There is no account {named}.", remedy="Of a mailbox that was deleted give the id: --account acc_..."
        )
    return found


def _read(logs: Any, group: str, start: int) -> list[_Line]:
    """Read every line from `start` (epoch milliseconds) on, in order."""
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=start)
    found = (
        _Line(str(entry["eventId"]), entry["timestamp"], entry["logStreamName"], _event(entry["message"]))
        for page in pages
        for entry in page["events"]
    )
    return sorted(found, key=lambda line: line.place)


def _event(message: str) -> Mapping[str, Any]:
    """Read a line; what is no event of ours is shown as it is, since nothing else belongs into this log."""
    try:
        event = json.loads(message)
    except ValueError:
        event = None
    return event if isinstance(event, dict) else {"unreadable": message}


def _print(out: Console, events: Iterable[Mapping[str, Any]]) -> None:
    for event in events:
        out.print(_human(event))


def _human(event: Mapping[str, Any]) -> Text:
    if "unreadable" in event:
        return Text(f"unreadable: {plain(event['unreadable'])}", style="red")
    facts = event.get("facts")
    pairs = [f"{name}={value}" for name, value in facts.items()] if isinstance(facts, dict) else []
    return Text.assemble(
        (f"{plain(event.get('at', '')):<24}  ", "dim"),
        (f"{plain(event.get('action', '')):<24}", "bold"),
        f"  {plain(event.get('outcome', '')):<10}  {plain(event.get('subject', ''))}",
        (f"  by {plain(event.get('actor', ''))}", "dim"),
        "".join(f"  {plain(part)}" for part in (event.get("reason"), *pairs) if part),
    )
