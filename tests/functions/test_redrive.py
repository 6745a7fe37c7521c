"""Bringing dead letters back to the real worker: what was sent is not sent again, what was mended is."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from cli.dead_letters import DeadLetterQueue, read
from mailbearer.account import AccountState
from tests.functions.stack import event
from tests.functions.test_sandbox_mailbox import ADDRESS, added, captured

if TYPE_CHECKING:
    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow
PLAIN = {"account": ADDRESS, "to": "bob@y.example", "text": "hello"}
SNS = {"Type": "Notification", "TopicArn": "arn:topic", "MessageId": "sns-1", "Message": json.dumps(PLAIN)}
EVENT = {"detail-type": "order mail", "id": "event-1", "detail": PLAIN}


def mailbox(stack: Stack) -> None:
    """Add a mailbox of the sandbox, and let the worker look for mail that was held for it."""
    added(stack)
    stack.deliver()


def drop(stack: Stack, queue: str, body: object) -> None:
    stack.clients.sqs.send_message(QueueUrl=stack.names[queue], MessageBody=json.dumps(body), MessageGroupId="g")


def hand_over(stack: Stack) -> dict[str, Any]:
    """Let the worker take one message and die before it is acknowledged: SQS then moves it to the dead letters."""
    (message,) = stack.clients.sqs.receive_message(QueueUrl=stack.names["MessageQueue"], VisibilityTimeout=0)[
        "Messages"
    ]
    record = event("sqs-raw")["Records"][0] | {"messageId": message["MessageId"], "body": message["Body"]}
    stack.invoke("delivery_worker", {"Records": [record]})
    return dict(message)


def bury(stack: Stack) -> None:
    """Let SQS move what lies on the message queue, with its id, as its redrive policy does."""
    sqs, queue = stack.clients.sqs, stack.names["MessageQueue"]
    arn = stack.resolve({"Fn::GetAtt": ["DeadLetterQueue", "Arn"]})
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": policy, "VisibilityTimeout": "0"})
    for _ in range(2):
        sqs.receive_message(QueueUrl=queue)
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"RedrivePolicy": "", "VisibilityTimeout": "30"})


def redrive(stack: Stack) -> int:
    """Bring every dead letter back, and give how many there were."""
    count = 0
    queue = DeadLetterQueue(
        stack.clients.sqs,
        queue_url=stack.names["MessageQueue"],
        dead_letter_queue_url=stack.names["DeadLetterQueue"],
    )
    with closing(queue):
        for letter in queue.letters():
            queue.send(letter, read(letter).body)
            queue.remove(letter)
            count += 1
    return count


@pytest.mark.parametrize("body", [PLAIN, PLAIN | {"idempotency_key": "own"}, SNS, EVENT])
def test_what_was_sent_before_it_became_a_dead_letter_is_not_sent_again(stack: Stack, body: object) -> None:
    mailbox(stack)
    drop(stack, "MessageQueue", body)
    hand_over(stack)
    (before,) = captured(stack)
    bury(stack)
    assert redrive(stack) == 1
    stack.deliver()
    assert captured(stack) == [before]
    assert stack.actions().count("message.sent sent") == 1


def test_what_was_never_taken_up_is_sent_once_however_often_it_is_redriven(stack: Stack) -> None:
    mailbox(stack)
    drop(stack, "MessageQueue", PLAIN)
    for _ in range(3):
        bury(stack)
        assert redrive(stack) == 1
    stack.deliver()
    assert len(captured(stack)) == 1


def test_what_was_refused_is_sent_when_its_cause_is_mended(stack: Stack) -> None:
    mailbox(stack)
    drop(stack, "MessageQueue", PLAIN | {"from": "orders@example.org"})
    stack.deliver()
    assert captured(stack) == []
    account = stack.account(ADDRESS)
    stack.change(account, aliases=("orders@example.org",), state=AccountState.ACTIVE)
    assert redrive(stack) == 1
    stack.deliver()
    assert [one["mail_from"] for one in captured(stack)] == ["orders@example.org"]
