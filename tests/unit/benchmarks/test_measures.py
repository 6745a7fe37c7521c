"""Each measure runs at its smallest; what it says of the machine is not judged here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks import attachment, auditing, batch, cost, init, message
from benchmarks.__main__ import MEASURES, main
from benchmarks.effort import Effort

if TYPE_CHECKING:
    from pathlib import Path

TINY = Effort(starts=1, calls=2, attachments=1, batches=1, audit_events=200, other_pythons=False)


@pytest.mark.slow
def test_every_function_is_started_with_and_without_its_clients() -> None:
    rows = init.measure(TINY)
    assert len(rows) == 2 * len(init.FUNCTIONS)
    for handler, joined in zip(rows[::2], rows[1::2], strict=True):
        assert 0 < handler.figure.median < joined.figure.median
        assert joined.must is None


def test_both_transports_over_http_are_measured() -> None:
    rows = message.measure_http(TINY)
    assert [len(row.figure.values) for row in rows] == [2, 2]


def test_smtp_is_measured_with_and_without_pipelining() -> None:
    assert [row.name.split(", ")[1] for row in message.measure_smtp(TINY)] == ["with PIPELINING", "without PIPELINING"]


def test_an_attachment_is_measured() -> None:
    (row,) = attachment.measure(TINY, size=10_000)
    assert row.ratio is not None
    assert row.figure.median > 0


def test_ten_messages_wait_for_the_provider_together() -> None:
    rows = batch.measure(TINY, latency=0.02)
    assert all(0.02 < row.figure.median < 10 * 0.02 + 1 for row in rows)


def test_a_log_is_signed_and_verified() -> None:
    signed, verified = auditing.measure(TINY)
    assert (signed.details["events"], verified.details["events"]) == (200, 200)
    assert min(row.details["events_per_second"] for row in (signed, verified)) > 0


@pytest.mark.slow
def test_a_message_needs_two_reads_three_writes_and_one_send() -> None:
    usual, alone, told = cost.measure(TINY)
    assert usual.details["calls_per_message"] == {
        "dynamodb:GetItem": 2,
        "dynamodb:PutItem": 3,
        "logs:PutLogEvents": 1.1,
        "sqs:SendMessage": 1,
    }
    assert usual.verdict in {"must", "stretch"}
    bill = sum(line["usd"] for line in usual.details["bill"])
    assert bill == pytest.approx(usual.details["shares"]["total"])
    assert usual.figure.median == usual.details["shares"]["calls"] < alone.figure.median
    assert (told.must, told.details["calls_per_message"]["events:PutEvents"]) == (None, 0.1)
    more = told.figure.median - usual.figure.median
    assert 0.0010 < more < 0.0020


def test_a_measure_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["speed"])
    assert "speed" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_writes_and_prints_the_same_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new/bench.json"
    code = main(["attachment", "--quick", "--json", "--output", str(output)])
    written = json.loads(output.read_text())
    assert json.loads(capsys.readouterr().out) == written
    assert (code == 0) == written["passed"]
    assert {row["measure"] for row in written["rows"]} == {"attachment"} <= MEASURES.keys()
