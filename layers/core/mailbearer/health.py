"""How a mailbox's grant stands, as the JSON of api.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from mailbearer.account import Account, AccountState
from mailbearer.diagnosis import Fate, Who, by_code
from mailbearer.ids import rfc3339
from mailbearer.resources import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.ledger import Ledger, Limits
    from mailbearer.registration import Registration

Drift: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]
"""The scopes that are missing, and those that are too many."""


def health_resource(
    account: Account,
    now: float,
    consent_path: str,
    *,
    registration: Registration | None = None,
    drift: Drift = ((), ()),
    limits: Limits | None = None,
    ledger: Ledger | None = None,
) -> dict[str, Any]:
    """Show how a mailbox's grant stands, from what is recorded; asks nobody.

    `drift` are the scopes that are missing and those that are too many. Without `limits` the account's own are shown,
    without a `ledger` nothing that was used.
    """
    token, probe = account.token, account.probe
    missing, excessive = drift
    return {
        "account": account.id,
        "state": str(account.state),
        "scopes": {
            "wanted": sorted(set(account.scopes_wanted)),
            "granted": sorted(set(account.scopes_granted)),
            "missing": list(missing),
            "excessive": list(excessive),
        },
        "token": {
            "refreshed_at": moment(token.refreshed_at),
            "expires_at": moment(token.expires_at),
            "age_seconds": int(now - token.refreshed_at) if token.refreshed_at else None,
            "next_refresh_at": moment(token.due_at),
            "grant_ends_at": moment(token.grant_ends_at),
            "backoff_until": moment(token.backoff_until) if token.backoff_until > now else None,
            "failures": token.failures,
        },
        "last_probe": {
            "at": moment(probe.at),
            "outcome": probe.outcome or None,
            "how": probe.how or None,
            "identity": probe.identity or None,
            "valid_at": moment(probe.valid_at),
            "next_at": moment(probe.due_at),
        },
        "quota": _quota(account, now, limits, ledger),
        "circuit": {
            "open_until": moment(account.circuit_until) if account.circuit_until > now else None,
            "failures": account.circuit_failures,
        },
        "diagnosis": _diagnosis(account, now, consent_path, registration, drift),
    }


def _quota(account: Account, now: float, limits: Limits | None, ledger: Ledger | None) -> dict[str, Any]:
    """Say what the mailbox may send, what it has sent, and when its next message can go if others wait."""
    own = dict(account.limits)
    if limits is not None:
        counted = {
            "per_minute": limits.per_minute,
            "per_day": limits.per_day,
            "recipients_per_day": limits.recipients_per_day,
            "recipients_per_message": limits.recipients,
            "concurrency": limits.concurrency,
        }
        own |= {name: most for name, most in counted.items() if most}
    minute, day, recipients = ledger.used(now) if ledger is not None else (None, None, None)
    return {
        "limits": own,
        "used": {"messages_last_minute": minute, "messages_last_day": day, "recipients_last_day": recipients},
        "next_at": moment(ledger.next_at) if ledger is not None and ledger.next_at > now else None,
    }


def _diagnosis(
    account: Account,
    now: float,
    consent_path: str,
    registration: Registration | None,
    drift: Drift,
) -> dict[str, Any] | None:
    """Say the worst that is wrong, why, what mends it and who has to do it."""
    finding = next(_findings(account, now, drift), None)
    if finding is None:
        return None
    row = by_code(finding.code)
    remedy = row.remedy_for(
        provider=registration.kind if registration is not None else "",
        account=account.address,
        **_places(account, registration),
    )
    if "mailbearer accounts consent" in remedy:
        remedy += f" Over HTTP: POST {consent_path}."
    return {
        "code": row.code,
        "cause": f"{row.cause} {finding.more}".rstrip(),
        "remedy": remedy,
        "who": str(row.who),
        "retry": row.retry,
        "raw": finding.raw or None,
    }


@dataclass(frozen=True, slots=True)
class _Finding:
    code: str
    raw: str = ""
    more: str = ""


def _findings(account: Account, now: float, drift: Drift) -> Iterator[_Finding]:
    """Give what is wrong with a mailbox, the worst first."""
    token, probe = account.token, account.probe
    if account.state is AccountState.CONSENT_REQUIRED:
        if _in_table(account.reason):
            yield _Finding(account.reason, token.failure_raw)
        yield _Finding("consent_required", token.failure_raw, _reason(account))
    elif account.is_shut:
        yield _Finding("incident_declared", more=f"It is {account.incident}.")
    elif account.state in {AccountState.PENDING_CONSENT, AccountState.REVOKED}:
        yield _Finding(f"account_{account.state}", more=_reason(account))
    else:
        refusal = _refusal(account, now)
        waits = by_code(refusal.code).who is Who.NOBODY or by_code(refusal.code).fate is Fate.DOUBTFUL
        if token.failure and not waits:
            yield refusal
        if probe.code:
            yield _Finding(probe.code)
        if account.mail_refusal:
            yield _Finding(account.mail_refusal, more="Mail through it waits.")
        if token.ending and token.grant_ends_at > now:
            yield _Finding(token.ending, more=f"The present grant ends at {rfc3339(token.grant_ends_at)}.")
        yield from _drifted(account, drift)
        if token.backoff_until > now:
            yield refusal


def _refusal(account: Account, now: float) -> _Finding:
    """Give why the last refresh brought nothing, and when the next is tried."""
    token = account.token
    code = token.failure if _in_table(token.failure) else "token_refresh_deferred"
    tried = f"The last {token.failures} refreshes failed." if token.failures > 1 else ""
    again = f"The next try is at {rfc3339(token.backoff_until)}." if token.backoff_until > now else ""
    return _Finding(code, token.failure_raw, f"{tried} {again}".strip())


def _drifted(account: Account, drift: Drift) -> Iterator[_Finding]:
    """Give where scopes and mailbox are other than they were meant to be."""
    (missing, excessive), seen = drift, account.probe.identity
    if missing:
        yield _Finding("scope_missing", more=f"Missing: {' '.join(missing)}.")
    if seen and not account.may_send_as(seen):
        yield _Finding("identity_drift", more=f"It says {seen}.")
    if excessive:
        yield _Finding("scope_excessive", more=f"Not needed: {' '.join(excessive)}.")


def _reason(account: Account) -> str:
    return f"Reason: {account.reason}." if account.reason else ""


def _in_table(code: str) -> bool:
    return by_code(code).code == code


def _places(account: Account, registration: Registration | None) -> dict[str, str]:
    """Give what a remedy can name."""
    places = {"registration": account.provider}
    if registration is not None:
        places["client_id"] = registration.client_id
        if registration.kind == "microsoft":
            places["tenant"] = urlsplit(registration.endpoints.token_url).path.split("/")[1]
    return places
