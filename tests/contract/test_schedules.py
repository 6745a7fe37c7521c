from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from mailbearer.aws.schedules import EventBridgeSchedules
from mailbearer.errors import Unavailable
from tests.fakes import FakeSchedules

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_scheduler import EventBridgeSchedulerClient

    from mailbearer.ports.channels import Schedules
    from tests.contract.conftest import World

NOW = 1_800_000_000.0
QUEUE, DEAD_LETTERS = "arn:aws:sqs:eu-central-1:123456789012:queue", "arn:aws:sqs:eu-central-1:123456789012:dead"
ROLE = "arn:aws:iam::123456789012:role/schedules"


class Probe(Protocol):
    """Looks at what is scheduled from outside."""

    @property
    def schedules(self) -> Schedules: ...

    def waiting(self) -> dict[str, tuple[float, str]]: ...


class FakeProbe:
    def __init__(self) -> None:
        self.schedules = FakeSchedules()

    def waiting(self) -> dict[str, tuple[float, str]]:
        return {name: (one.at, one.body) for name, one in self.schedules.waiting.items()}


@dataclass
class AwsProbe:
    client: EventBridgeSchedulerClient
    group: str

    def __post_init__(self) -> None:
        self.schedules = EventBridgeSchedules(
            self.client,
            lambda: NOW,
            group=self.group,
            role_arn=ROLE,
            queue_arn=QUEUE,
            dead_letter_queue_arn=DEAD_LETTERS,
        )

    def waiting(self) -> dict[str, tuple[float, str]]:
        names = [one["Name"] for one in self.client.list_schedules(GroupName=self.group)["Schedules"]]
        return {name: (moment(one["ScheduleExpression"]), one["Target"]["Input"]) for name, one in self.read(names)}

    def read(self, names: list[str]) -> list[tuple[str, Any]]:
        return [(name, self.client.get_schedule(Name=name, GroupName=self.group)) for name in names]


def moment(expression: str) -> float:
    return datetime.strptime(expression, "at(%Y-%m-%dT%H:%M:%S)").replace(tzinfo=UTC).timestamp()


def aws_probe(world: World) -> AwsProbe:
    group = world.name("schedules")
    world.clients.scheduler.create_schedule_group(Name=group)
    return AwsProbe(world.clients.scheduler, group)


@pytest.fixture(params=["fake", "aws"])
def probe(request: pytest.FixtureRequest) -> Probe:
    return FakeProbe() if request.param == "fake" else aws_probe(request.getfixturevalue("world"))


def test_a_schedule_waits_with_its_moment_and_body(probe: Probe) -> None:
    probe.schedules.put("msg_1", at=NOW + 86_400, body='{"Ä": 1}', group="acc_1")
    assert probe.waiting() == {"msg_1": (NOW + 86_400, '{"Ä": 1}')}


def test_the_same_name_again_moves_it_and_changes_its_body(probe: Probe) -> None:
    for hours in (1, 3, 2):
        probe.schedules.put("msg_1", at=NOW + hours * 3600, body=str(hours), group="acc_1")
    assert probe.waiting() == {"msg_1": (NOW + 7200, "2")}


def test_a_schedule_that_was_deleted_can_be_put_again_just_as_it_was(probe: Probe) -> None:
    for _ in range(2):
        probe.schedules.put("msg_1", at=NOW + 3600, body="{}", group="acc_1")
        assert set(probe.waiting()) == {"msg_1"}
        probe.schedules.delete("msg_1")
        assert probe.waiting() == {}


def test_deleting_what_is_not_there_is_no_error(probe: Probe) -> None:
    probe.schedules.delete("msg_1")
    assert probe.waiting() == {}


def test_a_schedule_comes_once_to_the_queue_or_to_the_dead_letters_and_is_gone(world: World) -> None:
    probe = aws_probe(world)
    probe.schedules.put("msg_1", at=NOW + 3600, body="{}", group="acc_1")
    ((_, made),) = probe.read(["msg_1"])
    assert (made["ActionAfterCompletion"], made["ScheduleExpressionTimezone"]) == ("DELETE", "UTC")
    assert made["FlexibleTimeWindow"] == {"Mode": "OFF"}
    target = made["Target"]
    assert (target["Arn"], target["RoleArn"], target["DeadLetterConfig"]) == (QUEUE, ROLE, {"Arn": DEAD_LETTERS})
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}


@pytest.mark.parametrize(("at", "comes"), [(NOW - 5, NOW + 10), (NOW + 9, NOW + 10), (NOW + 60.2, NOW + 61)])
def test_a_schedule_never_comes_early_and_one_that_is_past_in_a_few_seconds(
    world: World, at: float, comes: float
) -> None:
    probe = aws_probe(world)
    probe.schedules.put("msg_1", at=at, body="{}", group="acc_1")
    assert probe.waiting() == {"msg_1": (comes, "{}")}


class Interfering:
    """A client before each of whose calls something may happen."""

    def __init__(self, client: EventBridgeSchedulerClient, happenings: dict[str, list[Callable[[], object]]]) -> None:
        self._client = client
        self._happenings = happenings

    def __getattr__(self, name: str) -> Any:
        if self._happenings.get(name):
            self._happenings[name].pop(0)()
        return getattr(self._client, name)


def test_a_schedule_that_comes_just_as_it_is_moved_is_made_anew(world: World) -> None:
    probe = aws_probe(world)
    plain = probe.schedules
    plain.put("msg_1", at=NOW + 3600, body="old", group="acc_1")
    client: Any = Interfering(probe.client, {"update_schedule": [lambda: plain.delete("msg_1")]})
    over(probe, client).put("msg_1", at=NOW + 7200, body="new", group="acc_1")
    assert probe.waiting() == {"msg_1": (NOW + 7200, "new")}


def test_a_name_that_comes_and_goes_for_ever_is_given_up(world: World) -> None:
    probe = aws_probe(world)
    plain = probe.schedules
    there = [lambda: plain.put("msg_1", at=NOW + 3600, body="theirs", group="acc_1")] * 3
    gone = [lambda: plain.delete("msg_1")] * 3
    client: Any = Interfering(probe.client, {"create_schedule": [*there], "update_schedule": [*gone]})
    with pytest.raises(Unavailable, match="ResourceNotFoundException"):
        over(probe, client).put("msg_1", at=NOW + 7200, body="ours", group="acc_1")


def over(probe: AwsProbe, client: EventBridgeSchedulerClient) -> Schedules:
    return AwsProbe(client, probe.group).schedules
