from __future__ import annotations

import json
from typing import Any

import pytest

from mailbearer.envelope import Dropped, Job, pack, read_body, read_content, unpack, write_content, write_job
from mailbearer.errors import MalformedBody
from mailbearer.message import Address, Attachment, Status, Unsubscribe
from tests.unit.sending import ACCEPTED, Sending, message

FULL = message(
    cc=(Address("carl@example.net"),),
    bcc=(Address("dora@example.net", "Dora"),),
    reply_to=(Address("desk@example.org"),),
    html="<p>Grüße</p>",
    attachments=(Attachment(filename="a.png", content="QQ==", size=1, content_id="a", disposition="inline"),),
    headers=(("X-Order", "4711"),),
    in_reply_to="<1@x>",
    references=("<0@x>", "<1@x>"),
    unsubscribe=Unsubscribe(url="https://x", one_click=True),
    on_unknown="resend",
    tags=("a", "b"),
    metadata=(("k", "v"),),
)
BODY = {"account": "acc_1", "to": "bob@example.net", "text": "Hello"}


def sns(inner: object, **fields: Any) -> dict[str, Any]:
    text = inner if isinstance(inner, str) else json.dumps(inner)
    envelope = {"Type": "Notification", "MessageId": "sns-1", "TopicArn": "arn:aws:sns:x", "Message": text}
    return envelope | fields


def eventbridge(inner: object, **fields: Any) -> dict[str, Any]:
    return {"version": "0", "id": "event-1", "detail-type": "Mail", "source": "shop", "detail": inner} | fields


@pytest.mark.parametrize("whole", [message(), FULL, message(text=None, raw="QQ==")], ids=["small", "full", "raw"])
def test_a_message_comes_back_from_the_queue_and_the_bucket_as_it_went(whole: Any) -> None:
    job = Job(id="msg_1", account="acc_1", attempt=3, message=whole)
    assert read_body(write_job(job), "sqs-1") == job
    assert read_content(write_content(whole)) == whole
    assert unpack(json.loads(json.dumps(pack(whole)))) == whole


def test_a_new_job_brings_its_record_along() -> None:
    sending = Sending()
    record = sending.accept(tags=["a"], metadata={"k": "v"}, on_unknown="resend")
    assert sending.copy().record == record


def test_a_job_without_content_comes_back_without() -> None:
    job = Job(id="msg_1", account="acc_1", attempt=0)
    assert read_body(write_job(job), "sqs-1") == job


def test_empty_fields_take_no_room_on_the_queue() -> None:
    assert pack(message()).keys() == {
        "account",
        "from",
        "to",
        "subject",
        "text",
        "message_id",
        "date",
        "on_unknown",
    }


def test_content_does_not_print() -> None:
    assert "Hello" not in repr(Job(id="msg_1", account="acc_1", attempt=0, message=message()))
    assert "Hello" not in repr(read_body(json.dumps(BODY), "sqs-1"))


@pytest.mark.parametrize(
    ("wrapped", "key"),
    [
        (BODY, "sqs:sqs-1"),
        (sns(BODY), "sns:sns-1"),
        (eventbridge(BODY), "eventbridge:event-1"),
        (sns(eventbridge(BODY)), "eventbridge:event-1"),
        (eventbridge(sns(BODY)), "sns:sns-1"),
        (sns(sns(eventbridge(BODY))), "eventbridge:event-1"),
        ({name: value for name, value in sns(BODY).items() if name != "MessageId"}, "sns:sqs-1"),
        ({name: value for name, value in eventbridge(BODY).items() if name != "id"}, "eventbridge:sqs-1"),
    ],
)
def test_a_message_is_taken_out_of_its_wrapping(wrapped: object, key: str) -> None:
    assert read_body(json.dumps(wrapped), "sqs-1") == Dropped(body=BODY, key=key)


@pytest.mark.parametrize("wrap", [lambda body: body, sns, eventbridge])
def test_the_senders_own_key_goes_before_that_of_the_wrapping(wrap: Any) -> None:
    keyed = BODY | {"idempotency_key": "order-4711"}
    assert read_body(json.dumps(wrap(keyed)), "sqs-1") == Dropped(body=keyed, key="order-4711")


@pytest.mark.parametrize("own", [5, "", None, ["x"]])
def test_a_key_that_is_none_leaves_the_key_to_the_wrapping(own: object) -> None:
    dropped = read_body(json.dumps(BODY | {"idempotency_key": own}), "sqs-1")
    assert isinstance(dropped, Dropped)
    assert dropped.key == "sqs:sqs-1"


def test_a_job_that_somebody_wraps_is_no_job() -> None:
    job = json.loads(write_job(Job(id="msg_1", account="acc_1", attempt=0)))
    assert read_body(json.dumps(sns(job)), "sqs-1") == Dropped(body=job, key="sns:sns-1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "\ufeff{}",
        "\ud800",
        "Ã¤ \x00",
        "5",
        "null",
        "[]",
        '"text"',
        '{"a":',
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 5000,
        json.dumps(sns("no json")),
        json.dumps(sns("[]")),
        json.dumps(sns(BODY, Message=BODY)),
        json.dumps(sns(BODY, Message=None)),
        json.dumps(eventbridge("text")),
        json.dumps(eventbridge(None)),
        json.dumps(eventbridge([BODY])),
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_a_body_that_cannot_be_read_is_malformed(text: str) -> None:
    with pytest.raises(MalformedBody):
        read_body(text, "sqs-1")


JOB = json.loads(write_job(Job(id="msg_1", account="acc_1", attempt=0, message=FULL)))


NOT_WHOLE: list[tuple[str, Any]] = [
    ("attempt", None),
    ("attempt", "x"),
    ("attempt", []),
    ("attempt", float("inf")),
    ("attempt", float("nan")),
    ("message", 5),
    ("message", "x"),
    ("message", []),
    ("message", {}),
    ("message", {"account": "a"}),
    *(("message", JOB["message"] | {name: 5}) for name in ("from", "to", "attachments", "headers")),
    ("message", JOB["message"] | {"from": []}),
    ("record", 5),
    ("record", ["key_1"]),
    ("message", JOB["message"] | {"attachments": [["a"]]}),
]


@pytest.mark.parametrize(
    "broken",
    [
        *({name: value for name, value in JOB.items() if name != missing} for missing in ("id", "account", "attempt")),
        *(JOB | {name: value} for name, value in NOT_WHOLE),
    ],
    ids=lambda broken: json.dumps(broken)[-50:],
)
def test_a_job_that_is_not_whole_is_malformed(broken: object) -> None:
    with pytest.raises(MalformedBody, match="not whole"):
        read_body(json.dumps(broken), "sqs-1")


BEFORE = (
    '{"mailbearer_job":1,"id":"msg_01JXT21Q000000000000000001","account":"acc_661TQCFXH3Q7XWCNQQ4P7H71N5","attempt":0,'
    '"message":{"account":"acc_661TQCFXH3Q7XWCNQQ4P7H71N5","from":["ann@example.org","Ann"],'
    '"message_id":"<01jxt21q000000000000000001@example.org>","date":1750000000.0,"on_unknown":"hold",'
    '"to":[["bob@example.net"]],"text":"Hello","subject":"Hi"},"record":["key_app",'
    '"02de09537b15a971837dd24a079d4a7d396f6f0e8ccb2bac29f051e28a454790",1750000000.0,1757776000.0]}'
)
"""What lay on the queue before jobs named the request they came of, byte for byte."""


def test_what_the_version_before_queued_is_sent_by_this_one() -> None:
    job = read_body(BEFORE, "sqs-1")
    assert isinstance(job, Job)
    assert job.record is not None
    sending = Sending(ACCEPTED)
    sending.messages.create(job.record)
    sending.deliver(job)
    assert sending.record(job.id).status is Status.SENT
