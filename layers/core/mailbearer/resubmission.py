"""What can still be done with a message that was accepted: try it again, let it go, cancel it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.envelope import Job, read_content, write_content, write_job
from mailbearer.errors import Conflict
from mailbearer.lookup import check_sendable, find_account, sender_of
from mailbearer.message import MessageRecord, Status

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import ContentStore, MessageQueue
    from mailbearer.ports.stores import AccountStore, MessageStore
    from mailbearer.trail import Trail

_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Resubmission:
    """Bring accepted messages back to the queue, or take them off it."""

    messages: MessageStore
    accounts: AccountStore
    queue: MessageQueue
    content: ContentStore
    trail: Trail
    clock: Clock

    def retry(self, record: MessageRecord) -> MessageRecord:
        """Queue a failed, unknown or held message again; safe to repeat if the queue did not take it.

        Raises `Conflict` if it is none of these or its content is gone, `Unavailable` if the queue did not take it.
        """
        if record.status not in {Status.FAILED, Status.UNKNOWN, Status.HELD} and not _waits_again(record):
            msg = f"Only failed, unknown and held messages can be tried again; this one is {record.status}."
            raise Conflict(msg)
        if not record.parked or (text := self.content.get(record.id)) is None:
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
            self.content.put(record.id, write_content(message))
        self.queue.send(write_job(Job(id=record.id, account=account.id, attempt=record.attempt)), group=account.id)
        return stored

    def drain(self, account: Account, *, most: int = 500) -> int:
        """Queue what was held for a mailbox that can send again, oldest first; gives how many went."""
        held: list[MessageRecord] = []
        cursor = ""
        while len(held) < most:
            page = self.messages.by_account(account.id, since=0, limit=_PAGE, cursor=cursor)
            records = self.messages.get_many(page.ids)
            held.extend(one for one in records.values() if one.status is Status.HELD or _waits_again(one))
            cursor = page.cursor
            if not cursor:
                break
        drained = 0
        for record in sorted(held, key=lambda one: one.created_at)[:most]:
            try:
                self.retry(record)
            except Conflict as error:
                self.trail.note("message.drain_skipped", record.id, "skipped", reason=error.code, account=account.id)
            else:
                drained += 1
        return drained

    def cancel(self, record: MessageRecord) -> MessageRecord:
        """Cancel a message that has not begun to be sent. Raises `Conflict`."""
        if record.status not in {Status.SCHEDULED, Status.QUEUED, Status.DEFERRED, Status.HELD}:
            msg = f"A message that is {record.status} cannot be canceled."
            raise Conflict(msg)
        now = self.clock()
        canceled = replace(record, status=Status.CANCELED, updated_at=now, retry_at=0)
        if self.messages.replace(canceled, expected=record) != canceled:
            msg = "The message changed in the meantime; look at it again."
            raise Conflict(msg)
        return canceled


def _waits_again(record: MessageRecord) -> bool:
    """Tell whether a message was queued again: its copy may have been lost on the way to the queue."""
    return record.status is Status.QUEUED and record.parked
