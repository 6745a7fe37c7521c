"""How many mailboxes wait for their owners: no index holds them, so now and then all are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.account import AccountState

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.stores import AccountStore

_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Count the mailboxes whose grant died and that nobody has connected again; `tell` hears the number."""

    accounts: AccountStore
    tell: Callable[[int], object]

    def run(self) -> int:
        """Read all accounts, about half a read unit for each. Raises `Unavailable`."""
        waiting, cursor = 0, ""
        while True:
            page, cursor = self.accounts.listing(limit=_PAGE, cursor=cursor)
            waiting += sum(account.state is AccountState.CONSENT_REQUIRED for account in page)
            if not cursor:
                self.tell(waiting)
                return waiting
