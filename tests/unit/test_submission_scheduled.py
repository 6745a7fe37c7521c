"""Messages for later: `send_at` at both doors, moving them, canceling them, and what a crash in between leaves."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mailbearer.account import AccountState
from mailbearer.delivery.delivered import Verb
from mailbearer.envelope import Job, read_body, read_content, write_job
from mailbearer.errors import AccountRevoked, Conflict, IdempotencyConflict, InvalidInput, Unavailable
from mailbearer.ids import rfc3339
from mailbearer.message import MessageRecord, Status
from mailbearer.submission import RECORD_LIFE
from mailbearer.submission.reading import FARTHEST
from tests.unit.sending import ACCEPTED, APP, Sending

SOON, FAR = 600.0, 1800.0


def at(sending: Sending, seconds: float) -> str:
    return rfc3339(sending.clock() + seconds)


def faults(sending: Sending, send_at: str) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        sending.accept(send_at=send_at)
    return [(fault.pointer, fault.code) for fault in caught.value.faults]


# --- accepting ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [SOON, FAR])
def test_a_message_for_later_is_recorded_as_scheduled_with_its_content_in_the_bucket(seconds: float) -> None:
    sending = Sending()
    record = sending.accept(send_at=at(sending, seconds), text="Later")
    stands = sending.record(record.id)
    assert (stands.status, stands.parked, stands.attempt) == (Status.SCHEDULED, True, 0)
    assert stands.send_at == stands.retry_at == pytest.approx(sending.clock() + seconds, abs=0.001)
    assert stands.expires_at == pytest.approx(stands.send_at + RECORD_LIFE, abs=1)
    content = read_content(sending.content.bodies[f"{record.id}+"])
    assert (content.text, content.date, content.message_id) == ("Later", stands.send_at, record.message_id)
    assert (record.status, record.send_at) == (Status.SCHEDULED, stands.send_at)


def test_up_to_fifteen_minutes_ahead_the_queue_waits() -> None:
    sending = Sending(ACCEPTED)
    record = sending.accept(send_at=at(sending, 899.5))
    (queued,) = sending.queue.queued
    assert (queued.delay, sending.schedules.waiting) == (900, {})
    before = sending.clock()
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    assert sending.clock() - before >= 899.5
    assert sending.record(record.id).sent_at >= record.send_at


def test_beyond_that_a_schedule_brings_it() -> None:
    sending = Sending(ACCEPTED)
    record = sending.accept(send_at=at(sending, FAR))
    assert sending.queue.queued == []
    waiting = sending.schedules.waiting[record.id]
    assert (waiting.at, waiting.group) == (record.send_at, sending.ann.id)
    assert read_body(waiting.body, "x") == Job(id=record.id, account=sending.ann.id, attempt=0)
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    (call,) = sending.transport.calls
    assert call.outgoing.message is not None
    assert call.outgoing.message.date == record.send_at


def test_a_time_that_cannot_be_is_a_fault() -> None:
    sending = Sending()
    assert faults(sending, at(sending, -1)) == [("/send_at", "send_at_past")]
    assert faults(sending, at(sending, 0)) == [("/send_at", "send_at_past")]
    assert faults(sending, at(sending, FARTHEST + 60)) == [("/send_at", "send_at_too_far")]
    assert faults(sending, "9999-12-31T23:59:59Z") == [("/send_at", "send_at_too_far")]
    assert faults(sending, "1970-01-01T00:00:00Z") == [("/send_at", "send_at_past")]
    assert faults(sending, "soon") == [("/send_at", "invalid_time")]
    assert not sending.messages.records
    assert sending.accept(send_at=at(sending, FARTHEST - 60)).status is Status.SCHEDULED


def test_no_table_holds_the_content_of_a_scheduled_message() -> None:
    sending = Sending()
    record = sending.accept(send_at=at(sending, FAR), subject="Topsecret", text="Topsecret")
    assert "opsecret" not in repr(sending.record(record.id))
    assert "opsecret" not in sending.schedules.waiting[record.id].body


@pytest.mark.parametrize("operation", ["content", "schedules"])
def test_what_is_down_is_said_or_gone_round_and_the_same_request_again_finishes_it(operation: str) -> None:
    sending = Sending()
    body = sending.body(send_at=at(sending, FAR))
    if operation == "content":
        sending.content.faults.before("put", Unavailable("S3 is down"))
        with pytest.raises(Unavailable):
            sending.submission.accept(body, APP, "key-1")
        assert sending.schedules.waiting == {}
    else:
        # The queue holds it back then, and whoever takes it too early asks for a schedule again.
        sending.schedules.faults.before("put", Unavailable("Scheduler is down"))
        sending.submission.accept(body, APP, "key-1")
        (queued,) = sending.queue.queued
        assert queued.delay == 900
    sending.clock.advance(1)
    again = sending.submission.accept(body, APP, "key-1")
    assert again.replayed
    assert list(sending.schedules.waiting) == [again.record.id]


def test_neither_schedule_nor_queue_is_503_and_the_request_again_finishes_it_even_when_its_time_has_passed() -> None:
    sending = Sending(ACCEPTED)
    body = sending.body(send_at=at(sending, 5))
    sending.queue.faults.before("send", Unavailable("SQS is down"))
    with pytest.raises(Unavailable):
        sending.submission.accept(body, APP, "key-1")
    sending.clock.advance(10)
    again = sending.submission.accept(body, APP, "key-1")
    assert (again.replayed, again.record.status) == (True, Status.SCHEDULED)
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    with pytest.raises(InvalidInput):
        sending.submission.accept(body | {"text": "Other"}, APP, "key-1")


def test_a_repetition_whose_content_never_reached_the_bucket_is_read_as_of_the_first_time() -> None:
    sending = Sending(ACCEPTED)
    body = sending.body(send_at=at(sending, 5))
    sending.content.faults.before("put", Unavailable("S3 is down"))
    with pytest.raises(Unavailable):
        sending.submission.accept(body, APP, "key-1")
    sending.clock.advance(10)
    assert sending.submission.accept(body, APP, "key-1").replayed
    assert [done.verb for done in sending.work()] == [Verb.SENT]


def test_the_first_answer_comes_again_long_after_the_message_has_gone() -> None:
    sending = Sending(ACCEPTED)
    body = sending.body(send_at=at(sending, SOON))
    first = sending.submission.accept(body, APP, "key-1")
    sending.work()
    again = sending.submission.accept(body, APP, "key-1")
    assert (again.record, again.replayed) == (first.record, True)
    assert sending.queue.queued == []


def test_a_mailbox_that_cannot_send_takes_nothing_for_later() -> None:
    sending = Sending()
    sending.change(state=AccountState.REVOKED)
    with pytest.raises(AccountRevoked):
        sending.accept(send_at=at(sending, FAR))
    assert not sending.messages.records


def test_the_uploads_of_a_scheduled_message_are_kept_and_those_of_others_are_not() -> None:
    sending = Sending()
    store(sending)
    attachments = [{"upload_id": "upl_1"}]
    sending.accept(attachments=attachments)
    assert sending.uploads.kept == []
    sending.accept(attachments=attachments, send_at=at(sending, FAR))
    assert sending.uploads.kept == ["upl_1"]


def store(sending: Sending) -> None:
    from mailbearer.upload import Upload  # noqa: PLC0415 - for the one test that has uploads

    sending.uploads.stored["upl_1"] = Upload(
        id="upl_1", caller="key_app", filename="a.pdf", content_type="application/pdf", size=9
    )


CALLS = ["messages create", "content put", "schedules put", "queue send"]


def go_wrong(sending: Sending, call: str, moment: str, error: Exception) -> None:
    """Let a call fail before it takes effect, or its answer be lost."""
    port, operation = call.split()
    getattr(getattr(sending, port).faults, moment)(operation, error)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("seconds", [SOON, FAR])
def test_whatever_call_goes_wrong_the_same_request_again_makes_one_mail_at_its_time(
    seconds: float, call: str, moment: str
) -> None:
    sending = Sending(ACCEPTED)
    body = sending.body(send_at=at(sending, seconds))
    go_wrong(sending, call, moment, Unavailable("AWS is down"))
    with suppress(Unavailable):
        sending.submission.accept(body, APP, "key-1")
    sending.clock.advance(1)
    record = sending.submission.accept(body, APP, "key-1").record
    assert Verb.SENT in [done.verb for done in sending.work()]
    assert len(sending.transport.calls) == len(sending.messages.records) == 1
    assert sending.record(record.id).sent_at >= record.send_at


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("call", ["messages replace", "content get", "content put", "schedules put", "queue send"])
@pytest.mark.parametrize("seconds", [0, SOON, 1.4 * FAR])
def test_whatever_call_of_a_move_goes_wrong_the_message_is_sent_once_and_the_same_move_again_holds(
    seconds: float, call: str, moment: str
) -> None:
    sending = Sending(ACCEPTED)
    record = sending.record(sending.accept(send_at=at(sending, FAR)).id)
    when = sending.clock() + seconds if seconds else 0
    go_wrong(sending, call, moment, Unavailable("AWS is down"))
    with suppress(Unavailable):
        sending.resubmission.reschedule(record, when)
    sending.clock.advance(1)
    with suppress(Conflict):  # it is under way already
        sending.resubmission.reschedule(sending.record(record.id), when)
    assert Verb.SENT in [done.verb for done in sending.work()]
    assert len(sending.transport.calls) == 1
    assert sending.record(record.id).sent_at >= when


# --- the queue's door -----------------------------------------------------------------------------------------------


def test_a_message_dropped_for_later_is_put_away_until_then() -> None:
    sending = Sending(ACCEPTED)
    body = json.dumps(sending.body(send_at=at(sending, FAR)))
    for _ in range(2):
        assert sending.take_in(body, "1").verb is Verb.PUT_BACK
    (record,) = sending.messages.records.values()
    assert record.status is Status.SCHEDULED
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    assert sending.take_in(body, "1").verb is Verb.DONE_BEFORE


def test_a_time_that_passed_on_the_queue_means_at_once() -> None:
    sending = Sending(ACCEPTED)
    assert sending.take_in(json.dumps(sending.body(send_at=at(sending, -60))), "1").verb is Verb.SENT
    (record,) = sending.messages.records.values()
    assert record.send_at == 0


def test_a_dropped_message_that_is_due_when_it_is_delivered_again_is_sent() -> None:
    sending = Sending(ACCEPTED)
    body = json.dumps(sending.body(send_at=at(sending, FAR)))
    sending.content.faults.before("put", Unavailable("S3 is down"))
    with pytest.raises(Unavailable):
        sending.take_in(body, "1")
    sending.clock.advance(FAR + 1)
    assert sending.take_in(body, "1").verb is Verb.SENT


def test_a_dropped_message_too_far_ahead_is_refused() -> None:
    sending = Sending()
    done = sending.take_in(json.dumps(sending.body(send_at=at(sending, FARTHEST + 60))), "1")
    assert (done.verb, done.code) == (Verb.FAILED, "invalid_request")
    assert len(sending.queue.refused) == 1


# --- moving ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def sending() -> Sending:
    return Sending(ACCEPTED)


@pytest.fixture
def record(sending: Sending) -> MessageRecord:
    accepted = sending.accept(send_at=at(sending, FAR), text="Later")
    return sending.record(accepted.id)


@pytest.mark.parametrize("seconds", [60.0, 2 * FAR])
def test_a_scheduled_message_is_moved(sending: Sending, record: MessageRecord, seconds: float) -> None:
    when = sending.clock() + seconds
    moved = sending.resubmission.reschedule(record, when)
    assert (moved.status, moved.send_at, moved.retry_at) == (Status.SCHEDULED, when, when)
    assert moved.expires_at - moved.send_at == pytest.approx(record.expires_at - record.send_at)
    assert read_content(sending.content.bodies[f"{record.id}+"]).date == when
    if seconds > 900:
        assert sending.schedules.waiting[record.id].at == when
    else:
        assert [queued.delay for queued in sending.queue.queued] == [60]


def test_a_message_moved_to_now_goes_now_and_takes_its_schedule_back(sending: Sending, record: MessageRecord) -> None:
    moved = sending.resubmission.reschedule(record, 0)
    assert (moved.status, moved.send_at, moved.retry_at) == (Status.QUEUED, sending.clock(), 0)
    before = sending.clock()
    assert sending.schedules.waiting == {}
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    assert sending.record(record.id).sent_at == before
    assert len(sending.transport.calls) == 1


def test_a_message_moved_to_now_goes_once_though_its_schedule_stays(sending: Sending, record: MessageRecord) -> None:
    sending.schedules.faults.before("delete", Unavailable("Scheduler is down"))
    sending.resubmission.reschedule(record, 0)
    assert [done.verb for done in sending.work()] == [Verb.SENT, Verb.DONE_BEFORE]
    assert len(sending.transport.calls) == 1


def test_a_copy_that_comes_at_the_old_time_is_put_back(sending: Sending, record: MessageRecord) -> None:
    old = sending.schedules.waiting[record.id]
    sending.resubmission.reschedule(record, record.send_at + FAR)
    sending.clock.now = old.at
    assert sending.take_in(old.body, "1").verb is Verb.PUT_BACK
    assert sending.schedules.waiting[record.id].at == record.send_at + FAR
    assert sending.transport.calls == []


def test_a_move_is_lost_to_whoever_moved_or_began_to_send_it_meanwhile(sending: Sending, record: MessageRecord) -> None:
    theirs = sending.resubmission.reschedule(record, record.send_at + 60)
    with pytest.raises(Conflict, match="changed"):
        sending.resubmission.reschedule(record, record.send_at + 120)
    assert sending.record(record.id) == theirs
    under_way = sending.messages.records[record.id] = replace(theirs, status=Status.SENDING, attempt=1, owner="w")
    with pytest.raises(Conflict, match="changed"):
        sending.resubmission.reschedule(theirs, record.send_at + 120)
    assert sending.record(record.id) == under_way


def test_whoever_read_a_message_before_it_was_moved_does_not_send_it(sending: Sending, record: MessageRecord) -> None:
    sending.clock.now = record.send_at + 1
    sending.accounts.faults.before("get", lambda: sending.resubmission.reschedule(record, record.send_at + FAR))
    job = Job(id=record.id, account=record.account, attempt=0)
    assert sending.take_in(write_job(job), "1").verb is Verb.PUT_BACK
    assert sending.transport.calls == []
    assert sending.record(record.id).send_at == record.send_at + FAR


def test_a_move_whose_queueing_failed_is_made_again(sending: Sending, record: MessageRecord) -> None:
    sending.queue.faults.before("send", Unavailable("SQS is down"))
    with pytest.raises(Unavailable):
        sending.resubmission.reschedule(record, 0)
    sending.resubmission.reschedule(sending.record(record.id), 0)
    assert sending.work()[0].verb is Verb.SENT


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.SCHEDULED}))
def test_only_what_waits_for_its_time_is_moved(sending: Sending, record: MessageRecord, status: Status) -> None:
    other = replace(record, status=status, attempt=1)
    with pytest.raises(Conflict, match=status):
        sending.resubmission.reschedule(other, record.send_at)
    with pytest.raises(Conflict, match="queued"):
        sending.resubmission.reschedule(sending.record(sending.accept().id), record.send_at)


def test_a_message_whose_content_is_gone_is_not_moved(sending: Sending, record: MessageRecord) -> None:
    sending.content.bodies.clear()
    with pytest.raises(Conflict, match="content"):
        sending.resubmission.reschedule(record, 0)
    assert sending.record(record.id) == record


def test_a_repetition_of_the_first_request_leaves_the_new_time_alone() -> None:
    sending = Sending()
    body = sending.body(send_at=at(sending, FAR))
    first = sending.submission.accept(body, APP, "key-1").record
    moved = sending.resubmission.reschedule(sending.record(first.id), sending.clock() + 3 * FAR)
    assert sending.submission.accept(body, APP, "key-1").replayed
    assert sending.schedules.waiting[first.id].at == moved.send_at
    with pytest.raises(IdempotencyConflict):
        sending.submission.accept(body | {"send_at": at(sending, 3 * FAR)}, APP, "key-1")


# --- canceling ------------------------------------------------------------------------------------------------------


def test_a_canceled_message_leaves_neither_schedule_nor_content(sending: Sending, record: MessageRecord) -> None:
    copy = sending.schedules.waiting[record.id].body
    assert sending.resubmission.cancel(record).status is Status.CANCELED
    assert sending.schedules.waiting == {}
    assert sending.content.bodies == {}
    assert sending.take_in(copy, "1").verb is Verb.DONE_BEFORE


def test_a_message_is_canceled_though_its_schedule_cannot_be_taken_back(
    sending: Sending, record: MessageRecord
) -> None:
    sending.schedules.faults.before("delete", Unavailable("Scheduler is down"))
    assert sending.resubmission.cancel(record).status is Status.CANCELED
    sending.trail.flush()
    assert "message.schedule_kept kept" in sending.log.actions
    assert [done.verb for done in sending.work()] == [Verb.DONE_BEFORE]


# --- a dry run ------------------------------------------------------------------------------------------------------


def test_a_dry_run_is_dated_when_the_message_would_go() -> None:
    sending = Sending()
    when = sending.clock() + FAR
    preview = sending.submission.preview(sending.body(send_at=rfc3339(when)), APP)
    assert preview.mime
    with pytest.raises(InvalidInput):
        sending.submission.preview(sending.body(send_at=at(sending, -1)), APP)
    assert not sending.messages.records


def test_a_raw_message_may_be_for_later_too() -> None:
    sending = Sending()
    raw = base64.b64encode(b"From: ann@example.org\r\nTo: bob@example.net\r\n\r\nHi\r\n").decode()
    body = {"account": sending.ann.id, "raw": raw, "send_at": at(sending, FAR)}
    assert sending.submission.accept(body, APP).record.status is Status.SCHEDULED


def test_the_moment_of_a_schedule_is_in_utc_whatever_zone_it_was_written_in() -> None:
    sending = Sending()
    when = datetime.fromtimestamp(round(sending.clock()) + 7200, UTC)
    written = when.isoformat().replace("+00:00", "-00:00")
    assert sending.accept(send_at=written).send_at == when.timestamp()
