"""How a mailbox's grant stands: states, deadlines, and the worst that is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mailbearer.account import AccountState, Probe
from mailbearer.health import health_resource
from mailbearer.registration import Endpoints, Registration
from mailbearer.token import TokenState
from tests.contract.nouns import NOW, account, registration

CONSENT = "/v1/accounts/acc_1/consent"
WELL = TokenState(version="v1", expires_at=NOW + 3600, refreshed_at=NOW, due_at=NOW + 2700)
REFUSED = {"failure": "client_secret_expired", "failure_raw": "invalid_client/7000222", "failures": 2}
TESTING = {"ending": "registration_in_testing", "grant_ends_at": NOW + 86_400}


def health(
    *, drift: Any = ((), ()), at: Registration | None = None, token: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """Show the health of a mailbox."""
    fields: dict[str, Any] = {"token": replace(WELL, **(token or {})), "probe": Probe(), "reason": ""} | changes
    shown = account(**fields)
    return health_resource(shown, NOW, CONSENT, registration=at, drift=drift)


def diagnosis(**changes: Any) -> dict[str, Any]:
    """Give the diagnosis of a mailbox that has one."""
    found: dict[str, Any] = health(**changes)["diagnosis"]
    assert found.keys() == {"code", "cause", "remedy", "who", "retry", "raw"}
    assert found["cause"]
    assert found["remedy"]
    return found


def test_a_mailbox_that_is_well_has_no_diagnosis() -> None:
    assert health()["diagnosis"] is None


@pytest.mark.parametrize(
    ("state", "reason", "code", "who"),
    [
        (AccountState.CONSENT_REQUIRED, "grant_expired_or_revoked", "grant_expired_or_revoked", "user"),
        (AccountState.CONSENT_REQUIRED, "rotation_lost_or_revoked", "rotation_lost_or_revoked", "user"),
        (AccountState.CONSENT_REQUIRED, "session_policy", "session_policy", "tenant_admin"),
        (AccountState.CONSENT_REQUIRED, "of_another_age", "consent_required", "user"),
        (AccountState.PENDING_CONSENT, "", "account_pending_consent", "user"),
        (AccountState.REVOKED, "incident", "account_revoked", "operator"),
    ],
)
def test_a_mailbox_that_cannot_send_says_what_mends_it_and_who(
    state: AccountState, reason: str, code: str, who: str
) -> None:
    found = diagnosis(state=state, reason=reason)
    assert (found["code"], found["who"]) == (code, who)
    assert f"POST {CONSENT}" in found["remedy"]
    assert "ann@example.org" in found["remedy"].lower()
    assert found["code"] == reason or reason in found["cause"]


def test_the_providers_own_code_is_kept() -> None:
    dead = diagnosis(
        state=AccountState.CONSENT_REQUIRED,
        reason="grant_expired_or_revoked",
        token={"failure_raw": "invalid_grant/50173"},
    )
    assert dead["raw"] == "invalid_grant/50173"
    assert diagnosis(token=REFUSED)["raw"] == "invalid_client/7000222"
    assert diagnosis(drift=(("mail.send",), ()))["raw"] is None


def test_the_worst_comes_first() -> None:
    wrong: dict[str, Any] = {
        "token": REFUSED | TESTING | {"backoff_until": NOW + 30},
        "probe": Probe(code="fresh_token_refused", identity="eve@example.org", outcome="invalid"),
        "drift": (("mail.send",), ("mail.read",)),
    }
    codes = [diagnosis(state=AccountState.CONSENT_REQUIRED, reason="session_policy", **wrong)["code"]]
    codes.append(diagnosis(**wrong)["code"])
    wrong["token"] = TESTING | {"backoff_until": NOW + 30, "failure": "provider_busy", "failures": 1}
    codes.append(diagnosis(**wrong)["code"])
    wrong["probe"] = Probe(identity="eve@example.org", outcome="valid")
    codes.append(diagnosis(**wrong)["code"])
    wrong["token"] = {key: value for key, value in wrong["token"].items() if key not in TESTING}
    codes.append(diagnosis(**wrong)["code"])
    wrong["drift"] = ((), ("mail.read",))
    codes.append(diagnosis(**wrong)["code"])
    wrong["probe"] = Probe()
    codes.append(diagnosis(**wrong)["code"])
    wrong["drift"] = ((), ())
    codes.append(diagnosis(**wrong)["code"])
    assert codes == [
        "session_policy",
        "client_secret_expired",
        "fresh_token_refused",
        "registration_in_testing",
        "scope_missing",
        "identity_drift",
        "scope_excessive",
        "provider_busy",
    ]


@pytest.mark.parametrize("state", [AccountState.ACTIVE, AccountState.PAUSED])
def test_a_refused_registration_is_shown_until_it_is_taken_again(state: AccountState) -> None:
    found = diagnosis(state=state, token=REFUSED | {"backoff_until": NOW - 1})
    assert (found["code"], found["who"], found["retry"]) == ("client_secret_expired", "operator", False)


def test_a_refresh_that_is_put_off_needs_nobody() -> None:
    busy = {"failure": "token_endpoint_unavailable", "failures": 3, "backoff_until": NOW + 30}
    shown = health(token=busy)
    assert shown["token"]["backoff_until"] == "2025-06-15T15:07:10.123Z"
    found = shown["diagnosis"]
    assert (found["code"], found["who"], found["retry"]) == ("token_endpoint_unavailable", "nobody", True)
    assert "The last 3 refreshes failed. The next try is at 2025-06-15T15:07:10.123Z." in found["cause"]
    later = health(token=busy | {"backoff_until": NOW})
    assert (later["diagnosis"], later["token"]["backoff_until"]) == (None, None)


def test_a_refresh_that_is_put_off_for_a_reason_of_another_age_is_called_that() -> None:
    assert diagnosis(token={"failure": "", "backoff_until": NOW + 30})["code"] == "token_refresh_deferred"
    assert diagnosis(token={"failure": "of_another_age", "backoff_until": NOW + 30})["code"] == "token_refresh_deferred"


def test_a_grant_that_ends_says_when() -> None:
    assert "2025-06-16T15:06:40.123Z" in diagnosis(token=TESTING)["cause"]
    assert health(token=TESTING | {"grant_ends_at": NOW - 1})["diagnosis"] is None


def test_what_is_missing_too_much_or_another_is_named() -> None:
    assert "mail.send" in diagnosis(drift=(("mail.send",), ()))["cause"]
    assert "mail.read" in diagnosis(drift=((), ("mail.read",)))["cause"]
    assert "eve@example.org" in diagnosis(probe=Probe(identity="eve@example.org"))["cause"]
    assert health(probe=Probe(identity="sales@example.org"))["diagnosis"] is None


def test_a_remedy_names_client_and_tenant_where_they_are_known() -> None:
    endpoints = Endpoints(
        authorize_url="", token_url="https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
    )
    found = diagnosis(
        at=registration(kind="microsoft", endpoints=endpoints),
        state=AccountState.CONSENT_REQUIRED,
        reason="admin_consent_required",
    )
    assert "/contoso.example/adminconsent?client_id=client-1" in found["remedy"]


def test_scopes_ages_deadlines_probe_and_quota_are_shown() -> None:
    probe = Probe(at=NOW, valid_at=NOW, due_at=NOW + 900, outcome="valid", how="tokeninfo", identity="ann@example.org")
    shown = account(
        scopes_granted=("b", "a"), token=replace(WELL, grant_ends_at=NOW + 86_400, failures=2), probe=probe, reason=""
    )
    found = health_resource(shown, NOW + 60.9, CONSENT, drift=(("c",), ("a", "b")))
    assert found["scopes"] == {
        "wanted": ["https://mail.google.com/"],
        "granted": ["a", "b"],
        "missing": ["c"],
        "excessive": ["a", "b"],
    }
    assert found["token"] == {
        "refreshed_at": "2025-06-15T15:06:40.123Z",
        "expires_at": "2025-06-15T16:06:40.123Z",
        "age_seconds": 60,
        "next_refresh_at": "2025-06-15T15:51:40.123Z",
        "grant_ends_at": "2025-06-16T15:06:40.123Z",
        "backoff_until": None,
        "failures": 2,
    }
    assert found["last_probe"] == {
        "at": "2025-06-15T15:06:40.123Z",
        "outcome": "valid",
        "how": "tokeninfo",
        "identity": "ann@example.org",
        "valid_at": "2025-06-15T15:06:40.123Z",
        "next_at": "2025-06-15T15:21:40.123Z",
    }
    assert found["quota"] == {
        "limits": {"per_day": 500, "per_minute": 20},
        "used": {"messages_last_minute": None, "messages_last_day": None, "recipients_last_day": None},
        "next_at": None,
    }
    assert found["circuit"] == {"open_until": None, "failures": 0}


def test_a_mailbox_that_was_never_probed_or_refreshed_shows_nulls() -> None:
    found = health(token={"refreshed_at": 0, "grant_ends_at": 0})
    assert (found["token"]["age_seconds"], found["token"]["grant_ends_at"]) == (None, None)
    assert set(found["last_probe"].values()) == {None}
