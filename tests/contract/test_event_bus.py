from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from mailbearer.aws.event_bus import EventBridgeBus
from mailbearer.errors import Unavailable
from tests.fakes import FakeEventBus

if TYPE_CHECKING:
    from mailbearer.ports.channels import EventBus
    from tests.contract.conftest import World

DETAIL = {"id": "msg_1", "tags": ["Ä"]}


class SeenThroughQueue:
    """A bus with a rule that puts every event on a queue."""

    def __init__(self, world: World) -> None:
        self._sqs, events, self._queue_url, name = (
            world.clients.sqs,
            world.clients.events,
            world.queue(),
            world.name("bus"),
        )
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=["QueueArn"])
        events.create_event_bus(Name=name)
        events.put_rule(Name=name, EventBusName=name, EventPattern='{"source": ["mailbearer"]}')
        events.put_targets(
            Rule=name, EventBusName=name, Targets=[{"Id": "queue", "Arn": attributes["Attributes"]["QueueArn"]}]
        )
        self.bus = EventBridgeBus(events, name)

    def published(self) -> list[tuple[str, Any]]:
        answer = self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10)
        bodies = [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        return [(body["detail-type"], body["detail"]) for body in bodies]


class FakeSeen:
    def __init__(self) -> None:
        self.bus = FakeEventBus()

    def published(self) -> list[tuple[str, Any]]:
        return list(self.bus.published)


@pytest.fixture(params=["fake", "aws"])
def seen(request: pytest.FixtureRequest) -> FakeSeen | SeenThroughQueue:
    return FakeSeen() if request.param == "fake" else SeenThroughQueue(request.getfixturevalue("world"))


def test_a_published_event_is_heard(seen: FakeSeen | SeenThroughQueue) -> None:
    bus: EventBus = seen.bus
    bus.publish("message.sent", DETAIL)
    assert seen.published() == [("message.sent", DETAIL)]


def test_an_event_refused_inside_a_good_answer_is_a_failure(world: World) -> None:
    with Stubber(world.clients.events) as stub:
        stub.add_response("put_events", {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]})
        with pytest.raises(Unavailable, match=r"events:PutEvents failed: InternalFailure\."):
            EventBridgeBus(world.clients.events, "bus").publish("message.sent", DETAIL)
