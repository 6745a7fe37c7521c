"""The schedule with thousands of mailboxes, and over a week; `make simulate` shows the same with more of them."""

from __future__ import annotations

import pytest

from simulations import hour, memory, report, week

pytestmark = [pytest.mark.slow, pytest.mark.once]


def broken(lines: list[report.Line]) -> list[report.Line]:
    """Give what was promised and is not so."""
    return [line for line in lines if line.holds is False]


def test_thousands_due_within_one_hour_are_each_refreshed_once_and_in_time() -> None:
    seen = hour.simulate(2_000)
    assert broken(report.hour_lines(seen)) == []
    assert seen.token_calls >= 2_000
    assert seen.summaries["queued"] > 0
    assert seen.most_consumers > 1
    assert seen.summaries["probed"] > 2_000


def test_a_thousand_due_at_one_moment_are_each_refreshed_once_and_in_time() -> None:
    seen = hour.simulate(1_000, spread=1)
    assert broken(report.hour_lines(seen)) == []
    assert (seen.token_calls, seen.most_consumers) == (1_000, seen.consumers)


def test_calls_to_aws_grow_with_the_mailboxes_and_no_faster() -> None:
    few, many = (sum(hour.simulate(accounts, spread=600).bill().calls.values()) / accounts for accounts in (100, 400))
    assert many < 1.1 * few


def test_ten_thousand_due_take_no_more_memory_than_one_thousand() -> None:
    peaks = {accounts: memory.peak(accounts) for accounts in (1_000, 10_000)}
    assert broken(report.memory_lines(peaks)) == []


def test_over_seven_days_no_grant_is_lost_no_token_goes_stale_and_no_secret_is_written_too_often() -> None:
    seen = week.simulate(27)
    assert broken(report.week_lines(seen)) == []
    assert (seen.days, seen.runs) == (7, 7 * 24 * 12)
    assert min(seen.crashed, seen.outages, seen.refused_by_mail_side) > 10
    assert len(seen.steepest) == len(week.PROFILES)
