"""Mail waits for its turn instead of being refused, and costs nobody anything while it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.circuit import ILL
from mailbearer.comeback import MAX_QUEUE_DELAY
from mailbearer.delivery.delivered import Delivered, Verb
from mailbearer.message import Outcome, Remedy, Status, Verdict
from mailbearer.ports.provider import TokenAnswer
from tests.fakes.events import facts
from tests.unit.sending import ACCEPTED, Sending, refusal

if TYPE_CHECKING:
    from mailbearer.envelope import Job

DAYS = (TokenAnswer(access_token="access-2", expires_in=5 * 86_400),)
UNREACHABLE = Outcome(verdict=Verdict.NOT_ACCEPTED, code="connect_failed", remedy=Remedy.RETRY)


def accepted_job(sending: Sending) -> Job:
    sending.accept()
    return sending.copy()


def test_a_message_beyond_the_minutes_limit_goes_back_with_its_turn_and_without_a_write() -> None:
    sending = Sending(ACCEPTED)
    sending.change(limits=(("per_minute", 1),))
    assert sending.deliver(accepted_job(sending)).verb is Verb.SENT
    job = accepted_job(sending)
    sending.messages.faults.calls.clear()
    assert sending.deliver(job) == Delivered(Verb.PUT_BACK, "quota")
    assert sending.messages.faults.calls == []
    waiting = sending.copy()
    assert waiting.turn > sending.clock()
    assert sending.record(job.id).status is Status.QUEUED


def test_a_turn_that_was_given_is_not_asked_for_again() -> None:
    sending = Sending(*[ACCEPTED] * 10)
    sending.change(limits=(("per_minute", 2),))
    for _ in range(10):
        sending.accept()
        sending.clock.advance(0.01)
    begun = sending.clock()
    verbs = [done.verb for done in sending.work()]
    assert verbs.count(Verb.SENT) == 10
    assert verbs.count(Verb.PUT_BACK) <= 10
    assert sending.clock() - begun >= 4 * 60


def test_mail_beyond_the_days_limit_is_held_until_there_is_room_and_then_goes() -> None:
    sending = Sending(*[ACCEPTED] * 3, refresh=DAYS)
    sending.change(limits=(("per_day", 2),))
    ids = [sending.accept().id for _ in range(3)]
    begun = sending.clock()
    sending.work(horizon=1)
    (waiting,) = [record for record in map(sending.record, ids) if record.status is Status.HELD]
    assert waiting.retry_at > begun + MAX_QUEUE_DELAY
    assert waiting.turn == waiting.retry_at
    assert not waiting.waits_for_mailbox
    assert sending.schedules.waiting[waiting.id].at == waiting.retry_at
    sending.work()
    assert sending.record(waiting.id).status is Status.SENT
    assert sending.clock() - begun >= 86_400 - 3600


def test_after_five_failures_in_a_row_a_mailbox_is_left_alone() -> None:
    sending = Sending(*[UNREACHABLE] * ILL)
    for _ in range(ILL):
        assert sending.deliver(accepted_job(sending)).verb is Verb.DEFERRED
    job = accepted_job(sending)
    assert sending.deliver(job) == Delivered(Verb.PUT_BACK, "circuit_open")
    assert len(sending.transport.calls) == ILL
    assert sending.record(job.id).attempts == ()


def test_a_mailbox_that_is_well_again_sends_all_that_waited() -> None:
    sending = Sending(*[UNREACHABLE] * ILL, *[ACCEPTED] * (ILL + 3))
    ids = [sending.accept().id for _ in range(ILL + 3)]
    sending.work(most=300)
    assert all(sending.record(each).status is Status.SENT for each in ids)
    assert sending.accounts.accounts[sending.ann.id].circuit_until == 0


def test_twenty_throttles_in_a_row_fail_the_message_with_the_last_answer() -> None:
    sending = Sending(*[refusal(code="throttled", retry_after=1)] * 20, refresh=DAYS)
    message_id = sending.accept().id
    sending.work(most=300)
    record = sending.record(message_id)
    assert (record.status, record.problem_code) == (Status.FAILED, "attempts_exhausted")
    assert len(sending.transport.calls) == 20


def test_nineteen_throttles_in_a_row_do_not_keep_a_message_from_being_sent() -> None:
    sending = Sending(*[refusal(code="throttled", retry_after=1)] * 19, ACCEPTED, refresh=DAYS)
    message_id = sending.accept().id
    sending.work(most=300)
    assert sending.record(message_id).status is Status.SENT


@pytest.mark.parametrize("status", ["failed", "unknown"])
def test_what_somebody_may_have_to_look_at_is_published(status: str) -> None:
    outcome = (
        refusal(Remedy.NONE, code="message_refused")
        if status == "failed"
        else Outcome(verdict=Verdict.UNKNOWN, code="answer_lost")
    )
    sending = Sending(outcome)
    message_id = sending.accept(tags=["order"], metadata={"order": "7"}).id
    sending.work()
    record = sending.record(message_id)
    assert facts(sending.events.published) == [
        (
            f"message.{status}",
            {
                "message": message_id,
                "account": sending.ann.id,
                "status": status,
                "message_id": record.message_id,
                "provider_id": None,
                "sent_at": None,
                "retry_at": None,
                "attempts": 1,
                "problem": {"code": outcome.code, "detail": outcome.detail},
                "refused": [],
                "tags": ["order"],
                "metadata": {"order": "7"},
            },
        )
    ]


def test_once_the_limits_are_raised_nobody_waits_for_those_who_wait_by_the_old_ones() -> None:
    sending = Sending(*[ACCEPTED] * 60)
    sending.change(limits=(("per_day", 10),))
    ids = [sending.accept(subject=f"{number}").id for number in range(50)]
    sending.work(most=200, horizon=0)
    waiting = [each for each in ids if sending.record(each).status is Status.HELD]
    assert sending.record(waiting[-1]).retry_at > sending.clock() + 3 * 86_400
    sending.change(limits=(("per_day", 1000),))
    new = sending.accept(subject="new").id
    sending.resubmission.retry(sending.record(waiting[-1]))
    sending.work(horizon=0)
    assert {sending.record(each).status for each in (new, waiting[-1])} == {Status.SENT}


def test_mail_whose_turn_would_come_after_a_week_fails_at_once_and_takes_nobodys_place() -> None:
    sending = Sending(*[ACCEPTED] * 20)
    sending.change(limits=(("per_day", 1),))
    ids = [sending.accept(subject=f"{number}").id for number in range(20)]
    sending.work(most=100, horizon=0)
    codes = [sending.record(each).problem_code for each in ids]
    assert 5 < codes.index("gave_up") < 10
    assert set(codes[codes.index("gave_up") :]) == {"gave_up"}
    sending.clock.advance(2 * 86_400)
    later = sending.accept(subject="later").id
    sending.work(horizon=0)
    assert sending.record(later).status is Status.HELD
