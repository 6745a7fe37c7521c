"""Time and randomness that a test holds in its hand."""

from __future__ import annotations

import itertools


class FakeClock:
    """A clock that stands until it is moved; epoch seconds."""

    def __init__(self, now: float = 1_750_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class CountedBytes:
    """Random bytes that are 1, 2, 3 and so on."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def __call__(self, length: int) -> bytes:
        return next(self._numbers).to_bytes(length, "big")
