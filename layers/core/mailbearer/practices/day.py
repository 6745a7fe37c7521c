"""What the audit log says of the last day, counted in one pass."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports import Clock
    from mailbearer.ports.proof import AuditReader

DAY = 86_400.0
HOUR = 3600.0
MOST_LINES = 100_000
"""So many lines are read, the newest hours first: about 50 MB, so fifty of CloudWatch's pages."""

PATIENCE = 60.0
"""Seconds after which no further hour is begun."""

_SEARCHED = 10_000  # lines that are searched for secrets; the end-to-end tests search them all
_REFUSALS = frozenset(
    {
        "account.mail_refused",
        "consent.refused",
        "message.deferred",
        "message.failed",
        "registration.refused",
        "token.refresh_failed",
        "token.rejected",
        "token.unusable",
    }
)


@dataclass(slots=True)
class Day:
    """Counts of what happened from `since` (epoch seconds) on; `whole` says that this is the whole day.

    `refusals` counts our codes for what providers refused, `refreshed_by` tokens by who refreshed them, `sent_by`
    messages by account. `leaking` are the ids of lines in which something has the shape of a secret.
    """

    since: float
    whole: bool = True
    lines: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    refreshed_by: Counter[str] = field(default_factory=Counter)
    sent_by: Counter[str] = field(default_factory=Counter)
    registrations_refused: Counter[str] = field(default_factory=Counter)
    leaking: list[str] = field(default_factory=list)

    @property
    def span(self) -> str:
        """Say what was read."""
        return "the last 24 h" if self.whole else f"the newest {self.lines} audit events"

    def add(self, text: str, looks_secret: Callable[[str], bool]) -> None:
        """Count one line; what is no event belongs to the audit's own check."""
        self.lines += 1
        event = _event(text)
        if event is None:
            return
        action, reason = str(event.get("action", "")), str(event.get("reason", ""))
        facts = event.get("facts")
        facts = facts if isinstance(facts, dict) else {}
        self.happened[action] += 1
        if action in _REFUSALS:
            self.refusals[str(facts.get("finding") or reason)] += 1
        if action == "token.refreshed":
            self.refreshed_by[str(event.get("actor", ""))] += 1
        elif action == "message.sent":
            self.sent_by[str(facts.get("account", ""))] += 1
        elif action == "registration.refused":
            self.registrations_refused[str(event.get("subject", ""))] += 1
        if self.lines <= _SEARCHED and looks_secret(text):
            self.leaking.append(str(event.get("id", "")))


def read_day(reader: AuditReader, clock: Clock, looks_secret: Callable[[str], bool]) -> Day:
    """Count the last day, the newest hour first, until it is done, or is too much. Raises `Unavailable`."""
    begun = clock()
    day = Day(since=begun)
    while day.since > begun - DAY:
        if day.lines >= MOST_LINES or clock() > begun + PATIENCE:
            day.whole = False
            break
        since, until = int((day.since - HOUR) * 1000), int(day.since * 1000)
        for line in reader.lines(since=since, until=until):
            day.add(line.text, looks_secret)
            if day.lines >= MOST_LINES:
                break
        day.since -= HOUR
    return day


def _event(text: str) -> dict[str, Any] | None:
    try:
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
