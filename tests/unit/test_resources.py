from __future__ import annotations

import json

import pytest

from mailbearer.account import AccountState, Probe
from mailbearer.message import Status
from mailbearer.resources import account_resource, health_resource, message_resource, registration_resource
from mailbearer.token import TokenState
from tests.contract.nouns import NOW, account, record, registration


def test_a_message_is_shown_as_the_contract_says() -> None:
    shown = message_resource(record(send_at=NOW, problem_code="refused_by_provider", problem_detail="550 no"))
    assert json.loads(json.dumps(shown)) == {
        "id": record().id,
        "account": record().account,
        "status": "deferred",
        "message_id": record().message_id,
        "provider_id": None,
        "created_at": "2025-06-15T15:06:40.123Z",
        "updated_at": "2025-06-15T15:06:41.623Z",
        "send_at": "2025-06-15T15:06:40.123Z",
        "sent_at": None,
        "attempts": [
            {
                "at": "2025-06-15T15:06:40.123Z",
                "outcome": "deferred",
                "code": "throttled",
                "detail": "429 rateLimitExceeded",
                "retry_at": "1970-01-01T00:00:05.000Z",
            }
        ],
        "problem": {"code": "refused_by_provider", "title": "Refused by provider", "detail": "550 no"},
        "tags": ["welcome", "de"],
        "metadata": {"order": "4711", "customer": ""},
    }


def test_a_message_that_is_well_has_no_problem() -> None:
    shown = message_resource(record(status=Status.SENT, sent_at=NOW, provider_id="p1", attempts=()))
    assert (shown["problem"], shown["provider_id"], shown["attempts"]) == (None, "p1", [])
    assert shown["sent_at"] == "2025-06-15T15:06:40.123Z"


def test_how_a_message_is_worked_on_is_not_shown() -> None:
    hidden = {"owner", "lease_until", "request_hash", "caller", "parked", "expires_at", "on_unknown", "attempt"}
    assert not hidden & message_resource(record()).keys()


def test_a_mailbox_is_shown_without_its_token() -> None:
    shown = account_resource(account(reason="because"))
    assert (shown["status"], shown["reason"], shown["aliases"]) == ("active", "because", ["sales@example.org"])
    assert shown["limits"] == {"per_day": 500, "per_minute": 20}
    assert "token" not in shown
    assert account_resource(account(display_name="", reason=""))["display_name"] is None


def test_a_registration_is_shown_without_its_secret() -> None:
    shown = registration_resource(registration(ca_pem="PEM"))
    assert shown["smtp"] == {"host": "smtp.example", "port": 587, "security": "starttls"}
    assert (shown["scopes"], shown["issuer"]) == (["openid", "mail.send"], None)
    assert "PEM" not in json.dumps(shown)
    assert registration_resource(registration(smtp=None))["smtp"] is None


@pytest.mark.parametrize(
    ("state", "reason", "code", "who"),
    [
        (AccountState.CONSENT_REQUIRED, "invalid_grant", "consent_required", "user"),
        (AccountState.PENDING_CONSENT, "", "account_pending_consent", "user"),
        (AccountState.REVOKED, "incident", "account_revoked", "operator"),
    ],
)
def test_the_health_of_a_mailbox_says_what_mends_it_and_who(
    state: AccountState, reason: str, code: str, who: str
) -> None:
    diagnosis = health_resource(account(state=state, reason=reason), NOW, "/v1/accounts/acc_1/consent")["diagnosis"]
    assert diagnosis.keys() == {"code", "cause", "remedy", "who"}
    assert (diagnosis["code"], diagnosis["who"]) == (code, who)
    assert "POST /v1/accounts/acc_1/consent" in diagnosis["remedy"]
    assert diagnosis["cause"]


def test_the_health_of_a_mailbox_shows_scopes_ages_and_deadlines() -> None:
    token = TokenState(version="v1", expires_at=NOW + 3600, refreshed_at=NOW, due_at=NOW + 2700, failures=2)
    shown = health_resource(account(scopes_granted=("b", "a"), token=token, probe=Probe(valid_at=NOW)), NOW + 60.9, "")
    assert shown["scopes"] == {"wanted": ["https://mail.google.com/"], "granted": ["a", "b"]}
    assert shown["token"] == {
        "refreshed_at": "2025-06-15T15:06:40.123Z",
        "expires_at": "2025-06-15T16:06:40.123Z",
        "age_seconds": 60,
        "next_refresh_at": "2025-06-15T15:51:40.123Z",
        "backoff_until": None,
        "failures": 2,
    }
    assert (shown["last_probe"], shown["diagnosis"]) == ("2025-06-15T15:06:40.123Z", None)


def test_a_refresh_that_is_put_off_needs_nobody() -> None:
    token = TokenState(backoff_until=NOW + 30, failures=3)
    shown = health_resource(account(token=token), NOW, "")
    assert shown["token"]["backoff_until"] == "2025-06-15T15:07:10.123Z"
    assert (shown["diagnosis"]["code"], shown["diagnosis"]["who"]) == ("token_refresh_deferred", "nobody")
    assert shown["token"]["age_seconds"] is None
    later = health_resource(account(token=token), NOW + 30, "")
    assert (later["diagnosis"], later["token"]["backoff_until"]) == (None, None)
