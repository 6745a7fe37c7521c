"""The fifteen practices on a deployed stack: checked by the operator and by the schedule, with nothing found broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e import browser
from tests.e2e.local_stack import started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.local_stack import LocalStack

PROGRAM = browser.installed()
pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Give a stack on which no other test has broken anything."""
    with started(tmp_path_factory.mktemp("quiet-stack")) as stack:
        yield stack


def invoke(stack: LocalStack, task: str) -> dict[str, Any]:
    """Start the auditor as its schedules do."""
    answer = stack.aws("lambda").invoke(
        FunctionName=stack.output("AuditorFunctionName"), Qualifier="live", Payload=json.dumps({"task": task}).encode()
    )
    said: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, said
    return said


def row(report: dict[str, Any], number: int) -> dict[str, Any]:
    found: dict[str, Any] = report["practices"][number - 1]
    assert found["number"] == number
    return found


def test_the_schedules_report_says_what_the_operator_sees(quiet: LocalStack) -> None:
    robot = quiet.call("POST", "/v1/accounts", {"provider": "sandbox", "address": "practices@sandbox.example"})
    assert robot.status_code == 201, robot.text
    for sender in ("orders@acme.example", "practices@sandbox.example"):
        quiet.settled(quiet.send(sender)["id"], "sent")
    quiet.rotate()
    invoke(quiet, "digest")
    report = invoke(quiet, "practices")
    unread = [each for one in report["practices"] for each in one["evidence"] if "Not known" in each["seen"]]
    assert unread == []
    assert [(one["practice"], one["evidence"]) for one in report["practices"] if one["outcome"] == "fail"] == []
    # On a local stack nobody hears of alarms, no report was kept yet, and no emergency was rehearsed.
    warned = {one["number"]: one["evidence"] for one in report["practices"] if one["outcome"] == "warn"}
    assert warned.keys() == {10, 14, 15}, json.dumps(warned)
    assert "The sandbox was last used" in json.dumps(row(report, 12))
    quiet.audited("practices.checked", "local")
    kept = quiet.operate("practices", "--report")
    assert kept == report


@pytest.mark.skipif(PROGRAM is None, reason=f"needs one of {', '.join(browser.PROGRAMS)}")
def test_the_page_shows_every_practice_and_asks_for_nothing(quiet: LocalStack, tmp_path: Path) -> None:
    assert PROGRAM is not None
    page = tmp_path / "practices.html"
    quiet.world.operate("practices", "--html", str(page))
    with browser.opened(PROGRAM, tmp_path / "profile") as tab:
        tab.open(page.as_uri())
        tab.wait("document.querySelectorAll('section').length === 15")
        shown = tab.run("Array.from(document.querySelectorAll('section:not(.pass) details')).every(each => each.open)")
        assert shown
        assert tab.run("document.documentElement.scrollWidth <= window.innerWidth")
        assert tab.complaints() == []
        assert tab.asked_for() == [page.as_uri()]


def test_the_operator_sees_the_same_rows_and_may_have_the_registrations_tested_live(quiet: LocalStack) -> None:
    done = quiet.world.operate("practices", "--live", "--json")
    report = json.loads(done.stdout)
    assert [one["number"] for one in report["practices"]] == list(range(1, 16))
    live = json.dumps(row(report, 3))
    assert "google-workspace, credential 1: The provider takes client id and credential." in live
    assert "own-mail-host, mail: The server offers" in live


def test_what_is_broken_on_the_live_stack_is_seen_at_the_next_look(quiet: LocalStack) -> None:
    events, name = quiet.aws("events"), "mailbearer-local-token-rotator"
    events.disable_rule(Name=name)
    try:
        done = quiet.world.operate("practices", "--json")
    finally:
        events.enable_rule(Name=name)
    assert done.returncode == 1
    expiry = row(json.loads(done.stdout), 7)
    assert expiry["outcome"] == "fail"
    assert f"The schedule {name} is off." in [each["seen"] for each in expiry["evidence"]]
