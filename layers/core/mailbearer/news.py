"""Telling others what happened."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer import happenings
from mailbearer.errors import Unavailable
from mailbearer.ids import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.account import Account
    from mailbearer.happenings import Happened
    from mailbearer.message import MessageRecord
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import EventBus
    from mailbearer.token import TokenState
    from mailbearer.trail import Trail


@dataclass(frozen=True, slots=True)
class News:
    """Publish on the event bus; the audit log has it already, so a bus that is down changes nothing.

    An event's id is derived from its fact: its type, its subject, and what tells this time from all others. So the same
    fact told twice is one event to whoever hears it.
    """

    events: EventBus
    trail: Trail
    clock: Clock

    def publish(self, kind: str, account: Account, **facts: object) -> None:
        """Publish an event about a mailbox, as it stands after what happened."""
        self.tell(kind, account.id, str(account.revision), happenings.of_account(account) | facts)

    def insist(self, kind: str, account: Account, **facts: object) -> None:
        """Publish an event about a mailbox that is told again if the bus does not take it. Raises `Unavailable`."""
        self._put(kind, account.id, str(account.revision), happenings.of_account(account) | facts)

    def tell(self, kind: str, subject: str, mark: str, facts: Mapping[str, object]) -> bool:
        """Publish an event about anything, and tell whether the bus took it.

        The same kind, subject and mark are the same event.
        """
        try:
            self._put(kind, subject, mark, facts)
        except Unavailable as error:
            self.trail.note("event.unpublished", subject, "failed", reason=error.code, event=kind)
            return False
        return True

    def tell_end(self, account: Account, before: TokenState) -> None:
        """Audit and publish that the grant ends whatever we do, and when mail would stop; once for each end."""
        now = account.token
        if now.ending and (now.ending, now.grant_ends_at) != (before.ending, before.grant_ends_at):
            date = rfc3339(now.grant_ends_at)
            self.trail.note("grant.ends", account.id, "ends", reason=now.ending, ends_at=date)
            self.publish("grant.ends", account, reason=now.ending, ends_at=date)

    def _put(self, kind: str, subject: str, mark: str, facts: Mapping[str, object]) -> None:
        if self.events.publish([happenings.happened(kind, subject, mark, self.clock(), facts)]):
            msg = "The event bus did not take an event."
            raise Unavailable(msg)


class MessageNews:
    """What happened to messages, gathered and then published together; safe for several threads.

    Without `routine` only what somebody may have to look at is told.
    """

    def __init__(self, events: EventBus, trail: Trail, *, routine: bool) -> None:
        self._events = events
        self._trail = trail
        self._routine = routine
        self._waiting: dict[str, tuple[Happened, str]] = {}
        self._lock = threading.Lock()

    def note(self, record: MessageRecord) -> None:
        """Remember to tell how a message stands, as its record was written; the same again is the same event."""
        kind = f"message.{record.status}"
        happening = happenings.EVENTS.get(kind)
        if happening is None or (happening.routine and not self._routine and not record.refused):
            return
        mark = rfc3339(record.updated_at)
        happened = happenings.happened(kind, record.id, mark, record.updated_at, happenings.of_message(record))
        with self._lock:
            self._waiting[happened.id] = happened, record.id

    def publish(self) -> None:
        """Publish what was gathered; it costs nothing if nothing was.

        With the first call that the bus does not answer the rest is given up too: the mail has gone, and what is left
        of the time is for its acknowledgement.
        """
        with self._lock:
            waiting, self._waiting = list(self._waiting.values()), {}
        while waiting:
            some, rest = waiting[: self._events.most], waiting[self._events.most :]
            try:
                refused = self._events.publish([happened for happened, _ in some])
            except Unavailable as error:
                self._unpublished(waiting, error.code)
                return
            self._unpublished([one for one in some if one[0].id in refused], Unavailable.code)
            waiting = rest

    def _unpublished(self, missed: list[tuple[Happened, str]], code: str) -> None:
        for happened, message in missed:
            self._trail.note("event.unpublished", message, "failed", reason=code, event=happened.kind)
