from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.ids import rfc3339
from tests.integration.cli import stacks

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Operator


pytestmark = pytest.mark.slow  # each command makes its boto3 clients anew, and moto is no racer


def write(stream: str, *lines: tuple[float, Any]) -> None:
    """Write lines at times (epoch seconds) into a stream of the audit log."""
    logs = stacks.client("logs")
    if not logs.describe_log_streams(logGroupName=stacks.AUDIT_GROUP, logStreamNamePrefix=stream)["logStreams"]:
        logs.create_log_stream(logGroupName=stacks.AUDIT_GROUP, logStreamName=stream)
    events = [
        {"timestamp": int(at * 1000), "message": line if isinstance(line, str) else json.dumps(line)}
        for at, line in lines
    ]
    logs.put_log_events(logGroupName=stacks.AUDIT_GROUP, logStreamName=stream, logEvents=events)


def event(seq: int, **more: Any) -> dict[str, Any]:
    return {"id": f"evt_{seq}", "seq": seq, "action": "message.sent", "subject": "msg_1", "outcome": "accepted"} | more


def test_events_of_all_writers_come_in_the_order_of_time_and_number(deployed: Operator) -> None:
    now = deployed.clock.now
    write("b", (now - 30, event(3)), (now - 10, event(4)), (now - 10, event(5)))
    write("a", (now - 20, event(1)), (now - 10, event(2)))
    assert [found["seq"] for found in deployed.json("audit", "tail")] == [3, 1, 2, 4, 5]


def test_since_says_from_when_on(deployed: Operator) -> None:
    now = deployed.clock.now
    write("a", (now - 7200, event(1)), (now - 1800, event(2)), (now - 60, event(3)))
    assert [found["seq"] for found in deployed.json("audit", "tail")] == [2, 3]
    assert [found["seq"] for found in deployed.json("audit", "tail", "--since", "3h")] == [1, 2, 3]
    assert [found["seq"] for found in deployed.json("audit", "tail", "--since", rfc3339(now - 600))] == [3]
    assert deployed.json("audit", "tail", "--since", "5s") == []


def test_every_page_is_read(deployed: Operator) -> None:
    now = deployed.clock.now
    for start in range(0, 10_100, 5_050):
        write("a", *((now - 60, event(seq)) for seq in range(start, start + 5_050)))
    assert len(deployed.json("audit", "tail")) == 10_100


def test_a_line_that_is_no_event_is_shown_and_not_hidden(deployed: Operator) -> None:
    write("a", (deployed.clock.now - 1, "not JSON \x1b[2J"), (deployed.clock.now - 1, "[1]"))
    assert deployed.json("audit", "tail") == [{"unreadable": "not JSON \x1b[2J"}, {"unreadable": "[1]"}]
    assert "\x1b" not in deployed("audit", "tail").stdout


def test_a_person_gets_one_line_per_event(deployed: Operator) -> None:
    more = {"at": "2026-09-21T14:13:20.000Z", "actor": "key_1", "reason": "why", "facts": {"account": "acc_1"}}
    write("a", (deployed.clock.now - 1, event(1, **more)))
    (line,) = deployed("audit", "tail").stdout.splitlines()
    assert line.split() == [
        *("2026-09-21T14:13:20.000Z", "message.sent", "accepted", "msg_1", "by", "key_1", "why", "account=acc_1"),
    ]


def test_following_prints_each_event_once_as_it_comes(deployed: Operator) -> None:
    start = deployed.clock.now
    write("a", (start - 1, event(1)))
    rounds = 0

    def sleep(seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        deployed.clock.sleep(seconds)
        if rounds == 1:
            # One that is new, and one that comes late: written before the last that was seen.
            write("a", (deployed.clock.now, event(3)))
            write("b", (start - 5, event(2)))
        elif rounds == 3:
            write("a", (deployed.clock.now + 600, event(4)))
        elif rounds == 6:
            raise KeyboardInterrupt

    watching = replace(deployed, surroundings=replace(deployed.surroundings, sleep=sleep))
    result = watching("audit", "tail", "--follow", "--json")
    assert [json.loads(line)["seq"] for line in result.stdout.splitlines()] == [1, 2, 3, 4]
    assert result.exit_code == 130


def test_following_for_a_person_prints_lines(deployed: Operator) -> None:
    write("a", (deployed.clock.now - 1, event(1)))

    def stop(_seconds: float) -> None:
        raise KeyboardInterrupt

    watching = replace(deployed, surroundings=replace(deployed.surroundings, sleep=stop))
    assert "message.sent" in watching("audit", "tail", "-f").stdout


def test_a_log_group_that_is_gone_is_named(deployed: Operator) -> None:
    stacks.client("logs").delete_log_group(logGroupName=stacks.AUDIT_GROUP)
    result = deployed("audit", "tail")
    assert result.exit_code == 1
    assert "FilterLogEvents" in result.stderr
    assert "Traceback" not in result.output
