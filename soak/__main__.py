"""`python -m soak [--count N] [--seed N] [--output PATH]`: load both doors, kill, and print the balance sheet."""

from __future__ import annotations

import argparse
import json
import random
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from proofs.ground import prepared
from soak import report
from soak.books import Books, Postbag
from soak.doors import Doors, Http, prepare
from soak.mailboxes import open_all
from soak.orders import plan
from soak.sheet import judge, waiting
from soak.trouble import Pause, Providers, killer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proofs.ground import Ground
    from soak.doors import Receipt
    from soak.orders import Call
    from soak.sheet import Sheet

COUNT = 10_000
AT_ONCE = 6
"""Callers of the load."""
LONGEST_BACKLOG = 400
"""Messages on the queue beyond which the callers wait: the load is what the stack can bear, not what it can store."""
PATIENCE = 1200.0
"""Seconds after the load within which everything has to have come to its end."""
TELL_EVERY = 10.0
FEW = 100
_LOOK, _LOOK_SELDOM = 2.0, 10.0
_LOOK_AFTER = 20
WIDTH = 150


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; gives 1 if anything is not accounted for."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT, help=f"how many messages (default {COUNT})")
    parser.add_argument("--seed", type=int, help="plans the same load again")
    parser.add_argument("--output", type=Path, help="where to write the balance sheet, as JSON")
    options = parser.parse_args(arguments)
    if options.count < 1:
        parser.error("--count is at least 1")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1_000_000)
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    console.print(f"{options.count} messages, seed {seed}; starting the stack")
    with prepared() as ground:
        sheet, run = Soak(ground, console, options.count, seed).run()
    report.show(sheet, run, console)
    if options.output:
        options.output.write_text(json.dumps(report.as_json(sheet, run), indent=1) + "\n")
    verdict = f"[red]{len(sheet.wrong)} not as they should be[/]" if sheet.wrong else "[green]the balance holds[/]"
    console.print(f"{verdict}: {options.count} messages accounted for one by one")
    return 1 if sheet.wrong else 0


class Soak:
    """One run on a started stack."""

    def __init__(self, ground: Ground, console: Console, count: int, seed: int) -> None:
        """Open the mailboxes and prepare what the load names."""
        self.console, self.count, self.seed = console, count, seed
        self.http = Http(ground.world.api_url, ground.world.api_key)
        mailboxes = open_all(ground, self.http)
        prepare(self.http)
        self.doors = Doors(ground, self.http, mailboxes)
        self.books = Books(ground, mailboxes)
        self.postbag = Postbag(ground, mailboxes)
        self.providers = Providers(ground, mailboxes, seed)
        self.killer = killer(ground, seed)
        self.pause = Pause(self.http, mailboxes)
        self.receipts: list[Receipt] = []
        self._lock = threading.Lock()
        self.begun = self.told = time.monotonic()

    def run(self) -> tuple[Sheet, report.Run]:
        """Load, wait, and read the books."""
        self.killer.start()
        try:
            self._load(plan(self.count, self.seed))
            load = time.monotonic() - self.begun
            self._drain()
        finally:
            self.killer.stop()
        faults = self.providers.played()
        self._settle()
        whole = time.monotonic() - self.begun
        mails = [*self.postbag.close(), *self.books.captured()]
        sheet = judge(self.receipts, self.books.records(), self.books.letters(), mails)
        run = report.Run(
            count=self.count,
            seed=self.seed,
            load=load,
            whole=whole,
            visibility=self.books.visibility(),
            killed=self.killer.killed,
            faults=faults,
            unanswered=self.http.unanswered,
        )
        return sheet, run

    def _load(self, calls: Sequence[Call]) -> None:
        left = deque(enumerate(calls))
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="caller") as pool:
            callers = [pool.submit(self._work, left, len(calls)) for _ in range(AT_ONCE)]
        for caller in callers:
            caller.result()
        self.pause.at(1)

    def _work(self, left: deque[tuple[int, Call]], of: int) -> None:
        """Be one of the callers; one that fails leaves nothing to the others."""
        try:
            while left:
                with self._lock:
                    if not left:
                        break
                    number, call = left.popleft()
                    self.pause.at(number / of)
                    if number % _LOOK_AFTER == 0:
                        self._hold_back()
                for order in call.orders:
                    self.providers.trouble(order.mailbox)
                receipts = self.doors.make(call)
                with self._lock:
                    self.receipts += receipts
        except BaseException:
            left.clear()
            raise

    def _hold_back(self) -> None:
        """Wait while the queue is as long as it may be."""
        while (backlog := self.books.backlog()).visible > LONGEST_BACKLOG:
            self._tell(f"{backlog.visible} wait on the queue")
            time.sleep(_LOOK)
        self._tell(f"{backlog.visible} wait on the queue")

    def _drain(self) -> None:
        """Wait until the queue is nearly empty, still killing."""
        end = time.monotonic() + PATIENCE
        while (backlog := self.books.backlog()).visible > 0 and time.monotonic() < end:
            self._tell(f"{backlog.visible} wait on the queue")
            time.sleep(_LOOK)

    def _settle(self) -> None:
        """Wait until every order has come to an end and nobody has a copy in hand."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            backlog = self.books.backlog()
            left = waiting(self.receipts, self.books.records(), self.books.letters())
            if not (left or backlog.visible or backlog.in_hand):
                return
            self._tell(f"{left} not at their end, {backlog.in_hand} copies in hand, {backlog.delayed} for later")
            time.sleep(_LOOK if left < FEW else _LOOK_SELDOM)

    def _tell(self, text: str) -> None:
        now = time.monotonic()
        if now - self.told < TELL_EVERY:
            return
        self.told = now
        self.console.print(
            f"[dim]{now - self.begun:5.0f} s  {len(self.receipts)} of {self.count} called for, "
            f"{len(self.postbag.mails)} mails, {self.killer.killed.total()} killed; {text}[/]"
        )


if __name__ == "__main__":
    sys.exit(main())
