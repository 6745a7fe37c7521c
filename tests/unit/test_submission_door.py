"""The front door that is a queue: pointers into the bucket, and bodies that come back from the dead letters."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mailbearer.account import AccountState
from mailbearer.delivery.delivered import Delivered, Verb
from mailbearer.envelope import write_redriven
from mailbearer.errors import Unavailable
from mailbearer.message import MessageRecord, Status
from tests.unit.sending import ACCEPTED, Sending

NEW, OLD = "software.amazon.payloadoffloading.PayloadS3Pointer", "com.amazon.sqs.javamessaging.MessageS3Pointer"


def pointer(key: str = "inbox/1", *, bucket: str = "content", kind: str = NEW) -> str:
    return json.dumps([kind, {"s3BucketName": bucket, "s3Key": key}])


def put(sending: Sending, body: object, key: str = "inbox/1") -> None:
    sending.pointed.bodies[key] = json.dumps(body).encode()


@pytest.fixture
def sending() -> Sending:
    return Sending(ACCEPTED, ACCEPTED, size_limit=10_000_000)


def only(sending: Sending) -> MessageRecord:
    (record,) = sending.messages.records.values()
    return record


# --- pointers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [NEW, OLD])
def test_a_body_in_the_bucket_is_sent_however_the_pointer_is_called(sending: Sending, kind: str) -> None:
    put(sending, sending.body(text="x" * 2_000_000))
    assert sending.take_in(pointer(kind=kind), "1").verb is Verb.SENT
    (call,) = sending.transport.calls
    assert call.outgoing.message is not None
    assert call.outgoing.message.text == "x" * 2_000_000


def test_the_same_pointer_delivered_twice_is_one_mail(sending: Sending) -> None:
    put(sending, sending.body())
    assert [sending.take_in(pointer(), "1").verb for _ in range(2)] == [Verb.SENT, Verb.DONE_BEFORE]


def test_a_pointer_may_be_wrapped_and_may_lead_to_what_is_wrapped(sending: Sending) -> None:
    put(sending, {"detail-type": "mail", "id": "event-1", "detail": sending.body()})
    wrapped = json.dumps({"Type": "Notification", "TopicArn": "a", "MessageId": "sns-1", "Message": pointer()})
    assert sending.take_in(wrapped, "1").verb is Verb.SENT
    assert sending.take_in(wrapped, "2").verb is Verb.DONE_BEFORE


def test_large_content_that_waits_lies_in_the_bucket_as_all_does() -> None:
    sending = Sending(ACCEPTED)

    sending.change(state=AccountState.PAUSED)
    put(sending, sending.body(text="x" * 2_000_000))
    assert sending.take_in(pointer(), "1").verb is Verb.HELD
    assert only(sending).id in sending.content.bodies


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (pointer("inbox/none"), "pointer_unreadable"),
        (pointer("content/msg_1"), "pointer_unreadable"),
        (pointer("inbox/../content/msg_1"), "pointer_unreadable"),
        (pointer(bucket="another"), "pointer_unreadable"),
        (pointer("inbox/list"), "malformed_body"),
        (pointer("inbox/garbage"), "malformed_body"),
        (pointer("inbox/pointer"), "malformed_body"),
        (pointer("inbox/job"), "invalid_request"),
        (json.dumps([NEW, {"s3BucketName": "content"}]), "malformed_body"),
        (json.dumps([NEW, {"s3BucketName": 5, "s3Key": "inbox/1"}]), "malformed_body"),
        (json.dumps([NEW]), "malformed_body"),
        (json.dumps(["other", {"s3BucketName": "content", "s3Key": "inbox/1"}]), "malformed_body"),
    ],
)
def test_a_pointer_that_leads_nowhere_is_kept_with_the_dead_letters(sending: Sending, body: str, code: str) -> None:
    put(sending, [], "inbox/list")
    sending.pointed.bodies |= {"inbox/garbage": b"garbage", "content/msg_1": json.dumps(sending.body()).encode()}
    put(sending, json.loads(pointer()), "inbox/pointer")
    put(sending, {"mailbearer_job": 1, "id": "msg_1", "account": "acc_1", "attempt": 0}, "inbox/job")
    assert sending.take_in(body, "1") == Delivered(Verb.FAILED, code)
    (refused,) = sending.queue.refused
    assert (refused.body, refused.key, refused.problem["code"]) == (body, "sqs:1", code)
    assert only(sending).status is Status.FAILED


def test_a_wrapped_pointer_that_leads_nowhere_is_known_by_its_wrapping(sending: Sending) -> None:
    wrapped = json.dumps({"Type": "Notification", "TopicArn": "a", "MessageId": "sns-1", "Message": pointer()})
    assert sending.take_in(wrapped, "1").code == "pointer_unreadable"
    assert sending.queue.refused[0].key == "sns:sns-1"


def test_a_bucket_that_does_not_answer_leaves_the_pointer_on_the_queue(sending: Sending) -> None:
    put(sending, sending.body())
    sending.pointed.faults.before("read", Unavailable("S3 is down"))
    with pytest.raises(Unavailable):
        sending.take_in(pointer(), "1")
    assert not sending.messages.records
    assert sending.take_in(pointer(), "1").verb is Verb.SENT


# --- a second time --------------------------------------------------------------------------------------------------


def test_a_body_that_was_sent_is_not_sent_again_when_it_is_redriven(sending: Sending) -> None:
    body = sending.body()
    sending.take_in(json.dumps(body), "old-id")
    inserted = json.dumps(body | {"idempotency_key": "sqs:old-id"})
    for text in (inserted, write_redriven(json.dumps(body), "sqs:old-id")):
        assert sending.take_in(text, "new-id").verb is Verb.DONE_BEFORE
    assert len(sending.transport.calls) == len(sending.messages.records) == 1


def test_a_refused_body_is_taken_in_once_its_cause_is_mended(sending: Sending) -> None:
    body = sending.body(**{"from": "news@example.org"})
    assert sending.take_in(json.dumps(body), "old-id").verb is Verb.FAILED
    (refused,) = sending.queue.refused
    sending.change(aliases=("news@example.org",))
    text = json.dumps(json.loads(refused.body) | {"idempotency_key": refused.key})
    assert sending.take_in(text, "new-id").verb is Verb.SENT
    assert sending.take_in(text, "newer-id").verb is Verb.DONE_BEFORE
    assert sorted(record.status for record in sending.messages.records.values()) == ["failed", "sent"]


def test_a_redriven_pointer_keeps_its_key(sending: Sending) -> None:
    put(sending, sending.body())
    sending.take_in(pointer(), "old-id")
    assert sending.take_in(write_redriven(pointer(), "sqs:old-id"), "new-id").verb is Verb.DONE_BEFORE


@pytest.mark.parametrize("wrap", ["sns", "eventbridge"])
def test_a_redriven_wrapping_keeps_its_own_key(sending: Sending, wrap: str) -> None:
    body: dict[str, Any] = (
        {"Type": "Notification", "TopicArn": "a", "MessageId": "sns-1", "Message": json.dumps(sending.body())}
        if wrap == "sns"
        else {"detail-type": "mail", "id": "event-1", "detail": sending.body()}
    )
    sending.take_in(json.dumps(body), "old-id")
    assert sending.take_in(json.dumps(body), "new-id").verb is Verb.DONE_BEFORE
    assert sending.take_in(write_redriven(json.dumps(body), "sqs:old-id"), "newer-id").verb is Verb.DONE_BEFORE


def test_a_key_of_the_body_goes_before_the_one_it_is_redriven_with(sending: Sending) -> None:
    body = json.dumps(sending.body(idempotency_key="own"))
    sending.take_in(body, "old-id")
    assert sending.take_in(write_redriven(body, "sqs:old-id"), "new-id").verb is Verb.DONE_BEFORE


@pytest.mark.parametrize("body", [None, 5, "no json", "[]"])
def test_what_is_redriven_and_cannot_be_read_is_refused_again(sending: Sending, body: object) -> None:
    text = json.dumps({"mailbearer_redriven": 1, "key": "sqs:1", "body": body})
    assert sending.take_in(text, "new-id") == Delivered(Verb.FAILED, "malformed_body")
