"""What others hear: every fact by its schema, under one id, and never at the cost of what it is about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mailbearer.errors import Unavailable
from mailbearer.happenings import EVENTS, happened, of_incident, of_message, of_webhook, schema_name, schema_of
from mailbearer.incident import Incident, IncidentState, Reach
from mailbearer.message import Outcome, RefusedRecipient, Remedy, Status, Verdict
from mailbearer.news import MessageNews, News
from mailbearer.trail import BufferedTrail
from mailbearer.webhook import Webhook
from tests.contract.nouns import account, record
from tests.fakes import CountedBytes, FakeAuditLog, FakeAuditSpool, FakeClock, FakeEventBus
from tests.fakes.events import check_detail
from tests.unit.sending import ACCEPTED, Sending, refusal

DOWN = Unavailable("The bus is down.")
REFUSED = RefusedRecipient(recipient="bob@example.net", code="recipient_unknown", detail="550 5.1.1 bob who?")


class Desk:
    """News over fakes."""

    def __init__(self, *, routine: bool = False) -> None:
        self.clock, self.bus, self.log = FakeClock(), FakeEventBus(), FakeAuditLog()
        self.trail = BufferedTrail(self.log, FakeAuditSpool(), self.clock, CountedBytes(), actor="test")
        self.news = News(self.bus, self.trail, self.clock)
        self.messages = MessageNews(self.bus, self.trail, routine=routine)

    def unpublished(self) -> list[tuple[str, str]]:
        self.trail.flush()
        return [(event.subject, dict(event.facts)["event"]) for event in self.log.events]


# --- schemas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_has_a_schema_that_is_one_and_says_what_it_means(kind: str) -> None:
    schema = schema_of(kind)
    Draft202012Validator.check_schema(schema)
    assert {"id", "at"} <= set(schema["required"]) <= set(schema["properties"])
    assert schema["description"].endswith(".")


def test_no_two_events_have_one_name() -> None:
    assert schema_name("account.reconnect_wanted") == "AccountReconnectWantedEvent"
    assert len({schema_name(kind) for kind in EVENTS}) == len(EVENTS)


@pytest.mark.parametrize("reach", Reach)
def test_what_is_told_of_an_incident_is_as_its_schema_says(reach: Reach) -> None:
    incident = Incident(
        id="inc_1",
        reach=reach,
        target={"account": "acc_ann", "provider": "acme", "all": ""}[reach],
        reason="a laptop was lost",
        state=IncidentState.DECLARED,
        declared_at=1,
        declared_by="arn",
        since=0,
    )
    for kind in ("incident.declared", "incident.contained", "incident.resolved"):
        told = happened(kind, incident.id, "1", 1.0, of_incident(incident))
        check_detail(told.kind, told.detail)
        assert told.detail.get("account", "") == ("acc_ann" if reach is Reach.ACCOUNT else "")


def test_what_is_told_of_a_webhook_is_as_its_schema_says_and_not_its_url() -> None:
    webhook = Webhook(
        id="whk_1", url="https://hooks.example/s3cret", events=("*",), created_at=1, created_by="key_1", updated_at=1
    )
    told = happened("webhook.disabled", webhook.id, "1", 1.0, of_webhook(webhook) | {"reason": "gone"})
    check_detail(told.kind, told.detail)
    assert "s3cret" not in repr(dict(told.detail))


def test_the_provider_s_words_about_recipients_are_not_told() -> None:
    told = of_message(record(refused=(REFUSED,)))
    assert told["refused"] == [{"recipient": "bob@example.net", "code": "recipient_unknown"}]
    assert "who?" not in repr(told)


def test_of_many_refused_recipients_a_hundred_are_told() -> None:
    refused = tuple(replace(REFUSED, recipient=f"bob{number}@example.net") for number in range(500))
    told: Any = of_message(record(refused=refused))
    assert len(told["refused"]) == 100


# --- ids --------------------------------------------------------------------------------------------------------------


def test_the_same_fact_is_the_same_event_however_often_it_is_told() -> None:
    desk, ann = Desk(), account("ann")
    for revision in (1, 1, 2):
        desk.news.publish("account.connected", replace(ann, revision=revision))
        desk.clock.advance(60)
    first, again, other = (detail["id"] for _, detail in desk.bus.published)
    assert first == again != other


def test_another_kind_another_subject_and_another_mark_are_other_events() -> None:
    made = {
        happened(kind, subject, mark, 1.0, {}).id
        for kind in ("account.paused", "account.resumed")
        for subject in ("a", "ab")
        for mark in ("b1", "1")
    }
    assert len(made) == 8


# --- a bus that is down -----------------------------------------------------------------------------------------------


def test_a_bus_that_is_down_is_audited_and_changes_nothing() -> None:
    desk = Desk()
    desk.bus.faults.before("publish", DOWN)
    desk.news.publish("account.paused", account("ann"))
    assert desk.unpublished() == [(account("ann").id, "account.paused")]


def test_an_event_that_the_bus_refuses_is_audited_as_well() -> None:
    desk = Desk()
    desk.bus.refusing.add("account.paused")
    desk.news.publish("account.paused", account("ann"))
    assert desk.unpublished() == [(account("ann").id, "account.paused")]


@pytest.mark.parametrize("refused", [True, False])
def test_whoever_insists_learns_that_it_was_not_taken(*, refused: bool) -> None:
    desk = Desk()
    if refused:
        desk.bus.refusing.add("account.paused")
    else:
        desk.bus.faults.before("publish", DOWN)
    with pytest.raises(Unavailable):
        desk.news.insist("account.paused", account("ann"))


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", Status)
def test_what_is_routine_is_told_only_where_the_stack_says_so(status: Status) -> None:
    exceptions = {Status.HELD, Status.FAILED, Status.UNKNOWN}
    routine = {Status.SENT, Status.DEFERRED, Status.CANCELED}
    for desk, told in ((Desk(), exceptions), (Desk(routine=True), exceptions | routine)):
        desk.messages.note(record(status=status))
        desk.messages.publish()
        assert [kind for kind, _ in desk.bus.published] == ([f"message.{status}"] if status in told else [])


def test_a_message_that_some_recipients_did_not_get_is_no_routine() -> None:
    desk = Desk()
    desk.messages.note(record(status=Status.SENT, refused=(REFUSED,)))
    desk.messages.publish()
    assert [kind for kind, _ in desk.bus.published] == ["message.sent"]


def test_a_batch_is_told_in_one_call_and_nothing_in_none() -> None:
    desk = Desk(routine=True)
    for number in range(10):
        desk.messages.note(record(f"msg_{number}", status=Status.SENT))
        desk.messages.note(record(f"msg_{number}", status=Status.SENT))
    for _ in range(3):
        desk.messages.publish()
    assert (len(desk.bus.published), desk.bus.faults.calls) == (10, ["publish"])


def test_a_bus_that_is_down_is_asked_once_whatever_there_is_to_tell() -> None:
    desk = Desk(routine=True)
    desk.bus.faults.before("publish", DOWN, times=9)
    for number in range(35):
        desk.messages.note(record(f"msg_{number}", status=Status.SENT))
    desk.messages.publish()
    assert desk.bus.faults.calls == ["publish"]
    assert len(desk.unpublished()) == 35


def test_of_a_batch_only_what_the_bus_refused_is_audited() -> None:
    desk = Desk()
    desk.bus.refusing.add("message.held")
    for status in (Status.HELD, Status.FAILED):
        desk.messages.note(record(str(status), status=status))
    desk.messages.publish()
    assert [kind for kind, _ in desk.bus.published] == ["message.failed"]
    assert desk.unpublished() == [(record("held").id, "message.held")]


# --- on the way -------------------------------------------------------------------------------------------------------


def told(sending: Sending) -> list[str]:
    return [kind for kind, _ in sending.events.published]


def test_what_became_of_a_message_is_told_step_by_step() -> None:
    sending = Sending(refusal(), ACCEPTED, routine=True)
    sending.accept()
    sending.work()
    assert told(sending) == ["message.deferred", "message.sent"]


def test_mail_that_goes_tells_nothing_unless_it_is_asked_for() -> None:
    sending = Sending(refusal(), ACCEPTED)
    sending.accept()
    sending.work()
    assert sending.events.faults.calls == []


def test_a_message_that_was_dropped_on_the_queue_and_can_never_be_sent_is_told_as_failed() -> None:
    sending = Sending()
    sending.drop("no message")
    sending.work()
    ((kind, detail),) = sending.events.published
    assert (kind, detail["account"]) == ("message.failed", "unknown")


def test_a_message_that_is_held_again_is_another_fact() -> None:
    lost = Outcome(verdict=Verdict.UNKNOWN, code="answer_lost")
    sending = Sending(lost, refusal(Remedy.NONE))
    accepted = sending.accept()
    sending.work()
    sending.clock.advance(5)
    sending.resubmission.retry(sending.record(accepted.id))
    sending.work()
    assert told(sending) == ["message.unknown", "message.failed"]
    assert len({detail["id"] for _, detail in sending.events.published}) == 2
