from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import pytest
from botocore.stub import Stubber

from mailbearer.audit import AuditLine
from mailbearer.aws.audit_reader import CloudWatchAuditReader
from mailbearer.errors import InvalidInput, Unavailable
from tests.contract.nouns import event
from tests.fakes import FakeAuditReader

if TYPE_CHECKING:
    from mailbearer.ports.proof import AuditReader
    from tests.contract.conftest import World

START = int(time.time() * 1000) - 60_000  # CloudWatch takes no lines of long ago


class Probe(Protocol):
    """Files lines under a time (epoch milliseconds)."""

    @property
    def reader(self) -> AuditReader: ...

    def file(self, stream: str, timestamp: int, *texts: str) -> None: ...


class FakeProbe:
    def __init__(self) -> None:
        self.reader = FakeAuditReader()

    def file(self, stream: str, timestamp: int, *texts: str) -> None:
        self.reader.held += [AuditLine(stream, timestamp, text) for text in texts]


class CloudWatchProbe:
    def __init__(self, world: World) -> None:
        self._logs = world.clients.logs
        self._group = world.log_group()
        self._streams: set[str] = set()
        self.reader = CloudWatchAuditReader(self._logs, self._group)

    def file(self, stream: str, timestamp: int, *texts: str) -> None:
        if stream not in self._streams:
            self._streams.add(stream)
            self._logs.create_log_stream(logGroupName=self._group, logStreamName=stream)
        self._logs.put_log_events(
            logGroupName=self._group,
            logStreamName=stream,
            logEvents=[{"timestamp": timestamp, "message": text} for text in texts],
        )


@pytest.fixture(params=["fake", "aws"])
def probe(request: pytest.FixtureRequest) -> Probe:
    return FakeProbe() if request.param == "fake" else CloudWatchProbe(request.getfixturevalue("world"))


def test_lines_of_all_streams_come_by_time(probe: Probe) -> None:
    probe.file("a", START + 10, "one")
    probe.file("b", START + 5, "two")
    probe.file("a", START + 20, "three")
    lines = list(probe.reader.lines(since=START, until=START + 100))
    assert lines == [
        AuditLine("b", START + 5, "two"),
        AuditLine("a", START + 10, "one"),
        AuditLine("a", START + 20, "three"),
    ]


def test_the_beginning_belongs_to_the_range_and_the_end_does_not(probe: Probe) -> None:
    probe.file("a", START + 9, "before")
    probe.file("a", START + 10, "first")
    probe.file("a", START + 19, "last")
    probe.file("a", START + 20, "after")
    assert [line.text for line in probe.reader.lines(since=START + 10, until=START + 20)] == ["first", "last"]
    assert list(probe.reader.lines(since=START + 10, until=START + 10)) == []


def test_nothing_filed_is_nothing_read(probe: Probe) -> None:
    assert list(probe.reader.lines(since=0, until=START)) == []
    assert probe.reader.page(since=0, until=START, cursor="") == ([], "")


def test_a_cursor_goes_on_and_gives_the_same_page_again(probe: Probe) -> None:
    texts = [f"line {number:05d}" for number in range(10_050)]
    for start in range(0, 10_050, 5_025):
        probe.file("a", START + start, *texts[start : start + 5_025])
    found: list[str] = []
    cursor = ""
    while True:
        page, following = probe.reader.page(since=START, until=START + 100_000, cursor=cursor)
        assert probe.reader.page(since=START, until=START + 100_000, cursor=cursor) == (page, following)
        found += [line.text for line in page]
        cursor = following
        if not cursor:
            break
    assert found == texts
    assert [line.text for line in probe.reader.lines(since=START, until=START + 100_000)] == texts


def test_a_cursor_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput):
        FakeAuditReader().page(since=0, until=1, cursor="spoilt")


def test_a_cursor_that_cloudwatch_does_not_know_is_refused(world: World) -> None:
    client = world.clients.logs
    with Stubber(client) as stub:
        stub.add_client_error("filter_log_events", "InvalidParameterException")
        with pytest.raises(InvalidInput):
            CloudWatchAuditReader(client, "audit").page(since=0, until=1, cursor="spoilt")


def test_throttling_is_waited_out_with_growing_pauses_and_not_for_ever(world: World) -> None:
    client = world.clients.logs
    slept: list[float] = []
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_client_error("filter_log_events", "ThrottlingException")
        stub.add_response("filter_log_events", {"events": []})
        assert list(CloudWatchAuditReader(client, "audit", sleep=slept.append).lines(since=0, until=1)) == []
        assert slept == [1.0, 2.0]
        for _ in range(5):
            stub.add_client_error("filter_log_events", "ThrottlingException")
        with pytest.raises(Unavailable, match="ThrottlingException"):
            list(CloudWatchAuditReader(client, "audit", sleep=slept.append).lines(since=0, until=1))
        stub.assert_no_pending_responses()


def test_other_trouble_is_not_waited_out(world: World) -> None:
    with pytest.raises(Unavailable, match="ResourceNotFoundException"):
        list(
            CloudWatchAuditReader(world.clients.logs, "none", sleep=lambda _: pytest.fail("slept")).lines(
                since=0, until=1
            )
        )


def test_an_engine_that_stops_without_a_token_is_read_on(world: World) -> None:
    client = world.clients.logs
    events = [{"logStreamName": "a", "timestamp": number // 2, "message": str(number)} for number in range(10_001)]
    with Stubber(client) as stub:
        stub.add_response("filter_log_events", {"events": events[:10_000]})
        stub.add_response("filter_log_events", {"events": events[9_998:]})
        lines = CloudWatchAuditReader(client, "audit").lines(since=0, until=10_000)
        assert [line.text for line in lines] == [str(number) for number in range(10_001)]


def test_the_fake_chains_as_writers_do() -> None:
    fake = FakeAuditReader()
    fake.file("a", START, event(1), event(2))
    fake.file("a", START + 1, event(3))
    assert [line.text.count('"seq":') for line in fake.held] == [1, 1, 1]
    assert ['"seq":3' in line.text for line in fake.held] == [False, False, True]
