"""Turning the outcome of a call into the message's next state (semantics.md, Sending, 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.delivery.delivered import MAX_ATTEMPTS, Delivered
from mailbearer.delivery.recording import refusing
from mailbearer.message import Attempt, Message, MessageRecord, Outcome, RefusedRecipient, Remedy, Status, Verdict

if TYPE_CHECKING:
    from mailbearer.circuit import Circuit
    from mailbearer.delivery.looking import Looking
    from mailbearer.delivery.preparing import Ready
    from mailbearer.delivery.recording import Recorder
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.refreshing.lifecycle import Lifecycle
    from mailbearer.standing import Standing

_BACKOFF_BASE, _BACKOFF_CAP = 10.0, 7200.0
_HELD_RETRY = 3600.0
_AFTER_REFRESH = 2.0
_LONGEST_RETRY_AFTER = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluding:
    """Record outcomes, and do what helps against refusals."""

    recorder: Recorder
    looking: Looking
    lifecycle: Lifecycle
    circuit: Circuit
    standing: Standing
    clock: Clock
    random_bytes: RandomBytes

    def conclude(self, sending: MessageRecord, message: Message, ready: Ready, outcome: Outcome) -> Delivered:
        """Turn the outcome of a call into the record's next state."""
        now = self.clock()
        account = ready.access.account
        tried = Attempt(at=now, outcome=outcome.verdict, code=outcome.code, detail=outcome.detail[:300])
        if outcome.verdict is Verdict.ACCEPTED:
            delivered = self._accepted(sending, message, ready, outcome, tried)
            self.standing.accepted(account)
            self.circuit.succeeded(account)
            return delivered
        if outcome.verdict is Verdict.UNKNOWN:
            delivered = self._unknown(sending, message, ready, outcome, tried)
        else:
            delivered = self._refused(sending, message, ready, outcome, tried)
        # Only now: a worker that dies here must not leave a certain refusal looking like `unknown`.
        self.circuit.failed(account, outcome)
        return delivered

    def _accepted(
        self, sending: MessageRecord, message: Message, ready: Ready, outcome: Outcome, tried: Attempt
    ) -> Delivered:
        """Record that it was taken; for the recipients who were not reached yet it is tried again."""
        record = refusing(sending, [each for each in outcome.refused if not each.again])
        again = tuple(each for each in outcome.refused if each.again)
        # Those who were put off come last, so that they hold up nobody.
        left = (*ready.rest, *(each.recipient for each in again))
        if not left:
            return self.recorder.sent(record, tried, provider_id=outcome.provider_id)
        record = replace(record, remaining=left, sent_at=record.sent_at or tried.at, provider_id=outcome.provider_id)
        if record.attempt >= MAX_ATTEMPTS:
            return self.recorder.sent(refusing(record, _given_up(again, ready.rest)), tried)
        wait = 0.0 if ready.rest else self._backoff(record)
        return self.recorder.defer(record, message, self.clock() + wait, tried)

    def _unknown(
        self, sending: MessageRecord, message: Message, ready: Ready, outcome: Outcome, tried: Attempt
    ) -> Delivered:
        """Record that nobody can tell, unless the mailbox itself can."""
        sending = refusing(sending, [each for each in outcome.refused if not each.again])
        if self.looking.finds(sending, ready.access):
            return self.recorder.sent(sending, self.looking.found())
        if sending.on_unknown == "resend" and sending.attempt < MAX_ATTEMPTS:
            return self.recorder.defer(sending, message, self.clock() + self._backoff(sending), tried)
        ended = self.recorder.end(
            sending, message, Status.UNKNOWN, code=outcome.code, detail=outcome.detail, tried=tried
        )
        self.looking.later(sending, ready.access)
        return ended

    def _refused(
        self, sending: MessageRecord, message: Message, ready: Ready, outcome: Outcome, tried: Attempt
    ) -> Delivered:
        """Record that it was certainly not taken, and do what helps."""
        account, remedy = ready.access.account, outcome.remedy
        gone = [each for each in outcome.refused if not each.again]
        record = refusing(sending, gone)
        if gone and len(gone) < len(ready.outgoing.rcpt_to):
            names = {each.recipient for each in gone}
            rest = tuple(each for each in ready.outgoing.rcpt_to if each not in names)
            record = replace(record, remaining=(*rest, *ready.rest))
        if remedy is Remedy.NONE and ready.rest:
            # Nobody of this part can be reached, which each has to be told of; the others are still to be tried.
            part = (each for each in ready.outgoing.rcpt_to if each not in {one.recipient for one in gone})
            named = [RefusedRecipient(recipient=each, code=outcome.code, detail=outcome.detail[:200]) for each in part]
            record = replace(refusing(record, named), remaining=ready.rest)
            return self.recorder.defer(record, message, self.clock(), tried)
        if remedy is Remedy.NONE:
            return self.recorder.end(
                record, message, Status.FAILED, code=outcome.code, detail=outcome.detail, tried=tried
            )
        if record.attempt >= MAX_ATTEMPTS:
            detail = f"Given up after {record.attempt} attempts; the last said: {outcome.code} {outcome.detail}"
            return self.recorder.end(
                record, message, Status.FAILED, code="attempts_exhausted", detail=detail, tried=tried
            )
        refresh = remedy is Remedy.REFRESH and self.lifecycle.may_force(account)
        wait = self._wait(record, outcome, refresh=refresh)
        deferred = self.recorder.defer(record, message, self.clock() + wait, tried)
        if remedy is Remedy.HOLD:
            self.standing.refused(account, outcome.code)
        if refresh:
            # Only now: a worker that dies while it refreshes must not leave a certain refusal looking like `unknown`.
            self.lifecycle.force_refresh(account.id)
        return deferred

    def _wait(self, sending: MessageRecord, outcome: Outcome, *, refresh: bool) -> float:
        """Give the seconds until a message that was certainly not taken is tried again."""
        wait = _AFTER_REFRESH if refresh else self._backoff(sending)
        if outcome.remedy is Remedy.HOLD:
            wait = max(wait, _HELD_RETRY)
        # The provider's word counts upwards only: a Retry-After of 1 has been seen where ten minutes were meant.
        return max(wait, min(outcome.retry_after or 0.0, _LONGEST_RETRY_AFTER))

    def _backoff(self, record: MessageRecord) -> float:
        """Give full jitter over an exponentially growing ceiling, in seconds."""
        ceiling = min(_BACKOFF_CAP, _BACKOFF_BASE * float(2 ** min(record.attempt, 16)))
        return 1.0 + ceiling * (int.from_bytes(self.random_bytes(4), "big") / 2**32)


def _given_up(again: tuple[RefusedRecipient, ...], rest: tuple[str, ...]) -> list[RefusedRecipient]:
    """Name the recipients who were not reached in all attempts."""
    named = [replace(each, again=False) for each in again]
    return named + [RefusedRecipient(recipient=each, code="attempts_exhausted") for each in rest]
