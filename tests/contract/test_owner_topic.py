from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.owner_topic import SNSOwnerTopic
from mailbearer.errors import Unavailable
from tests.fakes import FakeOwnerTopic

if TYPE_CHECKING:
    from mailbearer.ports.channels import OwnerTopic
    from tests.contract.conftest import World


class SeenThroughQueue:
    """A topic whose one subscription is a queue."""

    def __init__(self, world: World) -> None:
        self._sqs, self._queue_url, sns = world.clients.sqs, world.queue(), world.clients.sns
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=["QueueArn"])
        arn = sns.create_topic(Name=world.name("owners"))["TopicArn"]
        sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"])
        self.topic = SNSOwnerTopic(sns, arn)

    def published(self) -> list[tuple[str, str]]:
        answer = self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10)
        bodies = [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        return [(body["Subject"], body["Message"]) for body in bodies]


class FakeSeen:
    def __init__(self) -> None:
        self.topic = FakeOwnerTopic()

    def published(self) -> list[tuple[str, str]]:
        return self.topic.published


@pytest.fixture(params=["fake", "aws"])
def seen(request: pytest.FixtureRequest) -> FakeSeen | SeenThroughQueue:
    return FakeSeen() if request.param == "fake" else SeenThroughQueue(request.getfixturevalue("world"))


def test_a_text_reaches_who_subscribed(seen: FakeSeen | SeenThroughQueue) -> None:
    topic: OwnerTopic = seen.topic
    topic.publish("A mailbox needs you", "Hello,\n\nä\n")
    assert seen.published() == [("A mailbox needs you", "Hello,\n\nä\n")]


def test_a_subject_is_made_to_fit_what_sns_takes(world: World) -> None:
    seen = SeenThroughQueue(world)
    seen.topic.publish(f"Jörg\n{'x' * 200}", "text")
    ((subject, _),) = seen.published()
    assert subject == f"J?rg {'x' * 94}"


def test_a_topic_that_is_not_there_is_unavailable(world: World) -> None:
    topic = SNSOwnerTopic(world.clients.sns, "arn:aws:sns:eu-central-1:123456789012:missing")
    with pytest.raises(Unavailable, match=r"sns:Publish failed: NotFound\."):
        topic.publish("subject", "text")
