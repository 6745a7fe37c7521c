"""How often each endpoint was asked, and how it went."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any


class Counters:
    """Requests by tenant, endpoint, grant type and outcome; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str | None, str, str | None, str]] = Counter()

    def count(self, *, tenant: str | None, endpoint: str, outcome: str, grant_type: str | None = None) -> None:
        """Count one request."""
        with self._lock:
            self._counts[tenant, endpoint, grant_type, outcome] += 1

    def clear(self) -> None:
        """Start again from nothing."""
        with self._lock:
            self._counts.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """Return one row for each combination seen."""
        with self._lock:
            rows = sorted(self._counts.items(), key=lambda row: tuple(str(part) for part in row[0]))
        return [
            {"tenant": tenant, "endpoint": endpoint, "grant_type": grant_type, "outcome": outcome, "count": count}
            for (tenant, endpoint, grant_type, outcome), count in rows
        ]
