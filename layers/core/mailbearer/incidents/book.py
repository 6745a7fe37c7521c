"""The incidents as they stand, and the mailboxes that one is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailbearer.account import AccountState
from mailbearer.errors import Conflict, NotFound
from mailbearer.incident import Incident, IncidentState, Reach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailbearer.account import Account
    from mailbearer.ports.stores import AccountStore, IncidentStore

_PAGE = 500
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step has come, by count of mailboxes."""

    step: str
    done: int
    failed: int = 0


def unwatched(progress: Progress) -> None:
    """Let progress go by."""
    del progress


@dataclass(frozen=True, slots=True)
class Book:
    """Read and change incidents, and find their mailboxes."""

    incidents: IncidentStore
    accounts: AccountStore

    def find(self, incident_id: str) -> Incident:
        """Read an incident. Raises `NotFound`."""
        incident = self.incidents.get(incident_id)
        if incident is None:
            raise NotFound(f"There is no incident {incident_id!r}; `mailbearer incident list` shows them all.")
        return incident

    def change(self, incident: Incident, fits: Callable[[Incident], bool], **fields: Any) -> Incident:
        """Change an incident as it stands, as long as it `fits`; gives the one that stands. Raises `Conflict`."""
        for _ in range(_TRIES):
            if not fits(incident):
                return incident
            changed = incident.changed(**fields)
            stored = self.incidents.replace(changed, expected=incident)
            if stored == changed:
                return changed
            incident = stored
        raise Conflict("Others change this incident at the same time; the same again is safe.")

    def reached(self, incident: Incident) -> Iterator[Account]:
        """Give the mailboxes that an incident is about, those that send first on each page that is read."""
        if incident.reach is Reach.ACCOUNT:
            account = self.accounts.get(incident.target)
            yield from () if account is None else (account,)
            return
        for page in self._pages():
            within = (one for one in page if incident.reaches(one.id, one.provider))
            yield from sorted(within, key=lambda one: one.state is not AccountState.ACTIVE)

    def shut_by(self, incident: Incident) -> Iterator[Account]:
        """Give the mailboxes that an incident shut and that have not come back."""
        return (account for account in self.reached(incident) if account.incident == incident.id)

    def open_besides(self, incident: Incident) -> list[Incident]:
        """Give the other incidents that are not resolved."""
        return [one for one in self.incidents.listing() if one.is_open and one.id != incident.id]

    def _pages(self) -> Iterator[list[Account]]:
        cursor = ""
        while True:
            page, cursor = self.accounts.listing(limit=_PAGE, cursor=cursor)
            yield page
            if not cursor:
                return


def is_declared(incident: Incident) -> bool:
    """Tell whether its mailboxes are still being shut."""
    return incident.state is IncidentState.DECLARED
