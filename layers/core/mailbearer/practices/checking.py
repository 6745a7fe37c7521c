"""The fifteen rows, each with its looks, and the report that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.errors import Unavailable
from mailbearer.practices import failing, registering, rehearsing, safekeeping, teaching, tokens, watching
from mailbearer.practices.keeping import keep
from mailbearer.practices.picture import Picture
from mailbearer.practices.practice import NAMES, Report, Row, warned
from mailbearer.verifying import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.practices.picture import Place, Seeing, Sources
    from mailbearer.practices.practice import Seen
    from mailbearer.trail import Trail

LOOKS: tuple[tuple[Seeing, ...], ...] = (
    (teaching.described, teaching.shown, teaching.guided),
    (registering.flows, registering.proof_keys, registering.belonging),
    (registering.credentials, registering.answered, registering.verified, registering.redirected),
    (safekeeping.vaulted, safekeeping.environments, safekeeping.tables, safekeeping.lines),
    (failing.understood, failing.explained),
    (tokens.granted, tokens.asked),
    (tokens.alive, tokens.ahead, tokens.scheduled),
    (tokens.tried, tokens.provable, tokens.ending),
    (safekeeping.front_door, safekeeping.endpoints, safekeeping.closed),
    (watching.logs, watching.alarms, watching.dashboard, watching.written),
    (teaching.worded, teaching.told),
    (rehearsing.separate, rehearsing.captured),
    (failing.own_limits, failing.kept, failing.throttled, failing.circuits),
    (watching.proven, watching.reported),
    (rehearsing.drilled, rehearsing.contained, rehearsing.revoked, rehearsing.heard),
)
"""The looks of each practice, in the order of their names."""

_UNREAD = "Allow it to whoever runs this (docs/reference/permissions.md, `auditor`); if it is allowed, run this again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Practices:
    """Check the practices of one stack, changing nothing."""

    sources: Sources
    place: Place
    trail: Trail

    def check(self, progress: Callable[[Row], object] = id) -> Report:
        """Give the whole report; `progress` hears of each row. What may not be read is a warning, never a pass."""
        picture = Picture(self.sources, self.place)
        rows = []
        for number, _ in enumerate(NAMES, start=1):
            rows.append(see(number, picture))
            progress(rows[-1])
        return Report(self.place.stage, picture.now, tuple(rows))

    def report(self) -> Report:
        """Check, keep the report, and note it in the audit log. Raises `Unavailable` if it cannot be kept."""
        report = self.check()
        name = keep(self.sources.archive, report)
        failing = ",".join(str(row.number) for row in report.rows if row.verdict is Verdict.FAIL)
        self.trail.note(
            "practices.checked",
            self.place.stage,
            "failed" if failing else "passed",
            failed=failing,
            warned=str(report.count(Verdict.WARN)),
            report=name,
        )
        return report


def see(number: int, picture: Picture) -> Row:
    """Look at one practice; a look that may not read what it needs does not stop the others."""
    seen: list[Seen] = []
    for look in LOOKS[number - 1]:
        try:
            seen.extend(look(picture))
        except Unavailable as error:
            seen.append(warned(f"Not known: {error.detail}", _UNREAD))
    return Row(number, tuple(seen))
