"""Doing one thing to many, so many at once; and writing down beside it what was done."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Self, TypeVar

from mailbearer.errors import MailbearerError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mailbearer.trail import Trail

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 32


def each(work: Callable[[T], R], things: Iterable[T]) -> Iterator[tuple[T, R | MailbearerError]]:
    """Do something to each thing, 32 at once, and give what came of each as it comes.

    The things are read as they are needed. What is none of our errors is raised.
    """
    waiting: dict[Future[R], T] = {}
    things = iter(things)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="incident") as pool:
        while True:
            for thing in islice(things, 2 * AT_ONCE - len(waiting)):
                waiting[pool.submit(work, thing)] = thing
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                result: R | MailbearerError
                try:
                    result = future.result()
                except MailbearerError as error:
                    result = error
                yield waiting.pop(future), result


class Scribe:
    """Writes the audit trail in a thread of its own: a log that hangs delays nobody in an emergency.

    What neither log nor spool takes stays in memory and is tried again with the next writing.
    """

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="scribe")
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.submit(self._write)
        self._pool.shutdown()

    def write(self) -> None:
        """Let what was noted be written, unless that is under way."""
        if self._last is None or self._last.done():
            self._last = self._pool.submit(self._write)

    def _write(self) -> None:
        with suppress(Unavailable):
            self._trail.flush()
