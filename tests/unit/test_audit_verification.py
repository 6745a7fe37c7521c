from __future__ import annotations

import hashlib
import json
import os
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailbearer.audit import AuditLine
from mailbearer.auditing import digests, exporting
from mailbearer.auditing.evidence import Gathering
from mailbearer.auditing.signatures import checker
from mailbearer.auditing.verification import MOST, judge, judge_export
from mailbearer.digest import SignedDigest
from mailbearer.errors import Unavailable
from tests.fakes import FakeSigner
from tests.unit import audit_log
from tests.unit.audit_log import API, HOUR, ROTATOR, WORKER, Audited, Records, event, find, rewritten, sealed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mailbearer.auditing.verification import Report


@pytest.fixture
def audited() -> Audited:
    made = Audited()
    made.history()
    return made


def first(report: Report) -> tuple[str, str, int]:
    flaw = report.flaws[0]
    return str(flaw.kind), flaw.stream, flaw.seq


NAME = digests.name_of


def chained_to(prev: str, line: AuditLine) -> list[AuditLine]:
    """Write a line anew behind another hash."""
    text = json.dumps(json.loads(line.text) | {"prev": prev}, sort_keys=True, separators=(",", ":"))
    return rewritten([AuditLine(line.stream, line.timestamp, text)], lambda _: None)


def found(report: Report) -> list[tuple[str, str, int]]:
    return [(str(flaw.kind), flaw.stream, flaw.seq) for flaw in report.flaws]


# --- a log that nobody touched --------------------------------------------------------------------------------------


def test_a_log_that_nobody_touched_is_good(audited: Audited) -> None:
    report = audited.judge()
    assert found(report) == []
    assert (report.good, report.late) == (True, False)
    assert (report.events, report.streams, report.digests, report.repeated) == (17, 3, 3, 0)
    assert (report.unsigned, report.unsigned_since) == (2, audited.now - 60_000)


def test_an_export_of_it_is_good(audited: Audited, tmp_path: Path) -> None:
    report = audit_log.judged(tmp_path / "export", audited.export(), audited.signer)
    assert found(report) == []
    assert (report.events, report.digests, report.unsigned) == (17, 3, 2)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_part_of_it_is_good_from_any_digest_on(audited: Audited, tmp_path: Path, number: int) -> None:
    begin = audit_log.digest_of(audited.archive, number).since
    for since in (begin, begin + 1000):
        report = audited.judge(since=since)
        assert found(report) == []
        assert (report.since, report.digests) == (begin, 4 - number)
        export = audited.export(since=since)
        assert audit_log.judged(tmp_path / "export", export, audited.signer).good


def test_an_empty_log_is_good(tmp_path: Path) -> None:
    empty = Audited()
    assert empty.judge().good
    assert audit_log.judged(tmp_path / "export", empty.export(), empty.signer).good


def test_a_log_without_digests_is_checked_as_far_as_its_chains_reach() -> None:
    audited = Audited()
    audited.write(API, 5)
    audited.clock.advance(1)
    report = audited.judge()
    assert (report.good, report.unsigned, report.late) == (True, 5, False)
    audited.clock.advance(4 * HOUR)
    report = audited.judge()
    assert (found(report), report.good, report.late) == ([], False, True)
    del audited.reader.held[2]
    assert first(audited.judge()) == ("removed", API, 3)


def test_lines_that_the_sdk_wrote_twice_are_no_flaw(audited: Audited, tmp_path: Path) -> None:
    doubled = [line for line in audited.reader.held if line.stream == WORKER]
    audited.reader.held += doubled
    report = audited.judge()
    assert (found(report), report.repeated, report.events) == ([], 4, 17)
    assert audit_log.judged(tmp_path / "export", audited.export(), audited.signer).good


def test_spooled_events_that_were_filed_late_or_twice_are_no_flaw(audited: Audited) -> None:
    old = [event(1), event(2)]
    audited.reader.file("rotator/2", audited.now, *old)
    audited.clock.advance(10)
    audited.reader.file("rotator/3", audited.now, *old)
    audited.clock.advance(10)
    report = audited.judge()
    assert (found(report), report.repeated) == ([], 2)


def test_what_the_retention_took_from_the_front_is_no_flaw(audited: Audited) -> None:
    two_days = 48 * HOUR
    audited.clock.advance(two_days)
    audited.write(API, 2)
    audited.sign()
    audited.clock.advance(1)
    kept_since = audited.now - int(30 * HOUR * 1000)
    audited.reader.held = [line for line in audited.reader.held if line.timestamp >= kept_since]
    assert not audited.judge().good
    report = audited.judge(kept_since=kept_since)
    assert found(report) == []
    assert report.events == 2


def test_while_a_digest_is_overdue_nothing_is_called_good(audited: Audited) -> None:
    audited.clock.advance(2 * HOUR)
    assert audited.judge().good
    audited.clock.advance(2 * HOUR)
    report = audited.judge()
    assert (found(report), report.good, report.late) == ([], False, True)


def test_of_a_digest_whose_time_has_expired_in_part_nothing_is_asked(audited: Audited) -> None:
    kept_since = audit_log.digest_of(audited.archive, 3).until - 1
    audited.reader.held = [line for line in audited.reader.held if line.timestamp >= kept_since]
    assert not audited.judge().good
    report = audited.judge(kept_since=kept_since)
    assert (found(report), report.digests) == ([], 0)


def test_what_ends_in_the_middle_of_a_digest_is_looked_at_to_its_end(audited: Audited) -> None:
    second = audit_log.digest_of(audited.archive, 2)
    gathering = Gathering(reader=audited.reader, archive=audited.archive, stage="test", log_group=audit_log.GROUP)
    evidence = gathering.gather(since=0, until=second.since + 1)
    report = judge(evidence, checker(audited.signer.public_key()))
    assert (found(report), report.digests, report.until) == ([], 2, second.until)


def test_an_event_that_was_filed_again_in_the_next_digests_time_is_repeated() -> None:
    audited = Audited()
    audited.reader.file("rotator/2", audited.now, event(1))
    audited.sign()
    audited.reader.file("rotator/3", audited.now, event(1))
    audited.sign()
    assert (found(audited.judge()), audited.judge().repeated) == ([], 1)


def test_many_flaws_are_all_counted_and_a_thousand_named() -> None:
    audited = Audited()
    audited.write(API, MOST + 10)
    audited.reader.held = [replace(line, text=line.text.replace("msg_", "msh_")) for line in audited.reader.held]
    audited.clock.advance(1)
    report = audited.judge()
    assert (report.flaw_count, len(report.flaws)) == (MOST + 10, MOST)


# --- crashes --------------------------------------------------------------------------------------------------------


def test_an_intent_without_an_outcome_is_unfinished_and_no_flaw(audited: Audited) -> None:
    audited.write(WORKER, action="token.refresh", subject="acc_1", outcome="intended", at="2025-06-15T18:00:00.000Z")
    audited.write(WORKER, action="token.refresh", subject="acc_2", outcome="intended", at="2025-06-15T18:00:00.000Z")
    audited.write(WORKER, action="token.adopted", subject="acc_2", outcome="adopted", at="2025-06-15T18:00:01.000Z")
    audited.clock.advance(HOUR)
    report = audited.judge()
    assert report.good
    assert [entry.event["subject"] for entry in report.unfinished] == ["acc_1"]


def test_an_outcome_that_was_filed_before_its_intent_ends_it(audited: Audited) -> None:
    audited.write(WORKER, action="account.revoked", subject="acc_1", outcome="revoked", at="2025-06-15T18:00:01.000Z")
    audited.write(WORKER, action="account.revoke", subject="acc_1", outcome="intended", at="2025-06-15T18:00:00.000Z")
    audited.clock.advance(HOUR)
    assert audited.judge().unfinished == []


def test_an_outcome_of_the_same_moment_ends_its_intent(audited: Audited) -> None:
    audited.write(WORKER, action="token.refresh", subject="acc_1", outcome="intended")
    audited.write(WORKER, action="token.adopted", subject="acc_1", outcome="adopted", at=event(18).at)
    assert event(18).at == json.loads(audited.reader.held[-1].text)["at"]
    audited.clock.advance(HOUR)
    assert audited.judge().unfinished == []


def test_what_may_still_be_under_way_is_not_unfinished(audited: Audited) -> None:
    audited.write(WORKER, action="token.refresh", subject="acc_1", outcome="intended")
    audited.clock.advance(600)
    assert audited.judge().unfinished == []


# --- tampering with the log -----------------------------------------------------------------------------------------


def test_a_stream_that_was_deleted_is_cut_at_its_first_event(audited: Audited) -> None:
    audited.reader.held = [line for line in audited.reader.held if line.stream != WORKER]
    assert found(audited.judge()) == [("cut", WORKER, 1)]


def test_a_stream_that_was_deleted_is_named_in_every_digest_that_knows_it(audited: Audited) -> None:
    audited.reader.held = [line for line in audited.reader.held if line.stream != API]
    assert found(audited.judge()) == [("cut", API, 1), ("cut", API, 4), ("cut", API, 8)]


def test_events_that_a_forger_files_back_into_signed_time_are_added(audited: Audited) -> None:
    audited.reader.file("worker/forged", audited.reader.held[0].timestamp + 500, event(90), event(91))
    assert found(audited.judge()) == [("added", "worker/forged", 1)]


def test_events_that_a_forger_hangs_onto_a_stream_are_added(audited: Audited) -> None:
    audited.reader.file(WORKER, audited.reader.held[3].timestamp + 1, event(90))
    assert found(audited.judge()) == [("added", WORKER, 5)]


def test_what_the_auditor_saw_is_known_also_when_its_traces_are_gone() -> None:
    audited = Audited()
    audited.write(API, 3)
    audited.reader.held.append(AuditLine(API, audited.now, "no event"))
    audited.sign()
    del audited.reader.held[-1]
    assert found(audited.judge()) == [("unreadable", API, 0)]


def test_a_stream_begins_at_the_beginning_also_where_only_a_part_is_looked_at(audited: Audited) -> None:
    audited.write("worker/2", 1)
    audited.clock.advance(60)
    (line,) = audited.reader.held[-1:]
    (forged,) = chained_to("f" * 64, line)
    audited.reader.held[-1] = forged
    for since in (0, audit_log.digest_of(audited.archive, 3).since):
        assert found(audited.judge(since=since)) == [("changed", "worker/2", 1)]


def test_a_line_that_fits_nowhere_does_not_make_the_next_ones_wrong(audited: Audited) -> None:
    (line,) = chained_to("f" * 64, audited.reader.held[audited.at(WORKER, 2)])
    broken = AuditLine(line.stream, line.timestamp, line.text.replace("msg_", "msh_"))
    audited.reader.held.insert(audited.at(WORKER, 3), broken)
    assert found(audited.judge()) == [("changed", WORKER, 2)]


def test_what_is_gone_from_the_front_of_a_part_was_seen_by_its_digest(audited: Audited) -> None:
    since = audit_log.digest_of(audited.archive, 2).since
    del audited.reader.held[audited.at(API, 4)]
    assert found(audited.judge(since=since)) == [("removed", API, 4)]


def test_what_was_moved_to_the_front_of_a_part_was_not_seen_by_its_digest(audited: Audited) -> None:
    since = audit_log.digest_of(audited.archive, 2).since
    moved = audited.reader.held[audited.at(API, 3)]
    audited.reader.held.append(AuditLine(API, since, moved.text))
    assert found(audited.judge(since=since)) == [("added", API, 3)]


# --- tampering with the digests ---------------------------------------------------------------------------------------


def logged(audited: Audited) -> None:
    """Put what the auditor said of its digests into the log, as it does, and have it signed."""
    audited.reader.file("auditor/1", audited.now, *(each for each in audited.log.events))
    audited.sign()
    audited.clock.advance(60)


def test_a_digest_that_was_taken_from_the_end_is_missed_by_the_log(audited: Audited, tmp_path: Path) -> None:
    logged(audited)
    for since in (0, audit_log.digest_of(audited.archive, 4).since):
        assert found(audited.judge(since=since)) == []
    for number in (4, 3):
        del audited.archive.versions[NAME(number)]
    assert ("digest_missing", NAME(3), 3) in found(audited.judge())
    assert not audit_log.judged(tmp_path / "export", audited.export(), audited.signer).good


def test_a_digest_that_the_log_remembers_otherwise_is_changed(audited: Audited) -> None:
    said = audited.log.events[0]
    assert said.action == "audit.signed"
    wrong = replace(said, facts=(("digest", "0" * 64),))
    audited.reader.file("auditor/1", audited.now, wrong)
    audited.clock.advance(600)
    assert found(audited.judge()) == [("digest_changed", NAME(1), 1)]


def test_what_the_log_said_just_now_the_archive_need_not_show_yet(audited: Audited) -> None:
    said = replace(audited.log.events[0], subject=NAME(9))
    audited.reader.file("auditor/1", audited.now, said)
    audited.clock.advance(60)
    assert found(audited.judge()) == []
    audited.clock.advance(600)
    assert found(audited.judge()) == [("digest_missing", NAME(9), 9)]


def test_digests_that_were_hidden_at_the_end_are_missing_and_not_signed_anew(audited: Audited, tmp_path: Path) -> None:
    for number in (2, 3):
        audited.archive.hide(NAME(number))
    missing = [("digest_missing", NAME(2), 2), ("digest_missing", NAME(3), 3)]
    assert found(audited.judge()) == missing
    assert found(audit_log.judged(tmp_path / "export", audited.export(), audited.signer)) == missing
    audited.reader.held = [line for line in audited.reader.held if line.stream != ROTATOR]
    with pytest.raises(Unavailable, match="hidden"):
        audited.sign()
    assert audited.archive.names(digests.PREFIX) == [NAME(1)]


def test_what_was_hidden_beyond_an_earlier_time_does_not_concern_it(audited: Audited) -> None:
    audited.archive.put(NAME(3), audited.archive.versions[NAME(3)][0])
    second = audit_log.digest_of(audited.archive, 2)
    gathering = Gathering(reader=audited.reader, archive=audited.archive, stage="test", log_group=audit_log.GROUP)
    evidence = gathering.gather(since=0, until=second.until)
    assert found(judge(evidence, checker(audited.signer.public_key()))) == []


def test_a_digest_over_which_another_was_put_is_changed_whoever_signed_it(audited: Audited) -> None:
    audited.archive.put(NAME(2), audited.archive.versions[NAME(2)][0])
    assert found(audited.judge()) == [("digest_changed", NAME(2), 2)]


def test_a_digest_of_another_stage_proves_nothing_here(audited: Audited) -> None:
    audited.archive.versions.clear()
    audited.digester(stage="other").run(deadline=audited.clock() + 290)
    assert found(audited.judge())[0] == ("digest_changed", NAME(1), 1)


def test_the_same_key_proves_no_digest_of_another_log_or_number_or_chain(audited: Audited, tmp_path: Path) -> None:
    def judged_with(at_number: int, **changes: Any) -> list[tuple[str, str, int]]:
        given = audit_log.records(audited.export())
        (place,) = [at for at, each in enumerate(given) if each["kind"] == "digest" and each["number"] == at_number]
        text = digests.write(replace(audit_log.digest_of(audited.archive, at_number), **changes))
        signed = SignedDigest(text=text, signature=audited.signer.sign(text.encode()), key_id="key-1")
        given[place]["document"] = digests.pack(signed)
        return found(audit_log.judged(tmp_path / "export", sealed(given), audited.signer))

    assert judged_with(3) == []
    since = audit_log.digest_of(audited.archive, 3).since
    for changes in ({"log_group": "/other"}, {"number": 4}, {"previous": "0" * 64}, {"since": since + 1}):
        assert ("digest_changed", NAME(3), 3) in judged_with(3, **changes), changes


def test_what_follows_upon_a_cut_is_no_second_flaw(audited: Audited) -> None:
    audited.reader.held = [
        line for line in audited.reader.held if line.stream != API or json.loads(line.text)["seq"] not in {6, 7}
    ]
    assert found(audited.judge()) == [("cut", API, 6)]


# --- tampering with an export ---------------------------------------------------------------------------------------

Tampering = tuple[str, "Callable[[Records], object]", tuple[str, str, int]]


def _edit(stream: str, seq: int, old: str, new: str) -> Callable[[Records], object]:
    def edit(given: Records) -> None:
        record = given[find(given, stream, seq)]
        assert old in record["text"]
        record["text"] = record["text"].replace(old, new, 1)

    return edit


def _drop(*places: tuple[str, int]) -> Callable[[Records], object]:
    def drop(given: Records) -> None:
        for stream, seq in places:
            del given[find(given, stream, seq)]

    return drop


def _swap(one: tuple[str, int], other: tuple[str, int]) -> Callable[[Records], object]:
    def swap(given: Records) -> None:
        here, there = find(given, *one), find(given, *other)
        given[here], given[there] = given[there], given[here]

    return swap


def _swap_texts(given: Records) -> None:
    one, other = given[find(given, API, 5)], given[find(given, API, 6)]
    one["text"], other["text"] = other["text"], one["text"]


def _rewrite(stream: str, seqs: list[int]) -> Callable[[Records], object]:
    def rewrite(given: Records) -> None:
        places = [find(given, stream, seq) for seq in seqs]
        lines = [AuditLine(stream, given[place]["timestamp"], given[place]["text"]) for place in places]
        for place, line in zip(places, rewritten(lines, lambda body: body.update(subject="msg_forged")), strict=True):
            given[place]["text"] = line.text

    return rewrite


def _fork(given: Records) -> None:
    place = find(given, WORKER, 2)
    line = AuditLine(WORKER, given[place]["timestamp"], given[place]["text"])
    (forged,) = rewritten([line], lambda body: body.update(subject="msg_forged"))
    copies = sorted([given[place]["text"], forged.text])
    given[place : place + 1] = [given[place] | {"text": text} for text in copies]


def _insert_stream(given: Records) -> None:
    forged = Audited()
    forged.reader.file("worker/forged", given[find(given, API, 3)]["timestamp"], event(90))
    (line,) = forged.reader.held
    record = {"kind": "line", "stream": line.stream, "timestamp": line.timestamp, "text": line.text}
    given.insert(find(given, API, 3) + 1, record)


def _digest(number: int, change: Callable[[Records, int], object]) -> Callable[[Records], object]:
    def tamper(given: Records) -> None:
        (place,) = [at for at, each in enumerate(given) if each["kind"] == "digest" and each["number"] == number]
        change(given, place)

    return tamper


def _forget_faults(given: Records, place: int) -> None:
    given[place]["document"] = given[place]["document"].replace(r"\"events\":4", r"\"events\":3")


def _swap_next(given: Records, place: int) -> None:
    given[place], given[place + 1] = given[place + 1], given[place]


def _other_key(given: Records, place: int) -> None:
    signed = digests.unpack(given[place]["document"])
    forged = replace(signed, text=signed.text.replace('"events":7', '"events":6'))
    forged = replace(forged, signature=FakeSigner(2).sign(forged.text.encode()))
    given[place]["document"] = digests.pack(forged)


def _copied(given: Records, place: int) -> None:
    given[place]["document"] = given[place + 1]["document"]


def _begin_later(given: Records) -> None:
    given[:] = [record for record in given if record["kind"] != "digest" or record["number"] > 2]
    given[0]["first_digest"] = 3


def _hide(record: dict[str, Any]) -> Callable[[Records], object]:
    def hide(given: Records) -> None:
        given.append(given[-2] | record)

    return hide


def _surrogate(given: Records) -> None:
    place = find(given, ROTATOR, 5)
    line = AuditLine(ROTATOR, given[place]["timestamp"], given[place]["text"])
    (asked,) = rewritten([line], lambda body: body.update(reason="why?"))
    given[place]["text"] = asked.text.replace("why?", "why\ud800")


TAMPERINGS: list[Tampering] = [
    ("a changed byte", _edit(WORKER, 2, "msg_", "msh_"), ("changed", WORKER, 2)),
    ("a changed byte in the last event", _edit(WORKER, 4, "msg_", "msh_"), ("changed", WORKER, 4)),
    ("a changed hash", _edit(WORKER, 2, '"hash":"', '"hash":"0'), ("changed", WORKER, 2)),
    ("a changed number", _edit(WORKER, 2, '"seq":2', '"seq":9'), ("removed", WORKER, 2)),
    ("a blank", _edit(WORKER, 2, '"seq":2', '"seq": 2'), ("changed", WORKER, 2)),
    ("a doubled name", _edit(WORKER, 2, '{"', '{"action":"a.b","'), ("changed", WORKER, 2)),
    ("an event that is none", _edit(WORKER, 2, '"action"', '"acting"'), ("unreadable", WORKER, 0)),
    ("a changed unsigned event", _edit(ROTATOR, 4, "msg_", "msh_"), ("changed", ROTATOR, 4)),
    ("one event rewritten with its hash", _rewrite(WORKER, [2]), ("changed", WORKER, 2)),
    ("the first event rewritten with its hash", _rewrite(WORKER, [1]), ("changed", WORKER, 1)),
    ("a tail rewritten with its hashes", _rewrite(WORKER, [3, 4]), ("changed", WORKER, 1)),
    ("a tail rewritten across digests", _rewrite(API, [5, 6, 7, 8]), ("changed", API, 4)),
    ("a dropped event", _drop((WORKER, 2)), ("removed", WORKER, 2)),
    ("two dropped events", _drop((WORKER, 2), (WORKER, 3)), ("removed", WORKER, 2)),
    ("the first event dropped", _drop((WORKER, 1)), ("removed", WORKER, 1)),
    ("an event dropped between digests", _drop((API, 4)), ("removed", API, 4)),
    ("the last event dropped", _drop((WORKER, 4)), ("cut", WORKER, 4)),
    ("the end of a window dropped", _drop((API, 6), (API, 7)), ("cut", API, 6)),
    ("an unsigned event dropped", _drop((ROTATOR, 4)), ("removed", ROTATOR, 4)),
    ("two events swapped", _swap((API, 5), (API, 6)), ("reordered", API, 5)),
    ("two events of one time swapped", _swap((WORKER, 2), (WORKER, 3)), ("reordered", WORKER, 2)),
    ("events of two digests swapped", _swap((API, 3), (API, 5)), ("reordered", WORKER, 1)),
    ("the texts of two events swapped", _swap_texts, ("reordered", API, 5)),
    ("a stream dropped", _drop(*((WORKER, seq) for seq in (1, 2, 3, 4))), ("cut", WORKER, 1)),
    ("a stream added", _insert_stream, ("added", "worker/forged", 1)),
    ("a fork", _fork, ("forked", WORKER, 2)),
    ("a digest changed", _digest(2, _forget_faults), ("digest_changed", NAME(2), 2)),
    ("a digest signed by another key", _digest(1, _other_key), ("digest_changed", NAME(1), 1)),
    ("a digest that stands for another", _digest(2, _copied), ("digest_changed", NAME(2), 2)),
    ("the first digest dropped", _digest(1, lambda given, at: given.pop(at)), ("digest_missing", NAME(1), 1)),
    ("a digest dropped", _digest(2, lambda given, at: given.pop(at)), ("digest_missing", NAME(2), 2)),
    ("the last digest dropped", _digest(3, lambda given, at: given.pop(at)), ("digest_missing", NAME(3), 3)),
    ("the first digests left away", _begin_later, ("digest_missing", NAME(2), 2)),
    ("a question mark that is none", _surrogate, ("changed", ROTATOR, 5)),
    ("a record of another kind", _hide({"kind": "Line"}), ("export_changed", "export", 0)),
    ("a line whose time is no number", _hide({"timestamp": "1"}), ("export_changed", "export", 0)),
    ("a line with a remark", _hide({"remark": ""}), ("export_changed", "export", 0)),
    ("a second header", lambda given: given.append(given[0]), ("export_changed", "export", 0)),
    ("two digests swapped", _digest(2, _swap_next), ("reordered", NAME(2), 2)),
]


@pytest.mark.parametrize(("tamper", "expected"), [row[1:] for row in TAMPERINGS], ids=[row[0] for row in TAMPERINGS])
def test_tampering_with_an_export_is_named_with_the_first_event_that_it_hit(
    audited: Audited, tmp_path: Path, tamper: Callable[[Records], object], expected: tuple[str, str, int]
) -> None:
    given = audit_log.records(audited.export())
    tamper(given)
    report = audit_log.judged(tmp_path / "export", sealed(given), audited.signer)
    assert first(report) == expected, found(report)


def test_what_is_hit_is_named_with_its_event_and_time(audited: Audited, tmp_path: Path) -> None:
    given = audit_log.records(audited.export())
    _edit(WORKER, 2, "msg_", "msh_")(given)
    (flaw,) = audit_log.judged(tmp_path / "export", sealed(given), audited.signer).flaws
    assert (flaw.event, flaw.timestamp) == ("evt_5", given[find(given, WORKER, 2)]["timestamp"])


def test_with_another_key_no_digest_is_good(audited: Audited, tmp_path: Path) -> None:
    report = audit_log.judged(tmp_path / "export", audited.export(), FakeSigner(2))
    assert found(report) == [("digest_changed", NAME(number), number) for number in (1, 2, 3)]
    assert (report.digests, report.unsigned) == (0, 17)


def test_lines_behind_the_end_that_an_export_names_are_judged_too(audited: Audited, tmp_path: Path) -> None:
    given = audit_log.records(audited.export())
    given[0]["until"] = audit_log.digest_of(audited.archive, 3).until
    assert audit_log.judged(tmp_path / "export", sealed(given), audited.signer).unsigned == 2
    del given[find(given, ROTATOR, 4)]
    assert first(audit_log.judged(tmp_path / "export", sealed(given), audited.signer)) == ("removed", ROTATOR, 4)


def test_an_export_whose_bytes_were_written_otherwise_is_changed(audited: Audited, tmp_path: Path) -> None:
    export = audited.export()
    assert audit_log.judged(tmp_path / "export", export, audited.signer).good
    body = b"".join(export.splitlines(keepends=True)[:-1])
    for other in (body.replace(b"\n", b"\r\n"), body.replace(b'{"kind":"line",', b'{"kind":"line","text":"forged",')):
        end = {"kind": "end", "records": other.count(b"\n"), "sha256": hashlib.sha256(other).hexdigest()}
        written = other + json.dumps(end, separators=(",", ":")).encode() + b"\n"
        report = audit_log.judged(tmp_path / "export", written, audited.signer)
        assert found(report) == [("export_changed", "export", 0)]


@pytest.mark.slow
def test_a_line_without_an_end_does_not_fill_the_memory(audited: Audited, tmp_path: Path) -> None:
    path = tmp_path / "export"
    path.write_bytes(audited.export())
    os.truncate(path, 72 << 20)
    tracemalloc.start()
    report = judge_export(exporting.read(path), checker(audited.signer.public_key()))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [flaw.kind for flaw in report.flaws] == ["export_changed"]
    assert most < 64 << 20


@pytest.mark.parametrize("cut", [1, 40, 400])
def test_an_export_that_was_cut_off_is_not_good(audited: Audited, tmp_path: Path, cut: int) -> None:
    report = audit_log.judged(tmp_path / "export", audited.export()[:-cut], audited.signer)
    assert report.flaws[-1].kind == "export_changed"


@pytest.mark.parametrize(
    "content",
    [b"", b"{}\n", b'{"kind":"export"}\n', b'{"kind":"export"}\n{"kind":"key","pem":""}\n', b"\xff\xfe\n" * 3],
)
def test_a_file_that_is_no_export_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ValueError, match="export"):
        audit_log.judged(tmp_path / "export", content, FakeSigner())


_EXPORT = Audited()
_EXPORT.history()
_BYTES = _EXPORT.export()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_of_an_export_can_be_changed_unseen(tmp_path: Path, data: Any) -> None:
    place = data.draw(st.integers(0, len(_BYTES) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != _BYTES[place]))
    changed = bytearray(_BYTES)
    changed[place] = value
    try:
        report = audit_log.judged(tmp_path / "export", bytes(changed), _EXPORT.signer)
    except ValueError:
        return
    assert not report.good


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nobody_who_knows_the_format_changes_signed_lines_unseen(tmp_path: Path, data: Any) -> None:
    given_records = audit_log.records(_BYTES)
    signed = [
        place
        for place, record in enumerate(given_records)
        if record["kind"] == "line" and json.loads(record["text"])["id"] not in {"evt_16", "evt_17"}
    ]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(signed))
        match data.draw(st.sampled_from(["drop", "edit", "rehash", "move"])):
            case "drop":
                given_records[place] = {"kind": "gone"}
            case "edit" | "rehash" if given_records[place]["kind"] == "line":
                record = given_records[place]
                line = AuditLine(record["stream"], record["timestamp"], record["text"])
                (forged,) = rewritten([line], lambda body: body.update(actor="somebody"))
                record["text"] = forged.text
            case "move" if given_records[place]["kind"] == "line":
                given_records[place]["stream"] = "elsewhere"
    remaining = [record for record in given_records if record["kind"] != "gone"]
    if remaining == audit_log.records(_BYTES):
        return
    assert not audit_log.judged(tmp_path / "export", sealed(remaining), _EXPORT.signer).good
