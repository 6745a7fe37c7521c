"""Recording what was read, once, and putting it on its road: the queue, or a schedule if it is for later."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.envelope import Job
from mailbearer.errors import Conflict, IdempotencyConflict, InvalidInput, MalformedBody
from mailbearer.ids import derived_id, new_id
from mailbearer.lookup import check_sendable
from mailbearer.message import MessageRecord, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailbearer.comeback import Comeback
    from mailbearer.message import Message
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.stores import MessageStore
    from mailbearer.submission.reading import Draft, Uploads
    from mailbearer.trail import Trail

RECORD_LIFE = 90 * 86_400
"""Seconds for which a record, and with it an idempotency key, is kept; from the day for which it was scheduled."""


@dataclass(frozen=True, slots=True)
class Request:
    """What makes one request the same as another: who asks, under which key (empty = none), for what."""

    caller: str
    key: tuple[str, ...]
    digest: str

    @property
    def message_id(self) -> str:
        """Give the id of the message that the key stands for; empty without a key."""
        return derived_id("msg_", self.caller, *self.key) if self.key else ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The record as it stood when the message was accepted, and whether this answers a request that came before."""

    record: MessageRecord
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Take drafts in."""

    messages: MessageStore
    comeback: Comeback
    uploads: Callable[[], Uploads]
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes

    def take(self, request: Request, read: Callable[[float], Draft]) -> Accepted:
        """Record and queue what `read` gives as of a moment; a request that came before has its first answer again.

        Raises what `read` does, what `check_sendable` does, `IdempotencyConflict`, and `Unavailable` if the message is
        not on its road: the same request again then puts it there.
        """
        now = self.clock()
        try:
            draft = read(now)
            check_sendable(draft.account)
        except (InvalidInput, Conflict):
            # What was fit to be sent when it was first asked for stays accepted, whatever has changed since.
            first = self._first(request)
            if first is None:
                raise
            self._finish(first, read)
            return Accepted(_as_accepted(first), replayed=True)
        stored, new = self.record(request, draft.message)
        if untouched(stored):
            self.dispatch(stored, draft.message, new=new)
        return Accepted(_as_accepted(stored), replayed=not new)

    def record(self, request: Request, message: Message) -> tuple[MessageRecord, bool]:
        """Put the record under the id that caller and key give; the one conditional write is the whole check.

        Gives the record that stands there, and whether it is new. Raises `IdempotencyConflict`.
        """
        now, later = self.clock(), message.send_at
        record_id = request.message_id or new_id("msg_", now, self.random_bytes)
        domain = message.sender.email.rpartition("@")[2] or "mailbearer.invalid"
        record = MessageRecord(
            id=record_id,
            account=message.account,
            caller=request.caller,
            status=Status.SCHEDULED if later else Status.QUEUED,
            message_id=message.message_id or f"<{record_id.removeprefix('msg_').lower()}@{domain}>",
            request_hash=request.digest,
            created_at=now,
            updated_at=now,
            send_at=later,
            retry_at=later,
            on_unknown=message.on_unknown,
            tags=message.tags,
            metadata=message.metadata,
            parked=bool(later),
            expires_at=max(now, later) + RECORD_LIFE,
        )
        stored = self.messages.create(record)
        if stored.request_hash != record.request_hash:
            msg = "This idempotency key was used for another message; use a new key for a new message."
            raise IdempotencyConflict(msg)
        new = stored == record
        if new:
            self.trail.note("message.accepted", record.id, "accepted", actor=record.caller, account=record.account)
        return stored, new

    def dispatch(self, record: MessageRecord, message: Message, *, new: bool) -> None:
        """Put a message on its road; doing so again is harmless. Raises `Unavailable`."""
        message = dated(message, record)
        job = Job(id=record.id, account=record.account, attempt=record.attempt)
        if record.send_at:
            # In the bucket, so that it can be moved to another day.
            self.comeback.park(record, message)
            if any(part.upload_id for part in message.attachments):
                self.uploads().keep(message)
        else:
            job = replace(job, message=message, record=record if new else None)
        self.comeback.put(job, at=record.retry_at)

    def _first(self, request: Request) -> MessageRecord | None:
        """Find what the same request was answered."""
        record = self.messages.get(request.message_id) if request.key else None
        return record if record is not None and record.request_hash == request.digest else None

    def _finish(self, record: MessageRecord, read: Callable[[float], Draft]) -> None:
        """Put a message on its road if the first request may have failed to; it is read as of then."""
        if not untouched(record):
            return
        if record.parked and self.comeback.fetch(record) is not None:
            self.comeback.put(Job(id=record.id, account=record.account, attempt=0), at=record.retry_at)
        else:
            self.dispatch(record, read(record.created_at).message, new=False)


def untouched(record: MessageRecord) -> bool:
    """Tell whether no worker has had it in hand, so that its copy may never have reached the queue."""
    return record.attempt == 0 and record.status in {Status.QUEUED, Status.SCHEDULED}


def dated(message: Message, record: MessageRecord) -> Message:
    """Give the message as it is to leave: with the record's Message-ID, dated when it was wanted to leave."""
    date = record.send_at or record.created_at
    return replace(message, message_id=record.message_id, date=date, send_at=record.send_at)


def digest_of(body: Mapping[str, object]) -> str:
    """Hash what was asked, whatever the order of its fields; the key itself is not part of it.

    Raises `MalformedBody` for what nests as deep as it could just be read.
    """
    plain = {name: value for name, value in body.items() if name != "idempotency_key"}
    try:
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    except RecursionError as error:
        raise MalformedBody("The body nests too deep.") from error
    return hashlib.sha256(text.encode()).hexdigest()


def _as_accepted(record: MessageRecord) -> MessageRecord:
    """Give the record as it stood when the message was accepted: a replay is the first answer again."""
    return MessageRecord(
        id=record.id,
        account=record.account,
        caller=record.caller,
        status=Status.SCHEDULED if record.send_at else Status.QUEUED,
        message_id=record.message_id,
        request_hash=record.request_hash,
        created_at=record.created_at,
        updated_at=record.created_at,
        send_at=record.send_at,
        on_unknown=record.on_unknown,
        tags=record.tags,
        metadata=record.metadata,
        expires_at=record.expires_at,
    )
