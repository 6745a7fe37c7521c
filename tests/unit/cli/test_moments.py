from __future__ import annotations

import pytest
import typer

from cli.moments import read_since, read_span


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1800), ("12h", 43_200), ("90d", 7_776_000), ("2w", 1_209_600), (" 1h ", 3600)],
)
def test_a_span_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert read_span(text, "--x") == seconds


@pytest.mark.parametrize("text", ["", "0d", "-1h", "1.5h", "1y", "h", "1h30m", "9999999d", "\u0661h"])
def test_anything_else_is_no_span(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_span(text, "--x")


def test_since_reads_back_from_now_or_takes_a_time_with_its_offset() -> None:
    assert read_since("1h", "--x", 10_000) == 6400
    assert read_since("1970-01-01T00:01:00Z", "--x", 0) == 60
    assert read_since("1970-01-01T02:01:00+02:00", "--x", 0) == 60
    assert read_since("0001-01-01T00:00:00+14:00", "--x", 0) == 0


@pytest.mark.parametrize("text", ["", "yesterday", "1970-01-01T00:01:00", "1970-01-01"])
def test_a_time_without_offset_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_since(text, "--x", 0)
