from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from mailbearer.aws.queue import SQSMessageQueue
from tests.fakes import FakeMessageQueue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs import SQSClient

    from mailbearer.ports.channels import MessageQueue
    from tests.contract.conftest import World

FAULT = {"pointer": "/to", "code": "required", "detail": "Ä\x01"}
PROBLEM = {"code": "invalid_request", "status": 422, "errors": [FAULT]}


class Probe(Protocol):
    """Looks at both queues from outside."""

    @property
    def queue(self) -> MessageQueue: ...

    def queued(self) -> list[str]: ...

    def refused(self) -> list[tuple[str, Mapping[str, object], str]]: ...


class FakeProbe:
    def __init__(self) -> None:
        self.queue = FakeMessageQueue()

    def queued(self) -> list[str]:
        return [one.body for one in self.queue.queued]

    def refused(self) -> list[tuple[str, Mapping[str, object], str]]:
        return [(one.body, one.problem, one.message_id) for one in self.queue.refused]


@dataclass
class SQSProbe:
    client: SQSClient
    queue_url: str
    dead_letter_queue_url: str

    def __post_init__(self) -> None:
        self.queue = SQSMessageQueue(self.client, self.queue_url, self.dead_letter_queue_url)

    def queued(self) -> list[str]:
        answer = self.client.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]

    def refused(self) -> list[tuple[str, Mapping[str, object], str]]:
        answer = self.client.receive_message(
            QueueUrl=self.dead_letter_queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        refused: list[tuple[str, Mapping[str, object], str]] = []
        for message in answer.get("Messages", []):
            texts = {name: kept["StringValue"] for name, kept in message.get("MessageAttributes", {}).items()}
            problem = json.loads(texts.get("problem", "{}"))
            refused.append((message["Body"], problem, texts.get("refused_message_id", "")))
        return refused


def sqs_probe(world: World) -> SQSProbe:
    return SQSProbe(world.clients.sqs, world.queue(), world.queue())


@pytest.fixture(params=["fake", "aws"])
def probe(request: pytest.FixtureRequest) -> Probe:
    return FakeProbe() if request.param == "fake" else sqs_probe(request.getfixturevalue("world"))


def test_a_sent_body_is_on_the_queue(probe: Probe) -> None:
    probe.queue.send('{"to": "Ä"}', group="acc_ann")
    assert probe.queued() == ['{"to": "Ä"}']
    assert probe.refused() == []


def test_a_refused_body_is_on_the_dead_letter_queue_with_its_problem(probe: Probe) -> None:
    probe.queue.refuse("not json", problem=PROBLEM, message_id="sqs-1", key="k")
    assert probe.refused() == [("not json", PROBLEM, "sqs-1")]
    assert probe.queued() == []


def test_a_body_refused_without_an_id_is_kept(probe: Probe) -> None:
    probe.queue.refuse("not json", problem=PROBLEM, message_id="", key="")
    assert probe.refused() == [("not json", PROBLEM, "")]


def test_the_account_is_the_message_group_and_the_delay_is_kept(world: World) -> None:
    probe = sqs_probe(world)
    probe.queue.send("{}", group="acc_ann", delay=900)
    answer = probe.client.get_queue_attributes(QueueUrl=probe.queue_url, AttributeNames=["All"])
    assert answer["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"
    probe.queue.send("{}", group="acc_ann")
    (message,) = probe.client.receive_message(QueueUrl=probe.queue_url, AttributeNames=["All"])["Messages"]
    assert message["Attributes"]["MessageGroupId"] == "acc_ann"


def test_a_problem_with_very_many_faults_is_cut_to_what_an_attribute_may_hold(world: World) -> None:
    probe = sqs_probe(world)
    fault = {"pointer": "/to/0", "code": "address_invalid", "detail": "x" * 100}
    probe.queue.refuse("{}", problem=PROBLEM | {"errors": [fault] * 1000}, message_id="sqs-1", key="k")
    ((_, problem, _),) = probe.refused()
    assert problem["code"] == "invalid_request"
    kept = problem["errors"]
    assert isinstance(kept, list)
    assert 10 < len(kept) < 100


@pytest.mark.parametrize(("spare", "left"), [(600, {"code": "invalid_request", "status": 422}), (0, {})])
def test_a_body_at_the_limit_of_the_queue_is_kept_with_as_much_of_its_problem_as_fits(
    world: World, spare: int, left: dict[str, object]
) -> None:
    probe = sqs_probe(world)
    body = "x" * (1_048_576 - spare)
    probe.queue.refuse(body, problem=PROBLEM, message_id="sqs-1", key="k")
    ((kept, problem, _),) = probe.refused()
    assert kept == body
    assert problem == left
