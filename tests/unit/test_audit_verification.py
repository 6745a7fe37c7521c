from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailbearer.audit import AuditLine
from mailbearer.auditing import digests
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
    assert (report.good, report.unsigned, report.late) == (True, 5, True)
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


def test_a_digest_that_is_long_overdue_is_told(audited: Audited) -> None:
    assert not audited.judge().late
    audited.clock.advance(4 * HOUR)
    report = audited.judge()
    assert (report.good, report.late) == (True, True)


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


NAME = digests.name_of
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
