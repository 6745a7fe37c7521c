"""Mailbearer's accounts, read through its own API for the inbox page."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TIMEOUT = 2.0
"""Seconds for one call."""
FRESH = 2.0
"""Seconds one answer is shown before the API is asked again."""
SHOWN = ("id", "address", "provider", "transport", "status")


class MailbearerAccounts:
    """The accounts of the stack whose `local.json` is named; says why when there is none."""

    def __init__(self, *, state_file: Path | None, clock: Callable[[], float]) -> None:
        self._state_file = state_file
        self._clock = clock
        self._lock = threading.Lock()
        self._answer: dict[str, Any] = {}
        self._asked_at: float | None = None

    def state(self) -> dict[str, Any]:
        """Return `{"state": "none" | "down" | "up", "accounts": [...]}`."""
        with self._lock:
            if self._asked_at is None or not 0 <= self._clock() - self._asked_at < FRESH:
                self._answer = self._ask()
                self._asked_at = self._clock()
            return self._answer

    def _ask(self) -> dict[str, Any]:
        if self._state_file is None:
            return {"state": "none", "accounts": []}
        try:
            local = json.loads(self._state_file.read_text())
            response = requests.get(
                f"{local['api_url']}/v1/accounts",
                headers={"Authorization": f"Bearer {local['api_key']}"},
                timeout=TIMEOUT,
            )
            response.raise_for_status()
            rows = response.json()["data"]
            accounts = [{name: str(row.get(name) or "") for name in SHOWN} for row in rows]
        except FileNotFoundError:
            return {"state": "none", "accounts": []}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # OSError covers every failure of Requests; the rest is an answer that is not of the API's shape.
            return {"state": "down", "accounts": []}
        return {"state": "up", "accounts": accounts}
