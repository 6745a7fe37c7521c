"""Schedules on the local engine, in real time: a body comes to the queue at its moment, once, or not at all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.aws.schedules import EventBridgeSchedules
from sandbox import engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def running(tmp_path: Path) -> Iterator[engine.Engine]:
    with engine.Engine(directory=tmp_path, port=engine.free_port()) as started:
        yield started


def test_a_schedule_brings_its_body_when_its_moment_comes_and_one_that_was_deleted_does_not(
    running: engine.Engine,
) -> None:
    sqs, scheduler = running.client("sqs"), running.client("scheduler")
    urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("queue", "dead-letters")]
    arns = [
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"] for url in urls
    ]
    scheduler.create_schedule_group(Name="mailbearer-test")
    schedules = EventBridgeSchedules(
        scheduler,
        time.time,
        group="mailbearer-test",
        role_arn="arn:aws:iam::000000000000:role/schedules",
        queue_arn=arns[0],
        dead_letter_queue_arn=arns[1],
    )
    at = time.time() + 15
    schedules.put("msg_moved", at=at + 3600, body="old", group="acc_1")
    schedules.put("msg_moved", at=at, body='{"Ä": 1}', group="acc_1")
    schedules.put("msg_deleted", at=at, body="never", group="acc_1")
    schedules.delete("msg_deleted")
    came: list[Any] = []
    while not came and time.time() < at + 60:
        came = sqs.receive_message(QueueUrl=urls[0], WaitTimeSeconds=10, MaxNumberOfMessages=10).get("Messages", [])
    assert time.time() >= at
    assert [message["Body"] for message in came] == ['{"Ä": 1}']
    assert scheduler.list_schedules(GroupName="mailbearer-test")["Schedules"] == []
