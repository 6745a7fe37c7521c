"""Tokens in memory, for the warm life of one process: a secret read per message costs money."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailbearer.token import StoredToken, TokenSet

_MOST = 1000


class TokenCache:
    """Token sets by account and version, and a lock per account; safe for several threads."""

    def __init__(self) -> None:
        self._known: dict[str, StoredToken] = {}
        self._gates: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def gate(self, account_id: str) -> threading.Lock:
        """Give the account's lock: one thread of a process asks for a token, the others wait for what it gets."""
        with self._lock:
            return self._gates.setdefault(account_id, threading.Lock())

    def get(self, account_id: str, version: str) -> TokenSet | None:
        """Give the token set if it is of exactly this version."""
        known = self._known.get(account_id)
        return known.tokens if known is not None and known.version == version else None

    def put(self, account_id: str, stored: StoredToken) -> None:
        """Keep a token set."""
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.pop(next(iter(self._known)))
            self._known[account_id] = stored

    def drop(self, account_id: str) -> None:
        """Forget a token set."""
        with self._lock:
            self._known.pop(account_id, None)
