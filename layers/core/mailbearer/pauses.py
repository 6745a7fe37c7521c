"""How long to wait: with growth, so that nobody is hammered, and with chance, so that not all come back at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.ports import RandomBytes


def chance(random_bytes: RandomBytes) -> float:
    """Give a number from 0 to below 1."""
    return int.from_bytes(random_bytes(2), "big") / 2**16


def growing(first: float, longest: float, random_bytes: RandomBytes) -> Iterator[float]:
    """Give pauses (seconds) of which each ceiling is twice the one before, half of each left to chance."""
    ceiling = first
    while True:
        yield ceiling * (0.5 + 0.5 * chance(random_bytes))
        ceiling = min(longest, ceiling * 2)


def backoff(failures: int, *, least: float, longest: float, random_bytes: RandomBytes) -> float:
    """Give a pause (seconds) anywhere between `least` and a ceiling that doubles with each failure (full jitter)."""
    ceiling = min(longest, least * 2.0 ** min(failures, 16))
    return least + (ceiling - least) * chance(random_bytes)
