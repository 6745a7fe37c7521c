from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from mailbearer.aws.rotation_queue import SQSRotationQueue
from mailbearer.errors import Unavailable
from mailbearer.ports.stores import Due
from tests.fakes import FakeClock, FakeRotationQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient

    from mailbearer.ports.channels import RotationQueue
    from tests.contract.conftest import World

ANN, BEN = Due(1_750_000_000.123, "acc_ann"), Due(1_750_000_001.0, "acc_ben")


def fifo(world: World) -> str:
    attributes: Any = {
        "FifoQueue": "true",
        "DeduplicationScope": "messageGroup",
        "FifoThroughputLimit": "perMessageGroupId",
    }
    return world.clients.sqs.create_queue(QueueName=f"{world.name('rotation')}.fifo", Attributes=attributes)["QueueUrl"]


@pytest.fixture(params=["fake", "aws"])
def queue(request: pytest.FixtureRequest) -> tuple[RotationQueue, Callable[[], list[str]]]:
    """Give a queue, and what takes ten accounts off it."""
    if request.param == "fake":
        fake = FakeRotationQueue(FakeClock())
        return fake, fake.taken
    world = request.getfixturevalue("world")
    url = fifo(world)

    def taken() -> list[str]:
        found = world.clients.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for each in found:
            world.clients.sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return [json.loads(each["Body"])["account"] for each in found]

    return SQSRotationQueue(world.clients.sqs, url), taken


def test_what_is_put_comes_out_oldest_first(queue: tuple[RotationQueue, Callable[[], list[str]]]) -> None:
    rotation, taken = queue
    rotation.put([ANN, BEN])
    assert taken() == ["acc_ann", "acc_ben"]
    assert taken() == []


def test_the_same_account_due_since_the_same_time_is_queued_once(
    queue: tuple[RotationQueue, Callable[[], list[str]]],
) -> None:
    rotation, taken = queue
    rotation.put([ANN])
    rotation.put([ANN, BEN])
    assert taken() == ["acc_ann", "acc_ben"]


def test_an_account_due_again_at_another_time_is_queued_again(
    queue: tuple[RotationQueue, Callable[[], list[str]]],
) -> None:
    rotation, taken = queue
    rotation.put([ANN])
    assert taken() == ["acc_ann"]
    rotation.put([Due(ANN.at + 0.5, ANN.account_id)])
    assert taken() == ["acc_ann"]


def test_as_many_as_it_says_go_in_one_call(queue: tuple[RotationQueue, Callable[[], list[str]]]) -> None:
    rotation, taken = queue
    rotation.put([Due(1.5, f"acc_{number}") for number in range(rotation.most)])
    assert len(taken()) == rotation.most == 10


def test_after_five_minutes_it_is_queued_again() -> None:
    clock = FakeClock()
    rotation = FakeRotationQueue(clock)
    rotation.put([ANN])
    clock.advance(299)
    rotation.put([ANN])
    clock.advance(1)
    rotation.put([ANN])
    assert rotation.taken() == ["acc_ann", "acc_ann"]


class Refusing:
    """An SQS client that takes all of a batch but its last entry."""

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803, ARG002
        return {"Successful": [], "Failed": [{"Id": Entries[-1]["Id"], "Code": "InternalError", "SenderFault": False}]}


def test_an_entry_that_was_not_taken_is_an_error() -> None:
    with pytest.raises(Unavailable, match=r"1 of 2: InternalError"):
        SQSRotationQueue(cast("SQSClient", Refusing()), "url").put([ANN, BEN])
