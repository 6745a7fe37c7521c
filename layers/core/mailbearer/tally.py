"""Counting over several threads."""

from __future__ import annotations

import threading


class Tally:
    """A number that grows, and begins again at nothing whenever it is taken; safe for several threads."""

    def __init__(self) -> None:
        self._number = 0
        self._lock = threading.Lock()

    def add(self) -> None:
        """Count one more."""
        with self._lock:
            self._number += 1

    def take(self) -> int:
        """Give what was counted since the last time."""
        with self._lock:
            number, self._number = self._number, 0
        return number
