"""Mail of a mailbox that an incident shuts: refused at the door, held behind it, and none of it lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mailbearer.account import AccountState
from mailbearer.delivery.delivered import Delivered, Verb
from mailbearer.envelope import Drain, write_drain
from mailbearer.errors import IncidentDeclared
from mailbearer.ids import rfc3339
from mailbearer.message import Status
from tests.unit.sending import ACCEPTED, Sending, refusal

SHUT: dict[str, Any] = {"state": AccountState.REVOKED, "incident": "inc_1", "shut_from": AccountState.ACTIVE}


def shut(sending: Sending) -> None:
    sending.change(**SHUT)


def reopened(sending: Sending) -> None:
    sending.change(state=AccountState.ACTIVE, incident="", shut_from="")
    sending.drop(write_drain(Drain(account=sending.ann.id)))


def test_new_mail_over_http_is_refused() -> None:
    sending = Sending()
    shut(sending)
    with pytest.raises(IncidentDeclared):
        sending.accept()
    assert sending.messages.records == {}


def test_what_was_accepted_before_is_answered_as_then() -> None:
    sending = Sending()
    first = sending.accept("key-1")
    shut(sending)
    assert sending.accept("key-1").id == first.id


def test_what_lies_on_the_queue_is_held_and_goes_once_the_mailbox_is_back() -> None:
    sending = Sending(ACCEPTED)
    record = sending.accept()
    job = sending.copy()
    shut(sending)
    assert sending.deliver(job) == Delivered(Verb.HELD, "incident_declared")
    held = sending.record(record.id)
    assert (held.status, held.problem_code, held.parked) == (Status.HELD, "incident_declared", True)
    reopened(sending)
    sending.work(horizon=0)
    assert sending.record(record.id).status is Status.SENT


def test_what_comes_over_the_queue_is_held_and_goes_once_the_mailbox_is_back() -> None:
    sending = Sending(ACCEPTED)
    shut(sending)
    sending.drop(json.dumps(sending.body(idempotency_key="one")))
    sending.work(horizon=0)
    (record,) = sending.messages.records.values()
    assert (record.status, record.problem_code) == (Status.HELD, "incident_declared")
    reopened(sending)
    sending.work(horizon=0)
    assert sending.record(record.id).status is Status.SENT


def test_what_is_scheduled_is_held_when_its_time_comes() -> None:
    sending = Sending()
    record = sending.accept(send_at=rfc3339(sending.clock() + 1000))
    shut(sending)
    sending.work(horizon=2000)
    assert (sending.record(record.id).status, sending.record(record.id).problem_code) == (
        Status.HELD,
        "incident_declared",
    )


def test_what_was_deferred_is_held_when_it_comes_again() -> None:
    sending = Sending(refusal(retry_after=60))
    record = sending.accept()
    sending.deliver(sending.copy())
    assert sending.record(record.id).status is Status.DEFERRED
    shut(sending)
    sending.work(horizon=0)
    assert (sending.record(record.id).status, sending.record(record.id).attempt) == (Status.HELD, 1)


def test_a_drain_of_a_mailbox_that_is_shut_touches_nothing() -> None:
    sending = Sending()
    record = sending.accept()
    shut(sending)
    sending.work(horizon=0)
    held = sending.record(record.id)
    sending.drop(write_drain(Drain(account=sending.ann.id)))
    assert sending.work(horizon=0)[-1].code == "not_active"
    assert sending.record(record.id) == held


def test_held_mail_that_cannot_be_tried_again_says_why() -> None:
    sending = Sending()
    record = sending.accept()
    shut(sending)
    sending.work(horizon=0)
    with pytest.raises(IncidentDeclared):
        sending.resubmission.retry(sending.record(record.id))


def test_mail_of_a_mailbox_that_is_revoked_for_good_meanwhile_fails() -> None:
    sending = Sending()
    record = sending.accept()
    shut(sending)
    sending.work(horizon=0)
    sending.change(incident="", shut_from="")
    sending.drop(write_drain(Drain(account=sending.ann.id)))
    sending.work(horizon=0)
    assert (sending.record(record.id).status, sending.record(record.id).problem_code) == (
        Status.FAILED,
        "account_revoked",
    )
