"""What goes wrong on purpose."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Happening: TypeAlias = Exception | Callable[[], object]
"""An error to raise, or something somebody else does at that moment."""


class Faults:
    """Happenings for the calls to come, each used once; `calls` names every call that was made, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._before: defaultdict[str, deque[Happening]] = defaultdict(deque)
        self._after: defaultdict[str, deque[Happening]] = defaultdict(deque)

    def before(self, operation: str, happening: Happening, *, times: int = 1) -> None:
        """Let it happen before the next calls take effect; an error then means that nothing was done."""
        self._before[operation].extend([happening] * times)

    def after(self, operation: str, happening: Happening, *, times: int = 1) -> None:
        """Let it happen after the next calls took effect; an error then means that the answer was lost."""
        self._after[operation].extend([happening] * times)

    @contextmanager
    def around(self, operation: str) -> Iterator[None]:
        """Mark the effect of a call."""
        self.calls.append(operation)
        _happen(self._before[operation])
        yield
        _happen(self._after[operation])


def _happen(happenings: deque[Happening]) -> None:
    if not happenings:
        return
    happening = happenings.popleft()
    if isinstance(happening, Exception):
        raise happening
    happening()
