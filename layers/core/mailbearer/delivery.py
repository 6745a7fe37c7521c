"""Delivering one message: prepare, intent, one provider call, record, acknowledge last (semantics.md, Sending, 2-6)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.envelope import QUEUE_LIMIT, Job, read_content, write_content, write_job
from mailbearer.errors import ClientRefused, GrantDead, InvalidInput, MailbearerError, RefreshDeferred, Unavailable
from mailbearer.ids import new_id
from mailbearer.message import Attempt, Message, MessageRecord, Outcome, Outgoing, Remedy, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.mailbox_slots import MailboxSlots
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.channels import ContentStore, MessageQueue
    from mailbearer.ports.mail import Composer, Transport
    from mailbearer.ports.stores import AccountStore, MessageStore, RegistrationStore
    from mailbearer.refreshing.lifecycle import Lifecycle
    from mailbearer.registration import Registration
    from mailbearer.standing import Standing
    from mailbearer.trail import Trail

MAX_ATTEMPTS = 20
"""Provider calls for one message before it fails; with full-jitter backoff they spread over about a day."""

MAX_AGE = 7 * 86_400
"""Seconds after which a message that cannot be sent fails."""

MAX_QUEUE_DELAY = 900
_LEASE_MARGIN = 15.0
_BACKOFF_BASE, _BACKOFF_CAP = 10.0, 7200.0
_HELD_RETRY = 3600.0
_REGISTRATION_RETRY = 330.0
_AFTER_REFRESH = 2.0
_KEPT_ATTEMPTS = 10


class Verb(StrEnum):
    """What became of one queue copy."""

    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DEFERRED = "deferred"
    HELD = "held"
    DONE_BEFORE = "done_before"
    PUT_BACK = "put_back"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a copy, and the code that says why."""

    verb: Verb
    code: str = ""


@dataclass(frozen=True, slots=True)
class _Ready:
    """Everything that one provider call needs, had before the intent."""

    account: Account
    registration: Registration
    transport: Transport
    outgoing: Outgoing
    access_token: str = field(repr=False)


class _Held(Exception):
    def __init__(self, account: Account, code: str, detail: str) -> None:
        super().__init__(detail)
        self.account, self.code, self.detail = account, code, detail


class _Failed(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Take jobs from the queue to the providers; one instance serves all threads of a worker."""

    messages: MessageStore
    accounts: AccountStore
    registrations: RegistrationStore
    lifecycle: Lifecycle
    transport: Callable[[str], Transport]
    compose: Composer
    content: ContentStore
    queue: MessageQueue
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes
    slots: MailboxSlots
    standing: Standing

    def deliver(self, job: Job, *, deadline: float) -> Delivered:
        """Take one copy as far as it goes; when this returns, the copy may be acknowledged.

        `deadline` (epoch seconds) is when this worker ends. Raises `Unavailable` if nothing certain could be
        recorded: the copy then stays on the queue.
        """
        if job.record is not None and job.message is not None:
            at_once = self._at_once(replace(job, record=None), job.record, job.message, deadline)
            if at_once is not None:
                return at_once
        record = self.messages.get(job.id)
        if record is None:
            msg = f"There is no record of {job.id}: it was removed after its time."
            raise MailbearerError(msg)
        if (settled := self._settle(job, record)) is not None:
            return settled
        message = job.message
        if message is None:
            message = self._fetch(record)
            record = replace(record, parked=True)
        if message is None:
            return self._end(
                record, None, Status.FAILED, code="content_gone", detail="The content is not kept any more."
            )
        ready = self._ready(record, message)
        return ready if isinstance(ready, Delivered) else self._call(job, record, message, ready, deadline)

    def _at_once(self, job: Job, known: MessageRecord, message: Message, deadline: float) -> Delivered | None:
        """Try a new message without reading its record; None if something is in the way, to be judged by what stands.

        The intent's condition holds only if the record still is as it was queued, and shows what stands if it is not.
        """
        try:
            ready = self._prepare(known, message)
        except (_Failed, _Held, RefreshDeferred, ClientRefused):
            return None
        return self._call(job, known, message, ready, deadline)

    def _call(self, job: Job, record: MessageRecord, message: Message, ready: _Ready, deadline: float) -> Delivered:
        """Make the call once the mailbox has a slot for it and time is left."""
        with self.slots.one(ready.account.id, ready.transport.per_mailbox, self._patience(ready, deadline)) as granted:
            if not granted or self.clock() + ready.transport.deadline + _LEASE_MARGIN > deadline:
                self._requeue(job, delay=1)
                return Delivered(Verb.PUT_BACK, "time_left")
            return self._attempt(job, record, message, ready)

    # --- before the call ------------------------------------------------------------------------------------------

    def _settle(self, job: Job, record: MessageRecord) -> Delivered | None:
        """Decide about copies that need no call: done, stale, too early, or in somebody's hands."""
        now = self.clock()
        if record.status.terminal or (record.status is Status.HELD and not self._active(record.account)):
            # Whoever settled it may have died before his audit events were written; this one says the same.
            self.trail.note("message.seen_again", record.id, record.status, account=record.account)
            return Delivered(Verb.DONE_BEFORE, record.status)
        if record.status is Status.SENDING:
            if record.lease_until > now:
                self._requeue(job, delay=record.lease_until - now + 1)
                return Delivered(Verb.PUT_BACK, "in_flight")
            return self._lapsed(job, record)
        if job.attempt != record.attempt or record.retry_at > now + 1:
            # A stale copy, or one that is early. The copy that is due may have been lost with the worker that was to
            # queue it, so put one in its place: two copies of one attempt are harmless, none is a lost message.
            self._requeue(replace(job, attempt=record.attempt), delay=max(0.0, record.retry_at - now))
            return Delivered(Verb.PUT_BACK, "stale" if job.attempt != record.attempt else "early")
        return None

    def _lapsed(self, job: Job, record: MessageRecord) -> Delivered:
        """Settle a call whose worker died: nobody knows whether the provider took the message."""
        detail = "The worker ended during the provider call; the message may have been sent."
        tried = Attempt(at=record.updated_at, outcome="unknown", code="worker_lost", detail=detail)
        message = job.message if job.message is not None else self._fetch(record)
        if record.on_unknown == "resend" and record.attempt < MAX_ATTEMPTS and message is not None:
            return self._defer(record, message, self.clock(), tried)
        return self._end(record, message, Status.UNKNOWN, code="worker_lost", detail=detail, tried=tried)

    def _ready(self, record: MessageRecord, message: Message) -> _Ready | Delivered:
        """Prepare, or record why the message cannot leave now."""
        try:
            return self._prepare(record, message)
        except _Failed as failure:
            return self._end(record, message, Status.FAILED, code=failure.code, detail=failure.detail)
        except _Held as held:
            ended = self._end(record, message, Status.HELD, code=held.code, detail=held.detail)
            if self._active(record.account, unlike=held.account):
                # Whoever made the mailbox active looked for held mail before this was held.
                self._requeue(Job(id=record.id, account=record.account, attempt=record.attempt), delay=1)
            return ended
        except (RefreshDeferred, ClientRefused) as error:
            # No provider call was made, so no attempt is spent; the registration's trouble is the operator's alarm.
            retry_at = error.retry_at if isinstance(error, RefreshDeferred) else self.clock() + _REGISTRATION_RETRY
            tried = Attempt(at=self.clock(), outcome="deferred", code=error.code, detail=error.detail[:300])
            return self._defer(record, message, retry_at, tried)

    def _prepare(self, record: MessageRecord, message: Message) -> _Ready:
        """Have account, token and MIME before the intent."""
        account = self._account(record.account)
        if account is None:
            raise _Failed("unknown_account", "The account does not exist any more.")
        if account.state is AccountState.REVOKED:
            raise _Failed("account_revoked", "The mailbox was revoked.")
        if account.state is not AccountState.ACTIVE:
            detail = f"The mailbox is {account.state}; the message waits for it."
            raise _Held(account, f"account_{account.state}", detail)
        registration = self.registrations.get(account.provider)
        if registration is None:
            raise _Held(account, "registration_missing", f"The registration {account.provider} does not exist.")
        transport = self.transport(account.transport)
        try:
            mime = self.compose(message, bcc_header=transport.names_recipients_in_headers)
        except InvalidInput as error:
            raise _Failed(error.code, error.detail) from error
        if len(mime) > transport.size_limit:
            detail = f"{len(mime)} bytes; {account.transport} carries at most {transport.size_limit}."
            raise _Failed("message_too_large", detail)
        try:
            access_token = self.lifecycle.usable(account, needed_for=transport.deadline + _LEASE_MARGIN)
        except GrantDead as error:
            raise _Held(account, error.code, error.detail) from error
        outgoing = Outgoing(mail_from=message.sender.email, rcpt_to=message.recipients, mime=mime)
        return _Ready(account, registration, transport, outgoing, access_token)

    def _active(self, account_id: str, *, unlike: Account | None = None) -> bool:
        """Tell whether the mailbox can send, and, with `unlike`, has changed since it was read as that."""
        account = self.accounts.get(account_id)
        return account is not None and account.state is AccountState.ACTIVE and account != unlike

    def _account(self, account_id: str) -> Account | None:
        """Read the account, a moment old if it can send: that moment is part of the time a revocation answers with.

        A no has to hold for the account as it is now.
        """
        account = self.accounts.get(account_id, consistent=False)
        if account is None or account.state is not AccountState.ACTIVE:
            account = self.accounts.get(account_id)
        return account

    def _patience(self, ready: _Ready, deadline: float) -> float:
        """Give the seconds that may be spent waiting for one of the mailbox's slots."""
        return max(0.0, deadline - self.clock() - ready.transport.deadline - _LEASE_MARGIN)

    # --- the call -------------------------------------------------------------------------------------------------

    def _attempt(self, job: Job, record: MessageRecord, message: Message, ready: _Ready) -> Delivered:
        """Write the intent, make one call, record what it came to."""
        now = self.clock()
        sending = replace(
            record,
            status=Status.SENDING,
            attempt=record.attempt + 1,
            owner=new_id("", now, self.random_bytes),
            lease_until=now + ready.transport.deadline + _LEASE_MARGIN,
            updated_at=now,
            retry_at=0,
        )
        stored = self.messages.replace(sending, expected=record)
        if stored != sending:
            # Somebody else was first. What he made of it is looked at again; his live lease puts this copy back.
            return self._settle(replace(job, attempt=stored.attempt), stored) or self._yielded(job)
        outcome = ready.transport.send(
            ready.outgoing, account=ready.account, registration=ready.registration, access_token=ready.access_token
        )
        return self._conclude(sending, message, ready, outcome)

    def _yielded(self, job: Job) -> Delivered:
        self._requeue(job, delay=1)
        return Delivered(Verb.PUT_BACK, "raced")

    def _conclude(self, sending: MessageRecord, message: Message, ready: _Ready, outcome: Outcome) -> Delivered:
        """Turn the outcome of a call into the record's next state."""
        now = self.clock()
        tried = Attempt(at=now, outcome=outcome.verdict, code=outcome.code, detail=outcome.detail[:300])
        if outcome.verdict is Verdict.ACCEPTED:
            delivered = self._sent(sending, outcome, tried)
            self.standing.accepted(ready.account)
            return delivered
        if outcome.verdict is Verdict.UNKNOWN:
            if sending.on_unknown == "resend" and sending.attempt < MAX_ATTEMPTS:
                return self._defer(sending, message, now + self._backoff(sending), tried)
            return self._end(sending, message, Status.UNKNOWN, code=outcome.code, detail=outcome.detail, tried=tried)
        remedy = outcome.remedy
        if remedy is Remedy.NONE:
            return self._end(sending, message, Status.FAILED, code=outcome.code, detail=outcome.detail, tried=tried)
        if sending.attempt >= MAX_ATTEMPTS:
            detail = f"Given up after {sending.attempt} attempts; the last said: {outcome.code} {outcome.detail}"
            return self._end(sending, message, Status.FAILED, code="attempts_exhausted", detail=detail, tried=tried)
        refresh = remedy is Remedy.REFRESH and self.lifecycle.may_force(ready.account)
        deferred = self._defer(sending, message, now + self._wait(sending, outcome, refresh=refresh), tried)
        if remedy is Remedy.HOLD:
            self.standing.refused(ready.account, outcome.code)
        if refresh:
            # Only now: a worker that dies while it refreshes must not leave a certain refusal looking like `unknown`.
            self.lifecycle.force_refresh(ready.account.id)
        return deferred

    def _wait(self, sending: MessageRecord, outcome: Outcome, *, refresh: bool) -> float:
        """Give the seconds until a message that was certainly not taken is tried again."""
        wait = _AFTER_REFRESH if refresh else self._backoff(sending)
        if outcome.remedy is Remedy.HOLD:
            wait = max(wait, _HELD_RETRY)
        # The provider's word counts upwards only: a Retry-After of 1 has been seen where ten minutes were meant.
        return max(wait, min(outcome.retry_after or 0.0, 86_400.0))

    def _sent(self, sending: MessageRecord, outcome: Outcome, tried: Attempt) -> Delivered:
        sent = replace(
            sending,
            status=Status.SENT,
            sent_at=tried.at,
            provider_id=outcome.provider_id,
            problem_code="",
            problem_detail="",
        )
        self._record(sent, tried, expected=sending)
        if sending.parked:
            self._forget(sending)
        self.trail.note("message.sent", sending.id, "sent", account=sending.account, provider_id=outcome.provider_id)
        return Delivered(Verb.SENT, outcome.code)

    # --- recording ------------------------------------------------------------------------------------------------

    def _record(self, new: MessageRecord, tried: Attempt | None, *, expected: MessageRecord) -> MessageRecord:
        """Write what became of a message; knowledge replaces a successor's `unknown` about the same attempt."""
        now = self.clock()
        attempts = (*new.attempts, tried)[-_KEPT_ATTEMPTS:] if tried else new.attempts
        new = replace(new, updated_at=now, owner="", lease_until=0, attempts=attempts)
        stored = self.messages.replace(new, expected=expected)
        if stored != new and stored.attempt == new.attempt and stored.status is Status.UNKNOWN:
            stored = self.messages.replace(new, expected=stored)
        return stored

    def _end(
        self,
        record: MessageRecord,
        message: Message | None,
        status: Status,
        *,
        code: str,
        detail: str,
        tried: Attempt | None = None,
    ) -> Delivered:
        """Record `failed`, `unknown` or `held`; the content is parked first, so that `retry` can have it."""
        if message is not None and not record.parked:
            self.content.put(record.id, write_content(message))
        new = replace(
            record,
            status=status,
            problem_code=code,
            problem_detail=detail[:300],
            retry_at=0,
            parked=message is not None,
        )
        stored = self._record(new, tried, expected=record)
        if stored.status is not status:
            return Delivered(Verb.DONE_BEFORE, stored.status)
        self.trail.note(f"message.{status}", record.id, status, reason=code, account=record.account)
        return Delivered(Verb(status), code)

    def _defer(self, record: MessageRecord, message: Message, retry_at: float, tried: Attempt) -> Delivered:
        """Record that it will be tried again, then queue the copy that will do so.

        Dying in between leaves this copy on the queue; when it comes back it is stale and puts the missing copy in
        its place.
        """
        now = self.clock()
        wait = retry_at - now
        if now - record.created_at > MAX_AGE:
            detail = f"Not sent within {MAX_AGE // 86_400} days."
            return self._end(record, message, Status.FAILED, code="gave_up", detail=detail, tried=tried)
        parked = record.parked
        if wait > MAX_QUEUE_DELAY and not parked:
            self.content.put(record.id, write_content(message))
            parked = True
        tried = replace(tried, retry_at=retry_at)
        new = replace(record, status=Status.DEFERRED, retry_at=retry_at, parked=parked)
        stored = self._record(new, tried, expected=record)
        if stored.status is not Status.DEFERRED or stored.attempt != record.attempt:
            return Delivered(Verb.DONE_BEFORE, stored.status)
        job = Job(id=record.id, account=record.account, attempt=record.attempt, message=None if parked else message)
        self._requeue(job, delay=wait)
        self.trail.note("message.deferred", record.id, "deferred", reason=tried.code, account=record.account)
        return Delivered(Verb.DEFERRED, tried.code)

    def _requeue(self, job: Job, *, delay: float) -> None:
        """Queue a copy, its content through the bucket if it is big; waits longer than SQS can delay go in hops."""
        text = write_job(job)
        if job.message is not None and len(text.encode()) > QUEUE_LIMIT:
            self.content.put(job.id, write_content(job.message))
            text = write_job(replace(job, message=None))
        # Rounded up: a copy that comes a moment too early would only be put back again.
        self.queue.send(text, group=job.account, delay=min(MAX_QUEUE_DELAY, max(0, math.ceil(delay))))

    def _fetch(self, record: MessageRecord) -> Message | None:
        text = self.content.get(record.id)
        return read_content(text) if text is not None else None

    def _forget(self, record: MessageRecord) -> None:
        """Remove parked content; the bucket's lifecycle does it if this fails."""
        try:
            self.content.delete(record.id)
        except Unavailable as error:
            self.trail.note("message.content_kept", record.id, "kept", reason=error.code)

    def _backoff(self, record: MessageRecord) -> float:
        """Give full jitter over an exponentially growing ceiling, in seconds."""
        ceiling = min(_BACKOFF_CAP, _BACKOFF_BASE * float(2 ** min(record.attempt, 16)))
        return 1.0 + ceiling * (int.from_bytes(self.random_bytes(4), "big") / 2**32)
