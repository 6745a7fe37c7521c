"""`mailbearer audit`: read what was done."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from cli.moments import read_since
from cli.operation import begin
from cli.options import AsJson, StageName
from cli.output import console, plain, write_json

app = typer.Typer(no_args_is_help=True, help="Read the audit log.")

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
        operation.out.show([line.event for line in lines], lambda out: _print(out, lines))
        return
    seen: dict[str, int] = {}
    while True:
        fresh = [line for line in lines if line.id not in seen]
        for line in fresh:
            if as_json:
                write_json(line.event)
            seen[line.id] = line.timestamp
        if not as_json:
            _print(console(), fresh)
        operation.surroundings.sleep(_PAUSE)
        # Late lines are looked for again, and only what may come again has to be remembered.
        start = max(start, max(seen.values(), default=start) - _LATE)
        seen = {line_id: timestamp for line_id, timestamp in seen.items() if timestamp >= start}
        lines = _read(logs, group, start)


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


def _print(out: Console, lines: Iterable[_Line]) -> None:
    for line in lines:
        out.print(_human(line.event))


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
