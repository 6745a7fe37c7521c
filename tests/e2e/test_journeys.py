"""Messages on a deployed stack, from outside: over HTTP, over the queue, with the command, and when no answer comes."""

from __future__ import annotations

import base64
import json
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest

from tests.e2e.local_stack import ROADS, message, queue_message_id, until

if TYPE_CHECKING:
    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.mark.parametrize(("tenant", "address", "host"), ROADS)
def test_a_message_over_http_reaches_every_recipient_through_its_mailbox(
    local_stack: LocalStack, tenant: str, address: str, host: str
) -> None:
    content = base64.b64encode(b"one\ntwo\n").decode()
    sent = local_stack.send(
        address,
        to="Carla <carla@customer.example>",
        cc="chris@customer.example",
        bcc="bea@customer.example",
        subject="Grüße",
        html="<p>Hello</p>",
        attachments=[{"filename": "zwei.txt", "content_type": "text/plain", "content": content}],
        metadata={"order": "17"},
    )
    assert sent["status"] == "queued"
    shown = local_stack.settled(sent["id"], "sent")
    assert ([attempt["outcome"] for attempt in shown["attempts"]], shown["problem"]) == (["accepted"], None)
    assert shown["metadata"] == {"order": "17"}
    mail = local_stack.one_mail(sent)
    assert (mail["tenant"], mail["mailbox"], mail["via"]) == (tenant, address, host)
    assert set(mail["envelope"]["rcpt_to"]) == {f"{name}@customer.example" for name in ("carla", "chris", "bea")}
    source = local_stack.control.mail_source(mail["id"])
    assert b"bea@customer.example" not in source
    parsed = message_from_bytes(source, policy=policy.default)
    assert (parsed["Subject"], parsed["Message-ID"]) == ("Grüße", sent["message_id"])
    assert [part.get_content() for part in parsed.iter_attachments()] == ["one\ntwo\n"]


def test_a_message_too_big_for_the_queue_goes_through_the_bucket_and_leaves_nothing_there(
    local_stack: LocalStack,
) -> None:
    # So big in base64 that it also takes Gmail's road for uploads.
    content = bytes(range(256)) * 11_000
    part = {"filename": "big.bin", "content": base64.b64encode(content).decode()}
    sent = local_stack.send("orders@acme.example", attachments=[part])
    local_stack.settled(sent["id"], "sent")
    source = local_stack.control.mail_source(local_stack.one_mail(sent)["id"])
    (attached,) = message_from_bytes(source, policy=policy.default).iter_attachments()
    assert attached.get_content() == content
    bucket = local_stack.output("ContentBucketName")
    listed = local_stack.aws("s3").list_objects_v2(Bucket=bucket, Prefix=f"content/{sent['id']}")
    assert listed["KeyCount"] == 0


@pytest.mark.parametrize("way", ["raw", "sns", "eventbridge"])
def test_a_message_dropped_on_the_queue_is_sent_in_every_wrapping(local_stack: LocalStack, way: str) -> None:
    key = f"wrapped-{way}"
    body = message("support@acme.example", idempotency_key=key, subject=way)
    local_stack.drop(
        {
            "raw": body,
            "sns": {
                "Type": "Notification",
                "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
                "TopicArn": "arn:aws:sns:us-east-1:123456789012:shop-mail",
                "Message": json.dumps(body),
            },
            "eventbridge": {
                "version": "0",
                "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
                "detail-type": "mail",
                "source": "shop",
                "detail": body,
            },
        }[way]
    )
    assert local_stack.one_mail(local_stack.settled(queue_message_id(key), "sent"))["headers"]["subject"] == way


def test_a_topic_and_a_rule_feed_the_queue_and_a_repeated_event_is_one_mail(local_stack: LocalStack) -> None:
    arn = local_stack.output("QueueArn")
    sns, events = local_stack.aws("sns"), local_stack.aws("events")
    topic = sns.create_topic(Name="e2e-mail")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    events.put_rule(Name="e2e-mail", EventPattern=json.dumps({"source": ["e2e"]}))
    events.put_targets(Rule="e2e-mail", Targets=[{"Id": "mailbearer", "Arn": arn}])
    body = json.dumps(message("orders@acme.example", to="topic@customer.example"))
    sns.publish(TopicArn=topic, Message=body)
    body = json.dumps(message("orders@acme.example", to="rule@customer.example", idempotency_key="event-1"))
    for _ in range(2):
        events.put_events(Entries=[{"Source": "e2e", "DetailType": "mail", "Detail": body}])
    for name in ("topic", "rule"):
        assert len(local_stack.control.wait_for_mail(rcpt_to=f"{name}@customer.example", seconds=30)) == 1
    until("the queue is empty", lambda: local_stack.queued() == 0)
    assert len(local_stack.control.mail(rcpt_to="rule@customer.example")) == 1


def test_the_same_key_and_body_give_the_first_answer_and_another_body_a_conflict(local_stack: LocalStack) -> None:
    body, key = message("orders@acme.example"), {"Idempotency-Key": "order-4711"}
    first = local_stack.call("POST", "/v1/messages", body, headers=key)
    again = local_stack.call("POST", "/v1/messages", body, headers=key)
    other = local_stack.call("POST", "/v1/messages", body | {"text": "Other."}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 409)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.json()["id"], other.json()["code"]) == (first.json()["id"], "idempotency_conflict")
    assert first.headers["Location"] == f"/v1/messages/{first.json()['id']}"
    local_stack.settled(first.json()["id"], "sent")
    assert local_stack.one_mail(first.json())


def test_each_message_of_a_batch_has_its_own_result(local_stack: LocalStack) -> None:
    good, bad = message("orders@acme.example"), message("orders@acme.example", to="nobody")
    answer = local_stack.call("POST", "/v1/messages/batch", {"messages": [good, bad]})
    accepted, refused = answer.json()["results"]
    assert (answer.status_code, accepted["status"], refused["status"]) == (200, 202, 422)
    assert refused["problem"]["errors"][0]["pointer"] == "/to"
    local_stack.settled(accepted["message"]["id"], "sent")


# --- answers that do not come ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tenant", "address", "host"), ROADS)
def test_a_lost_answer_is_unknown_and_the_mail_goes_out_once(
    local_stack: LocalStack, tenant: str, address: str, host: str
) -> None:
    local_stack.control.plan_fault(host, "answer_lost", tenant=tenant, match={"mailbox": address})
    sent = local_stack.send(address)
    unknown = local_stack.settled(sent["id"], "unknown")
    assert (unknown["problem"]["code"], len(unknown["attempts"])) == ("answer_lost", 1)
    assert local_stack.one_mail(sent)
    local_stack.audited("message.unknown", sent["id"])


def test_what_a_provider_certainly_refused_is_tried_again_and_a_server_error_is_not(local_stack: LocalStack) -> None:
    control = local_stack.control
    control.plan_fault("smtp", "drop", stage="mail", match={"mailbox": "support@acme.example"})
    control.plan_fault("gmail", "503", match={"mailbox": "orders@acme.example"})
    deferred, unknown = local_stack.send("support@acme.example"), local_stack.send("orders@acme.example")
    assert local_stack.settled(unknown["id"], "unknown")["problem"]["code"] == "server_error"
    assert control.mail(message_id=unknown["message_id"]) == []
    # A person who knows better sends it again.
    assert local_stack.call("POST", f"/v1/messages/{unknown['id']}/retry").status_code == 202
    assert [attempt["outcome"] for attempt in local_stack.settled(unknown["id"], "sent")["attempts"]] == [
        "unknown",
        "accepted",
    ]
    assert local_stack.one_mail(unknown)
    outcomes = [attempt["outcome"] for attempt in local_stack.settled(deferred["id"], "sent")["attempts"]]
    assert outcomes == ["not_accepted", "accepted"]
    assert local_stack.one_mail(deferred)


# --- the operator ---------------------------------------------------------------------------------------------------


def test_the_command_sends_shows_and_lists(local_stack: LocalStack) -> None:
    sent = local_stack.operate(
        *("send", "--account", "billing@acme.example", "--to", "carla@customer.example", "--subject", "By hand"),
        *("--text", "-", "--wait"),
        stdin="Hello from standard input.",
    )
    assert sent["status"] == "sent"
    assert b"Hello from standard input." in local_stack.control.mail_source(local_stack.one_mail(sent)["id"])
    assert local_stack.operate("messages", "show", sent["id"])["id"] == sent["id"]
    listed = local_stack.operate("messages", "list", "--account", "billing@acme.example")
    assert sent["id"] in {each["id"] for each in listed}
    assert {each["name"] for each in local_stack.operate("providers", "list")} >= {"google-workspace", "own-mail-host"}
    assert {"account.added", "message.sent"} <= {event["action"] for event in local_stack.operate("audit", "tail")}
    refused = local_stack.world.operate(
        "send", "--account", "nobody@acme.example", "--to", "x", "--subject", "s", "--text", "t"
    )
    assert (refused.returncode, "unknown_account" in refused.stderr, "invalid_address" in refused.stderr) == (
        1,
        True,
        True,
    )
