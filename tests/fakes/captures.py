"""What the sandbox transport took, in memory."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from mailbearer.capture import Capture


class FakeCaptureStore:
    """Captures with their MIME, by account and Message-ID."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.kept: dict[tuple[str, str], tuple[Capture, bytes]] = {}
        self._tries: Counter[tuple[str, str]] = Counter()

    def put(self, capture: Capture, mime: bytes) -> str:
        with self.faults.around("put"):
            self.kept[capture.account, capture.message_id] = (capture, mime)
        return f"captured/{capture.account}/{capture.message_id.strip('<>')}"

    def find(self, account_id: str, message_id: str) -> Capture | None:
        with self.faults.around("find"):
            found = self.kept.get((account_id, message_id))
        return found[0] if found else None

    def read(self, account_id: str, message_id: str) -> bytes | None:
        with self.faults.around("read"):
            found = self.kept.get((account_id, message_id))
        return found[1] if found else None

    def listing(self, account_id: str, *, limit: int) -> list[Capture]:
        with self.faults.around("listing"):
            mine = [capture for capture, _ in self.kept.values() if capture.account == account_id]
        return sorted(mine, key=lambda capture: capture.at, reverse=True)[:limit]

    def count_try(self, account_id: str, message_id: str) -> int:
        with self.faults.around("count_try"):
            self._tries[account_id, message_id] += 1
            return self._tries[account_id, message_id]
