from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.comeback import MAX_QUEUE_DELAY
from mailbearer.delivery.delivered import MAX_ATTEMPTS, Delivered, Verb
from mailbearer.delivery.recording import MAX_AGE
from mailbearer.envelope import QUEUE_LIMIT, Job
from mailbearer.errors import ClientRefused, MailbearerError, TokenEndpointBusy, Unavailable
from mailbearer.ids import derived_id
from mailbearer.message import MessageRecord, Outcome, Remedy, Status
from mailbearer.ports.provider import TokenAnswer
from tests.fakes import FakeMessageStore
from tests.unit.sending import ACCEPTED, LOST, Sending, refusal

if TYPE_CHECKING:
    from tests.fakes.providers import Scene


def accepted_job(sending: Sending, **fields: Any) -> tuple[Job, str]:
    """Accept a message and take its copy off the queue, as any but the first copy is: the record has to be read."""
    record = sending.accept(**fields)
    return replace(sending.copy(), record=None), record.id


# --- what a call comes to -------------------------------------------------------------------------------------------


def test_an_accepted_message_is_sent_with_the_token_and_exactly_its_recipients() -> None:
    sending = Sending(ACCEPTED)
    job, message_id = accepted_job(sending, cc="carl@example.net", bcc=["dora@example.net", "bob@example.net"])
    assert sending.deliver(job) == Delivered(Verb.SENT, "ok")
    (call,) = sending.transport.calls
    assert call.access_token == "access-1"
    assert call.outgoing.mail_from == "ann@example.org"
    assert call.outgoing.rcpt_to == ("bob@example.net", "carl@example.net", "dora@example.net")
    assert b"dora@example.net" not in call.outgoing.mime
    record = sending.record(message_id)
    assert (record.status, record.attempt, record.provider_id) == (Status.SENT, 1, "provider-1")
    assert (record.owner, record.lease_until, record.sent_at) == ("", 0, sending.clock())
    assert [attempt.outcome for attempt in record.attempts] == ["accepted"]
    sending.trail.flush()
    assert sending.log.actions == ["message.accepted accepted", "message.sent sent"]
    assert sending.queue.queued == []


@pytest.mark.parametrize(
    ("outcome", "on_unknown", "status", "wait"),
    [
        (ACCEPTED, "hold", Status.SENT, None),
        (ACCEPTED, "resend", Status.SENT, None),
        (LOST, "hold", Status.UNKNOWN, None),
        (LOST, "resend", Status.DEFERRED, 1),
        (refusal(Remedy.NONE), "hold", Status.FAILED, None),
        (refusal(Remedy.NONE), "resend", Status.FAILED, None),
        (refusal(Remedy.RETRY), "hold", Status.DEFERRED, 1),
        (refusal(Remedy.RETRY), "resend", Status.DEFERRED, 1),
        (refusal(Remedy.REFRESH), "hold", Status.DEFERRED, 2),
        (refusal(Remedy.HOLD), "hold", Status.DEFERRED, 3600),
        (refusal(Remedy.RETRY, retry_after=0), "hold", Status.DEFERRED, 1),
        (refusal(Remedy.RETRY, retry_after=120), "hold", Status.DEFERRED, 120),
        (refusal(Remedy.RETRY, retry_after=10**9), "hold", Status.DEFERRED, 86_400),
        (refusal(Remedy.HOLD, retry_after=60), "hold", Status.DEFERRED, 3600),
    ],
)
def test_every_outcome_leads_to_one_state(
    outcome: Outcome, on_unknown: str, status: Status, wait: float | None
) -> None:
    sending = Sending(outcome, refresh=(TokenAnswer(access_token="access-2", expires_in=3600),))
    job, message_id = accepted_job(sending, on_unknown=on_unknown)
    called_at = sending.clock()
    assert sending.deliver(job).verb == str(status)
    record = sending.record(message_id)
    assert record.status is status
    assert record.attempt == 1
    if wait is None:
        assert sending.queue.queued == []
        assert record.retry_at == 0
    else:
        assert record.retry_at == pytest.approx(called_at + wait, abs=0.1)
        assert record.attempts[-1].retry_at == record.retry_at
        if wait > MAX_QUEUE_DELAY:
            assert sending.schedules.waiting[message_id].at == record.retry_at
        else:
            assert [queued.delay for queued in sending.queue.queued] == [wait]
            assert sending.copy().attempt == 1
    if status in {Status.UNKNOWN, Status.FAILED}:
        assert record.problem_code == outcome.code
        assert record.id in sending.content.bodies, "retry needs the content"
        sending.trail.flush()
        assert sending.log.actions[-1] == f"message.{status} {status}"


def test_a_refusal_that_asks_for_a_fresh_token_earns_one_refresh_in_five_minutes() -> None:
    answer = TokenAnswer(access_token="access-2", expires_in=3600)
    sending = Sending(refusal(Remedy.REFRESH), refusal(Remedy.REFRESH), ACCEPTED, refresh=(answer,))
    sending.accept()
    verbs = [done.verb for done in sending.work()]
    assert verbs == [Verb.DEFERRED, Verb.DEFERRED, Verb.SENT]
    assert [call.access_token for call in sending.transport.calls] == ["access-1", "access-2", "access-2"]
    assert sending.server.calls["refresh"] == 1


def all_of(byte: int, length: int) -> bytes:
    return bytes([byte]) * length


def test_backoff_grows_with_full_jitter_up_to_two_hours() -> None:
    waits = []
    for attempt in (0, 5, 18):
        for byte in (0, 255):
            sending = Sending(refusal())
            job, message_id = accepted_job(sending)
            record = replace(sending.record(message_id), attempt=attempt)
            sending.messages.records[message_id] = record
            concluding = replace(sending.delivery.concluding, random_bytes=partial(all_of, byte))
            delivery = replace(sending.delivery, concluding=concluding)
            delivery.deliver(replace(job, attempt=attempt), deadline=sending.clock() + 120)
            waits.append(round(sending.record(message_id).retry_at - sending.clock()))
    assert waits == [1, 21, 1, 641, 1, 7201]


def test_after_the_last_attempt_a_refusal_fails_the_message() -> None:
    sending = Sending(refusal())
    job, message_id = accepted_job(sending)
    sending.messages.records[message_id] = replace(sending.record(message_id), attempt=MAX_ATTEMPTS - 1)
    done = sending.deliver(replace(job, attempt=MAX_ATTEMPTS - 1))
    assert done == Delivered(Verb.FAILED, "attempts_exhausted")
    assert "refused 550 no" in sending.record(message_id).problem_detail


def test_after_the_last_attempt_a_lost_answer_is_not_resent() -> None:
    sending = Sending(LOST)
    job, message_id = accepted_job(sending, on_unknown="resend")
    sending.messages.records[message_id] = replace(sending.record(message_id), attempt=MAX_ATTEMPTS - 1)
    assert sending.deliver(replace(job, attempt=MAX_ATTEMPTS - 1)).verb is Verb.UNKNOWN


def test_a_message_is_given_up_after_a_week() -> None:
    sending = Sending(refusal())
    job, message_id = accepted_job(sending)
    sending.clock.advance(MAX_AGE + 1)
    sending.server.scripts["refresh"].append(TokenAnswer(access_token="access-2", expires_in=3600))
    assert sending.deliver(job) == Delivered(Verb.FAILED, "gave_up")
    assert sending.record(message_id).parked


def test_a_record_keeps_its_ten_last_attempts() -> None:
    sending = Sending(*[refusal()] * 12, ACCEPTED)
    message_id = sending.accept().id
    sending.work()
    record = sending.record(message_id)
    assert record.attempt == 13
    assert [attempt.outcome for attempt in record.attempts] == ["not_accepted"] * 9 + ["accepted"]


# --- before the call ------------------------------------------------------------------------------------------------


def test_a_mailbox_revoked_after_the_202_fails_its_message() -> None:
    sending = Sending()
    job, message_id = accepted_job(sending)
    sending.change(state=AccountState.REVOKED)
    assert sending.deliver(job) == Delivered(Verb.FAILED, "account_revoked")
    assert sending.record(message_id).attempt == 0


def test_a_mailbox_deleted_after_the_202_fails_its_message() -> None:
    sending = Sending()
    job, _ = accepted_job(sending)
    sending.accounts.accounts.clear()
    assert sending.deliver(job) == Delivered(Verb.FAILED, "unknown_account")


@pytest.mark.parametrize("state", [AccountState.PAUSED, AccountState.CONSENT_REQUIRED, AccountState.PENDING_CONSENT])
def test_mail_of_a_mailbox_that_cannot_send_is_held_and_drained(state: AccountState) -> None:
    sending = Sending(ACCEPTED)
    message_id = sending.accept().id
    sending.change(state=state)
    assert sending.work() == [Delivered(Verb.HELD, f"account_{state}")]
    assert sending.record(message_id).status is Status.HELD
    assert message_id in sending.content.bodies
    active = sending.change(state=AccountState.ACTIVE)
    sending.resubmission.drain(active)
    assert [done.code for done in sending.work()] == ["drained"]
    assert sending.record(message_id).status is Status.SENT
    assert sending.content.bodies == {}


def test_a_dead_grant_holds_the_message() -> None:
    sending = Sending()
    job, message_id = accepted_job(sending)
    sending.vault.secrets.clear()
    assert sending.deliver(job) == Delivered(Verb.HELD, "consent_required")
    assert sending.queue.queued == []
    assert sending.record(message_id).problem_code == "consent_required"


def test_a_missing_registration_holds_the_message_and_a_second_copy_does_not_loop() -> None:
    sending = Sending()
    job, _ = accepted_job(sending)
    sending.registrations.registrations.clear()
    for _ in range(2):
        assert sending.deliver(job) == Delivered(Verb.HELD, "registration_missing")
    assert sending.queue.queued == []


def test_a_mailbox_made_active_while_its_message_was_being_held_sends_it() -> None:
    sending = Sending(ACCEPTED)
    message_id = sending.accept().id
    sending.change(state=AccountState.PAUSED)

    def resume() -> None:
        sending.change(state=AccountState.ACTIVE)

    sending.messages.faults.before("replace", resume)
    assert [done.verb for done in sending.work()][:2] == [Verb.HELD, Verb.SENT]
    assert sending.record(message_id).status is Status.SENT


def test_a_copy_of_a_held_message_whose_mailbox_cannot_send_yet_is_let_go() -> None:
    sending = Sending()
    job, _ = accepted_job(sending)
    sending.change(state=AccountState.PAUSED)
    sending.deliver(job)
    assert sending.deliver(job) == Delivered(Verb.DONE_BEFORE, "held")


def test_a_token_that_cannot_be_had_now_defers_the_message_without_spending_an_attempt() -> None:
    sending = Sending(ACCEPTED)
    message_id = sending.accept().id
    sending.clock.advance(3600)
    sending.server.scripts["refresh"].extend(
        [TokenEndpointBusy("503", retry_after=60), TokenAnswer(access_token="access-2", expires_in=3600)]
    )
    assert [done.verb for done in sending.work()] == [Verb.DEFERRED, Verb.SENT]
    record = sending.record(message_id)
    assert record.attempt == 1
    assert [attempt.code for attempt in record.attempts] == ["token_refresh_deferred", "ok"]


@pytest.mark.parametrize("error", [TokenEndpointBusy("503", retry_after=60), ClientRefused("invalid_client")])
def test_mail_that_waits_for_a_token_endpoint_counts_as_deferred_by_that_provider(error: Exception) -> None:
    sending = Sending(ACCEPTED)
    job, _ = accepted_job(sending)
    sending.clock.advance(3600)
    sending.server.scripts["refresh"].append(error)
    assert sending.deliver(job).verb is Verb.DEFERRED
    noted = [one for one in sending.trail.take_noted() if one.action == "message.deferred"]
    assert [one.provider for one in noted] == ["oidc"]


def test_a_refused_registration_defers_the_message_past_its_backoff() -> None:
    sending = Sending(ACCEPTED)
    sending.accept()
    sending.clock.advance(3600)
    sending.server.scripts["refresh"].extend(
        [ClientRefused("invalid_client"), TokenAnswer(access_token="access-2", expires_in=3600)]
    )
    assert [done.verb for done in sending.work()] == [Verb.DEFERRED, Verb.SENT]


def test_a_message_larger_than_the_transport_carries_fails_without_a_call() -> None:
    sending = Sending(size_limit=500)
    job, message_id = accepted_job(sending, text="x" * 500)
    assert sending.deliver(job) == Delivered(Verb.FAILED, "message_too_large")
    assert "at most 500" in sending.record(message_id).problem_detail


@pytest.mark.parametrize(("seconds", "verb"), [(24.9, Verb.PUT_BACK), (25.1, Verb.SENT)])
def test_a_worker_with_less_time_than_a_call_can_take_puts_the_copy_back(seconds: float, verb: Verb) -> None:
    sending = Sending(ACCEPTED)
    job, message_id = accepted_job(sending)
    assert sending.deliver(job, seconds=seconds).verb is verb
    if verb is Verb.PUT_BACK:
        assert sending.copy() == replace(job, turn=sending.clock()), "it keeps the turn it has been given"
        assert sending.record(message_id).status is Status.QUEUED


def test_a_record_that_outlived_its_time_is_an_error() -> None:
    sending = Sending()
    job, _ = accepted_job(sending)
    sending.messages.records.clear()
    with pytest.raises(MailbearerError, match="no record"):
        sending.deliver(job)


# --- copies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.SENT, Status.FAILED, Status.UNKNOWN, Status.CANCELED])
def test_a_copy_of_a_settled_message_does_nothing_but_say_so(status: Status) -> None:
    sending = Sending()
    job, message_id = accepted_job(sending)
    settled = sending.messages.records[message_id] = replace(sending.record(message_id), status=status)
    assert sending.deliver(job) == Delivered(Verb.DONE_BEFORE, status)
    assert sending.record(message_id) == settled
    assert sending.queue.queued == []
    sending.trail.flush()
    assert sending.log.actions[-1] == f"message.seen_again {status}"


def test_a_message_canceled_while_queued_is_never_sent() -> None:
    sending = Sending()
    record = sending.accept()
    sending.resubmission.cancel(record)
    assert sending.work() == [Delivered(Verb.DONE_BEFORE, "canceled")]
    assert sending.transport.calls == []


def test_a_message_canceled_just_before_the_intent_is_never_sent() -> None:
    sending = Sending()
    record = sending.accept()
    sending.messages.faults.before("replace", lambda: sending.resubmission.cancel(record))
    assert sending.work() == [Delivered(Verb.DONE_BEFORE, "canceled")]
    assert sending.transport.calls == []


def test_a_copy_that_meets_a_live_lease_comes_back_when_it_has_ended() -> None:
    sending = Sending()
    job, message_id = accepted_job(sending)
    under_way = replace(
        sending.record(message_id), status=Status.SENDING, attempt=1, owner="other", lease_until=sending.clock() + 20
    )
    sending.messages.records[message_id] = under_way
    assert sending.deliver(job) == Delivered(Verb.PUT_BACK, "in_flight")
    assert sending.record(message_id) == under_way
    assert sending.queue.queued[0].delay == 21


@pytest.mark.parametrize(("on_unknown", "status"), [("hold", Status.UNKNOWN), ("resend", Status.SENT)])
def test_a_lapsed_lease_means_that_nobody_knows(on_unknown: str, status: Status) -> None:
    sending = Sending(ACCEPTED)
    message_id = sending.accept(on_unknown=on_unknown).id
    sending.messages.records[message_id] = replace(
        sending.record(message_id), status=Status.SENDING, attempt=1, owner="dead", lease_until=sending.clock()
    )
    sending.work()
    record = sending.record(message_id)
    assert record.status is status
    assert record.attempts[0].code == "worker_lost"
    assert len(sending.transport.calls) == (status is Status.SENT)


def test_a_stale_copy_is_replaced_by_one_that_is_due() -> None:
    sending = Sending()
    job, message_id = accepted_job(sending)
    sending.messages.records[message_id] = replace(
        sending.record(message_id), status=Status.DEFERRED, attempt=2, retry_at=sending.clock() + 40
    )
    assert sending.deliver(job) == Delivered(Verb.PUT_BACK, "stale")
    assert sending.queue.queued[0].delay == 40
    assert sending.copy() == replace(job, attempt=2)


def test_an_early_copy_waits_for_its_time() -> None:
    sending = Sending()
    job, message_id = accepted_job(sending)
    sending.messages.records[message_id] = replace(
        sending.record(message_id), status=Status.DEFERRED, retry_at=sending.clock() + 5000
    )
    assert sending.deliver(job) == Delivered(Verb.PUT_BACK, "early")
    assert sending.schedules.waiting[message_id].at == sending.record(message_id).retry_at


def test_a_worker_that_dies_between_deferring_and_queueing_loses_nothing() -> None:
    sending = Sending(refusal(), ACCEPTED)
    message_id = sending.accept().id
    (queued,) = sending.queue.queued
    sending.queue.faults.before("send", Unavailable("SQS is down"))
    with pytest.raises(Unavailable):
        sending.deliver(sending.copy())
    assert sending.record(message_id).status is Status.DEFERRED
    sending.drop(queued.body)
    assert [done.verb for done in sending.work()][-1] is Verb.SENT
    assert len(sending.transport.calls) == 2


def test_two_copies_make_one_call() -> None:
    sending = Sending(ACCEPTED)
    record = sending.accept()
    sending.queue.queued *= 2
    assert [done.verb for done in sending.work()] == [Verb.SENT, Verb.DONE_BEFORE]
    assert sending.record(record.id).attempt == 1


def test_the_first_copy_of_a_new_message_is_sent_without_reading_its_record() -> None:
    sending = Sending(ACCEPTED)
    sending.accept()
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    assert sending.messages.faults.calls == ["create", "replace", "replace"]


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        *((status, {}) for status in (Status.SENT, Status.FAILED, Status.UNKNOWN, Status.CANCELED)),
        (Status.SENDING, {"attempt": 1, "owner": "other", "lease_until": 9e9}),
        (Status.DEFERRED, {"attempt": 1, "retry_at": 9e9}),
        (Status.DEFERRED, {"retry_at": 9e9}),
    ],
)
def test_the_first_copy_delivered_again_changes_nothing_that_stands(status: Status, fields: dict[str, Any]) -> None:
    sending = Sending()
    message_id = sending.accept().id
    stands = sending.messages.records[message_id] = replace(sending.record(message_id), status=status, **fields)
    assert sending.deliver(sending.copy()).verb in {Verb.DONE_BEFORE, Verb.PUT_BACK}
    assert sending.record(message_id) == stands
    assert sending.transport.calls == []


# --- races ----------------------------------------------------------------------------------------------------------


def test_two_workers_at_the_intent_together_make_one_call() -> None:
    sending = Sending(ACCEPTED, per_mailbox=2)
    job, message_id = accepted_job(sending)
    together = threading.Barrier(2, timeout=10)
    sending.messages.faults.before("replace", together.wait, times=2)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: sending.deliver(job).verb, range(2)))
    assert Verb.SENT in done
    assert len(sending.transport.calls) == 1
    assert set(done) <= {Verb.SENT, Verb.PUT_BACK, Verb.DONE_BEFORE}
    assert done.count(Verb.SENT) == 1
    assert sending.record(message_id).status is Status.SENT
    sending.work()


class RetryingStore(FakeMessageStore):
    """Makes every write twice, as an SDK does that lost the first answer."""

    def replace(self, new: MessageRecord, *, expected: MessageRecord) -> MessageRecord:
        super().replace(new, expected=expected)
        return super().replace(new, expected=expected)


def test_a_write_of_our_own_that_was_retried_counts_as_won() -> None:
    sending = Sending(ACCEPTED)
    sending.messages = RetryingStore()
    sending.start()
    message_id = sending.accept().id
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    assert sending.record(message_id).attempt == 1


def test_a_lease_outlasts_the_longest_call() -> None:
    sending = Sending()
    job, message_id = accepted_job(sending)

    def slow() -> Outcome:
        sending.clock.advance(sending.transport.deadline + 14)
        assert sending.deliver(job) == Delivered(Verb.PUT_BACK, "in_flight")
        return ACCEPTED

    sending.transport.script.append(slow)
    assert sending.deliver(job).verb is Verb.SENT
    assert sending.record(message_id).attempt == 1


@pytest.mark.parametrize(
    ("late", "status"),
    [(ACCEPTED, Status.SENT), (refusal(Remedy.NONE), Status.FAILED), (refusal(), Status.DEFERRED)],
)
def test_an_answer_that_comes_late_replaces_the_unknown_of_a_successor(late: Outcome, status: Status) -> None:
    sending = Sending()
    job, message_id = accepted_job(sending)

    def slow() -> Outcome:
        sending.clock.advance(26)
        assert sending.deliver(job).verb is Verb.UNKNOWN
        return late

    sending.transport.script.append(slow)
    assert sending.deliver(job).verb == str(status)
    assert sending.record(message_id).status is status


def test_a_late_answer_does_not_touch_what_the_caller_decided_meanwhile() -> None:
    sending = Sending()
    job, message_id = accepted_job(sending)

    def slow() -> Outcome:
        sending.clock.advance(26)
        sending.deliver(job)
        sending.resubmission.retry(sending.record(message_id))
        return refusal(Remedy.NONE)

    sending.transport.script.append(slow)
    assert sending.deliver(job) == Delivered(Verb.DONE_BEFORE, "queued")
    assert sending.record(message_id).status is Status.QUEUED


def test_a_mailbox_has_so_many_slots_and_no_more() -> None:
    sending = Sending(per_mailbox=2)
    other = replace(sending.ann, id=derived_id("acc_", "other"), address="other@example.org")
    sending.accounts.create(other)
    sending.vault.secrets[other.id] = sending.vault.secrets[sending.ann.id]
    inside, leave = threading.Barrier(3, timeout=10), threading.Event()

    def wait() -> Outcome:
        inside.wait()
        assert leave.wait(10)
        return ACCEPTED

    scenes: list[Scene] = [wait, wait, ACCEPTED, ACCEPTED]
    sending.transport.script.extend(scenes)
    jobs = [accepted_job(sending, subject=str(number))[0] for number in range(3)]
    with ThreadPoolExecutor(2) as pool:
        under_way = [pool.submit(sending.deliver, job) for job in jobs[:2]]
        try:
            inside.wait()
            # Just the time for one call: no patience is left for a slot.
            assert sending.deliver(jobs[2], seconds=25) == Delivered(Verb.PUT_BACK, "no_slot")
            elsewhere, _ = accepted_job(sending, account=other.id)
            assert sending.deliver(elsewhere).verb is Verb.SENT
        finally:
            leave.set()
        assert [one.result().verb for one in under_way] == [Verb.SENT, Verb.SENT]
    assert sending.deliver(jobs[2], seconds=25.001).verb is Verb.SENT


# --- content --------------------------------------------------------------------------------------------------------


def test_content_that_waits_long_is_parked_and_comes_back_by_a_schedule() -> None:
    sending = Sending(refusal(Remedy.HOLD), ACCEPTED, refresh=(TokenAnswer(access_token="access-2", expires_in=3600),))
    message_id = sending.accept().id
    done = sending.work()
    assert [(one.verb, one.code) for one in done] == [(Verb.DEFERRED, "refused"), (Verb.SENT, "ok")]
    assert sending.record(message_id).sent_at - sending.record(message_id).created_at == pytest.approx(3600, abs=1)
    assert sending.content.bodies == {}, "parked content goes when the message has gone"


def test_what_cannot_be_scheduled_comes_back_in_hops() -> None:
    sending = Sending(refusal(Remedy.HOLD), ACCEPTED, refresh=(TokenAnswer(access_token="access-2", expires_in=3600),))
    message_id = sending.accept().id
    sending.schedules.faults.before("put", Unavailable("no scheduler"), times=9)
    done = sending.work()
    assert [(one.verb, one.code) for one in done] == [
        (Verb.DEFERRED, "refused"),
        *[(Verb.PUT_BACK, "early")] * 3,
        (Verb.SENT, "ok"),
    ]
    assert sending.record(message_id).sent_at - sending.record(message_id).created_at == pytest.approx(3600, abs=1)


def test_a_parked_copy_carries_no_content_on_the_queue() -> None:
    sending = Sending(refusal(Remedy.HOLD))
    job, message_id = accepted_job(sending)
    sending.deliver(job)
    assert json.loads(sending.schedules.waiting[message_id].body).keys() == {
        "mailbearer_job",
        "id",
        "account",
        "attempt",
    }
    assert json.loads(sending.content.bodies[message_id])["text"] == "Hello"


def test_content_that_is_gone_fails_the_message() -> None:
    sending = Sending()
    job, _ = accepted_job(sending)
    assert sending.deliver(replace(job, message=None)) == Delivered(Verb.FAILED, "content_gone")


def test_content_that_cannot_be_read_now_leaves_the_copy_on_the_queue() -> None:
    sending = Sending(ACCEPTED)
    message_id = sending.accept(text="x" * QUEUE_LIMIT).id
    sending.content.faults.before("get", Unavailable("S3 is down"))
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    assert sending.record(message_id).status is Status.SENT


def test_parked_content_that_cannot_be_removed_does_not_spoil_the_sending() -> None:
    sending = Sending(ACCEPTED)
    sending.accept(text="x" * QUEUE_LIMIT)
    sending.content.faults.before("delete", Unavailable("S3 is down"))
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    assert "message.content_kept kept" in sending.log.actions


def test_a_body_dropped_at_the_limit_of_the_queue_goes_through_the_bucket_when_deferred() -> None:
    sending = Sending(refusal(), ACCEPTED, size_limit=2_000_000)
    sending.drop(json.dumps(sending.body(text="x" * 1_048_000)))
    assert [done.verb for done in sending.work()] == [Verb.DEFERRED, Verb.SENT]
    assert sending.content.faults.calls == ["put", "get", "delete"]


FRESH = tuple(TokenAnswer(access_token=f"access-{number}", expires_in=3600) for number in range(2, 9))


def test_why_a_mailboxs_mail_waits_is_kept_on_it_and_told_once_until_mail_goes_again() -> None:
    denied = refusal(Remedy.HOLD, code="mailbox_access_denied")
    sending = Sending(denied, denied, denied, ACCEPTED, ACCEPTED, refresh=FRESH)
    sending.accept()
    sending.work()
    sending.accept("second")
    sending.work()
    sending.trail.flush()
    stands = sending.accounts.get(sending.ann.id)
    assert stands
    assert stands.mail_refusal == ""
    told = [event.action for event in sending.log.events if event.action.startswith("account.mail")]
    assert told == ["account.mail_refused", "account.mail_accepted"]
    assert [kind for kind, _ in sending.events.published].count("account.mail_refused") == 1


@pytest.mark.parametrize("code", ["daily_limit", "server_busy"])
def test_what_ends_by_itself_is_no_finding_about_the_mailbox(code: str) -> None:
    sending = Sending(refusal(Remedy.HOLD, code=code), ACCEPTED, refresh=FRESH)
    sending.accept()
    sending.work()
    sending.trail.flush()
    assert not [event for event in sending.log.events if event.action.startswith("account.mail")]


def test_a_mailbox_that_cannot_be_written_does_not_hold_up_its_mail() -> None:
    sending = Sending(refusal(Remedy.HOLD, code="mailbox_access_denied"), ACCEPTED, refresh=FRESH)
    sending.accept()
    sending.accounts.faults.before("replace", Unavailable("throttled"))
    sending.work()
    sending.trail.flush()
    assert "account.mail_unnoted failed" in sending.log.actions
    (record,) = sending.messages.records.values()
    assert record.status is Status.SENT


def test_a_message_that_came_before_its_mailbox_leaves_under_no_foreign_address() -> None:
    sending = Sending(ACCEPTED)
    del sending.accounts.accounts[sending.ann.id]
    sending.drop(json.dumps(sending.body(**{"account": "ann@example.org", "from": "ceo@example.com"})))
    sending.work()
    (record,) = sending.messages.records.values()
    assert record.problem_code == "unknown_account"
    sending.accounts.create(sending.ann)
    sending.resubmission.retry(record)
    sending.work()
    assert (sending.record(record.id).problem_code, sending.transport.calls) == ("sender_not_allowed", [])
