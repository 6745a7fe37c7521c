"""The practices by name, what was seen of each, and the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailbearer.ids import rfc3339
from mailbearer.verifying import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = (
    "understand OAuth2",
    "the right flow",
    "register the application",
    "store credentials safely",
    "handle errors",
    "least scope",
    "expiry",
    "validate regularly",
    "HTTPS only",
    "monitor and log",
    "educate users",
    "sandbox",
    "provider policy",
    "audit the implementation",
    "emergencies",
)
"""The practices in their order: the first is number 1."""

_WORST_FIRST = (Verdict.FAIL, Verdict.WARN, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Seen:
    """One piece of evidence: what it means, what was read, and, unless it is well, what to do."""

    verdict: Verdict
    evidence: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str | None]:
        """Give it as the report has it."""
        return {"outcome": str(self.verdict), "seen": self.evidence, "remedy": self.remedy or None}


@dataclass(frozen=True, slots=True)
class Row:
    """One practice with everything that was seen of it; the worst of that is its verdict."""

    number: int
    seen: tuple[Seen, ...]

    @property
    def name(self) -> str:
        """Give the practice's name."""
        return NAMES[self.number - 1]

    @property
    def verdict(self) -> Verdict:
        """Give the worst verdict; a row of which nothing was seen is a warning, for it proves nothing."""
        found = {seen.verdict for seen in self.seen}
        return next((verdict for verdict in _WORST_FIRST if verdict in found), Verdict.WARN)

    def as_dict(self) -> dict[str, Any]:
        """Give it as the report has it."""
        return {
            "number": self.number,
            "practice": self.name,
            "outcome": str(self.verdict),
            "evidence": [seen.as_dict() for seen in self.seen],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All rows, and when (epoch seconds) they were read of which stage."""

    stage: str
    at: float
    rows: tuple[Row, ...]

    def count(self, verdict: Verdict) -> int:
        """Count the rows of a verdict."""
        return sum(row.verdict is verdict for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Give it as it is kept and shown to machines."""
        return {
            "stage": self.stage,
            "at": rfc3339(self.at),
            "passed": self.count(Verdict.PASS),
            "warned": self.count(Verdict.WARN),
            "failed": self.count(Verdict.FAIL),
            "practices": [row.as_dict() for row in self.rows],
        }


def passed(evidence: str) -> Seen:
    """Say that something is well."""
    return Seen(Verdict.PASS, evidence)


def warned(evidence: str, remedy: str) -> Seen:
    """Say that something should be looked at, or could not be told."""
    return Seen(Verdict.WARN, evidence, remedy)


def failed(evidence: str, remedy: str) -> Seen:
    """Say that a practice is not kept."""
    return Seen(Verdict.FAIL, evidence, remedy)


def some(names: Sequence[str], most: int = 3) -> str:
    """Name the first few of many."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
