"""The suppressions table, in memory."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING

from mailbearer.errors import Fault, InvalidInput
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
        after = _read_cursor(cursor, account) if cursor else ""
        with self.faults.around("listing"), self._lock:
            rows = [row for (owner, address), row in sorted(self.rows.items()) if owner == account and address > after]
        return rows[:limit], _write_cursor(account, rows[limit - 1].address) if len(rows) > limit else ""

    def any_of(self, account: str) -> bool:
        with self.faults.around("any_of"), self._lock:
            return any(owner == account for owner, _ in self.rows)

    def among(self, account: str, addresses: Sequence[str]) -> frozenset[str]:
        with self.faults.around("among"), self._lock:
            return frozenset(address for address in addresses if (account, address) in self.rows)


def _write_cursor(account: str, last: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([account, last]).encode()).decode()


def _read_cursor(cursor: str, account: str) -> str:
    try:
        owner, last = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (TypeError, ValueError):
        owner, last = "", ""
    if owner != account:
        raise InvalidInput((Fault("/cursor", "invalid_cursor", "Use next_cursor of the same list as it was given."),))
    return str(last)
