"""A worker holds no more mail in its memory than it has room for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailbearer.delivery.scales import LIGHT, Scales


def test_two_that_are_too_heavy_together_go_one_after_the_other() -> None:
    scales, inside, leave = Scales(), threading.Event(), threading.Event()

    def first() -> bool:
        with scales.load(40_000_000, 0) as carried:
            inside.set()
            return carried and leave.wait(10)

    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(first)
        assert inside.wait(10)
        with scales.load(40_000_000, 0.01) as carried:
            assert not carried
        with scales.load(10_000_000, 0) as carried:
            assert carried
        leave.set()
        assert under_way.result()
    with scales.load(40_000_000, 0) as carried:
        assert carried


@pytest.mark.parametrize("size", [0, LIGHT])
def test_light_ones_always_go(size: int) -> None:
    scales = Scales()
    with scales.load(10**9, 0), scales.load(size, 0) as carried:
        assert carried


def test_one_that_is_heavier_than_all_goes_alone() -> None:
    scales = Scales()
    with scales.load(10**9, 0) as carried:
        assert carried
        with scales.load(LIGHT + 1, 0.01) as other:
            assert not other


def test_what_ends_in_an_error_makes_room_too() -> None:
    scales = Scales()
    with pytest.raises(ZeroDivisionError), scales.load(10**9, 0):
        _ = 1 / 0
    with scales.load(10**9, 0) as carried:
        assert carried
