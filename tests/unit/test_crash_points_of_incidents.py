"""A command dies at every single call of containing and of resolving; the schedule, or the same command, goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.account import AccountState
from mailbearer.incident import IncidentState
from tests.fakes import Faults
from tests.unit.emergencies import OPERATOR, Emergencies
from tests.unit.grants import Crash, Trap, mailbox, watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.incident import Incident

_PORTS = (
    "accounts",
    "registrations",
    "vault",
    "credentials",
    "spool",
    "events",
    "log",
    "provider",
    "incidents",
    "keys",
)


def world() -> Emergencies:
    """Give a mailbox of a person, one that is paused, one of the sandbox, and a key."""
    made = Emergencies()
    made.connect("ann")
    made.connect("bob", state=AccountState.PAUSED)
    made.accounts.create(mailbox("box", provider="sandbox", transport="sandbox", state=AccountState.ACTIVE))
    made.key("app")
    return made


def dying(made: Emergencies, command: Callable[[], object], at: int, *, after: bool) -> list[str]:
    """Let a process do it and die at one call, all of its memory with it; gives the calls that it made."""
    trap = Trap()
    trap.at, trap.after_effect = at, after
    watch(made, trap)
    made.incidents.faults, made.keys.faults = trap.named("incidents"), trap.named("keys")
    try:
        command()
    except Crash:
        made.trail = made.new_trail()
    for port in _PORTS:
        getattr(made, port).faults = Faults()
    return trap.seen


def told(made: Emergencies, kind: str) -> dict[str, set[object]]:
    """Give the ids of the events of this type, by whom they are about."""
    about: dict[str, set[object]] = {}
    for name, detail in made.events.published:
        if name == kind:
            about.setdefault(str(detail.get("account", "")), set()).add(detail["id"])
    return about


def schedule(made: Emergencies, times: int) -> None:
    for _ in range(times):
        made.clock.advance(301)
        made.run_schedule()


def contain(made: Emergencies) -> Incident:
    return made.containment().contain(made.declared(disable_keys=True), actor=OPERATOR).incident


def resolve(made: Emergencies, incident: Incident) -> None:
    made.resolution().resolve(made.book.find(incident.id), actor=OPERATOR, enable_keys=True)


def number_of_calls(made: Emergencies, command: Callable[[], object]) -> int:
    return len(dying(made, command, -1, after=False))


# What is done side by side takes a call more or less from run to run.
CONTAINING, RESOLVING = 60, 26


def test_a_command_is_killed_at_each_of_its_calls() -> None:
    made = world()
    containing = number_of_calls(made, lambda: contain(made))
    (incident,) = made.incidents.incidents.values()
    resolving = number_of_calls(made, lambda: resolve(made, incident))
    assert CONTAINING - 12 < containing <= CONTAINING
    assert RESOLVING - 12 < resolving <= RESOLVING


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(CONTAINING))
def test_what_was_declared_is_contained_and_told_wherever_the_command_dies(at: int, *, after: bool) -> None:
    made = world()
    calls = [*dying(made, lambda: contain(made), at, after=after), *["none"] * CONTAINING]
    if not made.incidents.incidents:
        return  # nothing was declared; the operator got no answer and says it again
    schedule(made, 3)
    (incident,) = made.incidents.incidents.values()
    assert incident.state is IncidentState.CONTAINED, calls[at]
    for name in ("ann", "bob", "box"):
        account = made.now(name)
        assert (account.is_shut, account.incident, account.revocation_pending) == (True, incident.id, False), calls[at]
        assert made.vault.read(account.id) is None, calls[at]
    assert made.provider.refresh_tokens == set(), calls[at]
    assert made.disabled() == {"app"}, calls[at]
    owners = told(made, "account.revoked")
    assert {account: len(ids) for account, ids in owners.items()} == dict.fromkeys(made.accounts.accounts, 1), calls[at]
    assert len(told(made, "incident.declared")[""]) == 1, calls[at]
    assert len(told(made, "incident.contained")[""]) == 1, calls[at]
    actions = {event.action for event in made.log.events}
    assert {"incident.declared", "incident.contained"} <= actions, calls[at]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(RESOLVING))
def test_what_was_resolved_comes_back_and_is_told_wherever_the_command_dies(at: int, *, after: bool) -> None:
    made = world()
    incident = contain(made)
    calls = [*dying(made, lambda: resolve(made, incident), at, after=after), *["none"] * RESOLVING]
    if made.book.find(incident.id).is_open:
        return  # nothing was resolved; the operator got no answer and says it again
    schedule(made, 3)
    assert made.book.find(incident.id).settled_at, calls[at]
    ann, bob, box = (made.now(name) for name in ("ann", "bob", "box"))
    assert (ann.state, ann.pause_kept) == (AccountState.CONSENT_REQUIRED, False), calls[at]
    assert (bob.state, bob.pause_kept) == (AccountState.CONSENT_REQUIRED, True), calls[at]
    assert box.state is AccountState.ACTIVE, calls[at]
    assert {one.incident for one in (ann, bob, box)} == {""}, calls[at]
    # What was held is asked for, by the command or by the schedule that finds the mark.
    assert box.id in made.drained or box.drain_from, calls[at]
    assert made.disabled() == set(), calls[at]
    assert {account: len(ids) for account, ids in told(made, "account.reconnect_wanted").items()} == {
        ann.id: 1,
        bob.id: 1,
    }, calls[at]
    assert len(told(made, "incident.resolved")[""]) == 1, calls[at]
