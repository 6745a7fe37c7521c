"""What the functions tell others: events of a batch in one call, and notices to people as mail."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from tests.functions.stack import event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow

LINK = "https://api.example/connect/the-secret-ticket"


@pytest.fixture
def quiet(stack: Stack) -> Iterator[Stack]:
    """Give a stack that tells of messages what is no routine alone."""
    stack.parameters["MessageEvents"] = "exceptions"
    stack.restart()
    yield stack
    del stack.parameters["MessageEvents"]
    stack.restart()


def told(stack: Stack) -> list[str]:
    return [kind for call in stack.published for kind, _ in call]


def batch(*subjects: str, account: str = "ann@tenant.example") -> dict[str, Any]:
    """Give SQS records with messages that were dropped there."""
    sample = event("sqs-raw")["Records"][0]
    bodies = [{"account": account, "to": "ben@example.com", "subject": each, "text": "Hi"} for each in subjects]
    return {
        "Records": [
            sample | {"messageId": f"sqs-{each['subject']}", "body": json.dumps(each | {"tags": ["order"]})}
            for each in bodies
        ]
    }


def test_what_became_of_a_batch_is_told_in_one_call_and_told_again_it_is_the_same(stack: Stack) -> None:
    account = stack.connect()
    stack.published.clear()
    for _ in range(2):
        stack.invoke("delivery_worker", batch("one", "two", "three"))
    first, again = stack.published
    assert [kind for kind, _ in first] == ["message.sent"] * 3
    assert {detail["id"] for _, detail in first} == {detail["id"] for _, detail in again}
    assert {(detail["account"], *detail["tags"]) for _, detail in first} == {(account.id, "order")}
    assert all(detail["sent_at"] for _, detail in first)


def test_by_itself_a_stack_is_told_of_messages_what_is_no_routine(quiet: Stack) -> None:
    account = quiet.connect()
    quiet.published.clear()
    quiet.invoke("delivery_worker", batch("one"))
    assert quiet.published == []
    quiet.change(quiet.account(), state=AccountState.PAUSED)
    quiet.invoke("delivery_worker", batch("two", "three"))
    ((first, second),) = quiet.published
    assert {first[0], second[0]} == {"message.held"}
    assert first[1]["account"] == account.id


def test_a_message_that_its_caller_cancels_is_told(stack: Stack) -> None:
    stack.connect()
    stack.published.clear()
    body = {"account": "ann@tenant.example", "to": "ben@example.com", "subject": "s", "text": "t"}
    sent = stack.messages("messages-post", body=body)
    path = f"/v1/messages/{sent.json['id']}/cancel"
    assert stack.messages("messages-post", method="POST", path=path, body={}).status == 200
    ((kind, detail),) = stack.published[0]
    assert (kind, detail["message"], detail["status"]) == ("message.canceled", sent.json["id"], "canceled")


def test_pausing_and_resuming_are_told(stack: Stack) -> None:
    account = stack.connect()
    stack.published.clear()
    for verb in ("pause", "resume"):
        assert stack.accounts("accounts-post", path=f"/v1/accounts/{account.id}/{verb}", body={}).status == 200
    assert told(stack) == ["account.paused", "account.resumed"]


def notify(stack: Stack, kind: str, detail: dict[str, Any]) -> None:
    """Hand an event to the notifier as the bus brings it."""
    body = json.dumps(
        {"id": "1", "source": "mailbearer", "detail-type": kind, "time": "2026-11-22T09:30:00Z", "detail": detail}
    )
    record = event("sqs-notification")["Records"][0] | {
        "messageId": "n-1",
        "body": body,
        "md5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
    }
    assert stack.invoke("notifier", {"Records": [record]}, remaining=60) == {"batchItemFailures": []}


def test_the_owner_of_a_dead_grant_is_written_to_through_another_mailbox_once(stack: Stack) -> None:
    ill, helper = stack.connect(), stack.connect("desk@tenant.example")
    stack.change(stack.account("desk@tenant.example"), carries_notices=True)
    stack.change(stack.account(), state=AccountState.CONSENT_REQUIRED, reason="grant_expired_or_revoked")
    detail = {
        "id": "evt_01JD8M3V7Q0000000000000000",
        "at": "2026-11-22T09:30:00.000Z",
        "account": ill.id,
        "address": ill.address,
        "provider": ill.provider,
        "reason": "grant_expired_or_revoked",
        "reconnect_url": LINK,
        "expires_at": "2026-11-29T09:30:00.000Z",
    }
    for _ in range(2):
        notify(stack, "account.reconnect_wanted", detail)
    stack.deliver()
    (mail,) = stack.world.control.mail()
    assert mail["envelope"]["mail_from"] == helper.address
    assert mail["envelope"]["rcpt_to"] == [ill.address]
    assert mail["headers"]["subject"] == f"Please connect the mailbox {ill.address} again"
    assert "owner.notified queued" in stack.actions()
    assert LINK not in json.dumps(stack.audit())
    assert LINK not in stack.output


def test_contacts_and_carrying_are_shown_and_changed_over_the_api(stack: Stack) -> None:
    account = stack.mailbox()
    path, body = f"/v1/accounts/{account.id}", {"contacts": ["it@example.org"], "carries_notices": True}
    changed = stack.accounts("accounts-post", method="PATCH", path=path, body=body)
    assert changed.status == 200, changed.text
    assert (changed.json["contacts"], changed.json["carries_notices"]) == (["it@example.org"], True)
    stands = stack.account()
    assert (stands.contacts, stands.carries_notices) == (("it@example.org",), True)
