"""Nouns to put into stores."""

from __future__ import annotations

from typing import Any

from mailbearer.account import Account, AccountState, Consent
from mailbearer.audit import AuditEvent
from mailbearer.caller import ApiKey, hash_secret
from mailbearer.ids import derived_id
from mailbearer.message import Attempt, MessageRecord, Status
from mailbearer.registration import Endpoints, Flow, Registration, SmtpServer
from mailbearer.token import TokenSet, TokenState

NOW = 1_750_000_000.123


def record(name: str = "one", **changes: Any) -> MessageRecord:
    """Give a message record as it is after one try that was put off."""
    values: dict[str, Any] = {
        "id": derived_id("msg_", name),
        "account": derived_id("acc_", "ann"),
        "caller": derived_id("key_", "app"),
        "status": Status.DEFERRED,
        "message_id": f"<{derived_id('', name).lower()}@mail.example>",
        "request_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "created_at": NOW,
        "updated_at": NOW + 1.5,
        "attempt": 1,
        "owner": "0d6a3a8e-1f7c-4d8e-9f0b-1a2b3c4d5e6f",
        "lease_until": NOW + 60,
        "attempts": (
            Attempt(at=NOW, outcome="deferred", code="throttled", detail="429 rateLimitExceeded", retry_at=5),
        ),
        "tags": ("welcome", "de"),
        "metadata": (("order", "4711"), ("customer", "")),
        "expires_at": 1_760_000_000,
    }
    return MessageRecord(**(values | changes))


def account(name: str = "ann", **changes: Any) -> Account:
    """Give an active account whose token is due."""
    values: dict[str, Any] = {
        "id": derived_id("acc_", name),
        "provider": "google-main",
        "address": f"{name.capitalize()}@Example.org",
        "transport": "gmail",
        "state": AccountState.ACTIVE,
        "display_name": "Ann Äther",
        "aliases": ("sales@example.org",),
        "limits": (("per_day", 500), ("per_minute", 20)),
        "scopes_wanted": ("https://mail.google.com/",),
        "created_at": NOW,
        "updated_at": NOW + 0.1,
        "token": TokenState(fence=3, version="v3", expires_at=NOW + 3599.7, due_at=NOW - 10.25, failures=1),
    }
    return Account(**(values | changes))


def consent(name: str = "one", **changes: Any) -> Consent:
    """Give a consent under way."""
    values: dict[str, Any] = {
        "state_hash": hash_secret(name),
        "account_id": derived_id("acc_", "ann"),
        "registration": "google-main",
        "verifier": "v" * 43,
        "nonce": "n" * 22,
        "redirect_uri": "https://api.example/oauth/callback",
        "created_at": NOW,
        "expires_at": 1_750_000_600,
    }
    return Consent(**(values | changes))


def registration(name: str = "google-main", **changes: Any) -> Registration:
    """Give a registration of an OIDC server with an SMTP server."""
    values: dict[str, Any] = {
        "name": name,
        "kind": "oidc",
        "client_id": "client-1",
        "transport": "smtp",
        "flow": Flow.AUTHORIZATION_CODE,
        "endpoints": Endpoints(authorize_url="https://id.example/authorize", token_url="https://id.example/token"),
        "scopes": ("openid", "mail.send"),
        "smtp": SmtpServer(host="smtp.example", port=587, security="starttls"),
        "authorize_params": (("prompt", "consent"),),
        "issuer_in_callback": True,
        "created_at": NOW,
    }
    return Registration(**(values | changes))


def key(name: str = "app", **changes: Any) -> ApiKey:
    """Give an API key bound to one account."""
    values: dict[str, Any] = {
        "id": derived_id("key_", name),
        "name": name,
        "secret_hash": hash_secret("s3cret"),
        "scopes": frozenset({"messages:send", "messages:read"}),
        "accounts": frozenset({derived_id("acc_", "ann")}),
        "created_at": NOW,
        "expires_at": 1_760_000_000,
    }
    return ApiKey(**(values | changes))


def tokens(number: int = 1) -> TokenSet:
    """Give a token set."""
    return TokenSet(
        access_token=f"access-{number}",
        refresh_token=f"refresh-{number}",
        expires_at=NOW + 3600 * number,
        obtained_at=NOW,
        scope="mail.send",
    )


def event(number: int = 1, **changes: Any) -> AuditEvent:
    """Give an audit event."""
    values: dict[str, Any] = {
        "id": derived_id("evt_", str(number)),
        "at": f"2025-06-15T15:06:40.{number:03d}Z",
        "actor": "worker",
        "action": "message.sent",
        "subject": derived_id("msg_", str(number)),
        "outcome": "done",
        "facts": (("transport", "smtp"),),
    }
    return AuditEvent(**(values | changes))
