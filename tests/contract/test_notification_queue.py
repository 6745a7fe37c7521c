from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.aws.notification_queue import SQSNotificationQueue
from tests.fakes import FakeNotificationQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.channels import NotificationQueue

    Queue = tuple[NotificationQueue, Callable[[], list[tuple[str, str]]]]


@pytest.fixture(params=["fake", "aws"])
def queue(request: pytest.FixtureRequest) -> Queue:
    """Give a queue, and what takes the bodies off it, each with its group."""
    if request.param == "fake":
        fake = FakeNotificationQueue()
        return fake, lambda: [(each.body, each.group) for each in fake.queued]
    world = request.getfixturevalue("world")
    url = world.queue()

    def taken() -> list[tuple[str, str]]:
        found: list[Any] = world.clients.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
        ).get("Messages", [])
        return [(each["Body"], each["Attributes"]["MessageGroupId"]) for each in found]

    return SQSNotificationQueue(world.clients.sqs, url, world.queue()), taken


def test_what_is_put_comes_out_for_its_group(queue: Queue) -> None:
    notifications, taken = queue
    notifications.put('{"a": "ä"}', group="whk_1")
    assert taken() == [('{"a": "ä"}', "whk_1")]


def test_what_was_given_up_is_there_to_look_at_and_to_forget(queue: Queue) -> None:
    notifications, taken = queue
    for number in range(25):
        notifications.refuse(f"body {number}", reason="http_500")
    assert len(list(notifications.given_up(20))) == 20
    assert taken() == []


def test_what_is_forgotten_is_gone_and_forgetting_it_again_is_no_error(queue: Queue) -> None:
    notifications, _ = queue
    notifications.refuse("body", reason="disabled")
    (letter,) = notifications.given_up(10)
    assert letter.body == "body"
    assert letter.body not in repr(letter)
    notifications.forget(letter.receipt)
    notifications.forget(letter.receipt)
    assert list(notifications.given_up(10)) == []


def test_why_it_was_given_up_stands_beside_it(request: pytest.FixtureRequest) -> None:
    world = request.getfixturevalue("world")
    dead = world.queue()
    SQSNotificationQueue(world.clients.sqs, world.queue(), dead).refuse("body", reason="http_500")
    (letter,) = world.clients.sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"])["Messages"]
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "http_500"
