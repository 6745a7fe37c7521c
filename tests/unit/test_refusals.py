"""What becomes of lease, grant and whoever waits when no new token comes (semantics.md, Refreshing, 6 and 7)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.errors import (
    ClientRefused,
    GrantDead,
    GrantRefused,
    RefreshDeferred,
    TokenAnswerLost,
    TokenEndpointBusy,
    TokenError,
)
from mailbearer.providers import definition_of
from mailbearer.token import TokenState
from tests.fakes import ScriptedAuthorizationServer
from tests.fakes.events import facts
from tests.unit.grants import Grants, answer

if TYPE_CHECKING:
    from mailbearer.ports.provider import TokenAnswer

DAY = 86_400.0
DOUBTFUL = GrantRefused("AADSTS70000", error_codes=(70000,), raw="invalid_grant/70000")
BUSY = TokenEndpointBusy("503")
SECRET_EXPIRED = ClientRefused("expired", finding="client_secret_expired", raw="invalid_client/7000222")
DISABLED = GrantRefused("disabled", finding="service_account_disabled", raw="invalid_grant")


def scripted(*scenes: TokenAnswer | Exception, ends_in: float = -1, unattended: bool = False) -> Grants:
    script: dict[str, Any] = {"client_credentials" if unattended else "refresh": scenes}
    grants = Grants(ScriptedAuthorizationServer(**script), unattended=unattended)
    grants.connect(ends_in=ends_in)
    return grants


def asked(grants: Grants) -> int:
    """Give how many token calls there were."""
    calls = grants.server().calls  # type: ignore[attr-defined]  # the scripted one counts
    return int(calls["refresh"] + calls["client_credentials"])


def try_until_dead_or_given(grants: Grants, times: int) -> list[str]:
    """Ask for a token as soon as one may, so many times; gives what came of each."""
    ends = []
    for _ in range(times):
        try:
            ends.append(grants.lifecycle().usable(grants.now(), needed_for=45))
        except GrantDead as error:
            ends.append(error.reason)
        except TokenError as error:
            ends.append(error.code)
        grants.clock.now = max(grants.clock.now, grants.now().token.backoff_until)
    return ends


# --- what is kept of a refusal ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "failure", "raw"),
    [
        (SECRET_EXPIRED, "client_secret_expired", "invalid_client/7000222"),
        (ClientRefused("who?"), "registration_refused", ""),
        (DOUBTFUL, "token_not_taken", "invalid_grant/70000"),
        (GrantRefused("loop", error_codes=(50196,), raw="invalid_grant/50196"), "request_loop", "invalid_grant/50196"),
        (BUSY, "token_endpoint_unavailable", ""),
        (TokenEndpointBusy("429", finding="provider_throttles", raw="slow_down"), "provider_throttles", "slow_down"),
        (TokenAnswerLost("cut"), "token_answer_lost", ""),
    ],
)
def test_a_back_off_keeps_why_and_a_success_forgets_it(trouble: TokenError, failure: str, raw: str) -> None:
    grants = scripted(trouble, answer(2))
    try_until_dead_or_given(grants, 1)
    state = grants.now().token
    assert (state.failure, state.failure_raw, state.failures) == (failure, raw, 1)
    assert try_until_dead_or_given(grants, 1) == ["access-2"]
    state = grants.now().token
    assert (state.failure, state.failure_raw, state.failures, state.doubted_at) == ("", "", 0, 0)


def test_a_dead_grant_keeps_why() -> None:
    grants = scripted(GrantRefused("gone", error_codes=(50173,), raw="invalid_grant/50173"))
    assert try_until_dead_or_given(grants, 1) == ["grant_expired_or_revoked"]
    assert grants.now().token.failure == grants.now().reason == "grant_expired_or_revoked"
    assert grants.now().token.failure_raw == "invalid_grant/50173"


def test_a_refusal_says_in_the_audit_log_what_the_provider_said() -> None:
    grants = scripted(SECRET_EXPIRED)
    process = grants.lifecycle()
    with pytest.raises(ClientRefused):
        process.usable(grants.now(), needed_for=45)
    grants.actions(process)
    (failed,) = [event for event in grants.log.events if event.action == "token.refresh_failed"]
    assert dict(failed.facts)["finding"] == "client_secret_expired"
    assert dict(failed.facts)["raw"] == "invalid_client/7000222"


# --- one late retry ---------------------------------------------------------------------------------------------------


def test_the_late_retry_is_not_used_up_by_a_provider_that_was_busy_before() -> None:
    grants = scripted(BUSY, BUSY, DOUBTFUL, answer(2))
    assert try_until_dead_or_given(grants, 4)[-1] == "access-2"


def test_the_late_retry_is_not_given_again_because_the_provider_was_busy_between() -> None:
    grants = scripted(DOUBTFUL, BUSY, DOUBTFUL)
    assert try_until_dead_or_given(grants, 3)[-1] == "token_not_taken"
    assert grants.now().state is AccountState.CONSENT_REQUIRED


def test_after_a_success_the_late_retry_is_there_again() -> None:
    grants = scripted(DOUBTFUL, answer(2, expires_in=10), DOUBTFUL, answer(3))
    assert try_until_dead_or_given(grants, 4)[1::2] == ["access-2", "access-3"]


# --- a registration that is refused -----------------------------------------------------------------------------------


def test_a_refused_registration_is_asked_about_ever_more_rarely_up_to_an_hour() -> None:
    grants = scripted(*[SECRET_EXPIRED] * 30)
    pauses = []
    for _ in range(30):
        with pytest.raises(ClientRefused):
            grants.lifecycle().usable(grants.now(), needed_for=45)
        pauses.append(grants.now().token.backoff_until - grants.clock())
        grants.clock.now = grants.now().token.backoff_until
    assert pauses[0] == 300
    assert all(300 <= pause <= 3600 for pause in pauses)
    assert max(pauses) > 2700
    assert len(set(pauses)) > 20
    assert grants.now().state is AccountState.ACTIVE


def test_a_refused_registration_is_published_once_for_each_finding() -> None:
    grants = scripted(SECRET_EXPIRED, SECRET_EXPIRED, ClientRefused("gone", finding="registration_deleted"))
    try_until_dead_or_given(grants, 3)
    account = {"account": grants.now().id, "address": "ann@example.org", "provider": "acme"}
    detail = account | {"registration": "acme"}
    assert facts(grants.events.published) == [
        ("registration.refused", detail | {"reason": "client_secret_expired"}),
        ("registration.refused", detail | {"reason": "registration_deleted"}),
    ]


def test_an_operator_who_rotates_is_not_kept_waiting_by_the_back_off() -> None:
    grants = scripted(SECRET_EXPIRED, SECRET_EXPIRED, answer(2))
    try_until_dead_or_given(grants, 1)
    grants.clock.now -= 100
    with pytest.raises(ClientRefused):
        grants.lifecycle().rotate(grants.now())
    with pytest.raises(RefreshDeferred):
        grants.lifecycle().usable(grants.now(), needed_for=45)
    assert asked(grants) == 2
    assert grants.lifecycle().rotate(grants.now()).tokens.access_token == "access-2"
    assert grants.now().token.backoff_until == 0


def test_the_mailboxes_of_a_mended_registration_are_tried_again_at_once() -> None:
    grants = Grants(ScriptedAuthorizationServer(refresh=[SECRET_EXPIRED] * 3 + [answer(2)]))
    for name in ("ann", "ben"):
        grants.connect(name, ends_in=-1)
    grants.connect("cid", provider="other", token={"backoff_until": grants.clock() + 3000, "due_at": 0})
    for name in ("ann", "ben"):
        with pytest.raises(ClientRefused):
            grants.lifecycle().usable(grants.now(name), needed_for=45)
    assert grants.lifecycle().wake("acme") == 2
    assert [grants.now(name).token.due_at for name in ("ann", "ben", "cid")] == [grants.clock(), grants.clock(), 0]
    assert grants.now("cid").token.backoff_until > grants.clock()
    with pytest.raises(ClientRefused):
        grants.lifecycle().usable(grants.now(), needed_for=45)
    assert grants.lifecycle().wake("acme") == 1


# --- unattended flows -------------------------------------------------------------------------------------------------


def test_an_unattended_mailbox_gets_its_next_token_without_a_refresh_token() -> None:
    grants = Grants(unattended=True)
    grants.connect(ends_in=-1)
    token = grants.lifecycle().usable(grants.now(), needed_for=45)
    assert grants.provider.takes(token)
    assert grants.provider.faults.calls == ["client_credentials"]
    assert grants.secret().refresh_token == ""


@pytest.mark.parametrize(
    "trouble", [DISABLED, GrantRefused("who?"), GrantRefused("gone", error_codes=(50173,)), DOUBTFUL]
)
def test_a_refused_unattended_mailbox_asks_nobody_for_consent(trouble: GrantRefused) -> None:
    grants = scripted(*[trouble] * 5, answer(2, refresh_token=""), unattended=True)
    assert try_until_dead_or_given(grants, 5) == ["token_refresh_deferred"] * 5
    state = grants.now().token
    assert grants.now().state is AccountState.ACTIVE
    assert state.failure
    assert state.due_at == state.backoff_until
    assert try_until_dead_or_given(grants, 1) == ["access-2"]


def test_a_refused_unattended_mailbox_alarms_the_operator_once_with_the_finding() -> None:
    grants = scripted(DISABLED, DISABLED, unattended=True)
    process = grants.lifecycle()
    for _ in range(2):
        with pytest.raises(RefreshDeferred):
            process.usable(grants.now(), needed_for=45)
        grants.clock.now = grants.now().token.backoff_until
    assert [(name, detail["reason"]) for name, detail in grants.events.published] == [
        ("registration.refused", "service_account_disabled")
    ]
    assert grants.actions(process).count("registration.refused refused") == 2
    assert grants.now().token.failure == "service_account_disabled"


def test_the_pauses_of_a_refused_unattended_mailbox_are_long() -> None:
    grants = scripted(*[DISABLED] * 8, unattended=True)
    for _ in range(8):
        with pytest.raises(RefreshDeferred) as deferred:
            grants.lifecycle().usable(grants.now(), needed_for=45)
        assert 300 <= deferred.value.retry_at - grants.clock() <= 3600
        grants.clock.now = deferred.value.retry_at


def test_the_old_token_of_a_refused_unattended_mailbox_serves_while_it_lives() -> None:
    grants = scripted(DISABLED, ends_in=40, unattended=True)
    assert grants.lifecycle().usable(grants.now(), needed_for=45) == "access-1"


def test_a_lost_answer_takes_nothing_along_where_there_is_no_refresh_token() -> None:
    grants = scripted(TokenAnswerLost("cut"), answer(2, refresh_token=""), unattended=True)
    assert try_until_dead_or_given(grants, 1) == ["token_refresh_deferred"]
    assert grants.now().token.answer_lost_at == 0
    assert try_until_dead_or_given(grants, 1) == ["access-2"]


def test_a_holder_that_died_took_nothing_along_either() -> None:
    grants = Grants(unattended=True)
    grants.connect(ends_in=-1, token={"lease_owner": "dead", "lease_until": 1.0})
    seen: list[float] = []
    grants.provider.faults.before("client_credentials", lambda: seen.append(grants.now().token.answer_lost_at))
    grants.lifecycle().usable(grants.now(), needed_for=45)
    assert seen == [0]


def test_a_revoked_unattended_mailbox_gives_the_late_access_token_back() -> None:
    grants = Grants(unattended=True)
    grants.connect(ends_in=-1)
    grants.provider.faults.after(
        "client_credentials", lambda: grants.revocation().revoke(grants.now(), actor="key_1", reason="requested")
    )
    with pytest.raises(GrantDead):
        grants.lifecycle().usable(grants.now(), needed_for=45)
    assert "access-2" in grants.provider.revoked


# --- a provider that counts -------------------------------------------------------------------------------------------


def counted(*scenes: TokenAnswer | Exception, most: int = 3) -> Grants:
    grants = scripted(*scenes)
    definition = replace(definition_of("oidc"), token_calls=(most, 600.0))
    grants.definitions = lambda _: definition
    return grants


def test_no_more_tokens_are_asked_for_than_the_provider_gives() -> None:
    grants = counted(*[answer(number, expires_in=20.0) for number in range(2, 6)])
    began = grants.clock()
    for number in (2, 3, 4):
        assert grants.lifecycle().usable(grants.now(), needed_for=5) == f"access-{number}"
        grants.clock.advance(20)
    with pytest.raises(RefreshDeferred) as deferred:
        grants.lifecycle().usable(grants.now(), needed_for=5)
    assert deferred.value.retry_at == began + 600
    assert asked(grants) == 3
    grants.clock.now = began + 600
    assert grants.lifecycle().usable(grants.now(), needed_for=5) == "access-5"
    assert len(grants.now().token.calls) == 3


def test_the_old_token_serves_while_the_providers_window_is_full() -> None:
    grants = counted(answer(2, expires_in=100.0), most=1)
    assert grants.lifecycle().usable(grants.now(), needed_for=5) == "access-2"
    assert grants.lifecycle().usable(grants.now(), needed_for=200) == "access-2"
    assert asked(grants) == 1


def test_a_call_counts_also_if_its_answer_is_lost_and_costs_no_write_of_its_own() -> None:
    grants = counted(TokenAnswerLost("cut"), answer(2), most=2)
    before = grants.accounts.faults.calls.count("replace")
    try_until_dead_or_given(grants, 1)
    assert grants.accounts.faults.calls.count("replace") - before == 2  # lease and back-off, as without a count
    assert len(grants.now().token.calls) == 1


def test_nobody_counts_where_the_provider_does_not() -> None:
    grants = scripted(answer(2))
    grants.lifecycle().usable(grants.now(), needed_for=45)
    assert grants.now().token.calls == ()


# --- a grant that ends ------------------------------------------------------------------------------------------------


def ending(*lives: float | None, kind: str) -> Grants:
    grants = scripted(*[answer(n, expires_in=10.0, grant_ends_in=life) for n, life in enumerate(lives, 2)])
    definition = definition_of(kind)
    grants.definitions = lambda _: definition
    return grants


def test_a_google_app_in_testing_is_told_once_with_the_date_on_which_mail_would_stop() -> None:
    grants = ending(7 * DAY, 7 * DAY - 10, None, kind="google")
    process, end = grants.lifecycle(), grants.clock() + 7 * DAY
    for _ in range(3):
        process.usable(grants.now(), needed_for=5)
        grants.clock.advance(10)
    assert (grants.now().token.ending, grants.now().token.grant_ends_at) == ("registration_in_testing", end)
    ((name, detail),) = grants.events.published
    assert (name, detail["reason"], detail["ends_at"]) == (
        "grant.ends",
        "registration_in_testing",
        "2025-06-22T15:06:40.000Z",
    )
    assert grants.actions(process).count("grant.ends ends") == 1


def test_the_end_is_told_with_the_consent_already_and_no_refresh_tells_it_again() -> None:
    grants = ending(7 * DAY, kind="google")
    given = answer(1, expires_in=10.0, grant_ends_in=7 * DAY)
    registration = grants.registrations.registrations["acme"]
    account = grants.granting().store(grants.now(), registration, given).account
    assert account.token.ending == "registration_in_testing"
    grants.clock.advance(10)
    grants.lifecycle().usable(grants.now(), needed_for=5)
    assert [name for name, _ in grants.events.published] == ["account.connected", "grant.ends"]


def test_a_new_grant_leaves_nothing_of_the_old_one() -> None:
    grants = counted(answer(2), most=2)
    old = grants.change(
        fence=7,
        lease_owner="other",
        lease_until=grants.clock() + 60,
        backoff_until=grants.clock() + 60,
        failures=3,
        failure="provider_busy",
        doubted_at=1.0,
        answer_lost_at=1.0,
        ending="grant_ends",
        grant_ends_at=grants.clock() + 60,
        calls=(grants.clock(), grants.clock()),
    )
    registration = grants.registrations.registrations["acme"]
    new = grants.granting().store(old, registration, answer(9)).account
    assert new.token.fence > old.token.fence
    forgotten = replace(
        new.token, fence=0, version="", expires_at=0, refreshed_at=0, due_at=0, write_allowance_at=0, calls=()
    )
    assert forgotten == TokenState()
    assert new.token.calls == (grants.clock(),)
    assert new.probe.due_at == grants.clock()


def test_a_grant_that_each_use_prolongs_is_nothing_to_tell() -> None:
    grants = ending(1800, 1800, None, kind="oidc")
    for number in range(3):
        began = grants.clock()
        grants.lifecycle().usable(grants.now(), needed_for=5)
        state = grants.now().token
        assert (state.grant_ends_at, state.ending) == (began + 1800 if number < 2 else began + 1790, "")
        assert state.due_at < state.grant_ends_at
        grants.clock.advance(10)
    assert grants.events.published == []


# --- scopes -----------------------------------------------------------------------------------------------------------


def test_a_narrowed_and_a_widened_scope_are_audited_and_published() -> None:
    grants = scripted(answer(2, scope="openid", expires_in=10.0), answer(3, scope="openid mail.send mail.read"))
    process = grants.lifecycle()
    process.usable(grants.now(), needed_for=5)
    grants.clock.advance(10)
    process.usable(grants.now(), needed_for=5)
    assert grants.now().scopes_granted == ("openid", "mail.send", "mail.read")
    assert [(name, detail["scope_missing"], detail["scope_excessive"]) for name, detail in grants.events.published] == [
        ("token.scope_drift", "mail.send", ""),
        ("token.scope_drift", "", "mail.read mail.send"),
    ]
    assert grants.actions(process).count("token.scope_narrowed narrowed") == 1
    refreshed = [event for event in grants.log.events if event.action == "token.refreshed"]
    assert dict(refreshed[1].facts)["scope_excessive"] == "mail.read mail.send"


def test_an_answer_that_says_no_scope_changes_none() -> None:
    grants = scripted(answer(2))
    account = grants.now().changed(scopes_granted=("seen.by.a.probe",))
    grants.accounts.accounts[account.id] = account
    grants.lifecycle().usable(grants.now(), needed_for=45)
    assert grants.now().scopes_granted == ("seen.by.a.probe",)


def test_a_doubtful_refusal_is_not_a_verdict_until_its_pause_is_over_whoever_asks() -> None:
    grants = Grants()
    grants.connect(ends_in=100)
    refused = GrantRefused("AADSTS70000", error_codes=(70000,), finding="token_not_taken")
    grants.provider.faults.before("refresh", refused, times=3)
    process = grants.lifecycle()
    process.rotate(grants.now())
    grants.clock.advance(2)
    process.rotate(grants.now())
    assert grants.now().state is AccountState.ACTIVE
    grants.clock.advance(300)
    with pytest.raises(GrantDead):
        process.rotate(grants.now())
    assert grants.now().reason == "token_not_taken"
