"""The report of the fifteen practices: whole, kept, bounded, and never a pass for want of looking."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from mailbearer.errors import Unavailable
from mailbearer.ids import rfc3339
from mailbearer.practices import day
from mailbearer.practices.keeping import keep, newest_report
from mailbearer.practices.picture import FUNCTIONS, SAMPLE, Picture
from mailbearer.practices.practice import NAMES, Report, Row, failed, passed, some, warned
from mailbearer.verifying import Finding, Verdict
from tests.fakes import FakeArchive
from tests.infrastructure.test_template import FUNCTION_NAMES
from tests.unit.practices.stage import DAY, Stage

REPORT = Report("prod", 1_750_000_000.0, (Row(1, (passed("seen"),)), Row(2, (passed("a"), failed("b", "mend it")))))


def test_a_report_has_fifteen_rows_and_counts_them() -> None:
    heard: list[Row] = []
    report = Stage().practices.check(heard.append)
    assert [row.number for row in report.rows] == list(range(1, 16)) == [row.number for row in heard]
    said = report.as_dict()
    assert (said["passed"], said["warned"], said["failed"]) == (15, 0, 0)
    assert [row["practice"] for row in said["practices"]] == list(NAMES)


def test_a_row_is_as_bad_as_the_worst_of_what_was_seen_and_nothing_seen_is_no_pass() -> None:
    assert [row.verdict for row in REPORT.rows] == [Verdict.PASS, Verdict.FAIL]
    assert Row(1, (passed("a"), warned("b", "c"))).verdict is Verdict.WARN
    assert Row(1, ()).verdict is Verdict.WARN


def test_the_json_is_as_documented() -> None:
    assert REPORT.as_dict() == {
        "stage": "prod",
        "at": "2025-06-15T15:06:40.000Z",
        "passed": 1,
        "warned": 0,
        "failed": 1,
        "practices": [
            {
                "number": 1,
                "practice": "understand OAuth2",
                "outcome": "pass",
                "evidence": [{"outcome": "pass", "seen": "seen", "remedy": None}],
            },
            {
                "number": 2,
                "practice": "the right flow",
                "outcome": "fail",
                "evidence": [
                    {"outcome": "pass", "seen": "a", "remedy": None},
                    {"outcome": "fail", "seen": "b", "remedy": "mend it"},
                ],
            },
        ],
    }


def test_the_schedules_report_is_kept_and_noted() -> None:
    stage = Stage()
    stage.inspector.dashboards.clear()
    practices = stage.practices
    practices.report()
    practices.trail.flush()
    kept = newest_report(stage.archive, stage.now)
    assert kept is not None
    assert json.loads(kept)["failed"] == 1
    (event,) = stage.log.events
    assert (event.action, event.subject, event.outcome) == ("practices.checked", "prod", "failed")
    assert dict(event.facts) == {"failed": "10", "warned": "0", "report": "practices/2025-06-15T15-06-40Z.json"}


def test_the_newest_report_is_found_and_one_of_long_ago_does_not_count() -> None:
    archive = FakeArchive()
    assert newest_report(archive, REPORT.at) is None
    for days in (70, 2, 1):
        keep(archive, replace(REPORT, at=REPORT.at - days * DAY))
    kept = newest_report(archive, REPORT.at)
    assert kept is not None
    assert json.loads(kept)["at"] == rfc3339(REPORT.at - DAY)
    assert newest_report(archive, REPORT.at + 61 * DAY) is None


@pytest.mark.parametrize("store", ["accounts", "registrations", "incidents"])
def test_what_cannot_be_read_is_asked_for_once_and_never_passes(store: str) -> None:
    stage = Stage()

    class Shut:
        calls = 0

        def listing(self, **_given: object) -> object:
            Shut.calls += 1
            raise Unavailable("dynamodb:Scan failed: AccessDeniedException.")

    setattr(stage, store, Shut())
    report = stage.practices.check()
    unread = [
        row.number for row in report.rows if any("Not known: dynamodb:Scan" in each.evidence for each in row.seen)
    ]
    assert unread
    assert all(row.verdict is not Verdict.PASS for row in report.rows if row.number in unread)
    assert Shut.calls == 1


def test_each_registration_is_tested_live_if_that_is_asked_for() -> None:
    stage = Stage()
    practices = stage.practices
    findings = [Finding(step="token", verdict=Verdict.FAIL, detail="It says no.")]
    sources = replace(practices.sources, verify=lambda _: findings)
    report = replace(practices, sources=sources).check()
    (seen,) = [each for each in report.rows[2].seen if "google-main, token: It says no." in each.evidence]
    assert (seen.verdict, seen.remedy) == (Verdict.FAIL, "mailbearer providers verify google-main")


def test_a_stage_with_nothing_in_it_is_told_what_to_do_and_does_not_fail() -> None:
    stage = Stage()
    for store, kept in ((stage.accounts, "accounts"), (stage.registrations, "registrations")):
        old = dict(getattr(store, kept))
        getattr(store, kept).clear()
        getattr(store, kept).update({name: each for name, each in old.items() if name == "sandbox"})
    stage.incidents.incidents.clear()
    stage.reader.held.clear()
    stage.archive.versions.clear()
    stage.inspector.logged.clear()
    stage.proof = replace(stage.proof, digest=0)
    report = stage.practices.check()
    assert [row.number for row in report.rows if row.verdict is Verdict.FAIL] == []


@pytest.mark.slow
def test_ten_thousand_mailboxes_are_looked_at_in_seconds_and_their_secrets_by_turns() -> None:
    stage = Stage()
    for number in range(10_000):
        stage.mailbox(f"box{number}@acme.example")
    begun = time.perf_counter()
    report = stage.practices.check()
    assert time.perf_counter() - begun < 10
    assert {row.verdict for row in report.rows} == {Verdict.PASS}
    assert stage.inspector.faults.calls.count("secret") <= SAMPLE + 2
    first = Picture(stage.practices.sources, stage.place)
    stage.clock.advance(DAY)
    second = Picture(stage.practices.sources, stage.place)
    assert first.sample(first.active, 20) != second.sample(second.active, 20)


def test_of_a_busy_day_the_newest_events_are_read_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day, "MOST_LINES", 50)
    stage = Stage()
    stage.note("message.sent", "msg", times=40, ago=5 * 3600)
    stage.note("message.sent", "msg", times=40, ago=60)
    read = day.read_day(stage.reader, stage.clock, lambda _: False)
    assert (read.lines, read.whole) == (50, False)
    assert read.span == "the newest 50 audit events"


def test_when_time_is_up_no_further_hour_is_read() -> None:
    stage = Stage()
    stage.reader.faults.before("page", lambda: stage.clock.advance(50), times=24)
    read = day.read_day(stage.reader, stage.clock, lambda _: False)
    assert stage.reader.faults.calls == ["page"] * 2
    assert not read.whole


def test_a_line_that_is_no_event_stops_nothing() -> None:
    read = day.Day(since=0)
    for line in ("{", "[]", '{"action": "token.rejected", "facts": []}'):
        read.add(line, lambda _: False)
    assert (read.lines, read.refusals.total()) == (3, 1)


def test_the_functions_are_those_of_the_template() -> None:
    assert sorted(FUNCTIONS) == sorted(folder.replace("_", "-") for folder in FUNCTION_NAMES)


def test_of_many_names_the_first_are_said() -> None:
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
