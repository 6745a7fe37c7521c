"""What no open incident allows: that a mailbox which it covers is added, connected, resumed or refreshed by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.errors import ConsentRefused, IncidentDeclared

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.ports.stores import IncidentStore


@dataclass(frozen=True, slots=True)
class Embargo:
    """Ask whether an incident forbids something; nobody is connected while that cannot be found out.

    It is asked where something begins and once more before anything is stored. What slips between an answer and a write
    is shut by the incident's next look: it looks again at its end, and the schedule does as long as it is open.
    """

    incidents: IncidentStore

    def check(self, account: Account) -> None:
        """Refuse what an incident forbids. Raises `IncidentDeclared`, `Unavailable`."""
        incident = account.incident if account.is_shut else self._covering(account)
        if incident:
            msg = (
                f"The incident {incident} shuts {account.address}: nothing is sent, and nobody connects it, until that "
                f"is resolved (`mailbearer incident resolve {incident}`)."
            )
            raise IncidentDeclared(msg)

    def check_consent(self, account: Account) -> None:
        """Refuse a consent that an incident forbids. Raises `ConsentRefused`, `Unavailable`."""
        try:
            self.check(account)
        except IncidentDeclared as error:
            msg = "This mailbox was shut in an emergency. Its operator sends a new link when that is over."
            raise ConsentRefused(msg, reason=error.code, status=409) from error

    def _covering(self, account: Account) -> str:
        open_ones = (one.id for one in self.incidents.listing() if one.covers(account.id, account.provider))
        return next(open_ones, "")
