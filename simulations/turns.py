"""Simulated time for real threads: one runs at a time, and whoever sleeps gives the turn to who wakes first.

So a run is the same each time, whatever the machine does meanwhile, and processes overlap as they would at AWS.
"""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes import FakeClock

_WORTH_A_TURN = 0.025


class Killed(BaseException):
    """AWS ends the process here."""


class _Task:
    """One thread; `turn` is released when it may go on. It is killed when it wakes after `until`."""

    def __init__(self, until: float) -> None:
        self.turn = threading.Lock()
        self.turn.acquire()
        self.until = until
        self.owed = 0.0
        self.ended = False
        self.error: BaseException | None = None
        self.waiting: list[_Task] = []


class Turns:
    """Hands one turn around among threads, in the order of simulated time."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._waking: list[tuple[float, int, _Task]] = []
        self._numbers = itertools.count()
        self._own = threading.local()

    def sleep(self, seconds: float) -> None:
        """Let others run until so much simulated time has passed; raises `Killed` if that is over the time-out.

        A few milliseconds are put on account and slept with the next sleep: handing the turn around takes real time.
        """
        task = self._task()
        task.owed += seconds
        if task.owed < _WORTH_A_TURN:
            return
        seconds, task.owed = task.owed, 0.0
        self._wake(task, min(self._clock.now + seconds, task.until))
        self._pass_on(task)
        if self._clock.now >= task.until:
            raise Killed

    def start(self, work: Callable[[], object], *, timeout: float = math.inf) -> _Task:
        """Start a thread, which runs when this one sleeps or waits; it has its parent's time-out or one of its own."""
        task = _Task(min(self._task().until, self._clock.now + timeout))

        def run() -> None:
            self._own.task = task
            task.turn.acquire()
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - raised by whoever waits for this thread
                task.error = error
            task.ended = True
            for waiting in task.waiting:
                self._wake(waiting, self._clock.now)
            self._next().turn.release()

        threading.Thread(target=run, daemon=True).start()
        self._wake(task, self._clock.now)
        return task

    def wait(self, task: _Task) -> None:
        """Wait until a thread has ended; raises what ended it."""
        own = self._task()
        while not task.ended:
            task.waiting.append(own)
            self._pass_on(own)
        if task.error is not None:
            raise task.error

    def at_once(self, lane: Callable[[], None], count: int) -> None:
        """Run `lane` so many times at once, in simulated time, and wait for all."""
        lanes = [self.start(lane) for _ in range(count)]
        for each in lanes:
            self.wait(each)

    def _task(self) -> _Task:
        """Give the task of this thread, which for the one that began is made here."""
        if not hasattr(self._own, "task"):
            self._own.task = _Task(math.inf)
        task: _Task = self._own.task
        return task

    def _wake(self, task: _Task, at: float) -> None:
        heapq.heappush(self._waking, (at, next(self._numbers), task))

    def _next(self) -> _Task:
        at, _, task = heapq.heappop(self._waking)
        self._clock.now = max(self._clock.now, at)
        return task

    def _pass_on(self, own: _Task) -> None:
        chosen = self._next()
        if chosen is not own:
            chosen.turn.release()
            own.turn.acquire()
