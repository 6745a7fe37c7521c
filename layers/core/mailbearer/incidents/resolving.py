"""Resolving an incident: what may come back comes back, and stays shut where another incident covers it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mailbearer import happenings
from mailbearer.account import AccountState
from mailbearer.errors import Conflict, ConsentRefused, MailbearerError, NotFound, Unavailable
from mailbearer.incident import Incident, IncidentState
from mailbearer.incidents.book import Progress, unwatched
from mailbearer.incidents.lanes import Scribe, each

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.incidents.book import Book
    from mailbearer.incidents.keys import KeyLock
    from mailbearer.news import News
    from mailbearer.ports import Clock
    from mailbearer.ports.stores import RegistrationStore
    from mailbearer.registration import Registration
    from mailbearer.revocation import Revocation
    from mailbearer.trail import Trail

_SETTLES_AFTER = 300.0
"""Seconds after its resolution for which whoever was still shutting may not have noticed it."""


class Return(StrEnum):
    """What became of a mailbox that may come back."""

    CONNECTED = "connected"
    """It sends again, or is paused as it was: nobody had to be asked."""
    OWNER_ASKED = "owner_asked"
    """Its owner gets a link within minutes; what was held goes once he has used it."""
    AS_BEFORE = "as_before"
    """It never was connected, and waits for its first consent as it did."""
    STILL_SHUT = "still_shut"
    """Another incident covers it."""
    REVOCATION_OPEN = "revocation_open"
    """Its old grant is still being ended at the provider; it comes back when that is done."""
    REFUSED = "refused"
    """The provider refuses it; `reason` of the account says why, and it waits to be added anew."""
    LEFT = "left"
    """It could not be done now, or not by the schedule; the same command again goes on."""


_UNFINISHED = frozenset({Return.REVOCATION_OPEN, Return.LEFT})


@dataclass(slots=True)
class Resolved:
    """What one run of a resolution did: how many mailboxes went which way, and what could not be done, by code."""

    incident: Incident
    returned: Counter[Return] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    keys_enabled: int = 0
    keys_failed: str = ""

    @property
    def complete(self) -> bool:
        """Tell whether nothing is left to be done."""
        return not self.failed and not self.keys_failed and not any(self.returned[way] for way in _UNFINISHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Bring mailboxes back; every step is safe to repeat.

    `reconnect` connects a mailbox for which nobody has to be asked; it gives None where it may not, since the schedule
    makes no secrets. `drain` asks for held mail to be sent.
    """

    book: Book
    registrations: RegistrationStore
    revocation: Revocation
    keys: KeyLock
    reconnect: Callable[[Account, Registration, str], Account | None]
    drain: Callable[[Account], None]
    news: News
    trail: Trail
    clock: Clock

    def resolve(
        self,
        incident: Incident,
        *,
        actor: str,
        enable_keys: bool = False,
        watch: Callable[[Progress], object] = unwatched,
    ) -> Resolved:
        """End an incident. Raises `AuditUnavailable`: then nothing comes back, for that would be new access."""
        self.trail.intend("incident.resolve", incident.id, actor=actor, keys="enabled" if enable_keys else "")
        wanted = {"enable_keys": True} if enable_keys else {}
        resolved = self.book.change(
            incident,
            lambda one: one.is_open,
            state=IncidentState.RESOLVED,
            resolved_at=self.clock(),
            resolved_by=actor,
            **wanted,
        )
        if enable_keys and not resolved.enable_keys:
            resolved = self.book.change(resolved, lambda one: not one.enable_keys, enable_keys=True, settled_at=0.0)
        self._tell(resolved)
        done = self.come_back(resolved, actor=actor, watch=watch)
        outcome = "resolved" if done.complete else "unfinished"
        self.trail.note("incident.resolved", incident.id, outcome, actor=actor, drill="true" if incident.drill else "")
        return done

    def come_back(
        self,
        incident: Incident,
        *,
        actor: str,
        watch: Callable[[Progress], object] = unwatched,
        deadline: float = float("inf"),
    ) -> Resolved:
        """Bring back what may, as far as it can be done now."""
        done, begun = Resolved(incident), self.clock()
        others = self.book.open_besides(incident)

        def bring(account: Account) -> Return:
            return Return.LEFT if self.clock() >= deadline else self._bring(account, others, actor)

        with Scribe(self.trail) as scribe:
            if incident.enable_keys:
                self._enable_keys(done, others, actor)
            for count, (account, result) in enumerate(each(bring, self.book.shut_by(incident)), 1):
                if isinstance(result, MailbearerError):
                    done.failed[account.id] = result.code
                else:
                    done.returned[result] += 1
                scribe.write()
                watch(Progress("returned", count, len(done.failed)))
            self._settle(done, begun, actor)
        return done

    # --- one mailbox --------------------------------------------------------------------------------------------------

    def _bring(self, account: Account, others: list[Incident], actor: str) -> Return:
        covering = next((one.id for one in others if one.covers(account.id, account.provider)), "")
        if covering:
            return Return.STILL_SHUT if self._change(account, incident=covering) else Return.LEFT
        if account.is_shut and account.revocation_pending:
            # A grant that still lives at the provider must not be forgotten over a new one.
            account = self.revocation.finish(account, actor=actor).account
            if account.revocation_pending:
                return Return.REVOCATION_OPEN
        if account.is_shut and account.shut_from == AccountState.PENDING_CONSENT:
            return self._return(account, Return.AS_BEFORE, state=AccountState.PENDING_CONSENT, reason="")
        waiting = _waiting(account) if account.is_shut else {}
        registration = self.registrations.get(account.provider)
        if registration is None or not registration.flow.unattended:
            return self._return(account, Return.OWNER_ASKED, notice_at=self.clock(), **waiting)
        # It keeps the incident's id until it is connected, so that whoever comes next finds it.
        stored = self._change(account, notice_at=0.0, **waiting) if waiting else account
        return Return.LEFT if stored is None else self._connect(stored, registration, actor)

    def _connect(self, account: Account, registration: Registration, actor: str) -> Return:
        try:
            connected = self.reconnect(account, registration, actor)
        except (Conflict, ConsentRefused) as error:
            reason = error.reason if isinstance(error, ConsentRefused) else error.code
            return self._return(account, Return.REFUSED, reason=reason)
        if connected is None:
            return Return.LEFT
        if connected.state is AccountState.ACTIVE:
            self.drain(connected)
        return Return.CONNECTED

    def _return(self, account: Account, way: Return, **fields: Any) -> Return:
        """Let a mailbox go from the incident."""
        changed = self._change(account, incident="", shut_from="", **fields)
        if changed is None:
            return Return.LEFT
        self.trail.note("account.returned", changed.id, str(changed.state), reason=changed.reason)
        return way

    def _change(self, account: Account, **fields: Any) -> Account | None:
        """Change a mailbox; None if somebody has changed or removed it since it was read."""
        changed = account.changed(updated_at=self.clock(), **fields)
        try:
            stored = self.book.accounts.replace(changed, expected=account)
        except NotFound:
            return None
        return changed if stored == changed else None

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _enable_keys(self, done: Resolved, others: list[Incident], actor: str) -> None:
        disabling = (one for one in others if one.disable_keys)
        try:
            holding = [(one, {account.id for account in self.book.reached(one)}) for one in disabling]
            done.keys_enabled = self.keys.enable(done.incident, holding, actor=actor)
        except Unavailable as error:
            done.keys_failed = error.code

    def _settle(self, done: Resolved, begun: float, actor: str) -> None:
        """Close the matter once nothing is left and nobody can be shutting any more."""
        incident = done.incident
        if not done.complete or incident.settled_at or begun < incident.resolved_at + _SETTLES_AFTER:
            return
        # Whoever resolved it may have died before he told.
        self._tell(incident)
        done.incident = self.book.change(incident, lambda one: not one.settled_at, settled_at=self.clock())
        self.trail.note("incident.settled", incident.id, "settled", actor=actor)

    def _tell(self, incident: Incident) -> None:
        self.news.tell("incident.resolved", incident.id, "", happenings.of_incident(incident))


def _waiting(account: Account) -> dict[str, Any]:
    """Give what changes when a mailbox that was shut waits for being connected; its mail waits with it."""
    reason = "incident_resolved"
    return {
        "state": AccountState.CONSENT_REQUIRED,
        "reason": reason,
        "pause_kept": account.pause_kept or account.shut_from == AccountState.PAUSED,
    }
