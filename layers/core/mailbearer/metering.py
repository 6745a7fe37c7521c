"""What the audit trail says, as metrics by outcome, provider and reason; from closed lists, for each costs money."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.trail import Noted

OTHER = "other"
"""What is on no list."""
NONE = "none"
"""The provider of what never came as far as one."""

PROVIDERS = frozenset({"fastmail", "google", "microsoft", "oidc", "sandbox", "yahoo", "zoho"})

MESSAGES = {
    "message.sent": "sent",
    "message.failed": "failed",
    "message.refused": "failed",
    "message.unknown": "unknown",
    "message.deferred": "deferred",
    "message.held": "held",
}
"""What becomes of messages, by the action of its audit event."""

REFRESHES = {
    "token.refreshed": "refreshed",
    "token.rejected": "rejected",
    "token.refresh_failed": "failed",
}
"""What becomes of refreshes, in the same way."""

REASONS = frozenset(
    {
        # the mailbox or its registration
        "account_consent_required",
        "account_paused",
        "account_revoked",
        "registration_refused",
        "sender_not_allowed",
        "send_as_denied",
        "sending_blocked",
        "app_permissions_missing",
        "mailbox_access_denied",
        "mailbox_full",
        "smtp_auth_disabled",
        "token_rejected",
        "token_refresh_deferred",
        # the message
        "content_refused",
        "message_rejected",
        "message_too_large",
        "recipient_rejected",
        "recipient_suppressed",
        "too_many_recipients",
        "malformed_body",
        "invalid_request",
        "unknown_account",
        # the provider
        "daily_limit",
        "throttled",
        "server_busy",
        "server_error",
        "service_unavailable",
        "unexpected_answer",
        "unknown_refusal",
        # the way there
        "answer_lost",
        "connect_failed",
        "connect_timeout",
        "connection_lost",
        "tls_not_trusted",
        "worker_lost",
        # our own patience
        "attempts_exhausted",
        "gave_up",
        "hold_expired",
        "quota",
    }
)


@dataclass(frozen=True, slots=True)
class Metric:
    """A count's identity; every other one of these would be billed by itself."""

    name: str
    dimensions: tuple[tuple[str, str], ...] = ()


def ends(noted: Mapping[Noted, int]) -> Counter[str]:
    """Give how many messages came to which outcome."""
    found: Counter[str] = Counter()
    for each, number in noted.items():
        if outcome := MESSAGES.get(each.action):
            found[outcome] += number
    return found


def metered(noted: Mapping[Noted, int]) -> Counter[Metric]:
    """Give the counts that what was noted comes to; nothing from outside names a metric or a dimension's value."""
    counts: Counter[Metric] = Counter()
    for each, number in noted.items():
        if outcome := MESSAGES.get(each.action):
            counts[Metric("messages", (("provider", _provider(each)), ("outcome", outcome)))] += number
            if each.reason and outcome != "sent":
                counts[Metric("message_problems", (("reason", _among(each.reason, REASONS)),))] += number
        elif outcome := REFRESHES.get(each.action):
            counts[Metric("token_refreshes", (("provider", _provider(each)), ("outcome", outcome)))] += number
            if outcome == "rejected":
                counts[Metric("grants_lost")] += number
        elif each.action == "account.circuit_opened":
            counts[Metric("circuits_opened")] += number
    return counts


def _provider(noted: Noted) -> str:
    return _among(noted.provider, PROVIDERS) if noted.provider else NONE


def _among(value: str, known: frozenset[str]) -> str:
    return value if value in known else OTHER
