"""Declaring an incident: from here on nobody connects what it covers, and everything that it covers is being shut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.errors import Conflict, Fault, InvalidInput
from mailbearer.ids import new_id
from mailbearer.incident import Incident, IncidentState, Reach

if TYPE_CHECKING:
    from mailbearer.incidents.book import Book
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.stores import RegistrationStore
    from mailbearer.trail import Trail

_MAX_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """What somebody wants to be shut; `target` is an account's id or a registration's name, empty for all.

    `since` (epoch seconds) is from when on what was sent is to be reported.
    """

    reach: Reach
    target: str
    reason: str
    since: float
    disable_keys: bool = False
    drill: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Put incidents on record."""

    book: Book
    registrations: RegistrationStore
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes

    def declare(self, wanted: Emergency, *, actor: str) -> Incident:
        """Put the incident on record; one that is open for the same is gone on with, so the same again is safe.

        The audit events are noted and not written here: an emergency waits for no log. Raises `InvalidInput` with all
        faults, `Unavailable`.
        """
        self._check(wanted)
        now = self.clock()
        drill = "true" if wanted.drill else ""
        facts = {"reach": str(wanted.reach), "target": wanted.target, "drill": drill}
        if (standing := self._standing(wanted)) is not None:
            self.trail.note("incident.declared", standing.id, "repeated", actor=actor, reason=wanted.reason, **facts)
            return standing
        incident = Incident(
            id=new_id("inc_", now, self.random_bytes),
            reach=wanted.reach,
            target=wanted.target,
            reason=wanted.reason,
            state=IncidentState.DECLARED,
            declared_at=now,
            declared_by=actor,
            since=wanted.since,
            disable_keys=wanted.disable_keys,
            drill=wanted.drill,
        )
        self.trail.note("incident.declare", incident.id, "intended", actor=actor, reason=wanted.reason, **facts)
        if not self.book.incidents.create(incident) and self.book.incidents.get(incident.id) != incident:
            raise Conflict("The new incident met another with the same id; try again.")
        self.trail.note("incident.declared", incident.id, "declared", actor=actor, reason=wanted.reason, **facts)
        return incident

    def _check(self, wanted: Emergency) -> None:
        faults = []
        if not wanted.reason.strip():
            faults.append(Fault("/reason", "required", "Say why; it stands in the report."))
        if len(wanted.reason) > _MAX_REASON:
            faults.append(Fault("/reason", "too_long", f"A reason has at most {_MAX_REASON} characters."))
        if not wanted.reason.isprintable():
            faults.append(Fault("/reason", "unsafe_character", "A reason is one line without control characters."))
        if wanted.since > self.clock():
            faults.append(Fault("/since", "invalid_time", "since is a moment that is past."))
        if wanted.reach is Reach.ACCOUNT and self.book.accounts.get(wanted.target) is None:
            detail = f"There is no account {wanted.target!r}; `mailbearer accounts list` shows them all."
            faults.append(Fault("/target", "unknown_account", detail))
        if wanted.reach is Reach.PROVIDER and self.registrations.get(wanted.target) is None:
            detail = f"There is no registration {wanted.target!r}; `mailbearer providers list` shows them all."
            faults.append(Fault("/target", "unknown_provider", detail))
        if faults:
            raise InvalidInput(tuple(faults))

    def _standing(self, wanted: Emergency) -> Incident | None:
        """Give the open incident of this reach and target, with what is wanted beyond it."""
        same = (
            one
            for one in self.book.incidents.listing()
            if one.is_open and (one.reach, one.target, one.drill) == (wanted.reach, wanted.target, wanted.drill)
        )
        standing = next(same, None)
        if standing is None:
            return None
        since = min(standing.since, wanted.since)
        keys = standing.disable_keys or wanted.disable_keys
        # Until its keys are disabled too, it is not contained: the schedule sees to that if the command dies.
        reopened = {} if keys == standing.disable_keys else {"state": IncidentState.DECLARED}
        return self.book.change(
            standing,
            lambda one: one.is_open and (one.since, one.disable_keys) != (since, keys),
            since=since,
            disable_keys=keys,
            **reopened,
        )
