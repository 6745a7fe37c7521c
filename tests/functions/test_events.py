"""The events in `events/`: real shapes, and none that nothing uses."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.functions.stack import EVENTS, event

NAMES = sorted(path.stem for path in EVENTS.iterdir())
SOURCES = "\n".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))


def test_there_are_events_and_nothing_else() -> None:
    assert NAMES
    assert all(path.suffix == ".json" for path in EVENTS.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_every_event_is_used_by_a_test(name: str) -> None:
    assert f'"{name}"' in SOURCES


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("sqs-")])
def test_the_digest_of_each_record_is_that_of_its_body(name: str) -> None:
    for record in event(name)["Records"]:
        assert record["md5OfBody"] == hashlib.md5(record["body"].encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_an_http_event_says_the_same_thing_wherever_it_says_it(name: str) -> None:
    sent = event(name)
    if "requestContext" in sent:
        context = sent["requestContext"]
        assert sent["version"] == "2.0"
        assert context["http"]["path"] == sent["rawPath"]
        assert context["routeKey"] == sent["routeKey"]
        query = "&".join(f"{key}={value}" for key, value in sent.get("queryStringParameters", {}).items())
        assert sent["rawQueryString"] == query
