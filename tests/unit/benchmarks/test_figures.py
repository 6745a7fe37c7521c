from __future__ import annotations

import itertools
import json

import pytest
from rich.console import Console

from benchmarks.figures import Row, Series, interleave
from benchmarks.report import SCHEMA, document, show


def row(figure: float, yardstick: float | None = 1.0, must: float | None = 0.5, stretch: float | None = 0.3) -> Row:
    against = Series((yardstick,)) if yardstick is not None else None
    return Row(
        measure="init",
        name="a row",
        figure=Series((figure,)),
        against="b",
        yardstick=against,
        must=must,
        stretch=stretch,
    )


def test_the_ratio_is_of_the_medians() -> None:
    ours, theirs = Series((1.0, 2.0, 9.0)), Series((4.0, 8.0, 8.5))
    assert Row(measure="init", name="a row", figure=ours, yardstick=theirs).ratio == 0.25


@pytest.mark.parametrize(
    ("figure", "verdict"), [(0.3, "stretch"), (0.31, "must"), (0.5, "must"), (0.51, "failed"), (9.0, "failed")]
)
def test_a_budget_binds_the_ratio(figure: float, verdict: str) -> None:
    assert row(figure).verdict == verdict


def test_without_a_yardstick_the_budget_binds_the_figure_itself() -> None:
    assert [row(figure, None, 0.0045, 0.0035).verdict for figure in (0.0035, 0.0045, 0.0046)] == [
        "stretch",
        "must",
        "failed",
    ]


def test_a_row_without_a_budget_has_no_verdict() -> None:
    assert row(9.0, must=None).verdict == ""


def test_the_sides_take_turns_and_the_warm_up_does_not_count() -> None:
    order: list[str] = []
    numbers = itertools.count()

    def side(name: str) -> float:
        order.append(name)
        return next(numbers)

    ours, theirs = interleave((lambda: side("A"), lambda: side("B")), rounds=2, warm_up=1)
    assert order == ["A", "B"] * 3
    assert (ours.values, theirs.values) == ((2, 4), (3, 5))


def test_the_json_holds_machine_rows_and_whether_every_budget_holds() -> None:
    good, bad = (document([row(0.4), row(figure)], quick=True, seconds=1.23) for figure in (0.4, 0.6))
    assert json.loads(json.dumps(good)) == good
    assert (good["passed"], bad["passed"]) == (True, False)
    assert good["schema"] == SCHEMA
    assert good["machine"].keys() == {"python", "system", "architecture", "cores"}
    assert good["rows"][0] == {
        "measure": "init",
        "name": "a row",
        "unit": "s",
        "figure": {"median": 0.4, "min": 0.4, "max": 0.4, "count": 1},
        "against": "b",
        "yardstick": {"median": 1.0, "min": 1.0, "max": 1.0, "count": 1},
        "ratio": 0.4,
        "must": 0.5,
        "stretch": 0.3,
        "verdict": "must",
        "details": {},
    }


def test_the_table_shows_figure_yardstick_ratio_and_verdict() -> None:
    console = Console(width=160, record=True, quiet=False, file=None, color_system=None)
    with console.capture() as captured:
        show([row(0.6)], console)
    assert all(word in captured.get() for word in ("a row", "600.0 ms", "1000.0 ms", "0.60x", "0.50x", "failed"))
