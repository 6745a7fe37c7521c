"""Looking a message of unknown fate up in its mailbox, where the granted scopes let us read that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.carriage import may_look_up
from mailbearer.delivery.delivered import Delivered, Verb
from mailbearer.delivery.preparing import Failed, Held
from mailbearer.envelope import Job
from mailbearer.errors import TokenError
from mailbearer.message import Attempt, MessageRecord, Status, Verdict

if TYPE_CHECKING:
    from mailbearer.comeback import Comeback
    from mailbearer.delivery.preparing import Access, Preparation
    from mailbearer.delivery.recording import Recorder
    from mailbearer.ports import Clock
    from mailbearer.trail import Trail

_LOOKS = (120.0, 900.0)
"""Seconds after which to look: a mailbox shows what was just sent only after a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """Ask mailboxes for messages by their Message-ID."""

    preparation: Preparation
    recorder: Recorder
    comeback: Comeback
    trail: Trail
    clock: Clock

    def finds(self, record: MessageRecord, access: Access) -> bool:
        """Tell whether the mailbox has it already among what was sent; False if it has not or cannot be asked.

        A message that goes in parts is there with the first of them, so that says nothing of the others.
        """
        if record.sent_at or record.remaining:
            return False
        found = access.transport.look_up(
            record.message_id,
            account=access.account,
            registration=access.registration,
            access_token=access.access_token,
        )
        return found is True

    def found(self) -> Attempt:
        """Give the entry that says so."""
        detail = "The mailbox holds the message among those it has sent."
        return Attempt(at=self.clock(), outcome=Verdict.ACCEPTED, code="found_in_mailbox", detail=detail)

    def later(self, record: MessageRecord, access: Access | None = None) -> None:
        """See that a message of unknown fate is looked for again, if `access` allows that. Raises `Unavailable`."""
        if access is not None and not may_look_up(access.account, access.registration):
            return
        for wait in _LOOKS:
            job = Job(id=record.id, account=record.account, attempt=record.attempt, look=True)
            self.comeback.put(job, at=self.clock() + wait)

    def look(self, record: MessageRecord) -> Delivered:
        """Look once for a message that is recorded as unknown, and record it as sent if it is there."""
        try:
            access = self.preparation.access(record.account)
        except (Failed, Held, TokenError) as error:
            reason = type(error).__name__.lower()
            self.trail.note("message.not_looked_up", record.id, "unknown", reason=reason, account=record.account)
            return Delivered(Verb.DONE_BEFORE, Status.UNKNOWN)
        if self.finds(record, access):
            return self.recorder.sent(record, self.found())
        return Delivered(Verb.DONE_BEFORE, Status.UNKNOWN)
