"""Every alarm leads to a page that says what to do, and every such page is led to."""

from __future__ import annotations

import pytest

from tests.docs import template
from tests.docs.pages import ROOT, first_column, page

BASE = "https://github.com/mailbearer/mailbearer/blob/main/docs/runbooks/"
PARTS = ["What rang", "What it means for mail", "Look here", "Mend it", "When it ends"]
FOLDER = ROOT / "docs" / "runbooks"
INDEX = page("docs/runbooks/README.md")


def alarms() -> dict[str, str]:
    """Give each alarm's description by its name without the stage's part."""
    return {
        alarm["AlarmName"]["Fn::Sub"].removeprefix("mailbearer-${Stage}-"): alarm["AlarmDescription"]
        for alarm in template.resources("AWS::CloudWatch::Alarm").values()
    }


ALARMS = alarms()


def page_of(alarm: str) -> str:
    return ALARMS[alarm].rpartition(" ")[2].removeprefix(BASE).removesuffix(".md")


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarms_description_ends_with_the_address_of_its_page(alarm: str) -> None:
    address = ALARMS[alarm].rpartition(" ")[2]
    assert address.startswith(BASE)
    assert address.endswith(".md")
    assert (FOLDER / address.removeprefix(BASE)).is_file()
    # More than CloudWatch shows of it.
    assert len(ALARMS[alarm]) <= 1024


@pytest.mark.parametrize("alarm", ALARMS)
def test_the_page_of_an_alarm_is_about_it(alarm: str) -> None:
    family, _, kind = alarm.rpartition("-")
    named = {f"`{alarm}`", f"`{family}-<provider>`", f"`<function>-{kind}`"}
    assert any(name in page(f"docs/runbooks/{page_of(alarm)}.md").section("What rang") for name in named)


@pytest.mark.parametrize("name", sorted({page_of(alarm) for alarm in ALARMS}))
def test_all_pages_say_the_same_things_in_the_same_order(name: str) -> None:
    runbook = page(f"docs/runbooks/{name}.md")
    assert runbook.headings()[1:] == PARTS
    assert all(len(runbook.section(part).split()) > 3 for part in PARTS)


def test_every_page_is_in_the_index_and_that_of_an_alarm_unless_a_person_begins_it() -> None:
    pages = {path.stem for path in FOLDER.glob("*.md")} - {"README"}
    assert pages - {page_of(alarm) for alarm in ALARMS} <= {"incident"}
    assert pages <= {target.removesuffix(".md") for target in INDEX.links()}


def test_the_index_names_every_alarm() -> None:
    told = {name for row in INDEX.read().splitlines() if row.startswith("| `") for name in _names(row)}
    missing = {
        alarm
        for alarm in ALARMS
        if alarm not in told
        and not alarm.startswith("failures-")
        and f"<function>-{alarm.rpartition('-')[2]}" not in told
    }
    assert not missing


def _names(row: str) -> list[str]:
    return first_column(row) + [part.strip("`") for part in row.split("|")[1].strip().split(", ")]
