"""How much mail a worker holds in its memory at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

LIGHT = 1_000_000
"""Bytes of a message that is not weighed: ten of these are nothing to a worker."""

_CAPACITY = 60_000_000
"""Bytes of messages at once; each is there up to three times, as it is read, encoded and written."""


@dataclass(slots=True)
class _Load:
    """One message's weight; as a context manager it yields whether the worker carries it now."""

    _scales: Scales
    _weight: int
    _patience: float
    _carried: bool = False

    def __enter__(self) -> bool:
        self._carried = self._scales.take_up(self._weight, self._patience)
        return self._carried

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._carried:
            self._scales.put_down(self._weight)


@dataclass(slots=True)
class Scales:
    """Weigh messages, so that a batch of large ones does not cost a worker its life in the middle of its calls.

    One that is heavier than all a worker carries goes alone.
    """

    _carried: int = 0
    _free: threading.Condition = field(default_factory=threading.Condition)

    def load(self, size: int, patience: float) -> _Load:
        """Give a message's place as a context manager, which yields False if none came free within `patience` s."""
        return _Load(self, min(size, _CAPACITY) if size > LIGHT else 0, patience)

    def take_up(self, weight: int, patience: float) -> bool:
        """Carry a weight if there is room for it within `patience` seconds."""
        with self._free:
            fits = self._free.wait_for(lambda: self._carried + weight <= _CAPACITY or not weight, patience)
            self._carried += weight if fits else 0
            return fits

    def put_down(self, weight: int) -> None:
        """Make room again."""
        with self._free:
            self._carried -= weight
            self._free.notify_all()
