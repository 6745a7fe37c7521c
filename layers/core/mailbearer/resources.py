"""What the API shows: nouns as the JSON of api.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.ids import rfc3339

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.caller import ApiKey
    from mailbearer.message import MessageRecord
    from mailbearer.registration import Registration


def message_resource(record: MessageRecord) -> dict[str, Any]:
    """Show a message's status; its content never comes back."""
    problem = None
    if record.problem_code:
        problem = {"code": record.problem_code, "title": record.problem_code.replace("_", " ").capitalize()}
        problem["detail"] = record.problem_detail
    return {
        "id": record.id,
        "account": record.account,
        "status": str(record.status),
        "message_id": record.message_id,
        "provider_id": record.provider_id or None,
        "created_at": rfc3339(record.created_at),
        "updated_at": rfc3339(record.updated_at),
        "send_at": moment(record.send_at),
        "sent_at": moment(record.sent_at),
        "attempts": [
            {
                "at": rfc3339(attempt.at),
                "outcome": str(attempt.outcome),
                "code": attempt.code or None,
                "detail": attempt.detail or None,
                "retry_at": moment(attempt.retry_at),
            }
            for attempt in record.attempts
        ],
        "problem": problem,
        "refused": [
            {"recipient": each.recipient, "code": each.code, "detail": each.detail or None} for each in record.refused
        ],
        "tags": list(record.tags),
        "metadata": dict(record.metadata),
    }


def account_resource(account: Account) -> dict[str, Any]:
    """Show a mailbox, nothing secret."""
    return {
        "id": account.id,
        "provider": account.provider,
        "address": account.address,
        "transport": account.transport,
        "status": str(account.state),
        "reason": account.reason or None,
        "incident": account.incident or None,
        "display_name": account.display_name or None,
        "aliases": list(account.aliases),
        "limits": dict(account.limits),
        "contacts": list(account.contacts),
        "carries_notices": account.carries_notices,
        "created_at": rfc3339(account.created_at),
        "updated_at": rfc3339(account.updated_at),
    }


def registration_resource(registration: Registration) -> dict[str, Any]:
    """Show a registration without its secret."""
    smtp = registration.smtp
    return {
        "name": registration.name,
        "kind": registration.kind,
        "transport": registration.transport,
        "flow": registration.flow,
        "client_id": registration.client_id,
        "scopes": list(registration.scopes),
        "issuer": registration.endpoints.issuer or None,
        "smtp": {"host": smtp.host, "port": smtp.port, "security": smtp.security} if smtp else None,
        "created_at": moment(registration.created_at),
    }


def key_resource(key: ApiKey, now: float) -> dict[str, Any]:
    """Show an API key as it stands at `now`, nothing of its secrets."""
    replaced_until = max((each.until for each in key.replaced), default=0)
    return {
        "id": key.id,
        "name": key.name,
        "status": str(key.state(now)),
        "reason": key.reason or None,
        "scopes": sorted(key.scopes),
        "accounts": sorted(key.accounts),
        "created_at": rfc3339(key.created_at),
        "expires_at": moment(key.expires_at),
        "rotated_at": moment(key.rotated_at),
        "replaced_until": moment(replaced_until) if replaced_until > now else None,
        "last_used_at": moment(key.last_used_at),
    }


def moment(at: float) -> str | None:
    """Show a time (epoch seconds); none is null."""
    return rfc3339(at) if at else None
