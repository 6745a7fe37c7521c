"""Refreshing (semantics.md, Refreshing): one at a time over all processes, stored before it is used, never lost."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.account import AccountState
from mailbearer.errors import (
    ClientRefused,
    GrantDead,
    GrantRefused,
    RefreshDeferred,
    SecretMissing,
    TokenAnswerInvalid,
    TokenAnswerLost,
    TokenEndpointBusy,
    TokenError,
    Unavailable,
)
from mailbearer.refreshing.lease import LEASE_SECONDS, WRITE_BURST, WRITE_EVERY
from mailbearer.refreshing.lifecycle import FORCED_EVERY
from mailbearer.refreshing.token_cache import TokenCache
from mailbearer.token import StoredToken, TokenSet, planned_version
from tests.fakes import ScriptedAuthorizationServer
from tests.fakes.events import facts
from tests.unit.grants import REGISTRATION, Grants, Waiting, answer

if TYPE_CHECKING:
    from mailbearer.ports.provider import TokenAnswer
    from mailbearer.refreshing.lifecycle import Lifecycle

DAY = 86_400


def scripted(*scenes: TokenAnswer | Exception, ends_in: float = -1) -> tuple[Grants, ScriptedAuthorizationServer]:
    server = ScriptedAuthorizationServer(refresh=scenes)
    grants = Grants(server)
    grants.connect(ends_in=ends_in)
    return grants, server


# --- the steady state -------------------------------------------------------------------------------------------------


def test_the_steady_state_calls_nobody() -> None:
    grants = Grants()
    process = grants.lifecycle()
    account = grants.connect()
    first = process.usable(account, needed_for=45)
    counted = [grants.accounts.faults, grants.vault.faults, grants.credentials.faults, grants.provider.faults]
    before = [len(faults.calls) for faults in counted]
    for _ in range(100):
        account = grants.accounts.get(account.id) or account  # the one account read, which delivery does
        assert process.usable(account, needed_for=45) == first
    assert [len(faults.calls) for faults in counted] == [before[0] + 100, *before[1:]]


def test_a_new_process_reads_the_secret_once_and_asks_no_provider() -> None:
    grants = Grants()
    account = grants.connect()
    before = len(grants.vault.faults.calls)
    process = grants.lifecycle()
    assert {process.usable(account, needed_for=45) for _ in range(5)} == {"access-1"}
    assert grants.vault.faults.calls[before:] == ["read"]
    assert grants.provider.faults.calls == []


def test_a_token_that_ends_before_the_call_could_is_refreshed() -> None:
    grants = Grants()
    account = grants.connect(ends_in=40)
    token = grants.lifecycle().usable(account, needed_for=45)
    assert grants.provider.takes(token)
    assert token == "access-2"


def test_a_warm_process_notices_that_another_has_refreshed() -> None:
    grants = Grants()
    account = grants.connect()
    warm, other = grants.lifecycle(), grants.lifecycle()
    warm.usable(account, needed_for=45)
    other.refresh(account.id, needed_until=account.token.expires_at + 1)
    assert warm.usable(grants.now(), needed_for=45) == "access-2"


@pytest.mark.parametrize("state", [AccountState.REVOKED, AccountState.CONSENT_REQUIRED, AccountState.PENDING_CONSENT])
def test_a_warm_process_gives_nothing_out_for_a_mailbox_that_may_not_send(state: AccountState) -> None:
    grants = Grants()
    process = grants.lifecycle()
    account = grants.connect()
    process.usable(account, needed_for=45)
    shut = replace(account, state=state)
    grants.accounts.accounts[account.id] = shut
    with pytest.raises(GrantDead):
        process.usable(shut, needed_for=45)


# --- one at a time ----------------------------------------------------------------------------------------------------


def test_fifty_senders_in_five_processes_make_one_token_request() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    waiting = Waiting()
    grants.provider.faults.before("refresh", lambda: waiting.until(4))  # the other processes wait for the lease
    processes = [grants.lifecycle(waiting) for _ in range(5)]
    with ThreadPoolExecutor(50) as pool:
        tokens = list(pool.map(lambda number: processes[number % 5].usable(account, needed_for=45), range(50)))
    assert grants.provider.faults.calls == ["refresh"]
    assert set(tokens) == {"access-2"}
    assert grants.vault.puts == [(account.id, "first-ann"), (account.id, planned_version(account.id, 2))]
    assert grants.now().token.lease_owner == ""


def test_who_finds_the_lease_taken_waits_and_uses_the_holders_token() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    holder = grants.lifecycle()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            grants.change(lease_until=0)
            holder.refresh(account.id, needed_until=grants.clock())

    grants.change(lease_owner="holder", lease_until=grants.clock() + LEASE_SECONDS)
    assert grants.lifecycle(sleep).usable(account, needed_for=45) == "access-2"
    assert grants.provider.faults.calls == ["refresh"]


def test_who_waits_reads_the_secret_only_when_the_account_says_that_it_has_changed() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1, token={"lease_owner": "holder", "lease_until": 1_750_000_060.0})
    holder, slept = grants.lifecycle(), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        grants.clock.advance(seconds)
        if len(slept) == 5:
            assert grants.vault.faults.calls == ["open"]
            grants.change(lease_until=0)
            holder.refresh(account.id, needed_until=grants.clock())
            grants.vault.faults.calls.clear()

    assert grants.lifecycle(sleep).usable(account, needed_for=45) == "access-2"
    assert grants.vault.faults.calls == ["read"]


def test_a_secret_that_holds_less_than_the_account_promises_is_read_once_while_waiting() -> None:
    """A token beyond the write budget lives in its process alone, while the account tells of its end."""
    grants = Grants()
    account = grants.connect(ends_in=-1, token={"lease_owner": "slow", "lease_until": 1_750_000_060.0})
    grants.change(expires_at=grants.clock() + 3600)
    with pytest.raises(RefreshDeferred):
        grants.lifecycle().usable(account, needed_for=45)
    assert grants.vault.faults.calls == ["open", "read"]


def test_who_waits_looks_ever_more_rarely_each_by_his_own_chance_and_again_when_the_lease_lapses() -> None:
    pauses: list[list[float]] = []
    grants = Grants()
    account = grants.connect(ends_in=-1, token={"lease_owner": "dead", "lease_until": 1_750_000_012.0})
    for _ in range(2):
        pauses.append([])

        def sleep(seconds: float, mine: list[float] = pauses[-1]) -> None:
            mine.append(seconds)
            grants.clock.advance(seconds)

        grants.clock.now = 1_750_000_000.0
        grants.lifecycle(sleep).usable(account, needed_for=45)
        grants.change(version="first-ann", lease_owner="dead", lease_until=1_750_000_012.0, expires_at=0)
    for mine in pauses:
        assert sum(mine) == pytest.approx(12)
        assert all(low / 2 <= pause <= low for pause, low in zip(mine[:4], (0.25, 0.5, 1, 2), strict=False))
        assert len(mine) <= 12
    assert pauses[0] != pauses[1]


def test_a_lease_that_has_lapsed_is_taken_over_with_the_next_fence() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1, token={"fence": 7, "lease_owner": "dead", "lease_until": 1_750_000_005.0})
    assert grants.lifecycle().usable(account, needed_for=45) == "access-2"
    assert grants.clock() >= 1_750_000_005.0
    assert grants.now().token.fence == 8


def test_who_waits_too_long_uses_the_old_token_while_it_lives() -> None:
    grants = Grants()
    account = grants.connect(ends_in=40, token={"lease_owner": "slow", "lease_until": 1_750_000_060.0})
    assert grants.lifecycle().usable(account, needed_for=45) == "access-1"
    assert grants.provider.faults.calls == []


def test_who_waits_too_long_for_a_dead_token_is_told_when_to_come_again() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1, token={"lease_owner": "slow", "lease_until": 1_750_000_060.0})
    with pytest.raises(RefreshDeferred) as deferred:
        grants.lifecycle().usable(account, needed_for=45)
    assert deferred.value.retry_at == 1_750_000_060.0


def test_a_lease_write_that_somebody_else_beat_is_no_lease() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    other = grants.lifecycle()
    grants.accounts.faults.before("replace", lambda: other.refresh(account.id, needed_until=grants.clock()))
    assert grants.lifecycle().usable(account, needed_for=45) == "access-2"
    assert grants.provider.faults.calls == ["refresh"]


# --- storing ----------------------------------------------------------------------------------------------------------


def test_the_token_is_stored_under_the_planned_version_before_the_lease_is_let_go() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    seen: list[tuple[str, str]] = []
    grants.vault.faults.after(
        "store", lambda: seen.append((grants.now().token.planned_version, grants.now().token.version))
    )
    grants.lifecycle().usable(account, needed_for=45)
    planned = planned_version(account.id, 2)
    assert seen == [(planned, "first-ann")]
    assert grants.now().token.version == planned
    assert grants.secret().refresh_token == "refresh-2"


def test_a_put_that_fails_is_repeated_and_the_same_put_twice_is_one() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    grants.vault.faults.after("store", Unavailable("answer lost"))
    grants.vault.faults.before("store", lambda: None)
    grants.vault.faults.before("store", Unavailable("throttled"), times=2)
    assert grants.lifecycle().usable(account, needed_for=45) == "access-2"
    assert grants.vault.faults.calls.count("store") == 4
    assert len(grants.vault.secrets[account.id].versions) == 2


def test_a_vault_that_stays_away_ends_the_puts_within_the_lease() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    grants.vault.faults.before("store", Unavailable("away"), times=1000)
    began = grants.clock()
    with pytest.raises(Unavailable):
        grants.lifecycle().usable(account, needed_for=45)
    assert grants.clock() - began < LEASE_SECONDS


def test_what_a_crashed_holder_stored_is_adopted_without_a_second_call() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1, token={"fence": 2, "lease_owner": "dead", "lease_until": 1_749_999_999.0})
    left = grants.provider.grant()
    version = planned_version(account.id, 2)
    tokens = TokenSet(
        access_token=left.access_token,
        refresh_token=left.refresh_token,
        expires_at=grants.clock() + 3600,
        obtained_at=grants.clock(),
        scope="mail.send",
    )
    grants.vault.store(account.id, tokens, version)
    process = grants.lifecycle()
    assert process.usable(account, needed_for=45) == left.access_token
    assert grants.provider.faults.calls == []
    assert (grants.now().token.version, grants.now().token.lease_owner) == (version, "")
    assert "token.adopted adopted" in grants.actions(process)


def test_an_answer_without_a_refresh_token_keeps_the_old_one() -> None:
    grants = Grants(rotating=False)
    account = grants.connect(ends_in=-1)
    process = grants.lifecycle()
    for _ in range(3):
        token = process.usable(grants.now(), needed_for=45)
        assert grants.provider.takes(token)
        grants.clock.advance(3600)
    assert grants.secret().refresh_token == "refresh-1"
    assert account.id == grants.now().id


def test_a_narrowed_scope_is_recorded_told_and_asked_for_from_then_on() -> None:
    grants, server = scripted(answer(2, scope="openid"), answer(3))
    process = grants.lifecycle()
    process.usable(grants.now(), needed_for=45)
    assert grants.now().scopes_granted == ("openid",)
    grants.actions(process)
    (event,) = [event for event in grants.log.events if event.action == "token.refreshed"]
    assert dict(event.facts)["scope_missing"] == "mail.send"
    grants.clock.advance(3600)
    process.usable(grants.now(), needed_for=45)
    assert [asked["scope"] for _, asked in server.asked] == ["openid mail.send", "openid"]


def test_a_changed_mailbox_keeps_its_change_through_a_refresh() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)

    def rename() -> None:
        grants.accounts.accounts[account.id] = grants.now().changed(display_name="Ann")

    grants.provider.faults.after("refresh", rename)
    grants.lifecycle().usable(account, needed_for=45)
    assert grants.now().display_name == "Ann"
    assert grants.now().token.version == planned_version(account.id, 2)


def test_the_intent_is_in_the_audit_log_before_the_call() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    seen: list[list[str]] = []
    grants.provider.faults.before("refresh", lambda: seen.append(list(grants.log.actions)))
    process = grants.lifecycle()
    process.usable(account, needed_for=45)
    assert seen == [["token.refresh intended"]]
    assert grants.actions(process) == ["token.refresh intended", "token.refreshed refreshed"]


def test_no_token_is_in_the_audit_log_the_events_or_the_table() -> None:
    grants = Grants()
    grants.connect(ends_in=-1)
    process = grants.lifecycle()
    process.usable(grants.now(), needed_for=45)
    grants.revocation().revoke(grants.now(), actor="key_1", reason="requested")
    grants.actions(process)
    told = repr((grants.log.streams, grants.events.published, grants.accounts.accounts))
    assert [token for token in grants.provider.given if token in told] == []


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_refused_grant_asks_for_consent_with_an_event_and_an_audit_event() -> None:
    grants, _ = scripted(GrantRefused("revoked by its owner"))
    process = grants.lifecycle()
    with pytest.raises(GrantDead) as dead:
        process.usable(grants.now(), needed_for=45)
    account = grants.now()
    assert dead.value.reason == account.reason == "grant_expired_or_revoked"
    assert account.state is AccountState.CONSENT_REQUIRED
    assert (account.token.lease_owner, account.token.due_at) == ("", 0)
    about = {"account": account.id, "address": "ann@example.org", "provider": account.provider}
    assert facts(grants.events.published) == [("token.rejected", about | {"reason": "grant_expired_or_revoked"})]
    assert "token.rejected rejected" in grants.log.actions


def test_a_dead_grant_is_not_asked_about_again() -> None:
    grants, server = scripted(GrantRefused("revoked"))
    for _ in range(3):
        with pytest.raises(GrantDead):
            grants.lifecycle().usable(grants.now(), needed_for=45)
    assert server.calls["refresh"] == 1


def test_an_event_bus_that_is_down_changes_nothing() -> None:
    grants, _ = scripted(GrantRefused("revoked"))
    grants.events.faults.before("publish", Unavailable("bus"))
    process = grants.lifecycle()
    with pytest.raises(GrantDead):
        process.usable(grants.now(), needed_for=45)
    assert grants.now().state is AccountState.CONSENT_REQUIRED
    assert "event.unpublished failed" in grants.actions(process)


def test_invalid_grant_after_somebody_else_stored_a_newer_token_is_no_death() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)

    def overtake() -> None:
        # Our call hung for longer than the lease; another process took over and was done before our answer came.
        grants.clock.advance(LEASE_SECONDS + 1)
        grants.lifecycle().refresh(account.id, needed_until=grants.clock())

    grants.provider.faults.before("refresh", overtake)
    assert grants.lifecycle().usable(account, needed_for=45) == "access-2"
    assert grants.provider.faults.calls == ["refresh", "refresh"]
    assert grants.now().state is AccountState.ACTIVE
    assert grants.events.published == []


def test_invalid_grant_while_the_same_lease_stands_re_reads_the_secret_first() -> None:
    grants, _ = scripted(GrantRefused("too late"))
    account = grants.now()
    newer = replace(grants.secret(), access_token="newer", expires_at=grants.clock() + 3600)
    grants.vault.faults.after("read", lambda: None, times=2)
    grants.vault.faults.after("read", lambda: None)
    # A put that hung comes through between our call and the look before the verdict.
    grants.credentials.faults.before("read", lambda: grants.vault.store(account.id, newer, "late-put"))
    assert grants.lifecycle().usable(account, needed_for=45) == "newer"
    assert grants.now().token.version == "late-put"
    assert grants.now().state is AccountState.ACTIVE


def test_a_doubtful_refusal_gets_one_late_retry() -> None:
    doubtful = GrantRefused("AADSTS70000", error_codes=(70000,))
    grants, server = scripted(doubtful, doubtful)
    with pytest.raises(RefreshDeferred) as deferred:
        grants.lifecycle().usable(grants.now(), needed_for=45)
    assert grants.now().state is AccountState.ACTIVE
    grants.clock.now = deferred.value.retry_at
    with pytest.raises(GrantDead):
        grants.lifecycle().usable(grants.now(), needed_for=45)
    assert server.calls["refresh"] == 2


@pytest.mark.parametrize("number", [50196, 50013])
def test_a_refusal_that_is_about_us_never_kills_a_grant(number: int) -> None:
    grants, server = scripted(*[GrantRefused("loop", error_codes=(number,)) for _ in range(4)])
    for _ in range(4):
        with pytest.raises(RefreshDeferred) as deferred:
            grants.lifecycle().usable(grants.now(), needed_for=45)
        grants.clock.now = max(grants.clock.now, deferred.value.retry_at) + 1
    assert server.calls["refresh"] == 4
    assert grants.now().state is AccountState.ACTIVE


def test_a_refused_registration_asks_nobody_to_reconnect() -> None:
    grants, server = scripted(ClientRefused("secret expired"))
    process = grants.lifecycle()
    with pytest.raises(ClientRefused):
        process.usable(grants.now(), needed_for=45)
    account = grants.now()
    assert account.state is AccountState.ACTIVE
    assert account.token.lease_owner == ""
    assert account.token.due_at == account.token.backoff_until == grants.clock() + 300
    assert [name for name, _ in grants.events.published] == ["registration.refused"]
    assert "registration.refused refused" in grants.actions(process)
    with pytest.raises(RefreshDeferred):
        process.usable(account, needed_for=45)
    assert server.calls["refresh"] == 1


@pytest.mark.parametrize("missing", ["registration", "client_secret"])
def test_a_registration_that_is_gone_backs_off_as_a_refused_one(missing: str) -> None:
    grants = Grants()
    grants.connect(ends_in=-1)
    if missing == "registration":
        grants.registrations.registrations.clear()
    else:
        grants.credentials.secrets.clear()
    with pytest.raises(ClientRefused):
        grants.lifecycle().usable(grants.now(), needed_for=45)
    assert grants.now().state is AccountState.ACTIVE
    assert grants.now().token.lease_owner == ""
    assert grants.now().token.due_at == grants.clock() + 300
    assert grants.provider.faults.calls == []


def test_a_mailbox_without_a_secret_has_to_be_connected_again() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    grants.vault.secrets.clear()
    with pytest.raises(GrantDead) as dead:
        grants.lifecycle().usable(account, needed_for=45)
    assert dead.value.reason == "secret_missing"


def test_a_token_that_the_mail_side_refused_is_given_out_by_nobody_though_the_new_one_could_not_be_stored() -> None:
    grants = Grants(rotating=False)
    account = grants.connect(token={"write_allowance_at": grants.clock() + 9_999})
    first, second = grants.lifecycle(), grants.lifecycle()
    assert second.usable(account, needed_for=45) == "access-1"
    grants.clock.advance(1)
    assert first.force_refresh(account.id)
    assert grants.now().token.version == account.token.version, "the secret's write budget is spent"
    tokens = {process.usable(grants.now(), needed_for=45) for process in (first, second, grants.lifecycle())}
    assert "access-1" not in tokens


# --- no answer --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [TokenEndpointBusy("503"), TokenAnswerInvalid("no access_token"), TokenError("?")])
def test_the_old_token_serves_while_the_provider_cannot_answer(trouble: TokenError) -> None:
    grants, server = scripted(trouble, ends_in=40)
    process = grants.lifecycle()
    assert {process.usable(grants.now(), needed_for=45) for _ in range(5)} == {"access-1"}
    assert server.calls["refresh"] == 1
    assert grants.now().token.backoff_until > grants.clock()
    grants.clock.advance(39)
    grants.change(backoff_until=grants.clock() + 10)
    with pytest.raises(RefreshDeferred) as deferred:
        process.usable(grants.now(), needed_for=45)
    assert deferred.value.retry_at == grants.clock() + 10


def test_backoff_doubles_with_jitter_up_to_a_quarter_of_an_hour_and_ends_with_success() -> None:
    grants, _ = scripted(*[TokenEndpointBusy("503") for _ in range(9)], answer(2))
    waits = []
    for _ in range(9):
        with pytest.raises(RefreshDeferred) as deferred:
            grants.lifecycle().usable(grants.now(), needed_for=45)
        waits.append(deferred.value.retry_at - grants.clock())
        grants.clock.now = deferred.value.retry_at
    ceilings = [min(900, 15 * 2**failures) for failures in range(9)]
    assert all(ceiling / 2 <= wait <= ceiling for wait, ceiling in zip(waits, ceilings, strict=True)), waits
    assert grants.lifecycle().usable(grants.now(), needed_for=45) == "access-2"
    assert (grants.now().token.failures, grants.now().token.backoff_until) == (0, 0)


def test_retry_after_is_obeyed_up_to_an_hour() -> None:
    grants, _ = scripted(
        TokenEndpointBusy("429", retry_after=120), TokenEndpointBusy("429", retry_after=86_400), ends_in=-1
    )
    for expected in (120, 3600):
        with pytest.raises(RefreshDeferred) as deferred:
            grants.lifecycle().usable(grants.now(), needed_for=45)
        assert deferred.value.retry_at == grants.clock() + expected
        grants.clock.now = deferred.value.retry_at


def test_a_retry_after_of_nothing_does_not_shorten_the_backoff() -> None:
    grants, _ = scripted(TokenEndpointBusy("429", retry_after=0))
    with pytest.raises(RefreshDeferred) as deferred:
        grants.lifecycle().usable(grants.now(), needed_for=45)
    assert deferred.value.retry_at >= grants.clock() + 7.5


def test_a_lost_answer_is_asked_for_once_more_after_a_pause_with_the_same_token() -> None:
    grants, server = scripted(TokenAnswerLost("cut"), answer(2), ends_in=60)
    process = grants.lifecycle()
    grants.clock.advance(20)
    assert process.usable(grants.now(), needed_for=45) == "access-1"
    assert grants.now().token.backoff_until == grants.clock() + 30
    grants.clock.advance(30)
    assert process.usable(grants.now(), needed_for=45) == "access-2"
    assert [asked["refresh_token"] for _, asked in server.asked] == ["refresh-1", "refresh-1"]
    assert grants.now().token.answer_lost_at == 0


def test_an_answer_without_a_token_may_have_held_the_next_refresh_token() -> None:
    grants, _ = scripted(TokenAnswerInvalid("no access_token"), GrantRefused("no such token"))
    with pytest.raises(RefreshDeferred) as deferred:
        grants.lifecycle().usable(grants.now(), needed_for=45)
    assert deferred.value.retry_at == grants.clock() + 30
    grants.clock.now = deferred.value.retry_at
    with pytest.raises(GrantDead) as dead:
        grants.lifecycle().usable(grants.now(), needed_for=45)
    assert dead.value.reason == "rotation_lost_or_revoked"


def test_answers_that_are_lost_again_and_again_are_asked_for_ever_more_seldom() -> None:
    grants, _ = scripted(*[TokenAnswerLost("cut") for _ in range(6)])
    waits = []
    for _ in range(6):
        with pytest.raises(RefreshDeferred) as deferred:
            grants.lifecycle().usable(grants.now(), needed_for=45)
        waits.append(deferred.value.retry_at - grants.clock())
        grants.clock.now = deferred.value.retry_at
    assert (waits[0], waits[-1] >= 240) == (30, True)


def test_a_call_that_was_never_made_is_no_lost_answer() -> None:
    grants, server = scripted(answer(2), ends_in=-1)
    grants.credentials.faults.before("read", Unavailable("throttled"))
    with pytest.raises(RefreshDeferred):
        grants.lifecycle().usable(grants.now(), needed_for=45)
    state = grants.now().token
    assert (server.calls["refresh"], state.answer_lost_at, state.lease_owner) == (0, 0, "")


def test_a_lost_answer_and_then_invalid_grant_says_that_the_rotation_may_be_lost() -> None:
    grants, _ = scripted(TokenAnswerLost("cut"), GrantRefused("no such token"))
    with pytest.raises(RefreshDeferred) as deferred:
        grants.lifecycle().usable(grants.now(), needed_for=45)
    grants.clock.now = deferred.value.retry_at
    with pytest.raises(GrantDead) as dead:
        grants.lifecycle().usable(grants.now(), needed_for=45)
    assert dead.value.reason == grants.now().reason == "rotation_lost_or_revoked"


# --- overtaken --------------------------------------------------------------------------------------------------------


def revoke_mailbox(grants: Grants) -> None:
    grants.revocation().revoke(grants.now(), actor="key_1", reason="requested")


@pytest.mark.parametrize("moment", ["during the call", "before the put", "after the put"])
def test_a_token_that_comes_after_the_revocation_goes_back_to_the_provider(moment: str) -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    if moment == "during the call":
        grants.provider.faults.after("refresh", lambda: revoke_mailbox(grants))
    elif moment == "before the put":
        grants.vault.faults.before("store", lambda: revoke_mailbox(grants))
    else:
        grants.vault.faults.after("store", lambda: revoke_mailbox(grants))
    process = grants.lifecycle()
    with pytest.raises(GrantDead):
        process.usable(account, needed_for=45)
    assert grants.now().state is AccountState.REVOKED
    assert grants.provider.refresh_tokens == set()
    assert "refresh-2" in grants.provider.revoked
    assert grants.vault.read(account.id) is None
    assert "token.refreshed refreshed" not in grants.actions(process)


def test_a_provider_that_cannot_take_the_late_token_back_is_audited() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    grants.provider.faults.after("refresh", lambda: revoke_mailbox(grants))
    grants.provider.faults.before("revoke", lambda: None, times=2)
    grants.provider.faults.before("revoke", TokenEndpointBusy("503"))
    process = grants.lifecycle()
    with pytest.raises(GrantDead):
        process.usable(account, needed_for=45)
    assert "token.revoke_failed failed" in grants.actions(process)
    assert grants.vault.read(account.id) is None


def test_a_secret_that_vanished_during_the_call_defers() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    grants.vault.faults.before("store", SecretMissing("deleted by hand"))
    with pytest.raises(RefreshDeferred):
        grants.lifecycle().usable(account, needed_for=45)
    assert grants.now().state is AccountState.ACTIVE


def test_who_was_overtaken_after_his_call_stores_nothing() -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    grants.provider.faults.after("refresh", lambda: grants.change(fence=9, lease_owner="other"))
    with pytest.raises(RefreshDeferred):
        grants.lifecycle().usable(account, needed_for=45)
    assert grants.secret().refresh_token == "refresh-1"
    assert grants.now().token.fence == 9
    assert grants.provider.revoked == []


@pytest.mark.parametrize("trouble", [TokenEndpointBusy("503"), GrantRefused("gone"), ClientRefused("who?")])
def test_a_refusal_for_a_mailbox_that_was_revoked_meanwhile_changes_nothing(trouble: TokenError) -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    grants.provider.faults.before("refresh", lambda: revoke_mailbox(grants))
    server = ScriptedAuthorizationServer(refresh=[trouble], revoke=[True, True])

    def refuse() -> TokenAnswer:
        revoke_mailbox(grants)
        raise trouble

    server.scripts["refresh"][0] = refuse
    grants._server = server  # noqa: SLF001 - the provider of this test refuses
    with pytest.raises((GrantDead, ClientRefused)):
        grants.lifecycle().usable(account, needed_for=45)
    assert grants.now().state is AccountState.REVOKED
    assert grants.now().reason == "requested"


# --- forced -----------------------------------------------------------------------------------------------------------


def test_a_refused_token_earns_one_refresh_in_five_minutes() -> None:
    grants = Grants()
    account = grants.connect()
    process, other = grants.lifecycle(), grants.lifecycle()
    assert process.force_refresh(account.id)
    assert process.usable(grants.now(), needed_for=45) == "access-2"
    for each in (process, other):
        assert not each.may_force(grants.now())
        assert not each.force_refresh(account.id)
    grants.clock.advance(FORCED_EVERY)
    assert other.force_refresh(account.id)
    assert grants.provider.faults.calls == ["refresh", "refresh"]


@pytest.mark.parametrize("rotating", [True, False])
def test_twenty_threads_that_were_refused_make_one_forced_refresh(rotating: bool) -> None:
    grants = Grants(rotating=rotating)
    account = grants.connect(token={"write_allowance_at": 1_750_000_000.0 + WRITE_BURST + WRITE_EVERY})
    process = grants.lifecycle(Waiting())
    with ThreadPoolExecutor(20) as pool:
        forced = list(pool.map(lambda _: process.force_refresh(account.id), range(20)))
    assert sum(forced) == 1
    assert grants.provider.faults.calls == ["refresh"]


def test_a_forced_refresh_uses_what_another_process_has_refreshed_already() -> None:
    grants = Grants()
    account = grants.connect()
    process = grants.lifecycle()
    stored = grants.lifecycle().refresh(account.id, needed_until=account.token.expires_at + 1)
    again = process.refresh(account.id, needed_until=0, refused_version=account.token.version)
    assert again == stored
    assert grants.provider.faults.calls == ["refresh"]


@pytest.mark.parametrize(
    "trouble",
    [TokenEndpointBusy("503"), GrantRefused("gone"), GrantRefused("loop", error_codes=(50196,)), ClientRefused("who")],
)
def test_a_forced_refresh_that_fails_never_gives_the_refused_token_out_as_new(trouble: TokenError) -> None:
    grants, _ = scripted(trouble, ends_in=3600)
    assert not grants.lifecycle().force_refresh(grants.now().id)
    assert grants.now().token.forced_at == grants.clock()


def test_an_unknown_mailbox_is_not_refreshed() -> None:
    assert not Grants().lifecycle().force_refresh("acc_unknown")


# --- the write budget of a secret -------------------------------------------------------------------------------------


def sustained_writes_allowed(seconds: float) -> float:
    return seconds / WRITE_EVERY + WRITE_BURST / WRITE_EVERY + 1


@pytest.mark.parametrize(
    "life", [pytest.param(60, marks=pytest.mark.slow), 300, pytest.param(3600, marks=pytest.mark.slow)]
)
def test_the_schedule_keeps_to_the_write_budget_for_seven_days(life: float) -> None:
    grants = Grants(rotating=False, life=life)
    grants.connect()
    rotation = grants.rotation()
    puts = len(grants.vault.puts)
    for _ in range(7 * DAY // 300):
        summary = rotation.run(deadline=grants.clock() + 290)
        assert summary.failed == 0
        grants.clock.advance(300)
    assert len(grants.vault.puts) - puts <= sustained_writes_allowed(7 * DAY)
    refreshes = grants.provider.faults.calls.count("refresh")
    assert refreshes >= 7 * DAY / max(life, WRITE_EVERY) * 0.9
    # A token that may not be stored is of no use to the senders, so the schedule asks for none.
    assert refreshes == len(grants.vault.puts) - puts


@pytest.mark.parametrize("days", [1, pytest.param(7, marks=pytest.mark.slow)])
def test_a_sender_with_tokens_of_a_minute_keeps_to_the_write_budget_too(days: int) -> None:
    grants = Grants(rotating=False, life=60)
    grants.connect()
    sender, rotation = grants.lifecycle(), grants.rotation()
    puts = len(grants.vault.puts)
    for step in range(days * DAY // 120):
        if step % 3 == 0:
            rotation.run(deadline=grants.clock() + 290)
        assert grants.provider.takes(sender.usable(grants.now(), needed_for=25))
        grants.clock.advance(120)
    assert len(grants.vault.puts) - puts <= sustained_writes_allowed(days * DAY)


def test_a_changed_refresh_token_is_written_at_once_whatever_the_budget() -> None:
    grants = Grants(rotating=True, life=60)
    account = grants.connect(ends_in=-1)
    process = grants.lifecycle()
    for number in range(10):
        process.usable(grants.now(), needed_for=45)
        assert grants.secret().refresh_token == f"refresh-{number + 2}"
        grants.clock.advance(60)
    assert account.id == grants.now().id


def test_a_token_beyond_the_write_budget_serves_its_process_alone() -> None:
    grants = Grants(rotating=False, life=60)
    grants.connect(ends_in=-1, token={"write_allowance_at": 1_750_000_000.0 + 2 * WRITE_BURST})
    process, other = grants.lifecycle(), grants.lifecycle()
    first = process.usable(grants.now(), needed_for=30)
    assert process.usable(grants.now(), needed_for=30) == first
    second = other.usable(grants.now(), needed_for=30)
    assert second != first
    assert grants.provider.takes(first)
    assert grants.provider.takes(second)
    assert grants.secret().access_token == "access-1"


def _token_set(grants: Grants) -> TokenSet:
    return TokenSet(
        access_token="a", refresh_token="r", expires_at=grants.clock(), obtained_at=grants.clock(), scope="mail.send"
    )


# --- the cache --------------------------------------------------------------------------------------------------------


def test_the_cache_gives_a_version_that_was_asked_for_and_no_other() -> None:
    cache, tokens = TokenCache(), _token_set(Grants())
    cache.put("acc_1", StoredToken(tokens, "v1"))
    assert cache.get("acc_1", "v1") is tokens
    assert cache.get("acc_1", "v2") is None
    cache.drop("acc_1")
    assert cache.get("acc_1", "v1") is None


def test_the_cache_forgets_the_oldest_rather_than_grow() -> None:
    cache, tokens = TokenCache(), _token_set(Grants())
    for number in range(1001):
        cache.put(f"acc_{number}", StoredToken(tokens, "v1"))
    assert cache.get("acc_0", "v1") is None
    assert cache.get("acc_1000", "v1") is tokens


def test_no_token_prints() -> None:
    grants = Grants()
    grants.connect()
    shown = repr((grants.secret(), answer(), StoredToken(grants.secret(), "v"), REGISTRATION))
    assert "access-1" not in shown
    assert "refresh-1" not in shown


def test_of_many_processes_one_has_the_forced_refresh_also_when_the_write_budget_is_spent() -> None:
    grants = Grants(rotating=False)
    account = grants.connect(token={"write_allowance_at": grants.clock() + 10 * WRITE_EVERY})
    processes = [grants.lifecycle(lambda _: time.sleep(0.001)) for _ in range(6)]
    ready = threading.Barrier(len(processes))

    def force(process: Lifecycle) -> bool:
        wanted = grants.now().token.version
        ready.wait(5)
        try:
            process.refresh(account.id, needed_until=0, refused_version=wanted)
        except RefreshDeferred:
            return False
        return True

    with ThreadPoolExecutor(len(processes)) as pool:
        assert sorted(pool.map(force, processes)) == [False] * 5 + [True]
    assert grants.provider.faults.calls.count("refresh") == 1


@pytest.mark.parametrize("looks_before", [1, 2])
def test_a_vault_that_fails_before_or_after_the_call_does_not_make_its_answer_a_lost_one(looks_before: int) -> None:
    grants = Grants()
    account = grants.connect(ends_in=-1)
    grants.provider.refresh_tokens.clear()
    grants.vault.faults.before("read", lambda: None, times=looks_before)
    grants.vault.faults.before("read", Unavailable("throttled"))
    with pytest.raises((Unavailable, RefreshDeferred)):
        grants.lifecycle().refresh(account.id, needed_until=grants.clock() + 60)
    assert not grants.now().token.lease_owner
    grants.clock.advance(3600)
    with pytest.raises(GrantDead) as dead:
        grants.lifecycle().refresh(account.id, needed_until=grants.clock() + 60)
    assert dead.value.reason == "grant_expired_or_revoked", "and not rotation_lost_or_revoked"
