from __future__ import annotations

import hashlib
import itertools
import json
import time
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from mailbearer.audit import GENESIS, canonical
from mailbearer.aws.audit_log import CloudWatchAuditLog, stream_name
from mailbearer.errors import AuditUnavailable
from tests.contract.nouns import event
from tests.fakes import CountedBytes, FakeAuditLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.audit import AuditEvent
    from mailbearer.ports.channels import AuditLog
    from tests.contract.conftest import World


class Probe(Protocol):
    """Reads the streams back, oldest first, and lets a write fail."""

    @property
    def log(self) -> AuditLog: ...

    def streams(self) -> list[list[str]]: ...

    def break_next_write(self) -> None: ...


class FakeProbe:
    def __init__(self) -> None:
        self.log = FakeAuditLog()

    def streams(self) -> list[list[str]]:
        return [stream for stream in self.log.streams if stream]

    def break_next_write(self) -> None:
        self.log.faults.before("write", AuditUnavailable("cut"))


class CloudWatchProbe:
    def __init__(self, world: World) -> None:
        self.client = world.clients.logs
        self.group = world.log_group()
        self.names: list[str] = []
        self.log = CloudWatchAuditLog(self.client, self.group, self._new_name)
        self._broken = False
        self.client.meta.events.register("before-call.cloudwatch-logs.PutLogEvents", self._cut, unique_id=self.group)

    def streams(self) -> list[list[str]]:
        found = []
        for name in self.names:
            answer = self.client.get_log_events(logGroupName=self.group, logStreamName=name, startFromHead=True)
            found.append([line["message"] for line in answer["events"]])
        return [lines for lines in found if lines]

    def break_next_write(self) -> None:
        self._broken = True

    def _new_name(self) -> str:
        self.names.append(f"worker/2025/06/15/{len(self.names)}")
        return self.names[-1]

    def _cut(self, **_: Any) -> None:
        time.sleep(0.001)  # as long as a network takes at least, so that threads come between
        if self._broken:
            self._broken = False
            raise ReadTimeoutError(endpoint_url="https://logs.example")


@pytest.fixture(params=["fake", "aws"])
def probe(request: pytest.FixtureRequest) -> Probe:
    return FakeProbe() if request.param == "fake" else CloudWatchProbe(request.getfixturevalue("world"))


def check_chain(lines: list[str]) -> None:
    previous = GENESIS
    for number, line in enumerate(lines, start=1):
        body = json.loads(line)
        claimed = body.pop("hash")
        assert (body["seq"], body["prev"]) == (number, previous)
        assert claimed == hashlib.sha256(canonical(body)).hexdigest()
        previous = claimed


def test_events_are_chained_in_one_stream_across_writes(probe: Probe) -> None:
    probe.log.write([event(1), event(2)])
    probe.log.write([event(3)])
    ((*lines,),) = probe.streams()
    check_chain(lines)
    assert [json.loads(line)["id"] for line in lines] == [event(number).id for number in (1, 2, 3)]


def test_nothing_to_write_makes_no_stream(probe: Probe) -> None:
    probe.log.write([])
    assert probe.streams() == []


def test_twenty_threads_write_one_chain(probe: Probe, at_once: Callable[[Callable[[int], None]], list[None]]) -> None:
    at_once(lambda number: probe.log.write([event(number), event(number + 100)]))
    ((*lines,),) = probe.streams()
    assert len(lines) == 40
    check_chain(lines)


def test_after_a_failed_write_a_new_chain_begins_in_a_new_stream(probe: Probe) -> None:
    probe.log.write([event(1)])
    probe.break_next_write()
    with pytest.raises(AuditUnavailable):
        probe.log.write([event(2)])
    probe.log.write([event(2), event(3)])
    streams = probe.streams()
    assert [len(lines) for lines in streams] == [1, 2]
    for lines in streams:
        check_chain(lines)


def test_events_of_another_time_are_taken_and_time_never_runs_back(world: World) -> None:
    times = itertools.chain([2_000_000_000.0], itertools.repeat(1.0))
    client, group = world.clients.logs, world.log_group()
    with Stubber(client) as stub:
        stub.add_response("create_log_stream", {})
        for number in (1, 2):
            line = {"timestamp": 2_000_000_000_000, "message": _line(number)}
            stub.add_response(
                "put_log_events", {}, {"logGroupName": group, "logStreamName": "worker/1", "logEvents": [line]}
            )
        log = CloudWatchAuditLog(client, group, lambda: "worker/1", lambda: next(times))
        log.write([event(1, at="1999-01-01T00:00:00.000Z")])
        log.write([event(2, at="1999-01-01T00:00:00.000Z")])
        stub.assert_no_pending_responses()


def test_rejected_events_are_a_failure(world: World) -> None:
    client = world.clients.logs
    with Stubber(client) as stub:
        stub.add_response("create_log_stream", {})
        stub.add_response("put_log_events", {"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 1}})
        with pytest.raises(AuditUnavailable):
            CloudWatchAuditLog(client, "audit", lambda: "worker/1").write([event(1)])


def test_a_stream_that_the_sdk_made_twice_is_used(world: World) -> None:
    client = world.clients.logs
    with Stubber(client) as stub:
        stub.add_client_error("create_log_stream", "ResourceAlreadyExistsException")
        stub.add_response("put_log_events", {})
        CloudWatchAuditLog(client, "audit", lambda: "worker/1").write([event(1)])
        stub.assert_no_pending_responses()


def test_a_log_group_that_is_not_there_is_a_failure(world: World) -> None:
    with pytest.raises(AuditUnavailable, match=r"logs:CreateLogStream failed: ResourceNotFoundException\."):
        CloudWatchAuditLog(world.clients.logs, "none", lambda: "worker/1").write([event(1)])


@pytest.mark.parametrize(
    ("events", "calls"),
    [
        ([event(number % 1000) for number in range(4000)], 2),
        ([event(number, reason="Ä" * 100_000) for number in range(12)], 3),
    ],
)
def test_what_one_call_does_not_take_goes_out_in_several(world: World, events: list[AuditEvent], calls: int) -> None:
    client = world.clients.logs
    sizes: list[int] = []
    lines: list[str] = []

    def count(params: Any, **_: Any) -> None:
        sizes.append(sum(len(one["message"].encode()) + 26 for one in params["logEvents"]))
        lines.extend(one["message"] for one in params["logEvents"])

    client.meta.events.register("provide-client-params.cloudwatch-logs.PutLogEvents", count, unique_id="count")
    try:
        with Stubber(client) as stub:
            stub.add_response("create_log_stream", {})
            for _ in range(calls):
                stub.add_response("put_log_events", {})
            CloudWatchAuditLog(client, "audit", lambda: "worker/1").write(events)
            stub.assert_no_pending_responses()
    finally:
        client.meta.events.unregister("provide-client-params.cloudwatch-logs.PutLogEvents", unique_id="count")
    assert max(sizes) <= 1_048_576
    check_chain(lines)


def test_a_stream_is_named_after_its_function_and_day() -> None:
    assert stream_name("worker", 1_750_000_000, CountedBytes()) == "worker/2025/06/15/0000000000000001"


def _line(number: int) -> str:
    log = FakeAuditLog()
    log.write([event(one, at="1999-01-01T00:00:00.000Z") for one in (1, 2)])
    return log.streams[0][number - 1]
