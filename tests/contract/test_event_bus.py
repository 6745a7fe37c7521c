from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from mailbearer.aws.event_bus import EventBridgeBus
from mailbearer.errors import Unavailable
from mailbearer.happenings import Happened, happened
from tests.fakes import FakeEventBus

if TYPE_CHECKING:
    from mailbearer.ports.channels import EventBus
    from tests.contract.conftest import World

KIND = "account.connected"


def connected(name: str) -> Happened:
    """Make an event."""
    return happened(KIND, name, "1", 1.5, {"account": name, "address": "ä@example.org", "provider": "acme"})


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
        found: list[tuple[str, Any]] = []
        while messages := self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10).get("Messages"):
            bodies = [json.loads(message["Body"]) for message in messages]
            found += [(body["detail-type"], body["detail"]) for body in bodies]
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        return found


class FakeSeen:
    def __init__(self) -> None:
        self.bus = FakeEventBus()

    def published(self) -> list[tuple[str, Any]]:
        return list(self.bus.published)


@pytest.fixture(params=["fake", "aws"])
def seen(request: pytest.FixtureRequest) -> FakeSeen | SeenThroughQueue:
    return FakeSeen() if request.param == "fake" else SeenThroughQueue(request.getfixturevalue("world"))


def test_published_events_are_heard_as_they_are(seen: FakeSeen | SeenThroughQueue) -> None:
    bus: EventBus = seen.bus
    told = [connected(f"acc_{number}") for number in range(bus.most)]
    assert bus.publish(told) == frozenset()
    assert sorted(seen.published(), key=str) == sorted(((KIND, dict(each.detail)) for each in told), key=str)


def test_an_event_refused_inside_a_good_answer_is_named(world: World) -> None:
    told = [connected("acc_1"), connected("acc_2")]
    with Stubber(world.clients.events) as stub:
        entries: Any = [{"EventId": "1"}, {"ErrorCode": "ThrottlingException"}]
        stub.add_response("put_events", {"FailedEntryCount": 1, "Entries": entries})
        assert EventBridgeBus(world.clients.events, "bus").publish(told) == {told[1].id}


def test_the_fake_names_what_it_does_not_take_as_well() -> None:
    bus, told = FakeEventBus(), connected("acc_1")
    bus.refusing.add(KIND)
    assert bus.publish([told]) == {told.id}
    assert bus.published == []


def test_a_bus_that_does_not_answer_is_unavailable(world: World) -> None:
    with Stubber(world.clients.events) as stub:
        stub.add_client_error("put_events", "InternalException")
        with pytest.raises(Unavailable, match=r"events:PutEvents failed: InternalException\."):
            EventBridgeBus(world.clients.events, "bus").publish([connected("acc_1")])


def test_events_that_are_too_large_for_one_call_go_in_several(world: World) -> None:
    large = [happened(KIND, f"acc_{number}", "1", 1.0, {"address": "x" * 100_000}) for number in range(3)]
    with Stubber(world.clients.events) as stub:
        stub.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}, {"EventId": "2"}]})
        stub.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "3"}]})
        assert EventBridgeBus(world.clients.events, "bus").publish(large) == frozenset()
        stub.assert_no_pending_responses()
