"""The ledgers table, in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mailbearer.ledger import Ledger
from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Mapping


class FakeLedgerStore:
    """Ledgers by account."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._ledgers: dict[str, Ledger] = {}
        self._lock = threading.Lock()

    @property
    def ledgers(self) -> Mapping[str, Ledger]:
        """Give what is kept."""
        return self._ledgers

    def get(self, account_id: str) -> Ledger:
        with self.faults.around("get"), self._lock:
            return self._ledgers.get(account_id, Ledger(account=account_id))

    def replace(self, new: Ledger, *, expected: Ledger) -> Ledger:
        with self.faults.around("replace"), self._lock:
            stands = self._ledgers.get(new.account, Ledger(account=new.account))
            if stands == expected:
                self._ledgers[new.account] = stands = new
            return stands

    def forget(self, account_id: str) -> None:
        """Remove a ledger, as the table does in its own time."""
        self._ledgers.pop(account_id, None)
