"""The report of an incident: exactly what was sent, what was done, and what could not be found out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.audit import AuditEvent, AuditLine
from mailbearer.errors import Unavailable
from mailbearer.ids import derived_id, rfc3339
from mailbearer.incident import Reach
from mailbearer.incidents.text import markdown
from mailbearer.message import Status
from tests.contract.nouns import record
from tests.unit.emergencies import Emergencies
from tests.unit.grants import REGISTRATION, mailbox, registration

if TYPE_CHECKING:
    from mailbearer.incident import Incident

DOWN = Unavailable("S3 is down.")


@pytest.fixture
def world() -> Emergencies:
    world = Emergencies()
    world.connect("ann")
    world.connect("bob", address="bob@example.org")
    return world


def log(
    world: Emergencies, action: str, subject: str, outcome: str, *, at: float, filed: float = 0, **facts: str
) -> None:
    event = AuditEvent(
        id=derived_id("evt_", action, subject, str(at)),
        at=rfc3339(at),
        actor="worker",
        action=action,
        subject=subject,
        outcome=outcome,
        facts=tuple(facts.items()),
    )
    world.reader.file("worker/1", int((filed or at) * 1000), event)


def sent(world: Emergencies, name: str, *, account: str = "ann", ago: float = 60, action: str = "message.sent") -> str:
    """Let a message have been sent so long ago."""
    at, account_id = world.clock() - ago, derived_id("acc_", account)
    outcome = "unknown" if action == "message.unknown" else "sent"
    kept = record(name, account=account_id, status=Status(outcome), sent_at=at, provider_id=f"p-{name}", caller="key_1")
    world.messages.create(kept)
    log(world, action, kept.id, outcome, at=at, account=account_id)
    return kept.id


def made(world: Emergencies, incident: Incident) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    return world.reporting().make(world.book.find(incident.id), keep=rows.append), rows


def test_it_lists_each_message_that_was_sent_or_may_have_been_joined_with_its_record(world: Emergencies) -> None:
    ids = [sent(world, "one", ago=90), sent(world, "two", ago=60, action="message.unknown")]
    incident = world.declare(Reach.ACCOUNT, world.now("ann").id).incident
    report, rows = made(world, incident)
    assert [row["message"] for row in rows] == ids
    assert rows[0] | {"tags": [], "metadata": {}, "created_at": ""} == {
        "message": ids[0],
        "account": world.now("ann").id,
        "at": rfc3339(world.clock() - 90),
        "outcome": "sent",
        "message_id": record("one").message_id,
        "provider_id": "p-one",
        "caller": "key_1",
        "tags": [],
        "metadata": {},
        "created_at": "",
    }
    assert (report["sent"]["count"], report["sent"]["outcomes"]) == (2, {"sent": 1, "unknown": 1})
    assert (report["sent"]["first_at"], report["missing"]) == (rfc3339(world.clock() - 90), [])


def test_it_lists_nothing_older_nothing_of_others_and_nothing_twice(world: Emergencies) -> None:
    wanted = sent(world, "wanted")
    sent(world, "old", ago=90_000)
    sent(world, "other", account="bob")
    ann = world.now("ann").id
    log(world, "message.seen_again", wanted, "sent", at=world.clock() - 5, account=ann)
    log(world, "message.seen_again", "msg_failed", "failed", at=world.clock() - 5, account=ann)
    log(world, "message.held", "msg_held", "held", at=world.clock() - 5, account=ann)
    _, rows = made(world, world.declare(Reach.ACCOUNT, ann).incident)
    assert [row["message"] for row in rows] == [wanted]


def test_a_worker_that_died_before_its_log_was_written_is_made_up_for(world: Emergencies) -> None:
    ann = world.now("ann").id
    kept = record("seen", account=ann, status=Status.SENT, sent_at=world.clock() - 9)
    world.messages.create(kept)
    log(world, "message.seen_again", kept.id, "sent", at=world.clock() - 5, account=ann)
    _, rows = made(world, world.declare(Reach.ACCOUNT, ann).incident)
    assert [(row["message"], row["at"]) for row in rows] == [(kept.id, rfc3339(kept.sent_at))]


def test_what_waited_for_the_log_counts_when_it_happened(world: Emergencies) -> None:
    ann = world.now("ann").id
    now = world.clock()
    log(world, "message.sent", "msg_late", "sent", at=now - 60, filed=now - 1, account=ann)
    log(world, "message.sent", "msg_too_old", "sent", at=now - 90_000, filed=now - 1, account=ann)
    _, rows = made(world, world.declare(Reach.ACCOUNT, ann).incident)
    assert [(row["message"], row["record"]) for row in rows] == [("msg_late", "not kept any more")]


@pytest.mark.parametrize("reach", list(Reach))
def test_each_reach_has_its_messages(world: Emergencies, reach: Reach) -> None:
    world.accounts.create(mailbox("zoe", provider="other"))
    ids = {name: sent(world, name, account=name) for name in ("ann", "bob", "zoe")}
    wanted = {Reach.ACCOUNT: ["ann"], Reach.PROVIDER: ["ann", "bob"], Reach.ALL: ["ann", "bob", "zoe"]}[reach]
    target = {Reach.ACCOUNT: world.now("ann").id, Reach.PROVIDER: REGISTRATION, Reach.ALL: ""}[reach]
    report, rows = made(world, world.declare(reach, target).incident)
    assert [row["message"] for row in rows] == [ids[name] for name in wanted]
    assert report["sent"]["by_account"] == {derived_id("acc_", name): 1 for name in wanted}


def test_what_a_mailbox_sent_that_was_deleted_since_is_known_by_its_registration(world: Emergencies) -> None:
    at = world.clock() - 60
    log(world, "message.sent", "msg_gone", "sent", at=at, account="acc_gone", registration=REGISTRATION)
    log(world, "message.sent", "msg_other", "sent", at=at, account="acc_other", registration="other")
    _, rows = made(world, world.declare(Reach.PROVIDER, REGISTRATION).incident)
    assert [row["message"] for row in rows] == ["msg_gone"]


def test_it_says_of_each_mailbox_what_was_done_and_what_is_being_tried(world: Emergencies) -> None:
    incident = world.declare(Reach.ACCOUNT, world.now("ann").id).incident
    ann = world.now("ann")
    log(world, "token.revoked", ann.id, "revoked", at=world.clock())
    log(world, "owner.notified", ann.id, "published", at=world.clock())
    report, _ = made(world, incident)
    (account,) = report["accounts"]
    assert account["state_before"] == "active"
    assert (account["provider_told"], account["secret_retired"]) == ("revoked", True)
    assert account["last_send_possible_until"] == rfc3339(ann.revoked_at + 120)
    assert (account["manual_step"], account["retried_at"]) == (None, None)
    assert report["summary"] == {
        "accounts": 1,
        "shut": 1,
        "being_retried": 0,
        "manual_steps": 0,
        "owners_told": 1,
        "keys_disabled": 0,
        "messages_sent": 0,
    }


def test_a_mailbox_that_was_revoked_before_was_not_shut_by_it(world: Emergencies) -> None:
    world.revocation().revoke(world.now("ann"), actor="me", reason="requested")
    world.clock.advance(60)
    report, _ = made(world, world.declare().incident)
    assert {one["address"]: bool(one["shut_at"]) for one in report["accounts"]} == {
        "ann@example.org": False,
        "bob@example.org": True,
    }


def test_it_names_the_step_that_only_a_person_can_do(world: Emergencies) -> None:
    ends = registration().endpoints
    world.registrations.registrations[REGISTRATION] = registration(
        kind="microsoft", endpoints=replace(ends, revoke_url="")
    )
    report, _ = made(world, world.declare().incident)
    (step,) = {one["manual_step"] for one in report["accounts"]}
    assert "https://myapps.microsoft.com" in step
    assert f"client id is {registration().client_id}." in step
    assert report["summary"]["manual_steps"] == 2


def test_it_names_the_keys_and_what_cannot_be_disabled_here(world: Emergencies) -> None:
    key = world.key("app")
    report, _ = made(world, world.declare(disable_keys=True).incident)
    assert report["keys"]["disabled"] == [key.id]
    assert any("JWT" in note for note in report["keys"]["notes"])


def test_it_lies_in_the_archive_with_its_messages_and_each_new_one_beside_the_older(world: Emergencies) -> None:
    message = sent(world, "one")
    incident = world.declare().incident
    made(world, incident)
    report, _ = made(world, incident)
    name = f"incidents/{incident.id}/report.json"
    assert len(world.archive.versions[name]) == 2
    kept = json.loads(world.archive.versions[name][-1])
    assert kept["summary"] == report["summary"]
    (part,) = kept["sent"]["archived_as"]
    assert json.loads(world.archive.versions[part][-1])["message"] == message


def test_what_cannot_be_reached_is_named_and_the_rest_is_reported(world: Emergencies) -> None:
    sent(world, "one")
    incident = world.declare().incident
    world.reader.faults.before("page", DOWN)
    world.archive.faults.before("put", DOWN, times=2)
    report, rows = made(world, incident)
    assert (rows, report["archived_as"]) == ([], None)
    assert len(report["missing"]) == 2
    assert report["summary"]["shut"] == 2


def test_lines_that_are_no_events_are_counted(world: Emergencies) -> None:
    world.reader.held += [AuditLine("x", int(world.clock() * 1000), text) for text in ("{", "[]", "")]
    report, _ = made(world, world.declare().incident)
    assert "3 lines" in report["missing"][0]


def test_it_is_made_anew_after_the_incident_is_resolved(world: Emergencies) -> None:
    sent(world, "one")
    incident = world.declare().incident
    world.resolve(incident)
    world.clock.advance(5)
    world.connect("new")
    report, rows = made(world, incident)
    assert len(rows) == 1
    assert (report["summary"]["accounts"], report["summary"]["shut"]) == (2, 0)
    assert report["incident"]["state"] == "resolved"


def test_the_page_for_people_holds_it_all_and_nothing_breaks_its_tables(world: Emergencies) -> None:
    sent(world, "one")
    incident = world.declare(reason="A | pipe <b> in it").incident
    report, _ = made(world, incident)
    page = markdown(report)
    assert "A \\| pipe &lt;b> in it" in page
    assert "ann@example.org" in page
    tables = [line for line in page.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in tables)


def test_of_very_many_messages_no_more_than_a_part_is_held(world: Emergencies) -> None:
    ann = world.now("ann").id
    for number in range(5_001):
        log(world, "message.sent", f"msg_{number}", "sent", at=world.clock() - 9, account=ann)
    report, _ = made(world, world.declare(Reach.ACCOUNT, ann).incident)
    assert [len(world.archive.versions[part][0].splitlines()) for part in report["sent"]["archived_as"]] == [5_000, 1]
