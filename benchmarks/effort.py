"""How long the measures may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Repetitions that count, for each measure; `interpreters` in all for measures of start-up."""

    starts: int
    calls: int
    attachments: int
    batches: int
    audit_events: int
    other_pythons: bool = True


FULL = Effort(starts=11, calls=400, attachments=9, batches=15, audit_events=100_000)
QUICK = Effort(starts=3, calls=100, attachments=3, batches=5, audit_events=10_000, other_pythons=False)
