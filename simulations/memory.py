"""How much memory one run takes, however many mailboxes are due."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING

from mailbearer.ports.stores import Due
from mailbearer.schedule.rotation import RUN_TAKES
from simulations.providers import Profile
from simulations.world import Accounts, Queue, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.fakes import FakeClock


class _Endless(Accounts):
    """Behind the mailboxes that a run works there are so many more, made as they are asked for."""

    def __init__(self, more: int) -> None:
        super().__init__()
        self._more = more

    def due(self, now: float) -> Iterator[Due]:
        yield from super().due(now)
        yield from (Due(now, f"acc_{number:026}") for number in range(self._more))


class _Forgetful(Queue):
    """A queue that keeps nothing, so that only the run's own memory is measured."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.count = 0

    def put(self, due: Sequence[Due]) -> None:
        self.count += len(due)


def peak(accounts: int) -> int:
    """Give the most bytes that one run held with so many mailboxes due, its threads' stacks left out."""
    run(accounts)  # what is made once, by imports and caches, does not count
    gc.collect()
    tracemalloc.start()
    try:
        run(accounts)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def run(accounts: int) -> None:
    """Let one run meet so many due mailboxes. Raises `RuntimeError` if it did not do them all."""
    # In real threads, and time stands: what one of them waits for would count for all.
    world = World(1, lambda _: None)
    world.accounts = world.mailboxes = _Endless(accounts - RUN_TAKES)
    world.watch_port("accounts")
    queue = _Forgetful(world.clock)
    world.rotation_queue = queue
    now = world.clock()
    for number in range(RUN_TAKES):
        world.add(f"box{number}", Profile("rotated", 3600), due_at=now - 1, ends_at=now + 900)
    summary = world.process().run(deadline=now + 1e6)
    if (summary.refreshed, queue.count, summary.failed) != (RUN_TAKES, accounts - RUN_TAKES, 0):
        raise RuntimeError(str(summary))
