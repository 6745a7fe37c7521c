from __future__ import annotations

import json

from mailbearer.message import RefusedRecipient, Status
from mailbearer.resources import account_resource, message_resource, registration_resource
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
        "refused": [],
        "tags": ["welcome", "de"],
        "metadata": {"order": "4711", "customer": ""},
    }


def test_a_message_that_is_well_has_no_problem() -> None:
    shown = message_resource(record(status=Status.SENT, sent_at=NOW, provider_id="p1", attempts=()))
    assert (shown["problem"], shown["provider_id"], shown["attempts"]) == (None, "p1", [])
    assert shown["sent_at"] == "2025-06-15T15:06:40.123Z"


def test_recipients_that_will_not_have_it_are_named() -> None:
    refused = (
        RefusedRecipient(recipient="a@example.net", code="recipient_rejected", detail="550 5.1.1"),
        RefusedRecipient(recipient="b@example.net", code="recipient_suppressed"),
    )
    assert message_resource(record(refused=refused))["refused"] == [
        {"recipient": "a@example.net", "code": "recipient_rejected", "detail": "550 5.1.1"},
        {"recipient": "b@example.net", "code": "recipient_suppressed", "detail": None},
    ]


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
