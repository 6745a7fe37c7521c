"""`python -m proofs [part ...] [--road NAME] [--output PATH] [--page PATH]`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from proofs import crash, crowd, digests, emergencies, endings, lives, lives_report, notices, report, unwritten
from proofs import trust_report as trust
from proofs.ground import prepared
from proofs.roads import ROADS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proofs.ground import Ground
    from proofs.roads import Road

PARTS = ("crowd", "crash", "faults", "lives", "incidents", "digests", "notices", "unwritten")
WIDTH = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove, show, write; gives 1 if anything came otherwise than the specification says."""
    parser = argparse.ArgumentParser(prog="python -m proofs", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"some of: {' '.join(PARTS)}; default all")
    parser.add_argument(
        "--road", action="append", choices=[road.name for road in ROADS], help="lives on this road only"
    )
    parser.add_argument("--output", type=Path, help="where to write all that was seen, as JSON")
    parser.add_argument("--page", type=Path, help="the page of the documentation whose tables to write anew")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.parts) - set(PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    begin = time.monotonic()
    proofs = Proofs(console, tuple(road for road in ROADS if not options.road or road.name in options.road))
    with prepared() as ground:
        console.print(f"[dim]the stack runs, {time.monotonic() - begin:.1f} s[/]")
        for part in options.parts or PARTS:
            proofs.prove(part, ground)
    proofs.show()
    if options.output:
        options.output.write_text(json.dumps(proofs.as_json(), indent=1) + "\n")
    if options.page:
        report.write_page(options.page, proofs.page())
    wrong = proofs.wrong()
    verdict = f"[red]{wrong} came otherwise than specified[/]" if wrong else "[green]all as specified[/]"
    console.print(f"{verdict}, {time.monotonic() - begin:.0f} s")
    return 1 if wrong else 0


class Proofs:
    """What was seen so far, told line by line."""

    def __init__(self, console: Console, roads: Sequence[Road]) -> None:
        self.console = console
        self.roads = roads
        self.crowds: list[crowd.Crowd] = []
        self.crashes: list[crash.Row] = []
        self.endings: list[endings.Ending] = []
        self.lives: list[lives.Row] = []
        self.incidents: list[emergencies.Row] = []
        self.digests: list[digests.Row] = []
        self.notices: list[notices.Row] = []
        self.unwritten: list[unwritten.Unwritten] = []

    def prove(self, part: str, ground: Ground) -> None:
        """Go through one part."""
        run: dict[str, Callable[[Ground], None]] = {
            "crowd": self._crowd,
            "crash": self._crash,
            "faults": self._faults,
            "lives": self._lives,
            "incidents": self._incidents,
            "digests": self._digests,
            "notices": self._notices,
            "unwritten": self._unwritten,
        }
        run[part](ground)

    def show(self) -> None:
        """Print the tables."""
        if self.crowds:
            self._print("Many at once on an expired token", report.CROWD_HEADS, report.crowd_lines(self.crowds))
        if self.crashes:
            living, dead = report.halves(self.crashes)
            title = "SIGKILL before and after every call of a refresh"
            self._print(title, report.CRASH_HEADS, report.crash_lines(living))
            self.console.print(report.window(living))
            title = "The same where the owner has ended the grant"
            self._print(title, report.CRASH_HEADS, report.crash_lines(dead))
        if self.endings:
            title = "Faults of the token endpoint"
            self._print(title, report.FAULT_HEADS, report.fault_lines(self.endings, measured=True))
        for road, lines in lives_report.by_road(self.lives):
            self._print(f"A message: {road}", lives_report.HEADS, lines)
        if self.lives:
            self.console.print(lives_report.totals(self.lives))
        if self.incidents:
            self._print("An incident whose command is killed", trust.INCIDENT_HEADS, trust.incidents(self.incidents))
        if self.digests:
            self._print("A digest whose auditor is killed", trust.DIGEST_HEADS, trust.digests(self.digests))
        if self.notices:
            self._print("A notice on its way to a webhook", trust.NOTICE_HEADS, trust.notices(self.notices))
        if self.unwritten:
            self._print("An audit log that refuses everything", trust.UNWRITTEN_HEADS, trust.unwritten(self.unwritten))

    def wrong(self) -> int:
        """Count what came otherwise than specified."""
        verdicts = [each.holds for each in self.crowds] + [each.holds for each in self.crashes]
        verdicts += [each.holds for each in self.endings] + [each.holds for each in self.lives]
        verdicts += [each.holds for each in self.incidents] + [each.holds for each in self.digests]
        verdicts += [each.holds for each in self.notices] + [each.holds for each in self.unwritten]
        return verdicts.count(False)

    def page(self) -> dict[str, str]:
        """Write what the page of the documentation has to show, by name."""
        shown = report.parts(self.crashes, self.endings)
        if self.lives:
            shown |= {"lives": lives_report.page(self.lives), "lives counted": lives_report.totals(self.lives)}
        return shown | trust.page(self.incidents, self.digests, self.notices)

    def as_json(self) -> dict[str, Any]:
        """Give all of it for a file, and what the page of the documentation has to show."""
        return {
            "crowd": [each.as_json() for each in self.crowds],
            "crash": [each.as_json() for each in self.crashes],
            "faults": [each.as_json() for each in self.endings],
            "lives": [each.as_json() for each in self.lives],
            "incidents": [each.as_json() for each in self.incidents],
            "digests": [each.as_json() for each in self.digests],
            "notices": [each.as_json() for each in self.notices],
            "unwritten": [each.as_json() for each in self.unwritten],
            "page": self.page(),
        }

    def _crowd(self, ground: Ground) -> None:
        for prove in (crowd.refreshers, crowd.messages):
            seen = prove(ground)
            self.crowds.append(seen)
            self._line(f"{seen.what}: {seen.served} served, {seen.token_calls} token calls", seen, seen.holds)

    def _crash(self, ground: Ground) -> None:
        for row in crash.prove(ground):
            self.crashes.append(row)
            side = "after" if row.answered else "before"
            self._line(f"{row.case:8} killed {side:6} {row.call}: {row.seen.outcome}", row, row.holds)

    def _faults(self, ground: Ground) -> None:
        for ending in endings.prove(ground):
            self.endings.append(ending)
            self._line(f"{ending.provider:8} {ending.fault}: {ending.seen.state}", ending, ending.holds)

    def _lives(self, ground: Ground) -> None:
        for row in lives.prove(ground, self.roads):
            self.lives.append(row)
            self._line(f"{row.road}: {row.number + 1} {row.call}, {row.how}: {row.seen.told}", row, row.holds)

    def _incidents(self, ground: Ground) -> None:
        for row in emergencies.prove(ground):
            self.incidents.append(row)
            side = "after" if row.answered else "before"
            self._line(f"incident killed {side:6} {row.call}: {row.seen.found}, {row.seen.message}", row, row.holds)

    def _digests(self, ground: Ground) -> None:
        for row in digests.prove(ground):
            self.digests.append(row)
            side = "after" if row.answered else "before"
            self._line(f"digest killed {side:6} {row.call}: {row.seen.told}", row, row.holds)

    def _notices(self, ground: Ground) -> None:
        for row in notices.prove(ground):
            self.notices.append(row)
            self._line(f"notice: {row.number + 1} {row.call}, {row.how}: {row.seen.told}", row, row.holds)

    def _unwritten(self, ground: Ground) -> None:
        for seen in unwritten.prove(ground):
            self.unwritten.append(seen)
            self._line(f"audit log refused: {seen.whole} of {seen.messages} whole, {seen.kept} kept", seen, seen.holds)

    def _line(self, text: str, seen: object, holds: bool) -> None:  # noqa: FBT001
        self.console.print(f"{'[green]✓[/]' if holds else '[red]✗[/]'} {escape(text)}")
        if not holds:
            self.console.print(f"  [red]{escape(str(seen))}[/]")

    def _print(self, title: str, heads: Sequence[str], lines: list[report.Line]) -> None:
        self.console.print()
        self.console.print(report.table(title, heads, lines))


if __name__ == "__main__":
    sys.exit(main())
