"""Declaring an incident: everything it covers is shut at once, and nothing brings it back but its resolution."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailbearer.account import AccountState
from mailbearer.errors import AuditUnavailable, GrantDead, InvalidInput, TokenEndpointBusy, Unavailable
from mailbearer.incident import IncidentState, Reach
from mailbearer.incidents.book import Progress
from tests.fakes import Faults
from tests.unit.emergencies import OPERATOR, Emergencies
from tests.unit.grants import REGISTRATION, Crash, crash, mailbox

DOWN = Unavailable("down")


@pytest.fixture
def world() -> Emergencies:
    return Emergencies()


def states(world: Emergencies) -> set[str]:
    return {str(account.state) for account in world.accounts.accounts.values()}


def test_every_mailbox_is_shut_before_any_provider_is_asked(world: Emergencies) -> None:
    for name in ("ann", "bob", "cal"):
        world.connect(name)
    seen: list[set[str]] = []
    world.provider.faults.before("revoke", lambda: seen.append(states(world)))
    contained = world.declare()
    assert seen == [{"revoked"}]
    assert (contained.shut, contained.revoked, contained.complete) == (3, 3, True)
    assert world.book.find(contained.incident.id).state is IncidentState.CONTAINED


def test_a_shut_mailbox_names_the_incident_and_keeps_the_state_it_had(world: Emergencies) -> None:
    world.connect(state=AccountState.PAUSED)
    incident = world.declare().incident
    ann = world.now()
    assert (ann.incident, ann.shut_from, ann.reason) == (incident.id, "paused", "incident")
    assert (ann.revocation_pending, ann.is_shut, ann.is_gone) == (False, True, False)
    assert world.provider.revoked
    assert world.vault.read(ann.id) is None


@pytest.mark.parametrize(("reach", "target"), [(Reach.ACCOUNT, "ann"), (Reach.PROVIDER, REGISTRATION)])
def test_only_what_it_covers_is_shut(world: Emergencies, reach: Reach, target: str) -> None:
    ann = world.connect("ann")
    other = mailbox("zoe", provider="other") if reach is Reach.PROVIDER else mailbox("zoe")
    world.accounts.create(replace(other, state=AccountState.ACTIVE))
    world.declare(reach, ann.id if reach is Reach.ACCOUNT else target)
    assert world.now("ann").is_shut
    assert world.now("zoe").state is AccountState.ACTIVE


def test_a_mailbox_that_was_revoked_before_stays_as_it_is(world: Emergencies) -> None:
    gone = mailbox("gone", state=AccountState.REVOKED, reason="requested")
    world.accounts.create(gone)
    assert world.declare().shut == 0
    assert world.now("gone") == gone


def test_all_that_is_wrong_with_a_declaration_is_said_at_once(world: Emergencies) -> None:
    with pytest.raises(InvalidInput) as refused:
        world.declared(Reach.ACCOUNT, "acc_none", reason=" ", since=world.clock() + 1)
    assert [fault.code for fault in refused.value.faults] == ["required", "invalid_time", "unknown_account"]
    with pytest.raises(InvalidInput) as refused:
        world.declared(Reach.PROVIDER, "none", reason="\n" + "x" * 500)
    assert [fault.code for fault in refused.value.faults] == ["too_long", "unsafe_character", "unknown_provider"]


def test_declaring_the_same_again_goes_on_with_the_same_incident(world: Emergencies) -> None:
    first = world.declared()
    world.connect()
    again = world.declare(disable_keys=True, since=world.clock() - 172_800)
    assert again.incident.id == first.id
    assert (again.incident.disable_keys, again.incident.since) == (True, world.clock() - 172_800)
    assert world.now().is_shut


def test_a_provider_that_cannot_be_told_is_told_by_the_schedule(world: Emergencies) -> None:
    world.connect()
    world.provider.faults.before("revoke", TokenEndpointBusy("503"), times=1)
    contained = world.declare()
    assert (contained.complete, contained.unfinished) == (True, {world.now().id: "unreached"})
    assert (world.now().revocation_pending, world.now().is_shut) == (True, True)
    world.clock.advance(301)
    world.run_schedule()
    assert not world.now().revocation_pending
    assert world.now().incident == contained.incident.id


def test_a_mailbox_that_cannot_be_shut_now_is_shut_by_the_schedule(world: Emergencies) -> None:
    world.connect()
    # The command itself tries twice.
    world.accounts.faults.before("replace", DOWN, times=2)
    contained = world.declare()
    assert (contained.not_shut, contained.complete) == ({world.now().id: "temporarily_unavailable"}, False)
    assert world.book.find(contained.incident.id).state is IncidentState.DECLARED
    world.run_schedule()
    assert world.now().is_shut
    assert world.book.find(contained.incident.id).state is IncidentState.CONTAINED


def test_whatever_the_command_did_when_it_died_the_schedule_does_the_rest() -> None:
    died = 0
    for name in ("accounts", "provider", "vault", "incidents", "events"):
        for operation in ("replace", "revoke", "retire", "listing", "publish", "read"):
            world = Emergencies()
            world.connect()
            incident = world.declared(disable_keys=True)
            world.key("app")
            getattr(world, name).faults.before(operation, crash)
            try:
                world.containment().contain(incident, actor=OPERATOR)
            except Crash:
                died += 1
            getattr(world, name).faults = Faults()
            world.trail = world.new_trail()
            world.clock.advance(301)
            world.run_schedule()
            world.clock.advance(301)
            world.run_schedule()
            assert world.now().is_shut, (name, operation)
            assert not world.now().revocation_pending, (name, operation)
            assert world.disabled() == {"app"}, (name, operation)
            assert world.book.find(incident.id).state is IncidentState.CONTAINED, (name, operation)
    assert died >= 4


def test_a_mailbox_that_slips_in_meanwhile_is_shut_by_the_same_command(world: Emergencies) -> None:
    world.connect("ann")
    world.provider.faults.before("revoke", lambda: world.connect("late"))
    assert world.declare().shut == 2
    assert world.now("late").is_shut


def test_the_moment_at_which_all_is_shut_is_that_of_the_last_and_not_of_the_last_look(world: Emergencies) -> None:
    world.connect("ann")
    world.provider.faults.before("revoke", lambda: world.clock.advance(60))
    begun = world.clock()
    assert world.declare().shut_at == begun
    world.connect("bob")

    def latecomer() -> None:
        world.clock.advance(60)
        world.connect("late")

    world.provider.faults.before("revoke", latecomer)
    assert world.declare(reason="Again.").shut_at == world.clock()


def test_a_mailbox_that_slips_in_later_is_shut_by_the_schedule(world: Emergencies) -> None:
    world.declare()
    world.connect("late")
    world.tend()
    assert world.now("late").is_shut


def test_an_audit_log_that_is_down_delays_nothing_and_is_made_up_for(world: Emergencies) -> None:
    world.connect()
    world.log.faults.before("write", AuditUnavailable("down"), times=9)
    world.spool.faults.before("keep", DOWN, times=9)
    assert world.declare().complete
    assert world.now().is_shut
    world.log.faults = world.spool.faults = Faults()
    world.trail.flush()
    actions = [event.action for event in world.log.events]
    assert [action for action in actions if action.startswith("incident.")] == [
        "incident.declare",
        "incident.declared",
        "incident.contained",
    ]
    assert actions.index("account.revoke") < actions.index("account.revoked")


def test_the_owner_is_told_once_whoever_ends_the_grant(world: Emergencies) -> None:
    world.connect()
    world.provider.faults.before("revoke", TokenEndpointBusy("503"), times=1)
    world.declare()
    world.clock.advance(301)
    world.run_schedule()
    kinds = [kind for kind, _ in world.events.published]
    assert kinds.count("account.revoked") == 1
    assert {"incident.declared", "incident.contained"} <= set(kinds)


def test_a_refresh_in_flight_cannot_bring_the_mailbox_back(world: Emergencies) -> None:
    world.connect(ends_in=10)
    lifecycle = world.lifecycle()
    world.provider.faults.after("refresh", world.declare)
    with pytest.raises(GrantDead):
        lifecycle.refresh(world.now().id, needed_until=world.clock() + 60)
    assert world.now().is_shut
    # What was in flight may have stored something, so it is looked for once more.
    assert world.now().revocation_pending
    world.clock.advance(301)
    world.run_schedule()
    assert not world.now().revocation_pending
    assert world.vault.read(world.now().id) is None


def test_the_keys_that_reach_only_what_is_shut_are_disabled(world: Emergencies) -> None:
    ann, bob = world.connect("ann"), world.connect("bob")
    world.key("ann", ann.id)
    world.key("both", ann.id, bob.id)
    world.key("all")
    assert world.declare(Reach.ACCOUNT, ann.id, disable_keys=True).keys_disabled == 1
    assert world.disabled() == {"ann"}
    world.declare(Reach.PROVIDER, REGISTRATION, disable_keys=True)
    assert world.disabled() == {"ann", "both"}
    world.declare(disable_keys=True)
    assert world.disabled() == {"ann", "both", "all"}


def test_keys_that_cannot_be_disabled_now_are_by_the_schedule(world: Emergencies) -> None:
    world.key("app")
    world.keys.faults.before("replace", DOWN)
    contained = world.declare(disable_keys=True)
    assert (contained.keys_failed, contained.complete) == ("temporarily_unavailable", False)
    world.tend()
    assert world.disabled() == {"app"}
    assert world.book.find(contained.incident.id).state is IncidentState.CONTAINED


def test_keys_that_are_asked_for_later_are_disabled_by_the_schedule_if_the_command_dies(world: Emergencies) -> None:
    world.key("app")
    assert world.declare().incident.state is IncidentState.CONTAINED
    world.declared(disable_keys=True)
    world.tend()
    assert world.disabled() == {"app"}


def test_the_operator_sees_how_far_it_has_come(world: Emergencies) -> None:
    for name in ("ann", "bob"):
        world.connect(name)
    seen: list[Progress] = []
    world.containment().contain(world.declared(), actor=OPERATOR, watch=seen.append)
    assert [step for step in seen if step.step == "shut"][-1] == Progress("shut", 2)
    assert seen[-1] == Progress("revoked", 2)


@pytest.mark.slow
def test_ten_thousand_mailboxes_take_one_write_each_and_a_scan_to_see_that_all_are_shut(world: Emergencies) -> None:
    for number in range(10_000):
        account = mailbox(f"m{number}", state=AccountState.ACTIVE, provider="sandbox")
        world.accounts.accounts[account.id] = account
    contained = world.containment().sweep(world.declared(), actor="schedule", deadline=float("inf"))
    assert (contained.shut, contained.complete) == (10_000, True)
    calls = world.accounts.faults.calls
    # Two passes of 20 pages: the second finds nothing.
    assert (calls.count("replace"), calls.count("listing"), calls.count("get")) == (10_000, 40, 0)


def test_a_sweep_stops_at_its_deadline_and_the_next_goes_on(world: Emergencies) -> None:
    world.connect()
    incident = world.declared()
    assert not world.containment().sweep(incident, actor="schedule", deadline=world.clock()).complete
    assert world.book.find(incident.id).state is IncidentState.DECLARED
    world.tend()
    assert world.now().is_shut


def test_one_incident_that_cannot_be_tended_keeps_no_other_from_it(world: Emergencies) -> None:
    world.connect()
    world.declared(Reach.PROVIDER, REGISTRATION)
    world.clock.advance(1)
    world.declared(Reach.ALL)
    world.incidents.faults.before("get", DOWN)
    with pytest.raises(Unavailable):
        world.tend()
    assert world.now().is_shut
    world.trail.flush()
    assert "incident.untended" in {event.action for event in world.log.events}


def test_the_schedule_sees_to_emergencies_before_all_else(world: Emergencies) -> None:
    world.connect(token={"due_at": 1.0})
    world.declared()
    rotation = replace(world.rotation(), emergencies=lambda deadline: world.tending().run(deadline=deadline))
    summary = rotation.run(deadline=world.clock() + 290)
    assert summary.revocations_finished == 1
    assert "refresh" not in world.provider.faults.calls
