"""Warnings of registrations' credentials that are about to expire: then every mailbox of one stops at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.certificates import expiry
from mailbearer.errors import MailbearerError
from mailbearer.ids import rfc3339
from mailbearer.news import News

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.credential import Credential
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import EventBus
    from mailbearer.ports.stores import RegistrationStore
    from mailbearer.ports.vaults import CredentialVault
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail

EVERY = 3300.0
"""Seconds between two looks at a registration: an hour, less what a schedule may come early."""

THRESHOLDS = (30, 14, 7, 1, 0)
"""Days before the end at which a warning is given, once each; at 0 it has come."""

_DAY = 86_400.0


@dataclass(slots=True)
class Watched:
    """What one look found: warnings by count, and the days until the first registration is without a good credential.

    `days_left` is None if no registration was due for a look; one with a credential whose end is not known is left out.
    """

    warned: int = 0
    days_left: int | None = None
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialWatch:
    """Look at every registration once an hour; `tell` hears what was found."""

    registrations: RegistrationStore
    credentials: CredentialVault
    events: EventBus
    trail: Trail
    clock: Clock
    tell: Callable[[Watched], object] = id

    def run(self) -> Watched:
        """Warn of what will expire. It costs one scan, and for each registration an hour one secret and one write.

        A registration's trouble never stops the rest.
        """
        watched = Watched()
        for registration in self.registrations.listing():
            if not registration.flow.has_token or self.clock() - registration.checked_at < EVERY:
                continue
            try:
                self._look(registration, watched)
            except MailbearerError as error:
                watched.problems[registration.name] = error.code
        self.tell(watched)
        return watched

    def _look(self, registration: Registration, watched: Watched) -> None:
        staying = [one for one in self.credentials.read(registration.name) if not one.retire_at and one.kind != "none"]
        ends = {credential: end for credential in staying if (end := _end(credential))}
        last = max(ends.values(), default=0.0)
        due = {credential: self._due(registration, credential, end) for credential, end in ends.items()}
        new = tuple(mark for marks in due.values() for mark in marks)
        checked = registration.changed(checked_at=self.clock(), warned=_living(registration, ends) + new)
        # Whoever gets this written warns; another run that looked at the same time does not.
        if self.registrations.replace(checked, expected=registration) != checked:
            return
        for credential in (credential for credential, marks in due.items() if marks):
            self._warn(registration, credential, ends[credential], has_successor=ends[credential] < last)
            watched.warned += 1
        if new:
            # Nobody warns of these again, so they do not wait for the end of the run.
            self.trail.flush()
        if ends and len(ends) == len(staying):
            left = self._days(last)
            watched.days_left = left if watched.days_left is None else min(left, watched.days_left)

    def _due(self, registration: Registration, credential: Credential, end: float) -> tuple[str, ...]:
        """Give the marks of the warnings whose time has come and which nobody gave."""
        left = (end - self.clock()) / _DAY
        marks = (_mark(credential, end, threshold) for threshold in THRESHOLDS if left <= threshold)
        return tuple(mark for mark in marks if mark not in registration.warned)

    def _warn(self, registration: Registration, credential: Credential, end: float, *, has_successor: bool) -> None:
        days = self._days(end)
        successor = "yes" if has_successor else "no"
        self.trail.note(
            "credential.expiring",
            registration.name,
            "expired" if days <= 0 else "expiring",
            reason="client_secret_expired" if days <= 0 else "",
            credential=credential.name,
            days=str(days),
            expires_at=rfc3339(end),
            successor=successor,
        )
        detail: dict[str, object] = {
            "registration": registration.name,
            "credential": credential.name,
            "days": days,
            "expires_at": rfc3339(end),
            "has_successor": has_successor,
        }
        mark = f"{credential.name}:{end:.0f}:{days}"
        News(self.events, self.trail, self.clock).tell("credential.expiring", registration.name, mark, detail)

    def _days(self, end: float) -> int:
        """Give the whole days left, rounded up: 0 only once it has ended."""
        return max(0, math.ceil((end - self.clock()) / _DAY))


def _end(credential: Credential) -> float:
    """Give the end of a credential's life in epoch seconds, 0 if it is not known."""
    if credential.expires_at or not credential.certificate:
        return credential.expires_at
    try:
        return expiry(credential.certificate)
    except ValueError:
        return 0


def _living(registration: Registration, ends: dict[Credential, float]) -> tuple[str, ...]:
    """Keep the marks of credentials that are still there; those of others would only grow in number."""
    known = {_mark(credential, end, threshold) for credential, end in ends.items() for threshold in THRESHOLDS}
    return tuple(mark for mark in registration.warned if mark in known)


def _mark(credential: Credential, end: float, threshold: int) -> str:
    return f"{credential.name}:{end:.0f}:{threshold}"
