"""What a deployed stack refuses, over both doors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.local_stack import message, queue_message_id, until

if TYPE_CHECKING:
    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_a_malformed_request_hears_of_all_its_faults_at_once(local_stack: LocalStack) -> None:
    body = {"account": "orders@acme.example", "to": ["x", "carla@customer.example\r\nBcc: y"], "subjekt": "?"}
    answer = local_stack.call("POST", "/v1/messages", body)
    problem = answer.json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert (problem["code"], problem["status"]) == ("invalid_request", 422)
    assert {(fault["pointer"], fault["code"]) for fault in problem["errors"]} == {
        ("/subjekt", "unknown_field"),
        ("/to/0", "invalid_address"),
        ("/to/1", "unsafe_character"),
        ("", "content_missing"),
    }


def test_a_missing_or_wrong_key_gets_401_and_a_lesser_one_403_or_404(local_stack: LocalStack) -> None:
    account = local_stack.operate("accounts", "show", "orders@acme.example")["id"]
    reader, bound = (
        local_stack.key("messages:read"),
        local_stack.key("messages:send", "messages:read", accounts=(account,)),
    )
    foreign = local_stack.send("billing@acme.example")["id"]
    wrong = bound[:-1] + ("0" if bound[-1] != "0" else "1")
    answers = [
        local_stack.call(method, path, body, key=key)
        for method, path, body, key in (
            ("GET", f"/v1/messages/{foreign}", None, ""),
            ("GET", f"/v1/messages/{foreign}", None, wrong),
            ("POST", "/v1/messages", message("orders@acme.example"), reader),
            ("POST", "/v1/messages", message("billing@acme.example"), bound),
            ("GET", f"/v1/messages/{foreign}", None, bound),
            ("GET", "/v1/messages/msg_00000000000000000000000000", None, bound),
            ("GET", f"/v1/messages/{foreign}", None, reader),
            ("POST", "/v1/messages", {**message(""), "account": None}, bound),
        )
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 403, 403, 404, 404, 200, 202]
    assert answers[4].json() == answers[5].json()
    codes = [answer.json()["code"] for answer in answers[1:5]]
    assert codes == ["unauthenticated", "forbidden", "forbidden", "not_found"]


@pytest.mark.parametrize("state", ["unknown", "pending", "revoked"])
def test_a_mailbox_that_cannot_send_refuses_at_once_and_fails_what_comes_over_the_queue(
    local_stack: LocalStack, state: str
) -> None:
    address, tenant = f"{state}@acme.example", "oidc"
    if state == "pending":
        local_stack.add(address, tenant)
    elif state == "revoked":
        local_stack.connect(address, tenant)
        local_stack.operate("accounts", "revoke", address, "--yes")
    status, code = {
        "unknown": (422, "invalid_request"),
        "pending": (409, "account_pending_consent"),
        "revoked": (409, "account_revoked"),
    }[state]
    answer = local_stack.call("POST", "/v1/messages", message(address))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    local_stack.drop(message(address, idempotency_key=f"to-{state}"))
    failed = local_stack.settled(queue_message_id(f"to-{state}"), "failed")
    assert failed["problem"]["code"] == ("unknown_account" if state == "unknown" else code)
    local_stack.audited("message.failed", failed["id"])
    assert local_stack.control.mail(mailbox=address) == []


def test_a_malformed_queue_message_is_recorded_audited_and_kept_and_comes_back_never(local_stack: LocalStack) -> None:
    sqs, dead_letters = local_stack.aws("sqs"), local_stack.output("DeadLetterQueueUrl")
    local_stack.drop("{no json")
    local_stack.drop({"account": "orders@acme.example", "to": "x", "text": "Hello."})
    kept: dict[str, dict[str, Any]] = {}

    def look() -> bool:
        found = sqs.receive_message(
            QueueUrl=dead_letters, MessageAttributeNames=["All"], MaxNumberOfMessages=10, WaitTimeSeconds=1
        )
        kept.update({each["Body"]: each["MessageAttributes"] for each in found.get("Messages", [])})
        return len(kept) == 2

    until("both lie on the dead-letter queue", look)
    codes = {json.loads(attributes["problem"]["StringValue"])["code"] for attributes in kept.values()}
    assert codes == {"malformed_body", "invalid_request"}
    for attributes in kept.values():
        record = local_stack.get(f"/v1/messages/{attributes['refused_message_id']['StringValue']}")
        assert record["status"] == "failed"
        assert local_stack.audited("message.refused", record["id"])["reason"] == record["problem"]["code"]
    until("the queue is empty", lambda: local_stack.queued() == 0)
