"""Delivering one message: prepare, intent, one provider call, record, acknowledge last (semantics.md, Sending, 2-6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from mailbearer.account import Account, AccountState
from mailbearer.carriage import size_of
from mailbearer.delivery.delivered import Delivered, Verb
from mailbearer.delivery.preparing import LEASE_MARGIN, Failed, Held, Later, Ready
from mailbearer.delivery.recording import refusing
from mailbearer.envelope import Job
from mailbearer.errors import ClientRefused, MailbearerError, RefreshDeferred
from mailbearer.ids import new_id
from mailbearer.message import Attempt, Message, MessageRecord, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.comeback import Comeback
    from mailbearer.delivery.concluding import Concluding
    from mailbearer.delivery.looking import Looking
    from mailbearer.delivery.preparing import Preparation
    from mailbearer.delivery.recording import Recorder
    from mailbearer.delivery.scales import Scales
    from mailbearer.delivery.settling import Settling
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.stores import AccountStore, MessageStore
    from mailbearer.quota import Quota
    from mailbearer.trail import Trail

T = TypeVar("T")

_REGISTRATION_RETRY = 330.0
_PATIENCE = 5.0
"""Seconds to wait for one of a mailbox's slots; then the copy goes back, so that others in its batch need not wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Take jobs from the queue to the providers; one instance serves all threads of a worker."""

    messages: MessageStore
    accounts: AccountStore
    settling: Settling
    preparation: Preparation
    concluding: Concluding
    recorder: Recorder
    comeback: Comeback
    looking: Looking
    quota: Quota
    scales: Scales
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes

    def deliver(self, job: Job, *, deadline: float) -> Delivered:
        """Take one copy as far as it goes; when this returns, the copy may be acknowledged.

        `deadline` (epoch seconds) is when this worker ends. Raises `Unavailable` if nothing certain could be
        recorded: the copy then stays on the queue.
        """
        if job.record is not None and job.message is not None:
            known, light = job.record, job.message
            at_once = self._carrying(light, job, lambda: self._at_once(job, known, light, deadline))
            if at_once is not None:
                return at_once
        record = self.messages.get(job.id)
        if record is None:
            msg = f"There is no record of {job.id}: it was removed after its time."
            raise MailbearerError(msg)
        job = replace(job, record=None)
        if (settled := self.settling.settle(job, record)) is not None:
            return settled
        message = job.message
        if message is None:
            message = self.comeback.fetch(record)
            record = replace(record, parked=True)
        if message is None:
            detail = "The content is not kept any more."
            return self.recorder.end(record, None, Status.FAILED, code="content_gone", detail=detail)
        return self._carrying(message, job, lambda: self._try(job, record, message, deadline))

    def _carrying(self, message: Message, job: Job, work: Callable[[], T]) -> T | Delivered:
        """Do something with a message while the worker has the memory for it, or put the copy back."""
        with self.scales.load(size_of(message), _PATIENCE) as carried:
            if carried:
                return work()
        self.comeback.put(job, at=self.clock() + 1 + self._some())
        return Delivered(Verb.PUT_BACK, "too_heavy_now")

    def _try(self, job: Job, record: MessageRecord, message: Message, deadline: float) -> Delivered:
        ready = self._ready(job, record, message)
        return ready if isinstance(ready, Delivered) else self._call(job, record, message, ready, deadline)

    def _at_once(self, job: Job, known: MessageRecord, message: Message, deadline: float) -> Delivered | None:
        """Try a new message without reading its record; None if something is in the way, to be judged by what stands.

        The intent's condition holds only if the record still is as it was queued, and shows what stands if it is not.
        """
        if job.turn > self.clock() + 1:
            return None
        try:
            ready = self.preparation.ready(known, message, turn=job.turn)
        except Later as later:
            return self.recorder.wait(job, known, message, later.at, later.code)
        except (Failed, Held, RefreshDeferred, ClientRefused):
            return None
        return self._call(job, known, message, ready, deadline)

    def _call(self, job: Job, record: MessageRecord, message: Message, ready: Ready, deadline: float) -> Delivered:
        """Make the call once the mailbox has a slot for it and time is left."""
        # The log outlives the mailbox: whoever reads it must be able to tell through whom the message went.
        with self.trail.about(registration=ready.access.registration.name):
            return self._in_turn(job, record, message, ready, deadline)

    def _in_turn(self, job: Job, record: MessageRecord, message: Message, ready: Ready, deadline: float) -> Delivered:
        access = ready.access
        if record.attempt and self.looking.finds(record, access):
            # A call of which we believed otherwise has brought it there.
            return self.recorder.sent(record, self.looking.found())
        patience = min(_PATIENCE, max(0.0, deadline - self.clock() - ready.deadline - LEASE_MARGIN))
        slot = self.quota.slot(
            access.account,
            ready.limits,
            access.transport.per_mailbox,
            patience,
            call=ready.deadline,
            keeps=access.transport.keeps_connections,
        )
        with slot as granted:
            if not granted or self.clock() + ready.deadline + LEASE_MARGIN > deadline:
                at = self.clock() + 1 if granted else slot.again_at
                # It keeps the turn it has been given, and that stays as old as it is.
                self.comeback.put(replace(job, turn=job.turn or self.clock()), at=at)
                return Delivered(Verb.PUT_BACK, "time_left" if granted else "no_slot")
            return self._attempt(job, record, message, ready)

    def _ready(self, job: Job, record: MessageRecord, message: Message) -> Ready | Delivered:
        """Prepare, or record why the message cannot leave now."""
        turn = job.turn if job.attempt == record.attempt else 0
        try:
            return self.preparation.ready(record, message, turn=turn)
        except Later as later:
            return self.recorder.wait(job, record, message, later.at, later.code)
        except Failed as failure:
            record = refusing(record, failure.blocked)
            return self.recorder.end(record, message, Status.FAILED, code=failure.code, detail=failure.detail)
        except Held as held:
            ended = self.recorder.hold(record, message, held.account, code=held.code, detail=held.detail)
            if ended.verb is Verb.HELD and self._active(record.account, unlike=held.account):
                # Whoever made the mailbox active looked for held mail before this was held.
                self.comeback.put(
                    Job(id=record.id, account=record.account, attempt=record.attempt), at=self.clock() + 1
                )
            return ended
        except (RefreshDeferred, ClientRefused) as error:
            # No provider call was made, so no attempt is spent; the registration's trouble is the operator's alarm.
            retry_at = error.retry_at if isinstance(error, RefreshDeferred) else self.clock() + _REGISTRATION_RETRY
            tried = Attempt(at=self.clock(), outcome="deferred", code=error.code, detail=error.detail[:300])
            # A provider whose token endpoint is down is one whose mail fails: its alarm has to hear of it.
            with self.trail.about(provider=self.preparation.kind_of(record.account)):
                return self.recorder.defer(record, message, retry_at, tried)

    def _active(self, account_id: str, *, unlike: Account) -> bool:
        """Tell whether the mailbox can send, and has changed since it was read as `unlike`."""
        account = self.accounts.get(account_id)
        return account is not None and account.state is AccountState.ACTIVE and account != unlike

    def _attempt(self, job: Job, record: MessageRecord, message: Message, ready: Ready) -> Delivered:
        """Write the intent, make one call, record what it came to."""
        now = self.clock()
        access = ready.access
        sending = replace(
            refusing(record, ready.blocked) if ready.blocked else record,
            status=Status.SENDING,
            attempt=record.attempt + 1,
            owner=new_id("", now, self.random_bytes),
            lease_until=now + ready.deadline + LEASE_MARGIN,
            updated_at=now,
            retry_at=0,
            turn=0,
            # Whoever finds this part in the mailbox must not take it for the whole.
            remaining=(*ready.outgoing.rcpt_to, *ready.rest) if ready.rest else record.remaining,
        )
        stored = self.messages.replace(sending, expected=record)
        if stored != sending:
            # Somebody else was first. What he made of it is looked at again; his live lease puts this copy back.
            return self.settling.settle(replace(job, record=None, attempt=stored.attempt), stored) or self._yielded(
                replace(job, record=None)
            )
        begun = self.clock()
        outcome = access.transport.send(
            replace(ready.outgoing, correlation=self.trail.correlation),
            account=access.account,
            registration=access.registration,
            access_token=access.access_token,
        )
        # How long this very call took, and whose it was, is told with what became of the message.
        took = f"{1000 * (self.clock() - begun):.0f}"
        with self.trail.about(provider=access.registration.kind, ms=took):
            return self.concluding.conclude(sending, message, ready, outcome)

    def _yielded(self, job: Job) -> Delivered:
        self.comeback.put(job, at=self.clock() + 1)
        return Delivered(Verb.PUT_BACK, "raced")

    def _some(self) -> float:
        """Give up to five seconds, so that those who found no slot do not all come back at once."""
        return _PATIENCE * int.from_bytes(self.random_bytes(2), "big") / 2**16
