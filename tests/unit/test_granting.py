"""What every way of connecting a mailbox shares: what is stored when, what is given back, what a provider keeps."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.connecting.tickets import state_of
from mailbearer.errors import ConsentRefused, GrantDead, TokenEndpointBusy, TooManyGrants, Unavailable
from mailbearer.providers import definition_of
from mailbearer.token import TokenState
from tests.unit.grants import ADMIN, Crash, Grants, Trap, mailbox, registration, watch
from tests.unit.test_consent import reconnect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def test_a_vault_that_cannot_be_reached_leaves_a_connected_mailbox_and_its_grants_as_they_were() -> None:
    grants = Grants()
    grants.connect()
    grants.vault.faults.before("open", Unavailable("throttled"))
    with pytest.raises(Unavailable):
        reconnect(grants)
    assert grants.lifecycle().usable(grants.now(), needed_for=45) == "access-1"
    assert grants.provider.revoked == [], "some providers would end the old grant with the new one"


@pytest.mark.parametrize("state", [AccountState.PENDING_CONSENT, AccountState.CONSENT_REQUIRED, AccountState.REVOKED])
def test_a_grant_that_the_vault_does_not_take_is_given_back(state: AccountState) -> None:
    grants = Grants()
    grants.connect(state=state)
    grants.vault.faults.before("open", Unavailable("throttled"))
    with pytest.raises(Unavailable):
        reconnect(grants)
    assert grants.provider.revoked == ["refresh-2"]
    assert grants.now().state is state
    assert grants.secret().refresh_token == "refresh-1"


def test_nobody_connects_a_mailbox_whose_secret_is_about_to_be_retired() -> None:
    grants = Grants()
    grants.connect()
    grants.provider.faults.before("revoke", TokenEndpointBusy("503"))
    grants.revocation().revoke(grants.now(), actor="key_1", reason="requested")
    grants.clock.advance(1)

    def meet() -> None:
        with pytest.raises(ConsentRefused) as refused:
            reconnect(grants)
        assert refused.value.reason == "revocation_under_way"

    grants.vault.faults.before("retire", meet)
    assert grants.revocation().finish(grants.now()).secret_retired
    _, connected = reconnect(grants)
    assert connected.account.state is AccountState.ACTIVE


@pytest.mark.parametrize("state", [AccountState.ACTIVE, AccountState.PAUSED])
def test_the_owner_of_a_connected_mailbox_who_follows_the_wrong_link_does_not_cut_it_off(state: AccountState) -> None:
    grants = Grants()
    grants.connect(state=AccountState.PENDING_CONSENT)
    grants.connect("eve", state=state)
    eve: Mapping[str, object] = {"email": "eve@example.org"}
    grants.provider.userinfo = lambda *_: eve  # type: ignore[method-assign]
    with pytest.raises(ConsentRefused) as refused:
        reconnect(grants)
    assert refused.value.reason == "identity_mismatch"
    assert grants.provider.revoked == []
    assert "token.not_revoked kept" in grants.actions()
    assert grants.lifecycle().usable(grants.now("eve"), needed_for=45) == "access-2"


def test_a_put_whose_answer_was_lost_is_found_in_the_vault() -> None:
    grants = Grants()
    grants.connect(state=AccountState.CONSENT_REQUIRED)
    grants.vault.faults.after("open", Unavailable("answer lost"))
    _, connected = reconnect(grants)
    assert grants.lifecycle().usable(connected.account, needed_for=45) == "access-2"


def test_a_mailbox_that_was_removed_while_the_provider_was_asked_keeps_no_secret() -> None:
    grants = Grants()
    grants.connect(state=AccountState.PENDING_CONSENT)
    account = grants.now()
    grants.vault.faults.after("open", grants.accounts.accounts.clear)
    with pytest.raises(ConsentRefused) as refused:
        reconnect(grants)
    assert refused.value.reason == "subject_gone"
    assert grants.vault.read(account.id) is None
    assert grants.provider.revoked == ["refresh-2"]


def test_what_the_operator_paused_stays_paused_when_its_owner_consents() -> None:
    grants = Grants()
    grants.connect()
    _, connected = reconnect(grants, state=AccountState.PAUSED)
    assert connected.account.state is AccountState.PAUSED
    assert grants.lifecycle().usable(connected.account, needed_for=45) == "access-2"


def test_connecting_again_keeps_name_aliases_and_limits() -> None:
    grants = Grants()
    kept: dict[str, Any] = {"display_name": "Ann", "aliases": ("a@example.org",), "limits": (("per_day", 5),)}
    grants.connect(state=AccountState.CONSENT_REQUIRED, **kept)
    _, connected = reconnect(grants)
    assert {name: getattr(connected.account, name) for name in kept} == kept


def test_scopes_are_wanted_as_the_registration_has_them_now() -> None:
    grants = Grants()
    grants.connect(scopes_wanted=("long.ago",))
    _, connected = reconnect(grants)
    assert (connected.missing, connected.account.scopes_wanted) == ((), ("openid", "mail.send"))


# --- crashes ----------------------------------------------------------------------------------------------------------


def crashing(point: tuple[int, bool] | None = None) -> tuple[Grants, Trap]:
    """Let the process die at one call of a callback, before or after its effect."""
    grants = Grants()
    grants.accounts.create(mailbox(state=AccountState.PENDING_CONSENT))
    flow = grants.consent()
    ticket = flow.begin(grants.now(), actor="key_1").rpartition("/")[2]
    trap = Trap()
    watch(grants, trap)
    grants.consents.faults = trap.named("consents")
    trap.at, trap.after_effect = point or (-1, False)
    state = state_of(ticket)
    if point is None:
        flow.finish({"state": state, "code": "c"})
    else:
        with pytest.raises(Crash):
            flow.finish({"state": state, "code": "c"})
        with pytest.raises(ConsentRefused) if point != (0, False) else nullcontext():
            flow.finish({"state": state, "code": "c"})
    return grants, trap


CALLS = crashing()[1].seen
POINTS = [(number, after) for number in range(len(CALLS)) for after in (False, True)]


@pytest.mark.parametrize("point", POINTS, ids=[f"{'after' if after else 'before'} {CALLS[n]}" for n, after in POINTS])
def test_a_crash_during_a_callback_leaves_a_mailbox_that_waits_or_one_that_sends(point: tuple[int, bool]) -> None:
    grants, _ = crashing(point)
    if grants.now().state is AccountState.ACTIVE:
        assert grants.lifecycle().usable(grants.now(), needed_for=45)
        return
    assert grants.now().state is AccountState.PENDING_CONSENT
    flow = grants.consent()
    ticket = flow.begin(grants.now(), actor="key_1").rpartition("/")[2]
    account = flow.finish({"state": state_of(ticket), "code": "c"}).account
    assert grants.lifecycle().usable(account, needed_for=45)


# --- how many grants a provider keeps ---------------------------------------------------------------------------------


def few(grants: Grants, most: int = 2, idle_life: float = 1000) -> None:
    """Let the provider keep few grants for one mailbox and client."""
    definition = replace(definition_of("oidc"), live_refresh_tokens=most, idle_life=idle_life)
    grants.definitions = lambda _: definition


def test_each_consent_counts_as_a_grant_until_the_provider_was_told_to_end_it() -> None:
    grants = Grants()
    few(grants)
    grants.connect()
    reconnect(grants)
    grants.clock.advance(10)
    reconnect(grants)
    assert grants.now().grants == (grants.clock() - 10, grants.clock())
    grants.revocation().revoke(grants.now(), actor="key_1", reason="requested")
    assert grants.now().grants == ()
    _, connected = reconnect(grants)
    assert len(connected.account.grants) == 1


def test_one_grant_too_many_is_refused_before_it_ends_the_oldest() -> None:
    grants = Grants()
    few(grants)
    now = grants.clock()
    grants.connect(grants=(now,))
    grants.registrations.create(registration(name="twin"))
    grants.accounts.create(replace(mailbox("twin"), address="Ann@Example.org", provider="twin", grants=(now,)))
    with pytest.raises(TooManyGrants) as refused:
        grants.consent().begin(grants.now(), actor="key_1")
    assert "2 refresh tokens" in refused.value.detail
    assert "accounts revoke" in refused.value.detail
    with pytest.raises(TooManyGrants):
        grants.device().begin(grants.now(), actor="key_1")
    assert grants.consents.consents == {}


@pytest.mark.parametrize("before", ["the page", "the callback"])
def test_a_grant_that_came_meanwhile_counts_too(before: str) -> None:
    grants = Grants()
    few(grants, most=1)
    grants.connect(state=AccountState.PENDING_CONSENT)
    flow = grants.consent()
    ticket = flow.begin(grants.now(), actor="key_1").rpartition("/")[2]
    grants.accounts.accounts[grants.now().id] = grants.now().changed(grants=(grants.clock(),))
    steps: dict[str, Callable[[], object]] = {
        "the page": lambda: flow.page(ticket, flow.tickets.find(ticket)),
        "the callback": lambda: flow.finish({"state": state_of(ticket), "code": "c"}),
    }
    with pytest.raises(ConsentRefused) as refused:
        steps[before]()
    assert (refused.value.reason, refused.value.status) == ("too_many_grants", 409)
    assert "redeem" not in grants.provider.faults.calls


@pytest.mark.parametrize(
    "changes",
    [
        {"grants": (1.0,), "token": TokenState(refreshed_at=1)},
        {"provider": "other-client"},
        {"provider": "gone"},
        {"address": "ben@example.org"},
    ],
)
def test_a_grant_that_died_of_idleness_or_is_anothers_does_not_count(changes: dict[str, Any]) -> None:
    grants = Grants()
    few(grants, most=1)
    grants.registrations.create(registration(name="other-client", client_id="client-2"))
    grants.accounts.create(mailbox("other", **({"address": "ann@example.org", "grants": (grants.clock(),)} | changes)))
    grants.connect(state=AccountState.PENDING_CONSENT)
    assert grants.consent().begin(grants.now(), actor="key_1")


def test_the_grant_that_is_used_lives_however_old_it_is() -> None:
    grants = Grants()
    few(grants, most=1)
    grants.connect(grants=(1.0,))
    with pytest.raises(TooManyGrants):
        grants.consent().begin(grants.now(), actor="key_1")
    few(grants, most=2)
    _, connected = reconnect(grants)
    assert len(connected.account.grants) == 2


def test_where_the_provider_keeps_all_only_the_newest_is_remembered() -> None:
    grants = Grants()
    grants.connect()
    reconnect(grants)
    grants.clock.advance(1)
    _, connected = reconnect(grants)
    assert connected.account.grants == (grants.clock(),)


def test_a_refresh_of_the_old_grant_does_not_store_its_tokens_over_the_new_ones() -> None:
    grants = Grants()
    grants.connect(ends_in=100)
    asked, opened = threading.Event(), threading.Event()
    slow = threading.Thread(target=lambda: refresh(grants, asked))

    def old_grant_is_being_used() -> None:
        asked.set()
        opened.wait(5)

    def begin() -> None:
        grants.provider.faults.before("refresh", old_grant_is_being_used)
        slow.start()
        asked.wait(5)

    grants.vault.faults.before("open", begin)
    grants.vault.faults.after("open", opened.set)
    _, connected = reconnect(grants)
    slow.join(5)
    stored = grants.vault.read(connected.account.id)
    assert stored is not None
    assert stored.version == grants.now().token.version
    assert stored.tokens.refresh_token == "refresh-2", "the one that the owner has just granted"


def refresh(grants: Grants, asked: threading.Event) -> None:
    """Refresh as the schedule does; whoever has to wait says so, for the token endpoint will not be asked."""

    def wait(_seconds: float) -> None:
        asked.set()
        time.sleep(0.01)

    account = grants.now()
    grants.lifecycle(wait).refresh(account.id, needed_until=account.token.expires_at + 1)


def test_a_mailbox_that_was_paused_when_its_grant_died_comes_back_paused() -> None:
    grants = Grants()
    grants.connect(state=AccountState.PAUSED, ends_in=10)
    grants.provider.refresh_tokens.clear()
    with pytest.raises(GrantDead):
        grants.lifecycle().usable(grants.now(), needed_for=45)
    assert grants.now().state is AccountState.CONSENT_REQUIRED
    _, connected = reconnect(grants)
    assert connected.account.state is AccountState.PAUSED
    assert grants.directory().resume(connected.account, ADMIN).state is AccountState.ACTIVE


def test_an_address_that_becomes_the_mailbox_only_when_made_small_is_another_mailbox() -> None:
    grants = Grants()
    grants.connect(state=AccountState.CONSENT_REQUIRED, address="kim@example.org")
    grants.provider.userinfo = lambda *_: {"email": "\N{KELVIN SIGN}im@example.org"}  # type: ignore[method-assign]
    with pytest.raises(ConsentRefused) as refused:
        reconnect(grants)
    assert refused.value.reason == "identity_mismatch"
