from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mailbearer.auditing import digests
from mailbearer.auditing.digesting import LONGEST, SETTLED
from mailbearer.auditing.signatures import checker
from mailbearer.errors import Unavailable
from tests.fakes import FakeAuditReader
from tests.unit import audit_log
from tests.unit.audit_log import API, HOUR, WORKER, Audited


@pytest.fixture
def audited() -> Audited:
    return Audited()


def test_a_digest_says_how_every_stream_stands_and_is_signed(audited: Audited) -> None:
    audited.write(API, 3)
    audited.write(WORKER, 2)
    done = audited.sign()
    assert (done.digests, done.events, done.flaws, done.last, done.behind) == (1, 5, 0, 1, False)
    signed = digests.unpack(audited.archive.versions["digests/0000000001.json"][0])
    assert checker(audited.signer.public_key())(signed)
    digest = digests.read(signed.text)
    assert (digest.number, digest.since, digest.until, digest.previous) == (
        1,
        0,
        audited.now - int(SETTLED * 1000),
        "0" * 64,
    )
    end = json.loads(audited.reader.held[2].text)["hash"]
    assert [(head.stream, head.first, head.last) for head in digest.heads] == [(API, 1, 3), (WORKER, 1, 2)]
    assert digest.heads[0].hash == end


def test_each_digest_goes_on_where_the_one_before_ended(audited: Audited) -> None:
    audited.history()
    one, two = audit_log.digest_of(audited.archive, 1), audit_log.digest_of(audited.archive, 2)
    text = digests.unpack(audited.archive.versions[digests.name_of(1)][0]).text
    assert (two.since, two.previous) == (one.until, digests.hash_of(text))
    assert [(head.first, head.last) for head in two.heads] == [(4, 7)]


def test_a_digest_is_signed_also_when_nothing_happened(audited: Audited) -> None:
    assert audited.sign().digests == 1
    audited.clock.advance(HOUR)
    assert audited.sign().digests == 1
    assert audit_log.digest_of(audited.archive, 2).heads == ()


def test_a_second_run_within_a_minute_has_nothing_to_do(audited: Audited) -> None:
    audited.sign()
    audited.clock.advance(59)
    assert audited.digester().run(deadline=audited.clock() + 290).digests == 0


def test_each_digest_is_noted_in_the_log_with_its_hash(audited: Audited) -> None:
    audited.write(API, 3)
    audited.sign()
    (noted,) = audited.log.events
    text = digests.unpack(audited.archive.versions[digests.name_of(1)][0]).text
    assert (noted.action, noted.subject, noted.outcome) == ("audit.signed", "digests/0000000001.json", "signed")
    assert dict(noted.facts) == {"events": "3", "digest": digests.hash_of(text)}


def test_what_lay_long_takes_several_digests_of_some_hours_each(audited: Audited) -> None:
    for _ in range(4):
        audited.write(API, 1)
        audited.clock.advance(5 * HOUR)
    told: list[int] = []
    done = audited.digester().run(deadline=audited.clock() + 290, progress=lambda sofar: told.append(sofar.last))
    assert (done.digests, done.events, told) == (4, 4, [1, 2, 3, 4])
    spans = [audit_log.digest_of(audited.archive, number) for number in (2, 3, 4)]
    assert max(digest.until - digest.since for digest in spans) == LONGEST
    assert audited.judge().good


def test_a_run_that_runs_out_of_time_leaves_the_rest_to_the_next(audited: Audited) -> None:
    audited.write(API, 1)
    audited.clock.advance(20 * HOUR)

    class Slow(FakeAuditReader):
        def lines(self, *, since: int, until: int):  # type: ignore[no-untyped-def]  # noqa: ANN202 - as the fake's
            audited.clock.advance(70)
            return super().lines(since=since, until=until)

    slow = Slow()
    slow.held = audited.reader.held
    done = audited.digester(reader=slow).run(deadline=audited.clock() + 290)
    assert (done.behind, done.digests) == (True, 3)
    done = audited.digester().run(deadline=audited.clock() + 290)
    assert (done.behind, done.digests) == (False, 1)
    assert audited.judge().good


def test_two_runs_at_once_make_one_chain(audited: Audited) -> None:
    audited.write(API, 3)
    audited.clock.advance(HOUR)
    audited.archive.faults.before("create", lambda: audited.digester().run(deadline=audited.clock() + 290))
    done = audited.digester(reader=audited.reader).run(deadline=audited.clock() + 290)
    # The other one signed the same text with another signature (ECDSA), so its document is another.
    assert (done.overtaken, done.digests) == (True, 0)
    assert list(audited.archive.versions) == [digests.name_of(1)]
    audited.clock.advance(HOUR)
    assert audited.sign().last == 2
    assert audited.judge().good


def test_a_digest_whose_answer_was_lost_is_built_upon_by_the_next_run(audited: Audited) -> None:
    audited.write(API, 3)
    audited.archive.faults.after("create", Unavailable("the answer was lost"))
    with pytest.raises(Unavailable):
        audited.sign()
    assert audited.sign().last == 2
    assert audited.judge().good


def test_flaws_go_into_the_digest_the_log_and_the_metric(audited: Audited) -> None:
    audited.write(API, 4)
    del audited.reader.held[1]
    done = audited.sign()
    assert done.flaws == 1
    assert audit_log.digest_of(audited.archive, 1).faults == (f"removed {API} 2",)
    assert audited.told == [1]
    gap, signed = audited.log.events
    assert (gap.action, gap.subject, gap.outcome) == ("audit.gap", API, "removed")
    assert dict(gap.facts) == {"seq": "2", "digest": "1"}
    assert signed.action == "audit.signed"
    assert [flaw.brief for flaw in audited.judge().flaws] == [f"removed {API} 2"]


def test_flaws_are_told_of_before_the_digest_is_kept(audited: Audited) -> None:
    audited.write(API, 4)
    del audited.reader.held[1]
    audited.archive.faults.before("create", Unavailable("down"))
    with pytest.raises(Unavailable):
        audited.sign()
    assert (audited.told, audited.log.actions) == ([1], ["audit.gap removed"])


def test_a_stream_has_to_go_on_where_an_older_digest_left_it(audited: Audited) -> None:
    audited.write(API, 2)
    audited.sign()
    for _ in range(3):
        audited.clock.advance(HOUR)
        audited.sign()
    audited.write(API, 2)
    assert audited.sign().flaws == 0
    audited.clock.advance(HOUR)
    audited.write(API, 2)
    del audited.reader.held[-2]
    assert audited.sign().flaws == 1
    assert audit_log.digest_of(audited.archive, 6).faults == (f"removed {API} 5",)


def test_a_stream_that_begins_in_its_middle_has_lost_its_beginning(audited: Audited) -> None:
    audited.write(API, 3)
    del audited.reader.held[0]
    audited.sign()
    assert audit_log.digest_of(audited.archive, 1).faults == (f"removed {API} 1",)


def test_upon_a_digest_that_cannot_be_read_nothing_is_built(audited: Audited) -> None:
    audited.sign()
    audited.archive.versions[digests.name_of(1)] = ["spoilt"]
    audited.clock.advance(HOUR)
    with pytest.raises(Unavailable, match="digest-late"):
        audited.sign()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 8, 9, 100])
def test_the_newest_digest_is_found_in_few_looks(audited: Audited, count: int) -> None:
    for number in range(1, count + 1):
        audited.archive.put(digests.name_of(number), "")
    assert digests.last_number(audited.archive) == count
    assert len(audited.archive.faults.calls) - count <= 16


@pytest.mark.parametrize(("moment", "number"), [(0, 1), (9, 1), (10, 2), (55, 6), (99, 10), (100, 11), (5000, 11)])
def test_the_first_digest_after_a_moment_is_found(audited: Audited, moment: int, number: int) -> None:
    audited.history()
    signed = digests.unpack(audited.archive.versions[digests.name_of(1)][0])
    digest = digests.read(signed.text)
    for each in range(1, 11):
        text = digests.write(replace(digest, number=each, since=each * 10 - 10, until=each * 10))
        audited.archive.put(digests.name_of(each), digests.pack(replace(signed, text=text)))
    assert digests.first_after(audited.archive, moment, 10) == number
