"""The page of the diagnosis says what the table says."""

from __future__ import annotations

from mailbearer.diagnosis.catalogue import PARTS, rows
from tests.docs.diagnosis_page import PAGE, TITLES, preface, sections


def test_the_page_is_what_the_table_makes_of_it() -> None:
    assert PAGE.read() == preface() + sections(), "python -m tests.docs.diagnosis_page writes it anew"


def test_every_row_is_on_the_page_once() -> None:
    headings = [heading.strip("`") for heading in PAGE.headings() if heading.startswith("`")]
    assert sorted(headings) == sorted(rows())


def test_every_part_of_the_table_has_its_title() -> None:
    assert set(TITLES) == set(PARTS)
