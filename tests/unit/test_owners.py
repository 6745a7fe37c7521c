"""People are told once, in plain words, through a mailbox that is well and never through the one that is ill."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from mailbearer.account import Account, AccountState
from mailbearer.errors import Fault, Unavailable
from mailbearer.notifying.letters import letter_for
from mailbearer.notifying.owners import CARRIERS_KNOWN_FOR, NONE_KNOWN_FOR, Owners
from mailbearer.trail import BufferedTrail
from mailbearer.webhook import Notice
from mailbearer.wire import read_message
from tests.contract.nouns import account
from tests.fakes import (
    CountedBytes,
    FakeAccountStore,
    FakeAuditLog,
    FakeAuditSpool,
    FakeClock,
    FakeMessageQueue,
    FakeOwnerTopic,
)

LINK = "https://api.example/connect/the-secret-ticket"
ILL = account("ann", address="ann@example.org", state=AccountState.CONSENT_REQUIRED, limits=())
SHUT: dict[str, Any] = {"state": AccountState.REVOKED, "incident": "inc_1"}


def wanted(**changes: Any) -> Notice:
    """Give the notice that ann's mailbox has to be connected again."""
    data = {
        "account": ILL.id,
        "address": ILL.address,
        "reason": "grant_expired_or_revoked",
        "reconnect_url": LINK,
        "expires_at": "2025-06-22T15:06:40.000Z",
    }
    values: dict[str, Any] = {
        "id": "evt_01JD8M3V7Q0000000000000000",
        "kind": "account.reconnect_wanted",
        "at": "2025-06-15T15:06:40.000Z",
        "account": ILL.id,
        "data": data,
    }
    return Notice(**(values | changes))


class Desk:
    """Ann's mailbox is ill; `carriers` carry notices."""

    def __init__(self, *carriers: Account, ill: Account = ILL, topic: bool = False) -> None:
        self.clock, self.log, self.queue = FakeClock(), FakeAuditLog(), FakeMessageQueue()
        self.accounts, self.topic = FakeAccountStore(), FakeOwnerTopic() if topic else None
        for each in (ill, *carriers):
            self.accounts.create(each)
        self.trail = BufferedTrail(self.log, FakeAuditSpool(), self.clock, CountedBytes(), actor="notifier")
        self.owners = Owners(
            accounts=self.accounts, queue=self.queue, topic=self.topic, trail=self.trail, clock=self.clock
        )

    def mails(self) -> list[dict[str, Any]]:
        return [json.loads(queued.body) for queued in self.queue.queued]

    def audited(self) -> list[tuple[str, str, str]]:
        self.trail.flush()
        return [(event.action, event.outcome, dict(event.facts).get("how", event.reason)) for event in self.log.events]

    def change(self, changed: Account, **fields: Any) -> None:
        stands = self.accounts.accounts[changed.id]
        self.accounts.replace(stands.changed(**fields), expected=stands)


def carrier(name: str = "zoe", **changes: Any) -> Account:
    """Give a healthy mailbox that carries notices."""
    return account(name, **({"address": f"{name}@example.org", "carries_notices": True} | changes))


def test_what_concerns_nobody_costs_no_look_at_the_mailbox() -> None:
    desk = Desk(account("bea"))
    desk.accounts.faults.before("get", Unavailable("down"))
    desk.owners.tell(wanted(kind="message.sent"))
    assert desk.queue.queued == []


def test_the_owner_is_written_to_through_another_mailbox_with_the_link() -> None:
    desk, zoe = Desk(carrier()), carrier()
    desk.owners.tell(wanted())
    ((mail, queued),) = zip(desk.mails(), desk.queue.queued, strict=True)
    assert (mail["account"], mail["to"], queued.group) == (zoe.id, ["ann@example.org"], zoe.id)
    assert LINK in mail["text"].splitlines()
    assert "for up to 7 days" in mail["text"]
    assert "2025-06-22T15:06:40.000Z" in mail["text"]
    assert mail["headers"] == {"Auto-Submitted": "auto-generated"}
    assert desk.audited() == [("owner.notified", "queued", "mail")]


def test_what_is_put_on_the_queue_is_a_message_like_anybody_s() -> None:
    desk = Desk(carrier())
    faults: list[Fault] = []
    desk.owners.tell(wanted())
    (mail,) = desk.mails()
    read_message(mail, faults)
    assert faults == []


def test_the_contacts_are_written_to_where_there_are_any() -> None:
    desk = Desk(carrier(), ill=replace(ILL, contacts=("it@example.org", "boss@example.org")))
    desk.owners.tell(wanted())
    assert desk.mails()[0]["to"] == ["it@example.org", "boss@example.org"]


def test_told_twice_it_is_the_same_message_under_the_same_key() -> None:
    desk = Desk(carrier("zoe"), carrier("yan"))
    desk.owners.tell(wanted())
    desk.clock.advance(3600)
    desk.owners.tell(wanted())
    first, again = desk.mails()
    assert first == again
    assert first["idempotency_key"]


def test_told_again_through_another_carrier_or_with_another_link_it_is_another_mail_and_no_dead_letter() -> None:
    first, second = sorted((carrier("zoe"), carrier("yan")), key=lambda one: one.id)
    desk = Desk(first, second)
    desk.owners.tell(wanted())
    desk.change(first, mail_refusal="smtp_auth_disabled")
    desk.owners.tell(wanted())
    desk.owners.tell(wanted(data=wanted().data | {"reconnect_url": "https://api.example/connect/another"}))
    mails = desk.mails()
    assert [mail["account"] for mail in mails] == [first.id, second.id, second.id]
    assert len({mail["idempotency_key"] for mail in mails}) == 3


UNWELL: list[dict[str, Any]] = [
    {"carries_notices": False},
    {"state": AccountState.PAUSED},
    {"state": AccountState.CONSENT_REQUIRED},
    SHUT,
    {"mail_refusal": "smtp_auth_disabled"},
    {"circuit_until": 9e9},
    {"transport": "sandbox"},
]


@pytest.mark.parametrize("unwell", UNWELL, ids=str)
def test_a_mailbox_that_is_not_well_carries_nothing_and_the_next_one_does(unwell: dict[str, Any]) -> None:
    names = sorted(("zoe", "yan"), key=lambda name: carrier(name).id)
    desk = Desk(carrier(names[0], **unwell), carrier(names[1]))
    desk.owners.tell(wanted())
    assert [mail["account"] for mail in desk.mails()] == [carrier(names[1]).id]


def test_one_that_fell_ill_since_it_was_found_is_passed_over() -> None:
    first, second = sorted((carrier("zoe"), carrier("yan")), key=lambda one: one.id)
    desk = Desk(first, second)
    desk.owners.tell(wanted())
    desk.change(first, mail_refusal="smtp_auth_disabled")
    desk.owners.tell(wanted(id="evt_01JD8M3V7Q0000000000000001"))
    assert [mail["account"] for mail in desk.mails()] == [first.id, second.id]


def test_a_mailbox_never_carries_a_notice_about_itself() -> None:
    desk = Desk(ill=replace(ILL, carries_notices=True, state=AccountState.ACTIVE, mail_refusal="sender_blocked"))
    desk.owners.tell(wanted(kind="account.identity_drift", data={"identity": "ben@example.org"}))
    assert (desk.mails(), desk.audited()) == ([], [("notice.unsent", "unsent", "no_carrier")])


def test_where_nobody_carries_notices_that_is_audited() -> None:
    desk = Desk(account("zoe"))
    desk.owners.tell(wanted())
    assert (desk.mails(), desk.audited()) == ([], [("notice.unsent", "unsent", "no_carrier")])


def test_a_sandbox_mailbox_s_notice_reaches_no_real_person() -> None:
    desk = Desk(carrier(), ill=replace(ILL, transport="sandbox"))
    desk.owners.tell(wanted())
    assert desk.mails() == []
    inside = Desk(carrier(transport="sandbox"), ill=replace(ILL, transport="sandbox"))
    inside.owners.tell(wanted())
    assert len(inside.mails()) == 1


def test_a_mailbox_that_was_connected_meanwhile_needs_nobody() -> None:
    desk = Desk(carrier(), ill=replace(ILL, state=AccountState.ACTIVE), topic=True)
    desk.owners.tell(wanted())
    assert desk.topic is not None
    assert (desk.mails(), desk.topic.published) == ([], [])
    assert desk.audited() == [("notice.unsent", "unsent", "not_needed")]


def test_a_mailbox_that_is_gone_and_a_notice_about_none_tell_nobody() -> None:
    desk = Desk(carrier(), topic=True)
    desk.owners.tell(wanted(account="acc_gone"))
    desk.owners.tell(wanted(account="", kind="incident.declared"))
    assert (desk.mails(), desk.audited()) == ([], [])


@pytest.mark.parametrize("kind", ["message.failed", "account.connected", "token.rejected", "webhook.disabled"])
def test_what_is_no_owner_s_business_is_not_told(kind: str) -> None:
    desk = Desk(carrier(), topic=True)
    desk.owners.tell(wanted(kind=kind))
    assert (desk.mails(), desk.audited()) == ([], [])


def test_the_topic_hears_the_same() -> None:
    desk = Desk(carrier(), topic=True)
    desk.owners.tell(wanted())
    assert desk.topic is not None
    ((subject, text),) = desk.topic.published
    assert subject == "Please connect the mailbox ann@example.org again"
    assert LINK in text
    assert desk.audited() == [("owner.notified", "queued", "mail"), ("owner.notified", "published", "topic")]


def test_a_topic_that_is_down_is_tried_again_and_sends_no_second_mail() -> None:
    desk = Desk(carrier(), topic=True)
    assert desk.topic is not None
    desk.topic.faults.before("publish", Unavailable("SNS is down."))
    with pytest.raises(Unavailable):
        desk.owners.tell(wanted())
    desk.owners.tell(wanted())
    keys = [mail["idempotency_key"] for mail in desk.mails()]
    assert (len(set(keys)), len(desk.topic.published)) == (1, 1)


def test_who_carries_notices_is_looked_up_once_a_minute() -> None:
    desk = Desk(carrier())
    for _ in range(5):
        desk.owners.tell(wanted())
    assert desk.accounts.faults.calls.count("listing") == 1
    desk.clock.advance(CARRIERS_KNOWN_FOR)
    desk.owners.tell(wanted())
    assert desk.accounts.faults.calls.count("listing") == 2


def test_where_nobody_carries_notices_somebody_who_was_just_named_is_found() -> None:
    desk = Desk()
    desk.owners.tell(wanted())
    desk.accounts.create(carrier())
    desk.clock.advance(NONE_KNOWN_FOR - 1)
    desk.owners.tell(wanted())
    assert (desk.mails(), desk.accounts.faults.calls.count("listing")) == ([], 1)
    desk.clock.advance(1)
    desk.owners.tell(wanted())
    assert len(desk.mails()) == 1


def test_the_link_is_neither_in_the_audit_log_nor_in_what_is_printed() -> None:
    desk = Desk(carrier(), topic=True)
    desk.owners.tell(wanted())
    desk.trail.flush()
    letter = letter_for(wanted(), ILL)
    assert LINK not in repr((desk.log.events, desk.log.streams, wanted(), letter))


# --- letters ----------------------------------------------------------------------------------------------------------


def test_mail_waits_for_as_long_as_the_account_says() -> None:
    for seconds, said in ((86_400, "for up to a day"), (14 * 86_400, "for up to 14 days")):
        letter = letter_for(wanted(), replace(ILL, limits=(("hold_for", seconds),)))
        assert letter is not None
        assert said in letter.text


def test_a_mailbox_that_an_incident_shut_has_its_owner_told_and_one_that_was_revoked_has_not() -> None:
    notice = wanted(kind="account.revoked", data={"reason": "incident"})
    letter = letter_for(notice, replace(ILL, **SHUT))
    assert letter is not None
    assert "emergency" in letter.text
    assert letter_for(notice, replace(ILL, state=AccountState.REVOKED)) is None


@pytest.mark.parametrize(("reason", "for_owner"), [("smtp_auth_disabled", False), ("grant_expired_or_revoked", True)])
def test_what_an_operator_has_to_mend_goes_to_the_topic_alone(reason: str, *, for_owner: bool) -> None:
    notice = wanted(kind="account.mail_refused", data={"reason": reason})
    letter = letter_for(notice, replace(ILL, state=AccountState.ACTIVE, mail_refusal=reason))
    assert letter is not None
    assert (letter.for_owner, letter.needed) == (for_owner, True)
    desk = Desk(carrier(), ill=replace(ILL, state=AccountState.ACTIVE, mail_refusal=reason), topic=True)
    desk.owners.tell(notice)
    assert desk.topic is not None
    assert (len(desk.mails()), len(desk.topic.published)) == (int(for_owner), 1)


def test_no_place_of_a_remedy_is_left_open_in_a_letter() -> None:
    from mailbearer.diagnosis.catalogue import rows  # noqa: PLC0415 - the whole table

    for code in rows():
        letter = letter_for(wanted(kind="account.mail_refused", data={"reason": code}), ILL)
        assert letter is not None
        assert "{" not in letter.text
