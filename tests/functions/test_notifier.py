"""Webhooks through the real handlers: kept by the API, told by the notifier."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks import Webhook as Verifier

from mailbearer.ids import rfc3339
from tests.functions.deployment import KEY_ID
from tests.functions.stack import event
from tests.integration.transports.peers import HttpPeer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow


@pytest.fixture
def receiver() -> Iterator[HttpPeer]:
    with HttpPeer(answer(204)) as peer:
        yield peer


def caller(*accounts: str) -> dict[str, str]:
    return {"key_id": KEY_ID, "scopes": "admin", "accounts": " ".join(accounts)}


def create(stack: Stack, url: str, *events: str) -> dict[str, Any]:
    made = stack.admin("webhooks-post", body={"url": url, "events": list(events) or ["*"]})
    assert made.status == 201, made.text
    body: dict[str, Any] = made.json
    return body


def queued(stack: Stack) -> list[dict[str, Any]]:
    """Take what is on the notification queue, as the records of a batch."""
    template = event("sqs-webhook-delivery")["Records"][0]
    return [
        template
        | {
            "messageId": each["MessageId"],
            "body": each["Body"],
            "md5OfBody": hashlib.md5(each["Body"].encode(), usedforsecurity=False).hexdigest(),
        }
        for each in stack.on(stack.names["NotificationQueue"])
    ]


def notify(stack: Stack, *records: dict[str, Any], remaining: float = 60) -> list[str]:
    """Hand records to the notifier; gives the ids of those that stay."""
    if not records:
        return []
    given = stack.invoke("notifier", {"Records": list(records)}, remaining=remaining)
    return [each["itemIdentifier"] for each in given["batchItemFailures"]]


def told(stack: Stack) -> None:
    """Let an event come from the bus, and everything it leads to happen that happens at once."""
    assert notify(stack, *event("sqs-notification")["Records"]) == []
    assert notify(stack, *queued(stack)) == []


def dead(stack: Stack) -> list[tuple[str, str]]:
    """Take the dead letters, each as its body and its reason."""
    found = stack.on(stack.names["NotificationDeadLetterQueue"])
    return [(each["Body"], each["MessageAttributes"]["reason"]["StringValue"]) for each in found]


def test_an_event_reaches_the_webhook_signed(stack: Stack, receiver: HttpPeer) -> None:
    made = create(stack, f"{receiver.url}/in", "message.failed")
    told(stack)
    (request,) = receiver.requests
    body = Verifier(made["secret"]).verify(request.body, request.headers)
    detail = json.loads(event("sqs-notification")["Records"][0]["body"])["detail"]
    assert body == {"type": "message.failed", "timestamp": detail["at"], "data": detail}
    assert request.headers["webhook-id"] == detail["id"]
    assert stack.metrics() == {"webhooks_delivered": 1}


def test_a_webhook_that_wants_other_events_hears_nothing(stack: Stack, receiver: HttpPeer) -> None:
    create(stack, receiver.url, "message.sent")
    told(stack)
    assert receiver.requests == []


def test_a_failing_webhook_is_put_off_and_shown_as_failing(stack: Stack, receiver: HttpPeer) -> None:
    made = create(stack, receiver.url)
    receiver.reply = answer(500, b"password=hunter2x oh no")
    told(stack)
    shown = stack.admin("webhooks-list").json["data"]
    assert [(each["id"], each["failures"], each["last_failure"]) for each in shown] == [(made["id"], 1, "http_500")]
    assert stack.metrics() == {"webhooks_retried": 1}
    assert '"reason":"http_500"' in stack.output.replace(" ", "")
    assert "oh no" in stack.output
    assert "hunter2x" not in stack.output


def test_a_slow_neighbour_and_an_unreadable_one_take_nothing_along(stack: Stack, receiver: HttpPeer) -> None:
    create(stack, receiver.url)
    (good,) = event("sqs-notification")["Records"]
    bad = good | {"messageId": "bad", "body": "no json"}
    assert notify(stack, bad, good) == []
    assert notify(stack, *queued(stack)) == []
    assert len(receiver.requests) == 1
    assert dead(stack) == [("no json", "malformed_body")]


def test_a_secret_that_somebody_wrote_over_signs_nothing_and_a_rotation_mends_it(
    stack: Stack, receiver: HttpPeer
) -> None:
    made = create(stack, receiver.url)
    stack.clients.secretsmanager.put_secret_value(
        SecretId=f"mailbearer/test/webhooks/{made['id']}", SecretString="written over"
    )
    told(stack)
    assert receiver.requests == []
    shown = stack.admin("webhooks-list").json["data"]
    assert [each["last_failure"] for each in shown] == ["no_secret"]
    rotate = {"path": f"/v1/webhooks/{made['id']}/rotate", "body": {}}
    assert stack.admin("webhooks-rotate", **rotate).status == 409  # it may be under way, as young as it is


def test_what_cannot_be_settled_stays_on_the_queue_and_its_neighbours_go(stack: Stack, receiver: HttpPeer) -> None:
    made = create(stack, receiver.url)
    other = create(stack, receiver.url)
    notify(stack, *event("sqs-notification")["Records"])
    records = queued(stack)
    (unread,) = (each["messageId"] for each in records if other["id"] in each["body"])
    stack.refused = (f"secretsmanager:GetSecretValue *{other['id']}*",)
    assert notify(stack, *records) == [unread]
    stack.refused = ()
    (request,) = receiver.requests
    Verifier(made["secret"]).verify(request.body, request.headers)


def test_gone_disables_the_webhook_and_the_bus_hears_of_it(stack: Stack, receiver: HttpPeer) -> None:
    made = create(stack, receiver.url)
    receiver.reply = answer(410)
    told(stack)
    shown = stack.admin("webhooks-list", path=f"/v1/webhooks/{made['id']}").json
    assert (shown["disabled"], shown["reason"]) == (True, "gone")
    assert [reason for _, reason in dead(stack)] == ["http_410"]
    assert "webhook.disabled disabled" in stack.actions()
    assert "webhook.gave_up gave_up" in stack.actions()
    assert stack.metrics() == {"webhooks_gave_up": 1, "webhooks_disabled": 1}


def test_with_too_little_time_left_nothing_is_called_and_nothing_is_lost(stack: Stack, receiver: HttpPeer) -> None:
    create(stack, receiver.url)
    notify(stack, *event("sqs-notification")["Records"])
    assert notify(stack, *queued(stack), remaining=10) == []
    assert receiver.requests == []


def test_a_delivery_to_a_webhook_that_is_not_there_is_dropped(stack: Stack) -> None:
    assert notify(stack, *event("sqs-webhook-delivery")["Records"]) == []
    assert dead(stack) == []


def test_while_secrets_overlap_both_verify(stack: Stack, receiver: HttpPeer) -> None:
    made = create(stack, receiver.url)
    rotated = stack.admin("webhooks-rotate", path=f"/v1/webhooks/{made['id']}/rotate")
    assert rotated.status == 200, rotated.text
    told(stack)
    (request,) = receiver.requests
    for secret in (made["secret"], rotated.json["secret"]):
        Verifier(secret).verify(request.body, request.headers)
    stack.admin("webhooks-rotate", path=f"/v1/webhooks/{made['id']}/rotate", body={"overlap": 0})
    told(stack)
    assert len(receiver.requests[-1].headers["webhook-signature"].split()) == 1


def test_a_test_event_is_sent_to_the_webhook_and_to_no_other(stack: Stack, receiver: HttpPeer) -> None:
    made = create(stack, f"{receiver.url}/one", "message.sent")
    create(stack, f"{receiver.url}/two", "*")
    tested = stack.admin("webhooks-list", method="POST", path=f"/v1/webhooks/{made['id']}/test")
    assert tested.status == 202, tested.text
    assert notify(stack, *queued(stack)) == []
    (request,) = receiver.requests
    assert request.line.startswith("POST /one")
    assert request.headers["webhook-id"] == tested.json["event"]


def test_what_was_given_up_is_told_again_on_demand(stack: Stack, receiver: HttpPeer) -> None:
    made = create(stack, receiver.url)
    (record,) = event("sqs-webhook-delivery")["Records"]
    delivery = json.loads(record["body"])
    delivery["webhook_delivery"] |= {"webhook": made["id"], "attempt": 9, "not_before": 0}
    delivery["webhook_delivery"]["notice"]["at"] = rfc3339(stack.wiring.clock() - 60)
    receiver.reply = answer(500)
    assert notify(stack, record | {"body": json.dumps(delivery)}) == []
    receiver.reply = answer(204)
    since = rfc3339(stack.wiring.clock() - 3600)
    replayed = stack.admin("webhooks-replay", path=f"/v1/webhooks/{made['id']}/replay", body={"since": since})
    assert (replayed.status, replayed.json) == (202, {"replayed": 1, "looked_at": 1, "more": False})
    assert notify(stack, *queued(stack)) == []
    assert [request.headers["webhook-id"] for request in receiver.requests] == [event_id(delivery)] * 2
    assert dead(stack) == []


def event_id(delivery: dict[str, Any]) -> str:
    return str(delivery["webhook_delivery"]["notice"]["id"])


def test_a_webhook_is_changed_shown_and_forgotten(stack: Stack) -> None:
    made = stack.admin("webhooks-post")
    assert made.status == 201, made.text
    path = f"/v1/webhooks/{made.json['id']}"
    assert made.headers["location"] == path
    changed = stack.admin("webhooks-post", method="PATCH", path=path, body={"disabled": True})
    assert (changed.status, changed.json["disabled"], changed.json["reason"]) == (200, True, "requested")
    assert "secret" not in changed.json
    assert stack.admin("webhooks-list").json == {"data": [changed.json], "next_cursor": None}
    assert stack.admin("webhooks-list", method="DELETE", path=path).status == 204
    assert stack.admin("webhooks-list", path=path).status == 404
    assert stack.admin("webhooks-list").json["data"] == []


def test_all_faults_are_told_at_once(stack: Stack) -> None:
    refused = stack.admin("webhooks-post", body={"url": "https://10.0.0.1/", "events": ["x"], "y": 1})
    assert refused.status == 422
    assert [each["pointer"] for each in refused.json["errors"]] == ["/y", "/url", "/events/0"]


def test_only_an_admin_key_has_to_do_with_webhooks(stack: Stack) -> None:
    everything_else = caller() | {"scopes": "messages:send messages:read accounts:write audit:read"}
    assert stack.admin("webhooks-post", caller=everything_else).status == 403
    assert stack.admin("webhooks-list", caller={}).status == 401


def test_a_webhook_of_others_looks_like_one_that_is_not_there(stack: Stack) -> None:
    ann, ben = stack.mailbox(), stack.mailbox("ben@tenant.example")
    bens = stack.admin("webhooks-post", caller=caller(ben.id)).json
    path = f"/v1/webhooks/{bens['id']}"
    answers = []
    for shown in (path, path[:-1] + ("0" if path[-1] != "0" else "1"), "/v1/webhooks/x"):
        answers += [
            stack.admin("webhooks-list", method=method, path=shown, caller=caller(ann.id))
            for method in ("GET", "DELETE")
        ]
        for verb in ("test", "rotate"):
            said: dict[str, Any] = {"method": "POST", "path": f"{shown}/{verb}", "caller": caller(ann.id)}
            answers.append(stack.admin("webhooks-list", **said))
        answers.append(stack.admin("webhooks-post", method="PATCH", path=shown, body={}, caller=caller(ann.id)))
    assert {(each.status, each.text) for each in answers} == {(404, answers[0].text)}
    assert stack.admin("webhooks-list", caller=caller(ann.id)).json["data"] == []
    assert [each["accounts"] for each in stack.admin("webhooks-list", caller=caller(ben.id)).json["data"]] == [[ben.id]]


def test_a_webhook_may_be_bound_to_mailboxes_by_id_or_address(stack: Stack, receiver: HttpPeer) -> None:
    ann, ben = stack.mailbox(), stack.mailbox("ben@tenant.example")
    made = stack.admin(
        "webhooks-post", body={"url": receiver.url, "events": ["*"], "accounts": [ann.id, "Ben@Tenant.example"]}
    )
    assert made.status == 201, made.text
    assert made.json["accounts"] == sorted([ann.id, ben.id])
    told(stack)
    assert receiver.requests == []


def test_no_signing_secret_is_anywhere_but_in_secrets_manager(stack: Stack, receiver: HttpPeer) -> None:
    made = create(stack, receiver.url)
    rotated = stack.admin("webhooks-rotate", path=f"/v1/webhooks/{made['id']}/rotate").json
    receiver.reply = answer(500, json.dumps({"you sent": rotated["secret"]}).encode())
    told(stack)
    everything = stack.everything()
    for secret in (made["secret"], rotated["secret"]):
        assert secret.removeprefix("whsec_") not in everything


def test_a_delivery_that_died_before_its_acknowledgement_comes_again_under_the_same_id(
    stack: Stack, receiver: HttpPeer
) -> None:
    create(stack, receiver.url)
    notify(stack, *event("sqs-notification")["Records"])
    records = queued(stack)
    notify(stack, *records)
    notify(stack, *records)
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len(receiver.requests) == 2
