from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import NamedTuple

import pytest

from mailbearer.errors import AuditUnavailable, Unavailable
from mailbearer.trail import BufferedTrail, Noted
from tests.fakes import CountedBytes, FakeAuditLog, FakeAuditSpool, FakeClock

DOWN = AuditUnavailable("the log is down")


class Audit(NamedTuple):
    trail: BufferedTrail
    log: FakeAuditLog
    spool: FakeAuditSpool

    @property
    def spooled(self) -> list[str]:
        return [event.subject for lot in self.spool.lots.values() for event in lot]


@pytest.fixture
def audit() -> Audit:
    log, spool = FakeAuditLog(), FakeAuditSpool()
    return Audit(BufferedTrail(log, spool, FakeClock(), CountedBytes(), actor="worker"), log, spool)


def test_what_was_noted_is_written_in_order_with_the_next_flush(audit: Audit) -> None:
    audit.trail.request_id = "req-1"
    audit.trail.note("message.sent", "msg_1", "sent", account="acc_1", empty="")
    audit.trail.note("message.failed", "msg_2", "failed", actor="key_1", reason="refused")
    assert audit.log.events == []
    audit.trail.flush()
    first, second = audit.log.events
    assert (first.actor, first.action, first.subject, first.outcome) == ("worker", "message.sent", "msg_1", "sent")
    assert (first.at, first.request_id, first.facts) == ("2025-06-15T15:06:40.000Z", "req-1", (("account", "acc_1"),))
    assert (second.actor, second.reason) == ("key_1", "refused")
    assert first.id != second.id


def test_an_intent_is_written_before_its_effect(audit: Audit) -> None:
    audit.trail.intend("token.grant", "acc_1")
    assert audit.log.actions == ["token.grant intended"]


def test_without_a_log_there_is_no_intent_and_so_no_effect(audit: Audit) -> None:
    audit.log.faults.before("write", DOWN)
    with pytest.raises(AuditUnavailable):
        audit.trail.intend("token.grant", "acc_1")
    audit.trail.flush()
    assert audit.log.events == []
    assert audit.spooled == []


def test_what_the_log_cannot_take_is_kept_in_the_spool(audit: Audit) -> None:
    audit.log.faults.before("write", DOWN)
    audit.trail.note("message.sent", "msg_1", "sent")
    audit.trail.flush()
    audit.trail.note("message.sent", "msg_2", "sent")
    audit.trail.flush()
    assert audit.spooled == ["msg_1"]
    assert [event.subject for event in audit.log.events] == ["msg_2"]


@pytest.mark.parametrize("other", [Unavailable("S3 is down"), RuntimeError("a bug")])
def test_what_neither_takes_stays_for_the_next_flush_in_order(audit: Audit, other: Exception) -> None:
    audit.log.faults.before("write", DOWN)
    audit.spool.faults.before("keep", other)
    audit.trail.note("message.sent", "msg_1", "sent")
    with pytest.raises(type(other)):
        audit.trail.flush()
    audit.trail.note("message.sent", "msg_2", "sent")
    audit.trail.flush()
    assert [event.subject for event in audit.log.events] == ["msg_1", "msg_2"]


def test_an_error_that_nobody_foresaw_loses_no_event(audit: Audit) -> None:
    audit.log.faults.before("write", RuntimeError("a bug"))
    audit.trail.note("message.sent", "msg_1", "sent")
    with pytest.raises(RuntimeError):
        audit.trail.flush()
    audit.trail.flush()
    assert [event.subject for event in audit.log.events] == ["msg_1"]


def test_nothing_noted_is_nothing_written(audit: Audit) -> None:
    audit.trail.flush()
    assert audit.log.faults.calls == []


def test_many_threads_note_and_flush_and_nothing_is_lost_or_doubled(audit: Audit) -> None:
    def work(number: int) -> None:
        audit.trail.note("message.sent", f"msg_{number}", "sent")
        audit.trail.flush()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(200)))
    assert sorted(event.subject for event in audit.log.events) == sorted(f"msg_{number}" for number in range(200))


def test_what_is_about_one_thing_carries_its_facts_and_what_is_said_of_an_event_itself_goes_before(
    audit: Audit,
) -> None:
    with audit.trail.about(correlation_id="req-1", provider="google"):
        with audit.trail.about(ms="12", provider=""):
            audit.trail.note("message.sent", "msg_1", "sent", ms="13")
        audit.trail.note("message.held", "msg_2", "held")
    audit.trail.note("message.held", "msg_3", "held")
    audit.trail.flush()
    facts = [event.facts for event in audit.log.events]
    assert facts == [
        (("correlation_id", "req-1"), ("ms", "13")),
        (("correlation_id", "req-1"), ("provider", "google")),
        (),
    ]


def test_each_thread_has_facts_of_its_own(audit: Audit) -> None:
    together = Barrier(8)

    def work(number: int) -> None:
        with audit.trail.about(correlation_id=f"req-{number}"):
            together.wait(5)
            audit.trail.note("message.sent", f"msg-{number}", "sent")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    audit.trail.flush()
    assert all(event.facts == (("correlation_id", event.subject.replace("msg", "req")),) for event in audit.log.events)


def test_an_error_ends_what_it_was_about(audit: Audit) -> None:
    with pytest.raises(RuntimeError), audit.trail.about(correlation_id="req-1"):
        raise RuntimeError
    assert audit.trail.correlation == ""


def test_the_correlation_is_the_request_unless_another_is_named(audit: Audit) -> None:
    audit.trail.request_id = "invocation-1"
    assert audit.trail.correlation == "invocation-1"
    with audit.trail.about(correlation_id="req-1"):
        assert audit.trail.correlation == "req-1"
    assert audit.trail.correlation == "invocation-1"


def test_what_was_noted_is_counted_once_though_it_could_not_be_written(audit: Audit) -> None:
    audit.log.faults.before("write", DOWN)
    audit.spool.faults.before("keep", Unavailable("S3 is down"))
    with audit.trail.about(provider="google"):
        audit.trail.note("message.sent", "msg_1", "sent")
        audit.trail.note("message.sent", "msg_2", "sent")
    with pytest.raises(Unavailable):
        audit.trail.flush()
    assert audit.trail.take_noted() == {Noted("message.sent", "sent", "", "google"): 2}
    audit.trail.flush()
    assert audit.trail.take_noted() == {}
