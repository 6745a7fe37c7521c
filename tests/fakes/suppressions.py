"""The suppressions table, in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.fakes.cursors import bad_cursor, read_cursor, write_cursor
from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbearer.suppression import Suppression


class FakeSuppressionStore:
    """Suppressions by account and address."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.rows: dict[tuple[str, str], Suppression] = {}
        self._lock = threading.Lock()

    def put(self, suppression: Suppression) -> Suppression:
        with self.faults.around("put"), self._lock:
            return self.rows.setdefault((suppression.account, suppression.address), suppression)

    def get(self, account: str, address: str) -> Suppression | None:
        with self.faults.around("get"), self._lock:
            return self.rows.get((account, address))

    def delete(self, account: str, address: str) -> bool:
        with self.faults.around("delete"), self._lock:
            return self.rows.pop((account, address), None) is not None

    def listing(self, account: str, *, limit: int, cursor: str) -> tuple[list[Suppression], str]:
        owner, after = read_cursor(cursor, 2) if cursor else (account, "")
        if owner != account:
            raise bad_cursor()
        with self.faults.around("listing"), self._lock:
            rows = [row for (of, address), row in sorted(self.rows.items()) if of == account and address > after]
        return rows[:limit], write_cursor(account, rows[limit - 1].address) if len(rows) > limit else ""

    def any_of(self, account: str) -> bool:
        with self.faults.around("any_of"), self._lock:
            return any(owner == account for owner, _ in self.rows)

    def among(self, account: str, addresses: Sequence[str]) -> frozenset[str]:
        with self.faults.around("among"), self._lock:
            return frozenset(address for address in addresses if (account, address) in self.rows)
