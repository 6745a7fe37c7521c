"""`mailbearer practices`: whether the fifteen practices are kept, with the evidence that the live stack gives."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.operation import Operation, begin
from cli.options import AsJson, StageName
from cli.output import console, plain
from cli.practices_page import page_of
from cli.refusal import Refused
from cli.verify import verification_of
from mailbearer.practices.checking import Practices
from mailbearer.practices.keeping import newest_report
from mailbearer.practices.practice import NAMES, Report

_STYLES = {"pass": "green", "warn": "yellow", "fail": "bold red"}


def practices(
    ctx: typer.Context,
    *,
    live: Annotated[
        bool, typer.Option("--live", help="Test each registration at its provider too, as `providers verify` does.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Show the newest report that the schedule kept; look at nothing now.")
    ] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write them as a page too, into this file.")] = None,
    stage: StageName = "",
    as_json: AsJson = False,
) -> None:
    """Check the fifteen practices on the live stack, each with its evidence and the remedy.

    It reads and changes nothing, and sees no secret's value. Ends with 1 if a practice is not kept.
    """
    operation = begin(ctx, stage, as_json=as_json)
    found = _kept(operation) if report else _checked(operation, live=live).as_dict()
    if html:
        _write(html, page_of(found))
    operation.out.show(found, lambda out: _print(out, found))
    if found["failed"]:
        raise typer.Exit(1)


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Refused(
            f"{path} cannot be written: {error.strerror}.", remedy="Name another file.", exit_code=2
        ) from error


def _checked(operation: Operation, *, live: bool) -> Report:
    """Look at every practice, saying on a terminal which one is being looked at."""
    ready: Practices = operation.cloud.wiring.practices
    if live:
        ready = replace(ready, sources=replace(ready.sources, verify=verification_of(operation).run))
    if not operation.surroundings.interactive:
        return ready.check()
    with console(err=True).status("Looking at the stack ...") as status:
        return ready.check(lambda row: status.update(f"{row.number} of {len(NAMES)} practices looked at ..."))


def _kept(operation: Operation) -> dict[str, Any]:
    kept = newest_report(operation.cloud.wiring.archive, operation.surroundings.clock())
    if kept is None:
        raise Refused(
            "The schedule has not kept a report in the last 60 days.",
            remedy="It does once a day. Without --report the practices are checked now.",
        )
    found: dict[str, Any] = json.loads(kept)
    return found


def _print(out: Console, report: Mapping[str, Any]) -> None:
    made = Table("", "practice", "", "evidence", box=None, pad_edge=False, header_style="bold")
    for row in report["practices"]:
        # A row that is not kept shows what is wrong; its other evidence is in the JSON.
        shown = [each for each in row["evidence"] if each["outcome"] == row["outcome"]]
        evidence = Text("\n".join(plain(each["seen"]) for each in shown), overflow="fold")
        verdict = Text(row["outcome"], style=_STYLES[row["outcome"]])
        made.add_row(Text(f"{row['number']:>2}"), Text(row["practice"], style="bold"), verdict, evidence)
    out.print(made)
    counts = f"{report['passed']} kept, {report['warned']} to look at, {report['failed']} not kept"
    out.print(Text(f"\n{counts}. Stage {plain(report['stage'])}, {plain(report['at'])}."))
    todo = [(row, each) for row in report["practices"] for each in row["evidence"] if each["outcome"] != "pass"]
    if todo:
        out.print(Text("\nWhat to do:", style="bold"))
    for row, each in sorted(todo, key=lambda found: found[1]["outcome"] != "fail"):
        head = Text.assemble((f"{row['number']:>2} ", _STYLES[each["outcome"]]), plain(each["seen"]))
        out.print(head)
        out.print(Text(f"   {plain(each['remedy'])}", style="dim"))
