"""The reference of the fifteen practices says what the source says."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import pytest

from mailbearer.practices.checking import LOOKS
from mailbearer.practices.practice import NAMES
from mailbearer.practices.watching import ALARMS, ALARMS_ON_AWS
from tests.docs import template
from tests.docs.pages import page

if TYPE_CHECKING:
    from mailbearer.practices.picture import Seeing

REFERENCE = page("docs/reference/practices.md")
HEADINGS = [f"{number}. {name}" for number, name in enumerate(NAMES, start=1)]


def rows(heading: str) -> dict[str, tuple[str, str]]:
    """Give each look of a section with its cells, what fails and what warns."""
    found = re.findall(r"^\| `(\w+)` \|(.*)\|(.*)\|$", REFERENCE.section(heading), re.MULTILINE)
    return {name: (fails.strip(), warns.strip()) for name, fails, warns in found}


def test_every_practice_has_its_heading_in_its_order() -> None:
    assert [heading for heading in REFERENCE.headings() if heading[0].isdigit()] == HEADINGS


@pytest.mark.parametrize("number", range(1, len(NAMES) + 1))
def test_every_look_has_its_row_and_says_whether_it_fails_and_warns(number: int) -> None:
    def says(look: Seeing) -> tuple[bool, bool]:
        source = inspect.getsource(look)
        any_verdict = "Seen(" in source
        return "failed(" in source or any_verdict, "warned(" in source or any_verdict

    documented = {name: (bool(fails), bool(warns)) for name, (fails, warns) in rows(HEADINGS[number - 1]).items()}
    assert documented == {look.__name__: says(look) for look in LOOKS[number - 1]}


def test_the_table_of_the_explanation_has_the_same_names() -> None:
    table = re.findall(
        r"^\| (\d+) \| ([^|]+) \|", page("docs/explanation/the-fifteen-practices.md").read(), re.MULTILINE
    )
    assert [(int(number), name.strip()) for number, name in table] == list(enumerate(NAMES, start=1))


def test_every_alarm_of_the_template_would_be_missed() -> None:
    assert {*ALARMS, *ALARMS_ON_AWS} == template.alarms()
