"""SQS batches, through the real handler: each message on its own, partial failures exact."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.message import Status
from tests.functions.stack import event

if TYPE_CHECKING:
    from mailbearer.message import MessageRecord
    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow
NOTHING_LEFT: dict[str, Any] = {"batchItemFailures": []}


def records(stack: Stack) -> list[MessageRecord]:
    """Read every message record, the oldest first."""
    items = stack.clients.dynamodb.scan(TableName=stack.names["MessagesTable"])["Items"]
    found = [stack.wiring.messages.get(item["id"]["S"]) for item in items]
    return sorted((record for record in found if record), key=lambda record: record.created_at)


@pytest.mark.parametrize(
    ("name", "subject"), [("sqs-raw", "raw"), ("sqs-sns", "by topic"), ("sqs-eventbridge", "by rule")]
)
def test_a_message_dropped_on_the_queue_is_sent_however_it_is_wrapped(stack: Stack, name: str, subject: str) -> None:
    stack.connect()
    assert stack.invoke("delivery_worker", event(name)) == NOTHING_LEFT
    (mail,) = stack.world.control.mail()
    assert mail["headers"]["subject"] == subject
    assert mail["envelope"]["rcpt_to"] == ["ben@example.com"]
    (record,) = records(stack)
    assert (record.status, record.caller) == (Status.SENT, "queue")
    assert stack.metrics() == {"sent": 1}


@pytest.mark.parametrize("name", ["sqs-raw", "sqs-sns", "sqs-eventbridge"])
def test_the_same_delivery_twice_is_one_mail(stack: Stack, name: str) -> None:
    stack.connect()
    for _ in range(2):
        assert stack.invoke("delivery_worker", event(name)) == NOTHING_LEFT
    assert len(stack.world.control.mail()) == 1
    assert stack.metrics() == {"sent": 1}


def test_a_body_that_lies_in_the_bucket_is_sent(stack: Stack) -> None:
    stack.connect()
    (record,) = event("sqs-pointer")["Records"]
    _, where = json.loads(record["body"])
    assert where["s3BucketName"] == stack.names["ContentBucket"]
    body = {"account": "ann@tenant.example", "to": "ben@example.com", "subject": "pointed", "text": "x" * 1_200_000}
    stack.clients.s3.put_object(Bucket=where["s3BucketName"], Key=where["s3Key"], Body=json.dumps(body).encode())
    for _ in range(2):
        assert stack.invoke("delivery_worker", event("sqs-pointer")) == NOTHING_LEFT
    (mail,) = stack.world.control.mail()
    assert mail["headers"]["subject"] == "pointed"
    assert stack.metrics() == {"sent": 1}


def test_a_pointer_that_leads_nowhere_is_kept_on_the_dead_letter_queue(stack: Stack) -> None:
    assert stack.invoke("delivery_worker", event("sqs-pointer")) == NOTHING_LEFT
    (kept,) = stack.on(stack.names["DeadLetterQueue"])
    assert json.loads(kept["MessageAttributes"]["problem"]["StringValue"])["code"] == "pointer_unreadable"
    assert kept["MessageAttributes"]["idempotency_key"]["StringValue"] == (
        f"sqs:{event('sqs-pointer')['Records'][0]['messageId']}"
    )


def test_what_was_accepted_over_http_is_sent(stack: Stack) -> None:
    stack.connect()
    accepted = stack.messages("messages-post").json
    assert stack.deliver() == NOTHING_LEFT
    shown = stack.messages("messages-get").json
    (mail,) = stack.world.control.mail()
    assert shown["status"] == "sent"
    assert shown["sent_at"]
    assert shown["provider_id"] == mail["provider_id"]
    assert mail["headers"]["message-id"] == accepted["message_id"]
    assert "message.sent sent" in stack.actions()


@pytest.mark.parametrize(("name", "code"), [("sqs-malformed", "malformed_body"), ("sqs-invalid", "invalid_request")])
def test_what_can_never_be_sent_is_kept_on_the_dead_letter_queue_and_recorded(
    stack: Stack, name: str, code: str
) -> None:
    stack.mailbox()
    assert stack.invoke("delivery_worker", event(name)) == NOTHING_LEFT
    (kept,) = stack.on(stack.names["DeadLetterQueue"])
    problem = json.loads(kept["MessageAttributes"]["problem"]["StringValue"])
    (record,) = records(stack)
    assert kept["Body"] == event(name)["Records"][0]["body"]
    assert problem["code"] == record.problem_code == code
    assert kept["MessageAttributes"]["refused_message_id"]["StringValue"] == record.id
    assert record.status is Status.FAILED
    (told,) = [each for each in stack.audit() if each["action"] == "message.refused"]
    assert (told["subject"], told["reason"]) == (record.id, code)
    assert stack.metrics() == {"failed": 1}
    assert stack.on(stack.names["MessageQueue"]) == []


def test_a_message_for_an_unknown_account_is_a_recorded_failure(stack: Stack) -> None:
    assert stack.invoke("delivery_worker", event("sqs-unknown-account")) == NOTHING_LEFT
    (record,) = records(stack)
    assert (record.status, record.problem_code) == (Status.FAILED, "unknown_account")
    assert stack.actions() == ["message.accepted accepted", "message.failed failed"]


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (AccountState.PENDING_CONSENT, Status.FAILED, "account_pending_consent"),
        (AccountState.REVOKED, Status.FAILED, "account_revoked"),
        (AccountState.PAUSED, Status.HELD, "account_paused"),
        (AccountState.CONSENT_REQUIRED, Status.HELD, "account_consent_required"),
    ],
)
def test_a_message_for_a_mailbox_that_cannot_send_fails_or_waits_visibly(
    stack: Stack, state: AccountState, status: Status, code: str
) -> None:
    stack.change(stack.connect(), state=state)
    assert stack.invoke("delivery_worker", event("sqs-raw")) == NOTHING_LEFT
    (record,) = records(stack)
    assert (record.status, record.problem_code) == (status, code)
    assert stack.world.control.mail() == []


def test_one_bad_record_never_takes_its_neighbours_with_it(stack: Stack) -> None:
    stack.connect()
    batch = event("sqs-mixed")
    good, garbage, orphan, also_good = (record["messageId"] for record in batch["Records"])
    answer = stack.invoke("delivery_worker", batch)
    # The orphan is a job whose record does not exist: only that stays on the queue.
    assert answer == {"batchItemFailures": [{"itemIdentifier": orphan}]}
    assert {mail["headers"]["subject"] for mail in stack.world.control.mail()} == {"first", "second"}
    assert [kept["Body"] for kept in stack.on(stack.names["DeadLetterQueue"])] == ["not JSON at all"]
    assert stack.metrics() == {"sent": 2, "failed": 1}
    (line,) = [json.loads(each) for each in stack.output.splitlines() if "stays on the queue" in each]
    assert line["sqs_message_id"] == orphan
    assert {good, garbage, also_good} & set(stack.output.split('"')) == set()


def test_a_batch_of_nothing_but_poison_is_given_back_whole_without_an_error(stack: Stack) -> None:
    batch = event("sqs-mixed")
    batch["Records"] = [batch["Records"][2]]
    assert len(stack.invoke("delivery_worker", batch)["batchItemFailures"]) == 1


def test_a_provider_that_is_away_defers(stack: Stack) -> None:
    stack.connect()
    stack.world.control.plan_fault("gmail", "429", tenant="google")
    assert stack.invoke("delivery_worker", event("sqs-raw")) == NOTHING_LEFT
    (record,) = records(stack)
    assert record.status is Status.DEFERRED
    assert stack.metrics() == {"deferred": 1}


def test_an_expired_token_is_refreshed_on_the_way(stack: Stack) -> None:
    account = stack.connect()
    stack.change(account, token={"expires_at": account.token.refreshed_at})
    stored = stack.wiring.vault.read(account.id)
    assert stored
    old = stored.tokens
    expired = type(old)(
        access_token=old.access_token, refresh_token=old.refresh_token, expires_at=1, obtained_at=0, scope=old.scope
    )
    stack.clients.secretsmanager.put_secret_value(
        SecretId=f"mailbearer/test/accounts/{account.id}",
        SecretString=json.dumps({name: getattr(expired, name) for name in expired.__slots__}),
    )
    assert stack.invoke("delivery_worker", event("sqs-raw")) == NOTHING_LEFT
    assert len(stack.world.control.mail()) == 1
    assert stack.world.control.count(endpoint="token", grant_type="refresh_token") == 1
    assert stack.metrics() == {"sent": 1, "refreshed": 1, "refreshed_by_worker": 1}


def test_too_little_time_puts_a_message_back_unsent(stack: Stack) -> None:
    stack.connect()
    assert stack.invoke("delivery_worker", event("sqs-raw"), remaining=5) == NOTHING_LEFT
    assert stack.world.control.mail() == []
    (record,) = records(stack)
    assert record.status is Status.QUEUED


def test_an_audit_log_that_is_gone_keeps_the_events_and_the_mail_goes_out(stack: Stack) -> None:
    stack.connect()
    group = stack.names["AuditLogGroup"]
    stack.clients.logs.delete_log_group(logGroupName=group)
    try:
        assert stack.invoke("delivery_worker", event("sqs-raw")) == NOTHING_LEFT
    finally:
        stack.clients.logs.create_log_group(logGroupName=group)
    assert len(stack.world.control.mail()) == 1
    assert stack.actions() == []
    stack.invoke("token_rotator", event("schedule"))
    assert stack.actions()[:2] == ["message.accepted accepted", "message.sent sent"]
