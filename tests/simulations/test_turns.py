"""Simulated time for real threads."""

from __future__ import annotations

import pytest

from simulations.turns import Killed, Turns
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(0)


@pytest.fixture
def turns(clock: FakeClock) -> Turns:
    return Turns(clock)


def test_sleeping_passes_simulated_time_alone(clock: FakeClock, turns: Turns) -> None:
    turns.sleep(1e6)
    assert clock() == 1e6


def test_those_who_sleep_at_once_sleep_no_longer_than_one(clock: FakeClock, turns: Turns) -> None:
    turns.at_once(lambda: turns.sleep(10), 50)
    assert clock() == 10


def test_who_wakes_first_goes_first(clock: FakeClock, turns: Turns) -> None:
    seen: list[tuple[float, str]] = []

    def sleep(name: str, *pauses: float) -> None:
        for pause in pauses:
            turns.sleep(pause)
            seen.append((clock(), name))

    threads = [turns.start(lambda: sleep("slow", 3, 3)), turns.start(lambda: sleep("fast", 2, 2, 2))]
    for thread in threads:
        turns.wait(thread)
    assert seen == [(2, "fast"), (3, "slow"), (4, "fast"), (6, "slow"), (6, "fast")]


def test_one_runs_at_a_time(turns: Turns) -> None:
    inside: list[int] = []

    def lane() -> None:
        for _ in range(20):
            inside.append(1)
            assert len(inside) == 1
            inside.pop()
            turns.sleep(0.1)

    turns.at_once(lane, 20)


def test_a_process_over_its_time_is_killed_at_that_moment_with_its_threads(clock: FakeClock, turns: Turns) -> None:
    died: list[float] = []

    def lane() -> None:
        try:
            turns.sleep(1000)
        except Killed:
            died.append(clock())
            raise

    process = turns.start(lambda: turns.at_once(lane, 3), timeout=290)
    with pytest.raises(Killed):
        turns.wait(process)
    assert died == [290, 290, 290]


def test_what_ends_a_thread_is_raised_to_who_waits_for_it(turns: Turns) -> None:
    def lane() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        turns.at_once(lane, 2)


def test_milliseconds_are_put_on_account(clock: FakeClock, turns: Turns) -> None:
    for _ in range(10):
        turns.sleep(0.01)
    assert clock() == pytest.approx(0.1, abs=0.02)
