"""Sending what was held for a mailbox that can send again: the oldest first, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.account import AccountState
from mailbearer.delivery.delivered import Delivered, Verb
from mailbearer.envelope import Drain, Job, write_drain
from mailbearer.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.delivery.delivering import Delivery
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import MessageQueue
    from mailbearer.ports.stores import AccountStore, MessageStore
    from mailbearer.trail import Trail

_PAGE = 25
_LONGEST_STEP = 20.0
"""Seconds after which the task goes back to the queue: the batch it came with waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """Work the task of draining, step by step.

    `tell` brings what was noted so far into the audit log and onto the bus: a message that was drained has no copy on
    the queue that would come again and tell of it, so it is called after each one.
    """

    messages: MessageStore
    accounts: AccountStore
    delivery: Delivery
    queue: MessageQueue
    trail: Trail
    clock: Clock
    tell: Callable[[], None]

    def drain(self, task: Drain, *, deadline: float) -> Delivered:
        """Send held messages until none is left, the mailbox stops sending, or the step's time is over.

        Those of a mailbox that was revoked or removed fail, one after the other.
        Raises `Unavailable` if something could not be recorded: the task then stays on the queue.
        """
        account = self.accounts.get(task.account)
        if account is not None and _waits(account):
            # It is drained anew when it becomes active.
            return Delivered(Verb.DONE_BEFORE, "not_active")
        until = min(self.clock() + _LONGEST_STEP, deadline)
        seen: set[str] = set()
        while new := self._next(task.account, seen):
            records = self.messages.get_many(new)
            for record in (records[each] for each in new if each in records):
                if self.clock() >= until:
                    return self._go_on(task)
                job = Job(id=record.id, account=record.account, attempt=record.attempt)
                result = self.delivery.deliver(job, deadline=deadline)
                self.tell()
                if result.verb is Verb.HELD and self._waits(task.account):
                    return Delivered(Verb.DONE_BEFORE, "not_active")
                if result.code == "time_left":
                    return self._go_on(task)
            seen.update(new)
        if account is not None:
            self._finish(account)
        return Delivered(Verb.DONE_BEFORE, "drained")

    def _next(self, account_id: str, seen: set[str]) -> list[str]:
        """Give the oldest that were not seen yet.

        What gets no slot stays held while its copy waits, and the index may be a moment behind: neither may hide what
        was held after it.
        """
        held = self.messages.held(account_id, limit=_PAGE + len(seen))
        return [each for each in held if each not in seen][:_PAGE]

    def _waits(self, account_id: str) -> bool:
        account = self.accounts.get(account_id)
        return account is not None and _waits(account)

    def _go_on(self, task: Drain) -> Delivered:
        self.queue.send(write_drain(task), group=task.account)
        return Delivered(Verb.PUT_BACK, "drain_goes_on")

    def _finish(self, account: Account) -> None:
        """Take the mark off the account; whoever has changed it meanwhile leaves it to the schedule."""
        if not account.drain_from:
            return
        done = account.changed(drain_from=0.0)
        try:
            if self.accounts.replace(done, expected=account) == done:
                self.trail.note("account.drained", account.id, "drained")
        except NotFound:
            return


def _waits(account: Account) -> bool:
    """Tell whether mail that is held for a mailbox has to wait on."""
    return account.state is not AccountState.ACTIVE and not account.is_gone
