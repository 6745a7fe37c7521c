"""The built-in sandbox: its mailboxes need no token, and nothing that concerns tokens does anything to them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.account import AccountState
from mailbearer.built_in_registrations import BuiltInRegistrations
from mailbearer.connecting.tokenless import TokenlessFlow
from mailbearer.credentials.watch import CredentialWatch
from mailbearer.errors import Conflict, InvalidInput, NotFound
from mailbearer.health import health_resource
from mailbearer.providers import DEFINITIONS, definition_of
from mailbearer.registration import SANDBOX, Flow
from mailbearer.verifying import Verdict, Verification
from tests.fakes import FakeRegistrationStore, ScriptedAuthorizationServer
from tests.unit.grants import ADMIN, REGISTRATION, Grants, registration

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.connecting.granting import Connected

BODY = {"provider": "sandbox", "address": "try@example.org"}


@pytest.fixture
def grants() -> Grants:
    """Stores with the sandbox among the registrations, and an authorization server that nobody may ask."""
    grants = Grants(ScriptedAuthorizationServer())
    grants.registrations.registrations["sandbox"] = SANDBOX
    return grants


def add(grants: Grants) -> Connected:
    directory = grants.directory()
    draft = directory.draft(BODY)
    return flow(grants).connect(
        draft.account, draft.registration, actor="key_1", admit=lambda: directory.add(draft, ADMIN)
    )


def flow(grants: Grants) -> TokenlessFlow:
    return TokenlessFlow(
        accounts=grants.accounts,
        embargo=grants.embargo(),
        events=grants.events,
        trail=grants.trail,
        clock=grants.clock,
    )


def connect(grants: Grants, account: Account) -> Account:
    """Connect an account as it was read a moment ago."""
    return flow(grants).connect(account, SANDBOX, actor="key_1", admit=lambda: account).account


def stands(grants: Grants) -> Account:
    (account,) = grants.accounts.accounts.values()
    return account


def test_a_mailbox_of_the_sandbox_is_active_at_once_and_nothing_is_stored_or_asked(grants: Grants) -> None:
    connected = add(grants)
    assert connected.account == stands(grants)
    assert (connected.account.state, connected.account.transport) == (AccountState.ACTIVE, "sandbox")
    assert (connected.missing, connected.excessive) == ((), ())
    assert grants.vault.secrets == {}
    assert [name for name, _ in grants.events.published] == ["account.connected"]
    grants.trail.flush()
    assert grants.log.actions == [
        "consent.grant intended",
        "account.add intended",
        "account.added added",
        "consent.granted granted",
    ]


def test_a_mailbox_of_the_sandbox_is_never_due(grants: Grants) -> None:
    assert add(grants).account.due_at == 0
    grants.clock.advance(365 * 86_400)
    assert list(grants.accounts.due(grants.clock())) == []


def test_a_mailbox_of_the_sandbox_is_well(grants: Grants) -> None:
    health = health_resource(add(grants).account, grants.clock(), "", registration=SANDBOX)
    assert (health["state"], health["diagnosis"]) == ("active", None)
    assert health["scopes"] == {"wanted": [], "granted": [], "missing": [], "excessive": []}


def test_there_is_nothing_to_rotate_or_to_validate(grants: Grants) -> None:
    account = add(grants).account
    with pytest.raises(Conflict, match="needs no token"):
        grants.lifecycle().rotate(account)
    with pytest.raises(Conflict, match="needs no token"):
        grants.prober().probe(account, asked=True)
    assert stands(grants) == account


def test_there_is_nothing_to_import(grants: Grants) -> None:
    with pytest.raises(Conflict, match="works without a refresh token"):
        grants.importing().take(add(grants).account, {"refresh_token": "x"}, actor="key_1")


def test_a_revoked_mailbox_is_done_with_and_comes_back_under_its_id_when_it_is_added_again(grants: Grants) -> None:
    account = add(grants).account
    done = grants.revocation().revoke(account, actor="key_1", reason="requested")
    assert (done.account.state, done.provider_told, done.secret_retired) == (AccountState.REVOKED, True, True)
    assert (done.account.revocation_pending, done.account.due_at) == (False, 0)
    again = add(grants).account
    assert (again.id, again.state) == (account.id, AccountState.ACTIVE)
    assert (again.token.due_at, again.drain_from) == (0, grants.clock())


def test_a_mailbox_whose_revocation_was_left_open_comes_back_with_nothing_to_do(grants: Grants) -> None:
    account = add(grants).account
    open_ = account.changed(
        state=AccountState.REVOKED, revocation_pending=True, token=replace(account.token, due_at=1.0)
    )
    grants.accounts.replace(open_, expected=account)
    again = add(grants).account
    assert (again.state, again.revocation_pending, again.token.due_at) == (AccountState.ACTIVE, False, 0)


def test_what_stands_already_is_not_added_twice(grants: Grants) -> None:
    account = add(grants).account
    with pytest.raises(Conflict, match=account.id):
        add(grants)


def test_pausing_and_resuming_are_as_everywhere(grants: Grants) -> None:
    account = add(grants).account
    paused = grants.directory().pause(account, ADMIN)
    assert paused.state is AccountState.PAUSED
    assert grants.directory().resume(paused, ADMIN).state is AccountState.ACTIVE


def test_a_mailbox_removed_while_it_was_added_is_not_brought_back(grants: Grants) -> None:
    account = add(grants).account
    grants.accounts.accounts.clear()
    with pytest.raises(NotFound):
        connect(grants, account)


def test_a_change_meanwhile_is_kept(grants: Grants) -> None:
    account = add(grants).account
    renamed = account.changed(display_name="Try", state=AccountState.PAUSED)
    grants.accounts.replace(renamed, expected=account)
    again = connect(grants, account)
    assert (again.display_name, again.state) == ("Try", AccountState.PAUSED)


def test_a_mailbox_cut_off_while_it_was_added_stays_cut_off(grants: Grants) -> None:
    account = add(grants).account
    grants.accounts.replace(account.changed(state=AccountState.REVOKED), expected=account)
    with pytest.raises(Conflict, match="changed meanwhile"):
        connect(grants, account)
    assert stands(grants).state is AccountState.REVOKED


def test_another_transport_is_not_the_sandboxs(grants: Grants) -> None:
    with pytest.raises(InvalidInput):
        grants.directory().draft(BODY | {"transport": "smtp"})


def test_no_credential_of_the_sandbox_is_watched(grants: Grants) -> None:
    watch = CredentialWatch(
        registrations=BuiltInRegistrations(FakeRegistrationStore()),
        credentials=grants.credentials,
        events=grants.events,
        trail=grants.trail,
        clock=grants.clock,
    )
    assert watch.run().problems == {}


def test_verifying_the_sandbox_is_one_step_that_passes(grants: Grants) -> None:
    verification = Verification(
        client=grants.client(),
        credentials=grants.credentials,
        definitions=definition_of,
        server=grants.server,
        transport=lambda _: grants.transport,
        discover=lambda _: pytest.fail("there is nobody to ask"),
        clock=grants.clock,
        redirect_uri="",
    )
    (finding,) = verification.run(SANDBOX)
    assert (finding.step, finding.verdict) == ("sandbox", Verdict.PASS)


def test_the_sandbox_is_there_without_being_stored_and_its_name_is_taken() -> None:
    store = FakeRegistrationStore()
    registrations = BuiltInRegistrations(store)
    assert registrations.get("sandbox") == SANDBOX
    assert not registrations.create(replace(registration(), name="sandbox"))
    assert registrations.replace(SANDBOX.changed(client_id="x"), expected=SANDBOX) == SANDBOX
    assert store.registrations == {}


def test_other_registrations_are_kept_as_ever_and_listed_with_the_sandbox_by_name() -> None:
    registrations = BuiltInRegistrations(FakeRegistrationStore())
    other = registration()
    assert registrations.create(other)
    changed = other.changed(client_id="x")
    assert registrations.replace(changed, expected=other) == changed == registrations.get(REGISTRATION)
    assert registrations.listing() == sorted([changed, SANDBOX], key=lambda one: one.name)
    assert registrations.get("none") is None


def test_the_sandbox_is_known_as_a_kind_and_cannot_be_registered() -> None:
    assert definition_of("sandbox").flows.keys() == {Flow.NONE}
    assert "sandbox" not in DEFINITIONS
    assert definition_of("sandbox").scope_drift((), "") == ((), ())
