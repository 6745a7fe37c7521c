"""The simulations' yardsticks find what is wrong."""

from __future__ import annotations

import pytest

from simulations.hour import Hour
from simulations.report import Line, holds, hour_lines, memory_lines
from simulations.week import steepness


@pytest.mark.parametrize(
    ("writes", "steepest"),
    [
        ([], 0),
        ([5], 1),
        ([0, 600, 1200, 1800], 1),
        ([0, 0, 0], 3),
        ([0, 0, 0, 600, 1200], 3),
        ([0, 300, 600, 900], 2.5),
        ([0, 0, 6000, 6000, 6000], 3),
        ([0, 6000, 6300], 1.5),
    ],
)
def test_steepness_is_the_most_writes_beyond_one_in_ten_minutes(writes: list[float], steepest: float) -> None:
    assert steepness(writes) == pytest.approx(steepest)


def test_steepness_is_what_looking_at_every_window_gives() -> None:
    writes = [0, 10, 700, 720, 725, 1900, 2000, 2500, 4000, 4001, 4002, 4600]
    windows = [
        last - first + 1 - (writes[last] - writes[first]) / 600
        for first in range(len(writes))
        for last in range(first, len(writes))
    ]
    assert steepness(writes) == pytest.approx(max(windows))


def hour(**changes: object) -> Hour:
    seen = Hour(accounts=1, spread=1, consumers=5, run_seconds=[1.0])
    for name, value in changes.items():
        setattr(seen, name, value)
    return seen


def test_an_hour_without_trouble_holds() -> None:
    assert holds(hour_lines(hour()))


@pytest.mark.parametrize(
    "trouble",
    [
        {"missed": 1},
        {"refreshed_twice": 1},
        {"refused": 1},
        {"token_calls": 1},
        {"nearest": -1.0},
        {"problems": {"acc_1": "secret_missing"}},
        {"killed": 1},
        {"run_seconds": [61.0]},
        {"most_consumers": 6},
    ],
)
def test_any_trouble_breaks_an_hour(trouble: dict[str, object]) -> None:
    assert not holds(hour_lines(hour(**trouble)))


def test_memory_that_grows_with_the_mailboxes_breaks() -> None:
    assert not holds(memory_lines({1_000: 1_000_000, 10_000: 1_300_000}))
    assert not holds(memory_lines({1_000: 5_000_000, 10_000: 5_000_000}))


def test_a_line_without_a_promise_is_never_broken() -> None:
    assert holds([Line("token calls", "7")])
