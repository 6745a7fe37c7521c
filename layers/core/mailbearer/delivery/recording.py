"""Writing down what became of a message: each state by one conditional write, and what has to follow it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.comeback import MAX_QUEUE_DELAY
from mailbearer.delivery.delivered import Delivered, Verb
from mailbearer.envelope import Job
from mailbearer.ids import rfc3339
from mailbearer.ledger import FARTHEST
from mailbearer.message import Attempt, MessageRecord, RefusedRecipient, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailbearer.account import Account
    from mailbearer.comeback import Comeback
    from mailbearer.message import Message
    from mailbearer.news import MessageNews
    from mailbearer.ports import Clock
    from mailbearer.ports.stores import MessageStore
    from mailbearer.trail import Trail

MAX_AGE = 7 * 86_400
"""Seconds after which a message that cannot be sent fails."""

HOLD_FOR = 7 * 86_400
"""Seconds for which mail waits for its mailbox, unless the account's limits say otherwise."""

_KEPT_ATTEMPTS = 10
_TOLD_REFUSALS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Write what became of messages."""

    messages: MessageStore
    comeback: Comeback
    news: MessageNews
    trail: Trail
    clock: Clock

    def sent(self, record: MessageRecord, tried: Attempt, *, provider_id: str = "") -> Delivered:
        """Record that the message has reached whom it can reach, and forget its content."""
        sent = replace(
            record,
            status=Status.SENT,
            sent_at=record.sent_at or tried.at,
            provider_id=provider_id or record.provider_id,
            problem_code="",
            problem_detail="",
            retry_at=0,
            remaining=(),
        )
        stored = self._write(sent, tried, expected=record)
        if stored.status is not Status.SENT:
            return Delivered(Verb.DONE_BEFORE, stored.status)
        if record.parked:
            self.comeback.forget(record)
        self.trail.note("message.sent", record.id, "sent", account=record.account, provider_id=provider_id)
        return Delivered(Verb.SENT, tried.code)

    def end(
        self,
        record: MessageRecord,
        message: Message | None,
        status: Status,
        *,
        code: str,
        detail: str,
        tried: Attempt | None = None,
    ) -> Delivered:
        """Record `failed` or `unknown`; the content is parked first, so that `retry` can have it.

        A message that has reached some of its recipients is `sent`, and names the others.
        """
        if status is Status.FAILED and record.sent_at:
            left = (RefusedRecipient(recipient=each, code=code, detail=detail[:200]) for each in record.remaining)
            tried = tried or Attempt(at=self.clock(), outcome=Verdict.NOT_ACCEPTED, code=code, detail=detail[:300])
            return self.sent(refusing(record, left), tried)
        if message is not None and not record.parked:
            self.comeback.park(record, message)
        new = replace(
            record,
            status=status,
            problem_code=code,
            problem_detail=detail[:300],
            retry_at=0,
            parked=message is not None,
        )
        stored = self._write(new, tried, expected=record)
        if stored.status is not status:
            return Delivered(Verb.DONE_BEFORE, stored.status)
        self.trail.note(f"message.{status}", record.id, status, reason=code, account=record.account)
        return Delivered(Verb(status), code)

    def hold(self, record: MessageRecord, message: Message, account: Account, *, code: str, detail: str) -> Delivered:
        """Record that the message waits for its mailbox, or that it has waited for long enough."""
        if record.held_at and self.clock() >= held_until(record, account):
            return self.expire(record, message, detail)
        if not record.parked:
            self.comeback.park(record, message)
        held = replace(
            record,
            status=Status.HELD,
            problem_code=code,
            problem_detail=detail[:300],
            retry_at=0,
            turn=0,
            parked=True,
            held_at=record.held_at or self.clock(),
        )
        stored = self._write(held, None, expected=record)
        if not stored.waits_for_mailbox:
            return Delivered(Verb.DONE_BEFORE, stored.status)
        job = Job(id=record.id, account=record.account, attempt=record.attempt)
        self.comeback.put(job, at=held_until(stored, account))
        self.trail.note("message.held", record.id, Status.HELD, reason=code, account=record.account)
        return Delivered(Verb.HELD, code)

    def expire(self, record: MessageRecord, message: Message | None, why: str) -> Delivered:
        """Record that the time for which mail waits for its mailbox is over."""
        detail = f"It has waited for its mailbox as long as mail may. {why}"
        return self.end(record, message, Status.FAILED, code="hold_expired", detail=detail)

    def defer(self, record: MessageRecord, message: Message, retry_at: float, tried: Attempt) -> Delivered:
        """Record that it will be tried again, then queue the copy that will do so.

        Dying in between leaves this copy on the queue; when it comes back it is stale and puts the missing copy in
        its place.
        """
        now = self.clock()
        if now - max(record.created_at, record.send_at) > MAX_AGE:
            detail = f"Not sent within {MAX_AGE // 86_400} days."
            return self.end(record, message, Status.FAILED, code="gave_up", detail=detail, tried=tried)
        parked = record.parked
        if retry_at - now > MAX_QUEUE_DELAY and not parked:
            self.comeback.park(record, message)
            parked = True
        tried = replace(tried, retry_at=retry_at)
        new = replace(record, status=Status.DEFERRED, retry_at=retry_at, parked=parked, turn=0, held_at=0)
        stored = self._write(new, tried, expected=record)
        if stored.status is not Status.DEFERRED or stored.attempt != record.attempt:
            return Delivered(Verb.DONE_BEFORE, stored.status)
        job = Job(id=record.id, account=record.account, attempt=record.attempt, message=None if parked else message)
        self.comeback.put(job, at=retry_at)
        self.trail.note("message.deferred", record.id, "deferred", reason=tried.code, account=record.account)
        return Delivered(Verb.DEFERRED, tried.code)

    def wait(self, job: Job, record: MessageRecord, message: Message, at: float, code: str) -> Delivered:
        """Let a message wait until `at` for its turn, no call having been made.

        A wait that the queue can hold costs no write: the copy carries its turn. A longer one is shown as `held`, and
        one that is too long ends the message.
        """
        if at > self.clock() + FARTHEST:
            detail = f"With all that wait before it, its turn within the mailbox's limits would come at {rfc3339(at)}."
            return self.end(record, message, Status.FAILED, code="gave_up", detail=detail)
        turn = at if code == "quota" else 0.0
        short = at - self.clock() <= MAX_QUEUE_DELAY
        if short and not record.waits_for_mailbox:
            self.comeback.put(replace(job, message=None if record.parked else message, turn=turn), at=at)
            return Delivered(Verb.PUT_BACK, code)
        if not record.parked:
            self.comeback.park(record, message)
        status = Status.QUEUED if short else Status.HELD
        waiting = replace(
            record, status=status, retry_at=at, turn=turn, parked=True, held_at=0, problem_code="", problem_detail=""
        )
        stored = self._write(waiting, None, expected=record)
        if stored.status is not status:
            return Delivered(Verb.DONE_BEFORE, stored.status)
        self.comeback.put(Job(id=record.id, account=record.account, attempt=record.attempt, turn=turn), at=at)
        if short:
            return Delivered(Verb.PUT_BACK, code)
        self.trail.note("message.held", record.id, Status.HELD, reason=code, account=record.account)
        return Delivered(Verb.HELD, code)

    def _write(self, new: MessageRecord, tried: Attempt | None, *, expected: MessageRecord) -> MessageRecord:
        """Write what became of a message; knowledge replaces a successor's `unknown` about the same attempt."""
        attempts = (*new.attempts, tried)[-_KEPT_ATTEMPTS:] if tried else new.attempts
        new = replace(new, updated_at=self.clock(), owner="", lease_until=0, attempts=attempts)
        stored = self.messages.replace(new, expected=expected)
        if stored != new and stored.attempt == new.attempt and stored.status is Status.UNKNOWN:
            stored = self.messages.replace(new, expected=stored)
        # Whatever stands now is told, also if somebody else has written it: he may have died before he could.
        self.news.note(stored)
        return stored


def held_until(record: MessageRecord, account: Account) -> float:
    """Give when a message has waited for its mailbox for long enough (epoch seconds)."""
    return record.held_at + dict(account.limits).get("hold_for", HOLD_FOR)


def refusing(record: MessageRecord, refused: Iterable[RefusedRecipient]) -> MessageRecord:
    """Give the record with more recipients that it will not reach, each named once; of many the first without detail.

    A record has to fit into one item, and a message has up to 500 of them.
    """
    named = tuple({each.recipient: each for each in (*record.refused, *refused)}.values())
    bare = (replace(each, detail="") for each in named[:-_TOLD_REFUSALS])
    return replace(record, refused=(*bare, *named[-_TOLD_REFUSALS:]))
