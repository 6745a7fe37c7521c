"""Resolving an incident: what may come back comes back as it was, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.errors import AuditUnavailable, ConsentRefused, IncidentDeclared, TokenEndpointBusy, Unavailable
from mailbearer.incident import IncidentState, Reach
from mailbearer.incidents.resolving import Return
from tests.unit.emergencies import Emergencies
from tests.unit.grants import ADMIN, REGISTRATION, mailbox

if TYPE_CHECKING:
    from mailbearer.account import Account

DOWN = Unavailable("down")


@pytest.fixture
def world() -> Emergencies:
    return Emergencies()


@pytest.fixture
def unattended() -> Emergencies:
    return Emergencies(unattended=True)


def sandboxed(world: Emergencies, name: str = "box", **changes: Any) -> Account:
    account = mailbox(name, **({"provider": "sandbox", "transport": "sandbox", "state": AccountState.ACTIVE} | changes))
    world.accounts.create(account)
    return account


def test_an_attended_mailbox_waits_for_its_owner_who_gets_a_link(world: Emergencies) -> None:
    world.connect()
    incident = world.declare().incident
    done = world.resolve(incident)
    ann = world.now()
    assert (done.complete, done.returned) == (True, {Return.OWNER_ASKED: 1})
    assert (ann.state, ann.reason, ann.incident, ann.shut_from) == ("consent_required", "incident_resolved", "", "")
    world.run_schedule()
    (told,) = [detail for kind, detail in world.events.published if kind == "account.reconnect_wanted"]
    assert str(told["reconnect_url"]).startswith("https://api.example/connect/")


def test_a_mailbox_of_the_sandbox_sends_again_at_once_and_what_was_held_is_asked_for(world: Emergencies) -> None:
    sandboxed(world)
    incident = world.declare().incident
    assert world.resolve(incident).returned == {Return.CONNECTED: 1}
    assert (world.now("box").state, world.now("box").incident) == (AccountState.ACTIVE, "")
    assert world.drained == [world.now("box").id]


def test_an_unattended_mailbox_sends_again_with_a_fresh_token(unattended: Emergencies) -> None:
    unattended.connect()
    incident = unattended.declare().incident
    assert unattended.vault.read(unattended.now().id) is None
    assert unattended.resolve(incident).returned == {Return.CONNECTED: 1}
    assert (unattended.now().state, unattended.now().incident) == (AccountState.ACTIVE, "")
    assert unattended.secret().access_token in unattended.provider.access_tokens


def test_an_unattended_mailbox_that_its_provider_refuses_stays_with_the_reason(unattended: Emergencies) -> None:
    unattended.connect()
    incident = unattended.declare().incident
    refused = ConsentRefused("no", reason="mailbox_not_allowed")
    resolution = replace(unattended.resolution(), reconnect=lambda *_: _raise(refused))
    done = resolution.resolve(incident, actor="me")
    assert (done.returned, done.complete) == ({Return.REFUSED: 1}, True)
    ann = unattended.now()
    assert (ann.state, ann.reason, ann.incident) == (AccountState.CONSENT_REQUIRED, "mailbox_not_allowed", "")


def test_an_unattended_mailbox_whose_provider_is_down_comes_back_with_the_same_command(unattended: Emergencies) -> None:
    unattended.connect()
    incident = unattended.declare().incident
    unattended.provider.faults.before("client_credentials", TokenEndpointBusy("503"))
    first = unattended.resolve(incident)
    assert (first.complete, first.failed) == (False, {unattended.now().id: "temporarily_unavailable"})
    assert unattended.now().state is AccountState.CONSENT_REQUIRED
    assert unattended.resolve(incident).returned == {Return.CONNECTED: 1}


def test_the_schedule_makes_no_secrets_and_leaves_unattended_mailboxes_to_the_operator(unattended: Emergencies) -> None:
    unattended.connect()
    incident = unattended.declare().incident
    unattended.provider.faults.before("client_credentials", TokenEndpointBusy("503"))
    unattended.resolve(incident)
    unattended.clock.advance(400)
    unattended.tend()
    assert unattended.now().state is AccountState.CONSENT_REQUIRED
    assert unattended.book.find(incident.id).settled_at == 0


@pytest.mark.parametrize("kind", ["attended", "sandbox"])
def test_what_was_paused_comes_back_paused(world: Emergencies, kind: str) -> None:
    if kind == "sandbox":
        sandboxed(world, "ann", state=AccountState.PAUSED)
    else:
        world.connect(state=AccountState.PAUSED)
    incident = world.declare().incident
    world.resolve(incident)
    ann = world.now()
    assert ann.state is AccountState.PAUSED if kind == "sandbox" else ann.pause_kept


def test_a_mailbox_that_nobody_had_connected_waits_for_its_first_consent(world: Emergencies) -> None:
    world.accounts.create(mailbox(state=AccountState.PENDING_CONSENT))
    incident = world.declare().incident
    assert world.now().is_shut
    assert world.resolve(incident).returned == {Return.AS_BEFORE: 1}
    assert (world.now().state, world.now().reason) == (AccountState.PENDING_CONSENT, "")


def test_what_another_open_incident_covers_stays_shut_by_that(world: Emergencies) -> None:
    world.connect("ann")
    world.connect("bob")
    all_of_them = world.declare().incident
    one = world.declare(Reach.ACCOUNT, world.now("ann").id).incident
    assert world.resolve(all_of_them).returned == {Return.STILL_SHUT: 1, Return.OWNER_ASKED: 1}
    assert (world.now("ann").is_shut, world.now("ann").incident) == (True, one.id)
    assert world.resolve(one).returned == {Return.OWNER_ASKED: 1}


def test_what_somebody_revoked_meanwhile_stays_revoked(world: Emergencies) -> None:
    world.connect()
    incident = world.declare().incident
    world.revocation().revoke(world.now(), actor="key_1", reason="requested")
    assert world.resolve(incident).returned == {}
    assert (world.now().is_gone, world.now().reason) == (True, "requested")


def test_what_somebody_deleted_meanwhile_stays_away(world: Emergencies) -> None:
    world.connect()
    incident = world.declare().incident
    world.directory().remove(world.now(), ADMIN)
    assert world.resolve(incident).complete
    assert world.accounts.accounts == {}


def test_a_grant_that_the_provider_was_not_told_of_is_ended_before_the_mailbox_comes_back(world: Emergencies) -> None:
    world.connect()
    world.provider.faults.before("revoke", TokenEndpointBusy("503"), times=2)
    incident = world.declare().incident
    done = world.resolve(incident)
    assert (done.returned, done.complete) == ({Return.REVOCATION_OPEN: 1}, False)
    assert world.now().is_shut
    world.clock.advance(301)
    world.run_schedule()
    world.run_schedule()
    assert world.now().state is AccountState.CONSENT_REQUIRED
    assert world.provider.revoked


def test_keys_stay_disabled_unless_that_is_asked_for(world: Emergencies) -> None:
    world.key("app")
    incident = world.declare(disable_keys=True).incident
    world.key("late")
    world.resolve(incident)
    assert world.disabled() == {"app"}
    assert world.resolve(incident, enable_keys=True).keys_enabled == 1
    assert world.disabled() == set()


def test_keys_that_are_asked_for_after_all_was_settled_are_enabled_by_the_schedule_if_need_be(
    world: Emergencies,
) -> None:
    world.key("app")
    incident = world.declare(disable_keys=True).incident
    world.resolve(incident)
    world.clock.advance(301)
    world.tend()
    assert world.book.find(incident.id).settled_at
    world.keys.faults.before("replace", DOWN)
    assert not world.resolve(incident, enable_keys=True).complete
    world.tend()
    assert world.disabled() == set()


def test_keys_that_another_open_incident_disables_too_stay_so_by_that(world: Emergencies) -> None:
    ann, ben = world.connect("ann"), world.connect("ben")
    world.key("ann", ann.id)
    world.key("ben", ben.id)
    first = world.declare(disable_keys=True).incident
    other = world.declare(Reach.ACCOUNT, ann.id, disable_keys=True).incident
    assert world.resolve(first, enable_keys=True).keys_enabled == 1
    assert world.disabled() == {"ann"}
    assert world.resolve(other, enable_keys=True).keys_enabled == 1
    assert world.disabled() == set()


def test_keys_that_were_disabled_for_another_reason_stay_so(world: Emergencies) -> None:
    world.key("old", disabled=True, reason="requested")
    incident = world.declare(disable_keys=True).incident
    world.resolve(incident, enable_keys=True)
    assert world.disabled() == {"old"}


def test_nothing_comes_back_while_the_audit_log_cannot_be_written(world: Emergencies) -> None:
    world.connect()
    incident = world.declare().incident
    world.log.faults.before("write", AuditUnavailable("down"))
    with pytest.raises(AuditUnavailable):
        world.resolve(incident)
    assert world.now().is_shut
    assert world.book.find(incident.id).is_open


def test_the_schedule_finishes_what_a_command_left_and_then_closes_the_matter(world: Emergencies) -> None:
    world.connect("ann")
    incident = world.declare().incident
    world.accounts.faults.before("replace", DOWN)
    assert not world.resolve(incident).complete
    world.tend()
    assert world.now("ann").state is AccountState.CONSENT_REQUIRED
    assert world.book.find(incident.id).settled_at == 0
    world.clock.advance(301)
    world.tend()
    settled = world.book.find(incident.id)
    assert (settled.state, settled.settled_at) == (IncidentState.RESOLVED, world.clock())
    before = len(world.accounts.faults.calls)
    world.tend()
    assert len(world.accounts.faults.calls) == before
    world.clock.advance(301)
    world.resolve(incident)
    world.trail.flush()
    assert [event.action for event in world.log.events].count("incident.settled") == 1


def test_what_the_schedule_has_no_time_for_is_left_to_its_next_run(world: Emergencies) -> None:
    world.connect()
    incident = world.declare().incident
    world.accounts.faults.before("replace", DOWN)
    resolved = world.resolve(incident).incident
    late = world.resolution(may_make_secrets=False).come_back(resolved, actor="schedule", deadline=world.clock())
    assert (late.returned, late.complete) == ({Return.LEFT: 1}, False)
    assert world.now().is_shut
    world.tend()
    assert world.now().state is AccountState.CONSENT_REQUIRED


def test_whoever_still_shuts_when_it_is_resolved_is_made_up_for(world: Emergencies) -> None:
    incident = world.declare().incident
    world.connect("late")
    late = world.now("late")
    world.resolve(incident)
    # A process that had looked before the resolution shuts it only now.
    world.revocation().shut(late, incident=incident.id, actor="slow")
    world.clock.advance(301)
    world.run_schedule()
    world.run_schedule()
    assert world.now("late").state is AccountState.CONSENT_REQUIRED


def test_resolving_twice_changes_nothing_more(world: Emergencies) -> None:
    world.connect()
    incident = world.declare().incident
    world.resolve(incident)
    ann = world.now()
    assert world.resolve(incident).returned == {}
    assert world.now() == ann


def test_an_open_incident_forbids_what_it_covers(world: Emergencies) -> None:
    ann = world.connect()
    incident = world.declare(Reach.PROVIDER, REGISTRATION).incident
    directory, tickets = world.directory(), world.tickets()
    new = {"provider": REGISTRATION, "address": "new@example.org"}
    for forbidden in (
        lambda: directory.draft(new),
        lambda: directory.resume(replace(ann, state=AccountState.PAUSED), ADMIN),
        lambda: world.consent().begin(world.now(), actor="key_1"),
        lambda: world.importing().take(world.now(), {"refresh_token": "x"}, actor="key_1"),
        lambda: tickets.registration_of(mailbox("other")),
    ):
        with pytest.raises(IncidentDeclared) as refused:
            forbidden()
        assert incident.id in refused.value.detail
    world.resolve(incident)
    assert directory.draft(new).account.address == "new@example.org"


def test_the_address_of_a_shut_mailbox_cannot_come_in_by_another_account(world: Emergencies) -> None:
    ann = world.connect()
    world.declare(Reach.ACCOUNT, ann.id)
    with pytest.raises(IncidentDeclared):
        world.directory().draft({"provider": "sandbox", "address": ann.address})


def test_nobody_is_connected_while_the_incidents_cannot_be_read(world: Emergencies) -> None:
    world.incidents.faults.before("listing", DOWN)
    with pytest.raises(Unavailable):
        world.directory().draft({"provider": REGISTRATION, "address": "new@example.org"})


def test_a_consent_in_flight_when_the_incident_is_declared_brings_nothing_back(world: Emergencies) -> None:
    world.accounts.create(mailbox(state=AccountState.PENDING_CONSENT))
    link = world.consent().begin(world.now(), actor="key_1")
    ticket = link.rpartition("/")[2]
    page = world.consent().page(ticket, world.tickets().find(ticket))
    state = page.authorization_url.partition("state=")[2]
    world.provider.faults.before("redeem", world.declare)
    with pytest.raises(ConsentRefused) as refused:
        world.consent().finish({"state": state, "code": "c", "iss": "https://id.example"})
    assert refused.value.reason == "incident_declared"
    assert world.now().is_shut
    assert world.vault.read(world.now().id) is None
    # What the provider granted is given back.
    assert world.provider.revoked


def test_a_consent_that_is_stored_when_the_incident_is_declared_brings_nothing_back(world: Emergencies) -> None:
    world.accounts.create(mailbox(state=AccountState.PENDING_CONSENT))
    link = world.consent().begin(world.now(), actor="key_1")
    ticket = link.rpartition("/")[2]
    page = world.consent().page(ticket, world.tickets().find(ticket))
    state = page.authorization_url.partition("state=")[2]
    world.vault.faults.after("open", world.declare)
    with pytest.raises(ConsentRefused):
        world.consent().finish({"state": state, "code": "c", "iss": "https://id.example"})
    assert world.now().is_shut
    world.clock.advance(301)
    world.run_schedule()
    assert world.vault.read(world.now().id) is None
    assert not world.now().revocation_pending


def test_a_consent_that_is_stored_when_its_mailbox_is_merely_shut_brings_nothing_back(world: Emergencies) -> None:
    world.accounts.create(mailbox(state=AccountState.PENDING_CONSENT))
    link = world.consent().begin(world.now(), actor="key_1")
    ticket = link.rpartition("/")[2]
    page = world.consent().page(ticket, world.tickets().find(ticket))
    state = page.authorization_url.partition("state=")[2]
    # The schedule, or a command that dies right then: nobody has ended the grant yet.
    world.vault.faults.after(
        "open", lambda: world.revocation().shut(world.now(), incident=world.declared().id, actor="schedule")
    )
    with pytest.raises(ConsentRefused):
        world.consent().finish({"state": state, "code": "c", "iss": "https://id.example"})
    assert world.now().is_shut


def test_a_mailbox_that_has_not_come_back_yet_is_connected_by_nobody(world: Emergencies) -> None:
    world.connect()
    incident = world.declare().incident
    world.accounts.faults.before("replace", DOWN)
    assert not world.resolve(incident).complete
    with pytest.raises(IncidentDeclared):
        world.consent().begin(world.now(), actor="key_1")


def _raise(error: Exception) -> Any:
    raise error
