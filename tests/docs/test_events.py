"""Events: one list, and everything that is said of them somewhere is what it says."""

from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft202012Validator

from mailbearer.api.description import described
from mailbearer.happenings import EVENTS, schema_name, schema_of
from mailbearer.message import Status
from tests.docs import source
from tests.docs.event_schemas import FILE, event_schema, written
from tests.docs.pages import page

PAGE = page("docs/reference/events.md")
SCHEMA = event_schema()
ASKED_FOR = {"webhook.test"}
"""Told to one webhook because somebody asks for it, and never on the bus."""


def test_the_file_is_what_the_list_gives() -> None:
    assert FILE.read_text() == written(), "run: python -m tests.docs.event_schemas"
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("kind", EVENTS)
def test_the_api_s_description_holds_the_same_schema(kind: str) -> None:
    assert described()["components"]["schemas"].get(schema_name(kind)) == schema_of(kind), (
        "run: python -m tests.docs.event_schemas"
    )


def test_the_page_has_a_row_for_each_event_with_its_meaning_and_its_facts() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.+?) \| (.*?) ?\|$", PAGE.section("All events"), re.MULTILINE)
    assert rows == [
        (
            kind,
            happening.meaning,
            "*routine*" if happening.routine else ", ".join(f"`{name}`" for name in happening.facts),
        )
        for kind, happening in EVENTS.items()
    ]


def test_the_sample_is_an_event() -> None:
    (sample,) = (block.text for block in PAGE.blocks() if block.language == "json")
    told = json.loads(sample)
    Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(told)
    assert told["detail"].keys() == schema_of(told["detail-type"])["properties"].keys()


@pytest.mark.parametrize("missing", ["id", "at", "account", "message"])
def test_an_event_without_what_it_has_to_have_is_none(missing: str) -> None:
    (sample,) = (block.text for block in PAGE.blocks() if block.language == "json")
    told = json.loads(sample)
    del told["detail"][missing]
    assert not Draft202012Validator(SCHEMA).is_valid(told)


def test_what_is_told_anywhere_is_on_the_list_and_what_is_on_the_list_is_told() -> None:
    of_messages = {kind for kind in EVENTS if kind.startswith("message.")}
    assert of_messages <= {f"message.{status}" for status in Status}
    assert source.bus_events() == set(EVENTS) - of_messages - ASKED_FOR
