"""What the API shows: nouns as the JSON of api.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.ids import rfc3339

if TYPE_CHECKING:
    from mailbearer.account import Account
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
        "send_at": _moment(record.send_at),
        "sent_at": _moment(record.sent_at),
        "attempts": [
            {
                "at": rfc3339(attempt.at),
                "outcome": str(attempt.outcome),
                "code": attempt.code or None,
                "detail": attempt.detail or None,
                "retry_at": _moment(attempt.retry_at),
            }
            for attempt in record.attempts
        ],
        "problem": problem,
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
        "display_name": account.display_name or None,
        "aliases": list(account.aliases),
        "limits": dict(account.limits),
        "created_at": rfc3339(account.created_at),
        "updated_at": rfc3339(account.updated_at),
    }


def health_resource(account: Account, now: float, consent_path: str) -> dict[str, Any]:
    """Show how a mailbox's grant stands, from what is recorded; asks nobody."""
    token = account.token
    wanted, granted = set(account.scopes_wanted), set(account.scopes_granted)
    return {
        "account": account.id,
        "state": str(account.state),
        "scopes": {
            "wanted": sorted(wanted),
            "granted": sorted(granted),
        },
        "token": {
            "refreshed_at": _moment(token.refreshed_at),
            "expires_at": _moment(token.expires_at),
            "age_seconds": int(now - token.refreshed_at) if token.refreshed_at else None,
            "next_refresh_at": _moment(token.due_at),
            "backoff_until": _moment(token.backoff_until) if token.backoff_until > now else None,
            "failures": token.failures,
        },
        "last_probe": _moment(account.probe.valid_at),
        "diagnosis": _diagnosis(account, now, consent_path),
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
        "created_at": rfc3339(registration.created_at),
    }


def _diagnosis(account: Account, now: float, consent_path: str) -> dict[str, str] | None:
    """Say in one place what is wrong, why, what mends it and who has to do it."""
    if account.state == "consent_required":
        remedy = f"Open a new consent link: POST {consent_path}."
        return _say("consent_required", account.reason or "The provider refused the grant.", remedy, "user")
    if account.state == "pending_consent":
        remedy = f"Open the consent link; POST {consent_path} gives a new one."
        return _say("account_pending_consent", "Nobody has consented yet.", remedy, "user")
    if account.state == "revoked":
        remedy = f"To send through it again, connect it anew: POST {consent_path}."
        cause = account.reason or "The mailbox was revoked."
        return _say("account_revoked", cause, remedy, "operator")
    if account.token.backoff_until > now:
        again = rfc3339(account.token.backoff_until)
        cause = f"The last {account.token.failures} refreshes failed; the next is at {again}."
        return _say("token_refresh_deferred", cause, "Nothing to do; it is tried again by itself.", "nobody")
    return None


def _say(code: str, cause: str, remedy: str, who: str) -> dict[str, str]:
    return {"code": code, "cause": cause, "remedy": remedy, "who": who}


def _moment(moment: float) -> str | None:
    return rfc3339(moment) if moment else None
