"""What can still be done with a message that was accepted: try it again, move it, let it go, cancel it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.comeback import MAX_QUEUE_DELAY
from mailbearer.envelope import Drain, Job, read_content, write_content, write_drain, write_job
from mailbearer.errors import Conflict, Unavailable
from mailbearer.lookup import check_sendable, find_account, sender_of
from mailbearer.message import MessageRecord, RefusedRecipient, Status

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.comeback import Comeback
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import ContentStore, MessageQueue, Schedules
    from mailbearer.ports.stores import AccountStore, MessageStore
    from mailbearer.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Resubmission:
    """Bring accepted messages back to the queue, or take them off it."""

    messages: MessageStore
    accounts: AccountStore
    queue: MessageQueue
    content: ContentStore
    schedules: Schedules
    comeback: Comeback
    trail: Trail
    clock: Clock

    def retry(self, record: MessageRecord) -> MessageRecord:
        """Queue a failed, unknown or held message again; safe to repeat if the queue did not take it.

        Raises `Conflict` if it is none of these or its content is gone, `Unavailable` if the queue did not take it.
        """
        if record.status not in {Status.FAILED, Status.UNKNOWN, Status.HELD} and not _waits_again(record):
            msg = f"Only failed, unknown and held messages can be tried again; this one is {record.status}."
            raise Conflict(msg)
        scheduled = bool(record.send_at)
        if not record.parked or (text := self.content.get(record.id, scheduled=scheduled)) is None:
            msg = "The content of this message is not kept any more; send it as a new message."
            raise Conflict(msg)
        account = find_account(self.accounts, record.account)
        if account is None:
            msg = f"There is no mailbox {record.account}."
            raise Conflict(msg)
        check_sendable(account)
        again = replace(
            record,
            account=account.id,
            status=Status.QUEUED,
            updated_at=self.clock(),
            retry_at=0,
            held_at=0,
            turn=0,
            problem_code="",
            problem_detail="",
        )
        stored = self.messages.replace(again, expected=record)
        if stored != again:
            msg = "The message changed in the meantime; look at it again."
            raise Conflict(msg)
        message = read_content(text)
        if not message.sender.email:
            # It came before its mailbox was known here, so nobody could fill in the sender.
            message = replace(message, account=account.id, sender=sender_of(account))
            self.content.put(record.id, write_content(message), scheduled=scheduled)
        job = Job(id=record.id, account=account.id, attempt=record.attempt, correlation=self.trail.correlation)
        self.queue.send(write_job(job), group=account.id)
        return stored

    def reschedule(self, record: MessageRecord, send_at: float) -> MessageRecord:
        """Move a scheduled message to another time (epoch seconds, 0 = now); safe to repeat if that came to nothing.

        A copy that still comes at the old time is put back or found to be settled. Raises `Conflict` if the message is
        none that waits for its time, or its content is gone, and `Unavailable`.
        """
        # One that is to go now is `queued` before its copy is on the queue.
        going = record.status is Status.QUEUED and record.attempt == 0
        if not record.send_at or not (record.status is Status.SCHEDULED or going):
            msg = f"Only scheduled messages can be moved; this one is {record.status}."
            raise Conflict(msg)
        text = self.content.get(record.id, scheduled=True)
        if text is None:
            msg = "The content of this message is not kept any more; send it as a new message."
            raise Conflict(msg)
        now = self.clock()
        at = send_at or now
        moved = replace(
            record,
            status=Status.SCHEDULED if send_at else Status.QUEUED,
            send_at=at,
            retry_at=send_at,
            updated_at=now,
            # Kept for as long after the new time as after the old.
            expires_at=record.expires_at + at - record.send_at,
        )
        if self.messages.replace(moved, expected=record) != moved:
            msg = "The message changed in the meantime; look at it again."
            raise Conflict(msg)
        message = replace(read_content(text), date=at, send_at=at)
        self.content.put(record.id, write_content(message), scheduled=True)
        self.comeback.put(Job(id=record.id, account=record.account, attempt=0), at=send_at)
        if send_at - now <= MAX_QUEUE_DELAY:
            self._unschedule(record)
        return moved

    def drain(self, account: Account) -> None:
        """Let what was held for a mailbox that can send again be sent. Raises `Unavailable`."""
        self.queue.send(write_drain(Drain(account=account.id, correlation=self.trail.correlation)), group=account.id)

    def cancel(self, record: MessageRecord) -> MessageRecord:
        """Cancel a message that has not begun to be sent; one that is canceled stays so. Raises `Conflict`.

        One that has reached some of its recipients is `sent` then, and names the others.
        """
        if record.status is Status.CANCELED:
            # Whoever canceled it may have died before it was told, and asks again.
            return record
        if record.status not in {Status.SCHEDULED, Status.QUEUED, Status.DEFERRED, Status.HELD}:
            msg = f"A message that is {record.status} cannot be canceled."
            raise Conflict(msg)
        now = self.clock()
        canceled = replace(record, status=Status.CANCELED, updated_at=now, retry_at=0)
        if record.sent_at:
            left = tuple(RefusedRecipient(recipient=each, code="canceled") for each in record.remaining)
            canceled = replace(canceled, status=Status.SENT, refused=(*record.refused, *left), remaining=())
        if self.messages.replace(canceled, expected=record) != canceled:
            msg = "The message changed in the meantime; look at it again."
            raise Conflict(msg)
        if record.parked:
            self._forget(record)
        return canceled

    def _forget(self, record: MessageRecord) -> None:
        """Take back what a canceled message has lying about; a copy that comes all the same is seen to be settled."""
        try:
            self.content.delete(record.id, scheduled=bool(record.send_at))
        except Unavailable as error:
            self.trail.note("message.content_kept", record.id, "kept", reason=error.code, account=record.account)
        if record.send_at or record.retry_at or record.held_at:
            self._unschedule(record)

    def _unschedule(self, record: MessageRecord) -> None:
        """Take back a schedule; one that comes all the same does no harm."""
        try:
            self.schedules.delete(record.id)
        except Unavailable as error:
            self.trail.note("message.schedule_kept", record.id, "kept", reason=error.code, account=record.account)


def _waits_again(record: MessageRecord) -> bool:
    """Tell whether a message was queued again: its copy may have been lost on the way to the queue."""
    return record.status is Status.QUEUED and record.parked
