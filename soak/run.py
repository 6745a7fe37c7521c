"""One run: prepare, load, kill, wait for the end, read the books."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from soak import report
from soak.books import Books, Postbag
from soak.doors import Doors, Http, prepare
from soak.mailboxes import open_all
from soak.orders import Call, plan
from soak.sheet import judge, waiting
from soak.tellings import untold
from soak.trouble import Pause, Providers, hide_for, killer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from proofs.ground import Ground
    from soak.doors import Receipt
    from soak.ears import Ears
    from soak.sheet import Sheet

AT_ONCE = 6
"""Callers of the load."""
LONGEST_BACKLOG = 400
"""Messages on the queue beyond which the callers wait: the load is what the stack can bear, not what it can store."""
PATIENCE = 1200.0
"""Seconds within which the queue has to get shorter, and after which everything has to have come to its end."""
_TELL_EVERY = 10.0
_LOOK, _LOOK_SELDOM, _FEW = 2.0, 10.0, 100
_LOOK_AFTER = 20  # calls


class Soak:
    """A started stack with the mailboxes of the load, for one run."""

    def __init__(
        self, ground: Ground, console: Console, ears: Ears, *, seed: int, every: float, visibility: int
    ) -> None:
        """Open the mailboxes and store what the orders name."""
        self._console, self._seed, self._visibility = console, seed, visibility
        self._workers = ground.settings.workers
        self._http = Http(ground.world.api_url, ground.world.api_key)
        hide_for(ground, visibility)
        mailboxes = open_all(ground, self._http)
        prepare(self._http)
        self._ears = ears
        ears.register(self._http)
        self._doors = Doors(ground, self._http, mailboxes)
        self._books = Books(ground, mailboxes)
        self._postbag = Postbag(ground, mailboxes)
        self._providers = Providers(ground, mailboxes, seed)
        self._killer = killer(ground, seed, every)
        self._pause = Pause(self._http, mailboxes)
        self._receipts: list[Receipt] = []
        self._count = 0
        self._lock = threading.Lock()
        self._begun = self._told = time.monotonic()

    def run(self, count: int) -> tuple[Sheet, report.Run]:
        """Order so many messages, wait for their end, and read the books."""
        self._count, self._begun = count, time.monotonic()
        self._killer.start()
        self._providers.start()
        try:
            self._load(plan(count, self._seed))
            load = time.monotonic() - self._begun
            self._drain()
        finally:
            self._killer.stop()
            faults = self._providers.stop()
        self._settle()
        whole = time.monotonic() - self._begun
        self._until(self._all_told)
        told = time.monotonic() - self._begun
        mails = [*self._postbag.close(), *self._books.captured()]
        sheet = judge(
            self._receipts,
            self._books.records(),
            self._books.letters(),
            mails,
            heard=self._ears.heard(),
            workers=self._workers,
            deaths=self._killer.deaths,
        )
        run = report.Run(
            count=count,
            seed=self._seed,
            load=load,
            whole=whole,
            told=told,
            refused=self._ears.refused,
            visibility=self._visibility,
            killed=self._killer.killed,
            faults=faults,
            unanswered=self._http.unanswered,
        )
        return sheet, run

    def _load(self, calls: Sequence[Call]) -> None:
        left = deque(enumerate(calls))
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="caller") as pool:
            callers = [pool.submit(self._work, left, len(calls)) for _ in range(AT_ONCE)]
            try:
                for caller in callers:
                    caller.result()
            finally:
                left.clear()  # whoever stops us need not wait for the rest
        self._pause.at(1)

    def _work(self, left: deque[tuple[int, Call]], of: int) -> None:
        """Be one of the callers."""
        while (call := self._next(left, of)) is not None:
            receipts = self._doors.make(call)
            with self._lock:
                self._receipts += receipts

    def _next(self, left: deque[tuple[int, Call]], of: int) -> Call | None:
        """Give the next call, when the queue is short enough for it; the other callers wait here too."""
        with self._lock:
            if not left:
                return None
            number, call = left.popleft()
            self._pause.at(number / of)
            if number % _LOOK_AFTER == 0:
                self._until(lambda: self._backlog() <= LONGEST_BACKLOG or not left)
            return call

    def _drain(self) -> None:
        """Wait until the queue is empty for the first time; so long there is somebody to be killed at work."""
        self._until(lambda: not self._backlog())

    def _until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so, but no longer than patience lasts: the sheet will tell what it waited for."""
        end = time.monotonic() + PATIENCE
        while not is_so() and time.monotonic() < end:
            time.sleep(_LOOK)

    def _backlog(self) -> int:
        visible = self._books.backlog().visible
        self._tell(f"{visible} wait on the queue")
        return visible

    def _settle(self) -> None:
        """Wait until every order has come to an end and nobody has a copy in hand."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            backlog = self._books.backlog()
            left = waiting(self._receipts, self._books.records(), self._books.letters())
            if not (left or backlog.visible or backlog.in_hand):
                return
            self._tell(f"{left} not at their end, {backlog.in_hand} copies in hand, {backlog.delayed} for later")
            time.sleep(_LOOK if left < _FEW else _LOOK_SELDOM)

    def _all_told(self) -> bool:
        left = untold(self._books.records(), self._ears.heard())
        self._tell(f"{left} ends not told to the webhook")
        return not left

    def _tell(self, text: str) -> None:
        now = time.monotonic()
        if now - self._told < _TELL_EVERY:
            return
        self._told = now
        self._console.print(
            f"[dim]{now - self._begun:5.0f} s  {len(self._receipts)} of {self._count} called for, "
            f"{len(self._postbag.mails)} mails, {self._killer.killed.total()} killed; {text}[/]"
        )
