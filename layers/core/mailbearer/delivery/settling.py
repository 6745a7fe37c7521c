"""Copies that need no call: what is done already, stale, too early, or in somebody's hands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.account import AccountState
from mailbearer.delivery.delivered import MAX_ATTEMPTS, Delivered, Verb
from mailbearer.delivery.recording import held_until
from mailbearer.message import Attempt, MessageRecord, Status, Verdict

if TYPE_CHECKING:
    from mailbearer.comeback import Comeback
    from mailbearer.delivery.looking import Looking
    from mailbearer.delivery.recording import Recorder
    from mailbearer.envelope import Job
    from mailbearer.ports import Clock
    from mailbearer.ports.stores import AccountStore
    from mailbearer.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """Judge a copy by what is recorded of its message."""

    accounts: AccountStore
    recorder: Recorder
    comeback: Comeback
    looking: Looking
    trail: Trail
    clock: Clock

    def settle(self, job: Job, record: MessageRecord) -> Delivered | None:
        """Do what is left to do for a copy that needs no call; None if its message is to be sent.

        Raises `Unavailable`.
        """
        if job.look:
            # It must not send, whatever became of the message meanwhile.
            unknown = record.status is Status.UNKNOWN
            return self.looking.look(record) if unknown else Delivered(Verb.DONE_BEFORE, record.status)
        if record.status.terminal:
            return self._seen_again(record)
        if record.waits_for_mailbox:
            return self._held(job, record)
        if record.status is Status.SENDING:
            return self._in_hand(job, record)
        return self._untimely(job, record)

    def _untimely(self, job: Job, record: MessageRecord) -> Delivered | None:
        stale = job.attempt != record.attempt
        due = record.retry_at if stale else max(record.retry_at, job.turn)
        if stale or due > self.clock() + 1:
            self.recorder.news.note(record)
            # A stale copy, or one that is early. The copy that is due may have been lost with the worker that was to
            # queue it, so put one in its place: two copies of one attempt are harmless, none is a lost message.
            self.comeback.put(replace(job, attempt=record.attempt, turn=record.turn if stale else job.turn), at=due)
            return Delivered(Verb.PUT_BACK, "stale" if stale else "early")
        return None

    def _held(self, job: Job, record: MessageRecord) -> Delivered | None:
        """Decide about a message that waits for its mailbox: None if the wait is over."""
        account = self.accounts.get(record.account)
        if account is None or account.state is AccountState.ACTIVE or account.is_gone:
            return None
        until = held_until(record, account)
        if self.clock() >= until:
            return self.recorder.expire(record, self.comeback.fetch(record), f"The mailbox is {account.state}.")
        # Whoever held it may have died before it had its end.
        self.comeback.put(replace(job, attempt=record.attempt, message=None), at=until)
        return self._seen_again(record)

    def _in_hand(self, job: Job, record: MessageRecord) -> Delivered:
        """Leave a call to its worker, or settle it if he died: then nobody knows whether the provider took it."""
        if record.lease_until > self.clock():
            self.comeback.put(job, at=record.lease_until + 1)
            return Delivered(Verb.PUT_BACK, "in_flight")
        detail = "The worker ended during the provider call; the message may have been sent."
        tried = Attempt(at=record.updated_at, outcome=Verdict.UNKNOWN, code="worker_lost", detail=detail)
        message = job.message if job.message is not None else self.comeback.fetch(record)
        if record.on_unknown == "resend" and record.attempt < MAX_ATTEMPTS and message is not None:
            return self.recorder.defer(record, message, self.clock(), tried)
        ended = self.recorder.end(record, message, Status.UNKNOWN, code="worker_lost", detail=detail, tried=tried)
        if ended.verb is Verb.UNKNOWN:
            self.looking.later(record)
        return ended

    def _seen_again(self, record: MessageRecord) -> Delivered:
        # Whoever settled it may have died before his audit events were written and his news told; these say the same.
        self.recorder.news.note(record)
        self.trail.note("message.seen_again", record.id, record.status, account=record.account)
        return Delivered(Verb.DONE_BEFORE, record.status)
