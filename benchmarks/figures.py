"""What a measure gives: figures, the yardstick's beside them, and how they stand to the budget."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Action: TypeAlias = Callable[[], float]
"""Do the thing once; give what it took, in seconds or whatever else is compared."""


@dataclass(frozen=True, slots=True)
class Series:
    """The figures of one thing's repetitions."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Give the median."""
        return statistics.median(self.values)

    def as_dict(self) -> dict[str, float]:
        """Give what is reported of it."""
        return {"median": self.median, "min": min(self.values), "max": max(self.values), "count": len(self.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the report.

    `unit` is that of `figure` and `yardstick`: `s` or `USD`. The budget binds the ratio of the medians, or the figure
    itself where there is no yardstick; without `must` the row is only shown.
    """

    measure: str
    name: str
    figure: Series
    against: str = ""
    yardstick: Series | None = None
    unit: str = "s"
    must: float | None = None
    stretch: float | None = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Give the ratio of the medians."""
        return None if self.yardstick is None else self.figure.median / self.yardstick.median

    @property
    def judged(self) -> float:
        """Give the number that the budget binds."""
        return self.figure.median if self.ratio is None else self.ratio

    @property
    def verdict(self) -> str:
        """Say how the row stands: `stretch`, `must`, `failed`, or nothing where there is no budget."""
        if self.must is None:
            return ""
        if self.judged > self.must:
            return "failed"
        return "stretch" if self.stretch is not None and self.judged <= self.stretch else "must"

    def as_dict(self) -> dict[str, Any]:
        """Give the row as JSON."""
        return {
            "measure": self.measure,
            "name": self.name,
            "unit": self.unit,
            "figure": self.figure.as_dict(),
            "against": self.against or None,
            "yardstick": self.yardstick.as_dict() if self.yardstick else None,
            "ratio": self.ratio,
            "must": self.must,
            "stretch": self.stretch,
            "verdict": self.verdict or None,
            "details": self.details,
        }


def interleave(actions: Sequence[Action], *, rounds: int, warm_up: int) -> list[Series]:
    """Run the actions in turn, A B A B, so that whatever slows this machine down meets them all alike.

    The first `warm_up` rounds do not count.
    """
    taken = [[action() for action in actions] for _ in range(warm_up + rounds)][warm_up:]
    return [Series(values) for values in zip(*taken, strict=True)]
