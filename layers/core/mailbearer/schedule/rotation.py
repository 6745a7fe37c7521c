"""The scheduled run: work what is due, as much as one run should, and queue the rest (semantics.md).

The table alone says what is due. A message on the queue is a hint to look at one account now; whichever is lost, or
comes twice, or too late, costs nothing but a look.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from mailbearer.errors import MailbearerError, TokenError
from mailbearer.schedule.upkeep import Deed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mailbearer.ports import Clock
    from mailbearer.ports.channels import AuditLog, AuditSpool, RotationQueue
    from mailbearer.ports.stores import AccountStore, Due
    from mailbearer.schedule.upkeep import Upkeep
    from mailbearer.trail import Trail

AT_ONCE = 16
"""So many accounts a run works at the same time."""

RUN_TAKES = 200
"""More due accounts than these, the longest overdue, go to the queue."""

MARGIN = 90.0
"""No work is begun so near the deadline: waiting for another holder (20 s), a token call and storing what it gave."""

WATCH_EVERY = 3600.0
_SLOT = 300.0  # from run to run
_SPOOL_LOTS = 20
_PROGRESS_EVERY = 30.0

AtOnce: TypeAlias = Callable[[Callable[[], None], int], None]
"""Run something so many times at once, and come back when all have ended."""


def in_threads(lane: Callable[[], None], count: int) -> None:
    """Run `lane` in so many threads; raises what ended one of them, when all have ended."""
    with ThreadPoolExecutor(count, thread_name_prefix="rotation") as pool:
        lanes = [pool.submit(lane) for _ in range(count)]
    for ended in lanes:
        ended.result()


@dataclass(slots=True)
class Summary:
    """What one run did, by count; `problems` holds a code for each account that could not be helped.

    `left` says that accounts which are due were left to the next run, `not_begun` names those it had taken in hand.
    `defects` are errors of ours: whoever called the run raises one when all else is done, so that an alarm rings.
    """

    refreshed: int = 0
    probed: int = 0
    invalid: int = 0
    unneeded: int = 0
    failed: int = 0
    revocations_finished: int = 0
    queued: int = 0
    left: bool = False
    problems: dict[str, str] = field(default_factory=dict)
    defects: list[Exception] = field(default_factory=list)
    not_begun: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Give the counts by name."""
        names = ("refreshed", "probed", "invalid", "unneeded", "failed", "revocations_finished", "queued")
        return {name: getattr(self, name) for name in names}

    def raise_defect(self) -> None:
        """Raise the first of our own errors, if there was one."""
        if self.defects:
            raise self.defects[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Work all due accounts; once an hour `watches` look after what is no one account's, whatever becomes of each."""

    accounts: AccountStore
    queue: RotationQueue
    upkeep: Upkeep
    log: AuditLog
    spool: AuditSpool
    trail: Trail
    clock: Clock
    emergencies: Callable[[float], object] | None = None
    watches: tuple[Callable[[], object], ...] = ()
    at_once: AtOnce = in_threads

    def run(self, *, deadline: float, progress: Callable[[Summary], object] | None = None) -> Summary:
        """Work the longest overdue accounts and queue the others, until `deadline` (epoch seconds) is near.

        One failure never stops the rest. `progress` hears of a long run every half minute. Raises `Unavailable` if
        the accounts or the audit log cannot be reached.
        """
        summary, begun = Summary(), self.clock()
        try:
            self._write_spooled()
            if self.emergencies is not None:
                # What an emergency shuts is then among what is due.
                see_to = self.emergencies
                self._do(lambda: see_to(deadline - MARGIN), "emergencies", summary)
            due = self.accounts.due(self.clock())
            own = [each.account_id for each in islice(due, RUN_TAKES)]
            # First the rest, so that others begin at once. A run that breaks off here has taken nothing from anybody.
            self._queue(due, summary, deadline)
            self._work(own, summary, deadline, progress)
            for watch in self.watches if begun % WATCH_EVERY < _SLOT else ():
                if self.clock() < deadline - MARGIN:
                    self._do(watch, "watch", summary)
        finally:
            self.trail.flush()
        return summary

    def take(self, account_ids: Iterable[str], *, deadline: float) -> Summary:
        """Work accounts that came from the queue, so far as they still are due; `not_begun` have to go back to it."""
        summary = Summary()
        try:
            self._work(dict.fromkeys(account_ids), summary, deadline)
        finally:
            self.trail.flush()
        return summary

    def _queue(self, due: Iterator[Due], summary: Summary, deadline: float) -> None:
        """Queue what is due beyond this run's share; whatever cannot be queued stays due."""

        def queue() -> None:
            while lot := list(islice(due, self.queue.most)):
                if self.clock() >= deadline - MARGIN:
                    summary.left = True
                    return
                self.queue.put(lot)
                summary.queued += len(lot)

        if not self._do(queue, "queue", summary):
            summary.left = True

    def _work(
        self,
        account_ids: Iterable[str],
        summary: Summary,
        deadline: float,
        progress: Callable[[Summary], object] | None = None,
    ) -> None:
        waiting, lock = deque(account_ids), threading.Lock()
        told_at = self.clock()

        def lane() -> None:
            nonlocal told_at
            while self.clock() < deadline - MARGIN:
                try:
                    account_id = waiting.popleft()
                except IndexError:
                    return
                done = self._work_one(account_id, deadline)
                with lock:
                    _add(summary, account_id, done)
                    if progress is not None and self.clock() >= told_at + _PROGRESS_EVERY:
                        told_at = self.clock()
                        progress(summary)

        if waiting:
            self.at_once(lane, min(AT_ONCE, len(waiting)))
        summary.not_begun = tuple(waiting)
        summary.left = summary.left or bool(waiting)

    def _work_one(self, account_id: str, deadline: float) -> set[Deed] | Exception:
        try:
            return self.upkeep.work(account_id, begin_until=deadline - MARGIN)
        except Exception as error:  # noqa: BLE001 - also a defect of ours must not stop the rest; the run raises it
            trouble = error
        try:
            self.upkeep.put_off(account_id, failure=trouble.finding if isinstance(trouble, TokenError) else "")
        except MailbearerError as error:
            self.trail.note("account.put_off", account_id, "failed", reason=error.code)
        return trouble

    def _do(self, what: Callable[[], object], name: str, summary: Summary) -> bool:
        """Do what is not about one account; tell whether it went well."""
        try:
            what()
        except Exception as error:  # noqa: BLE001 - it must not stop the accounts; the run raises it at its end
            summary.problems[name] = _word(error)
            summary.defects.append(error)
            return False
        return True

    def _write_spooled(self) -> None:
        """Write events that waited for the audit log; what it still cannot take stays where it is."""
        try:
            for name, events in self.spool.waiting(_SPOOL_LOTS):
                self.log.write(events)
                self.spool.remove(name)
        except MailbearerError as error:
            self.trail.note("audit.spool_kept", "audit", "kept", reason=error.code)


def _add(summary: Summary, account_id: str, done: set[Deed] | Exception) -> None:
    if not isinstance(done, Exception):
        summary.refreshed += Deed.REFRESHED in done
        summary.probed += Deed.PROBED in done
        summary.invalid += Deed.INVALID in done
        summary.revocations_finished += Deed.REVOCATION_FINISHED in done
        summary.failed += Deed.REVOCATION_OPEN in done
        summary.unneeded += not done
        return
    summary.failed += 1
    summary.problems[account_id] = _word(done)
    if not isinstance(done, MailbearerError):
        summary.defects.append(done)


def _word(error: Exception) -> str:
    """Name an error by its code, or one of ours by its type."""
    if not isinstance(error, MailbearerError):
        return type(error).__name__
    return (error.finding if isinstance(error, TokenError) else "") or error.code
