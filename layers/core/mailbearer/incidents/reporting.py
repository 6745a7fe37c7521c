"""The report of an incident: what was done, what is still being tried, what a person has to do, and what was sent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from mailbearer.errors import Unavailable
from mailbearer.ids import rfc3339
from mailbearer.incidents.sends import Read, Row
from mailbearer.revocation import LONGEST_IN_FLIGHT

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.definition import Definitions
    from mailbearer.incident import Incident
    from mailbearer.incidents.book import Book
    from mailbearer.incidents.keys import KeyLock
    from mailbearer.incidents.sends import Sends
    from mailbearer.ports import Clock
    from mailbearer.ports.proof import Archive
    from mailbearer.ports.stores import RegistrationStore
    from mailbearer.registration import Registration

Report: TypeAlias = dict[str, Any]
Keep: TypeAlias = Callable[[Row], object]
"""What takes a row for each message that was sent, as it is found."""

_PART = 5000  # rows of one document in the archive
_JWT = "Whoever comes with a JWT of your identity provider is stopped there, not here: end his session or his client."
_CACHED = "A key that was used in the minute before may still be taken for 60 s, which is how long the API remembers."


@dataclass(slots=True)
class _Parts:
    """Rows on their way into the archive, some thousand at a time."""

    archive: Archive
    prefix: str
    missing: list[str]
    names: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    closed: bool = False

    def put(self, row: Row) -> None:
        self.waiting.append(json.dumps(row))
        if len(self.waiting) >= _PART:
            self.flush()

    def flush(self) -> None:
        rows, self.waiting = self.waiting, []
        if not rows or self.closed:
            return
        name = f"{self.prefix}messages-{len(self.names) + 1:05}.jsonl"
        try:
            self.archive.put(name, "\n".join(rows) + "\n")
        except Unavailable as error:
            self.closed = True
            self.missing.append(f"The list of messages is not in the archive: {error.detail}")
        else:
            self.names.append(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """Write reports; what cannot be reached is named as missing, and the rest is reported."""

    book: Book
    registrations: RegistrationStore
    definitions: Definitions
    keys: KeyLock
    sends: Sends
    archive: Archive
    clock: Clock

    def make(self, incident: Incident, *, keep: Keep | None = None) -> Report:
        """Make the report as things stand now and put it into the archive, each message as a row of `keep` as well.

        Raises `Unavailable` if the mailboxes cannot be listed.
        """
        now = self.clock()
        missing: list[str] = []
        accounts = {one.id: one for one in self.book.reached(incident) if _concerned(one, incident)}
        parts = _Parts(self.archive, f"incidents/{incident.id}/", missing)

        def take(row: Row) -> None:
            parts.put(row)
            if keep is not None:
                keep(row)

        sent, read = self._sent(incident, accounts, take, missing)
        parts.flush()
        registrations = {one.name: one for one in self.registrations.listing()}
        report: Report = {
            "incident": incident_resource(incident),
            "made_at": rfc3339(now),
            "accounts": [
                self._account(account, registrations.get(account.provider), incident, read)
                for account in accounts.values()
            ],
            "keys": self._keys(incident, missing),
            "sent": sent | {"archived_as": parts.names},
            "missing": missing,
        }
        report["summary"] = _summary(report, accounts.values())
        self._archived(report, incident, missing)
        return report

    def _sent(
        self, incident: Incident, accounts: dict[str, Account], take: Keep, missing: list[str]
    ) -> tuple[Report, Read]:
        now, read = self.clock(), Read()
        outcomes: Counter[str] = Counter()
        through: Counter[str] = Counter()
        first = last = None

        def wanted(account_id: str, registration: str) -> bool:
            return account_id in accounts or incident.reaches(account_id, registration)

        try:
            for row in self.sends.between(incident.since, now, wanted, read):
                outcomes[str(row["outcome"])] += 1
                through[row["account"]] += 1
                at = str(row["at"])
                first, last = min(first or at, at), max(last or at, at)
                take(row)
        except Unavailable as error:
            missing.append(f"The audit log could not be read to its end, so messages are missing: {error.detail}")
        if read.unreadable:
            missing.append(f"{read.unreadable} lines of the audit log could not be read; `mailbearer audit verify`.")
        return {
            "since": rfc3339(incident.since),
            "until": rfc3339(now),
            "count": outcomes.total(),
            "outcomes": dict(sorted(outcomes.items())),
            "by_account": dict(through.most_common()),
            "first_at": first,
            "last_at": last,
        }, read

    def _account(self, account: Account, registration: Registration | None, incident: Incident, read: Read) -> Report:
        deeds = read.deeds.get(account.id, {})
        told = _outcome_of(deeds, "token.revoked ", since=incident.declared_at)
        pending = account.is_shut and account.revocation_pending
        return {
            "id": account.id,
            "address": account.address,
            "provider": account.provider,
            "state": str(account.state),
            "state_before": account.shut_from or None,
            "reason": account.reason or None,
            "shut_at": _moment(account.revoked_at) if account.revoked_at >= incident.declared_at else None,
            "last_send_possible_until": _moment(account.revoked_at + LONGEST_IN_FLIGHT) if account.is_shut else None,
            "provider_told": told,
            "secret_retired": not account.revocation_pending if account.is_shut else None,
            "retried_at": _moment(account.token.due_at) if pending else None,
            "token_may_live_until": _moment(account.token.expires_at)
            if account.is_shut and told != "revoked"
            else None,
            "manual_step": self._by_hand(account, registration, told) or None,
            "owner_told_at": _at_of(deeds, "owner.notified ", since=incident.declared_at),
        }

    def _by_hand(self, account: Account, registration: Registration | None, told: str | None) -> str:
        """Say what a person has to do at the provider, where a program cannot."""
        if not account.is_shut or registration is None or not registration.flow.has_token:
            return ""
        no_endpoint = told == "no_endpoint" or (told is None and not registration.endpoints.revoke_url)
        return self.definitions(registration.kind).manual_step(registration) if no_endpoint else ""

    def _keys(self, incident: Incident, missing: list[str]) -> Report:
        try:
            disabled = self.keys.disabled(incident)
        except Unavailable as error:
            disabled = []
            missing.append(f"The API keys could not be listed: {error.detail}")
        notes = [_CACHED, _JWT] if incident.disable_keys else [_JWT]
        return {"asked_for": incident.disable_keys, "disabled": disabled, "notes": notes}

    def _archived(self, report: Report, incident: Incident, missing: list[str]) -> None:
        name = f"incidents/{incident.id}/report.json"
        report["archived_as"] = name
        try:
            self.archive.put(name, json.dumps(report))
        except Unavailable as error:
            report["archived_as"] = None
            missing.append(f"The report is not in the archive: {error.detail}")


def incident_resource(incident: Incident) -> Report:
    """Show an incident."""
    return {
        "id": incident.id,
        "state": str(incident.state),
        "reach": str(incident.reach),
        "target": incident.target or None,
        "reason": incident.reason,
        "declared_at": rfc3339(incident.declared_at),
        "declared_by": incident.declared_by,
        "since": rfc3339(incident.since),
        "contained_at": _moment(incident.contained_at),
        "resolved_at": _moment(incident.resolved_at),
        "resolved_by": incident.resolved_by or None,
        "settled_at": _moment(incident.settled_at),
        "disable_keys": incident.disable_keys,
        "drill": incident.drill,
    }


def _concerned(account: Account, incident: Incident) -> bool:
    """Tell whether a mailbox was there while the incident was open."""
    return not incident.resolved_at or account.created_at <= incident.resolved_at


def _summary(report: Report, accounts: Any) -> Report:
    shown = report["accounts"]
    return {
        "accounts": len(shown),
        "shut": sum(account.is_shut for account in accounts),
        "being_retried": sum(one["retried_at"] is not None for one in shown),
        "manual_steps": sum(one["manual_step"] is not None for one in shown),
        "owners_told": sum(one["owner_told_at"] is not None for one in shown),
        "keys_disabled": len(report["keys"]["disabled"]),
        "messages_sent": report["sent"]["count"],
    }


def _outcome_of(deeds: dict[str, Row], action: str, *, since: float) -> str | None:
    event = _last(deeds, action, since)
    return str(event.get("outcome")) if event else None


def _at_of(deeds: dict[str, Row], action: str, *, since: float) -> str | None:
    event = _last(deeds, action, since)
    return str(event.get("at")) if event else None


def _last(deeds: dict[str, Row], action: str, since: float) -> Row | None:
    events = [event for kind, event in deeds.items() if kind.startswith(action) and str(event["at"]) >= rfc3339(since)]
    return max(events, key=lambda event: str(event["at"]), default=None)


def _moment(at: float) -> str | None:
    return rfc3339(at) if at else None
