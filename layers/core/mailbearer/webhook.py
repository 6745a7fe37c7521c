"""Webhooks: where others want to hear what happened, and how they know that it was us (Standard Webhooks)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

EVERY_EVENT = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An endpoint that hears of events; `events` are their types or `*`, `accounts` empty means every account.

    Its signing secrets are in the vault. `failures` counts deliveries that failed in a row, `failing_since` since when,
    `disabled` says that nothing is delivered, and `reason` why. Times are epoch seconds; `revision` grows by one with
    every change.
    """

    id: str
    url: str
    events: tuple[str, ...]
    accounts: frozenset[str] = frozenset()
    description: str = ""
    created_at: float
    created_by: str
    updated_at: float
    disabled: bool = False
    reason: str = ""
    failures: int = 0
    failing_since: float = 0
    delivered_at: float = 0
    revision: int = 0

    def wants(self, kind: str, account_id: str) -> bool:
        """Tell whether an event of this type about this account goes there."""
        of_type = EVERY_EVENT in self.events or kind in self.events
        return of_type and not self.disabled and (not self.accounts or account_id in self.accounts)

    def changed(self, **fields: Any) -> Self:
        """Give the webhook with these fields changed, as the next revision."""
        return replace(self, revision=self.revision + 1, **fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSecrets:
    """A webhook's signing secrets (raw bytes); `previous` signs too until `previous_until` (epoch seconds)."""

    current: bytes = field(repr=False)
    previous: bytes = field(default=b"", repr=False)
    previous_until: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An event as others hear of it: `kind` is its type, `id` the same however often it is told.

    `at` is RFC 3339 UTC, `account` the account it is about, empty if none. `data` holds nothing secret but, for
    `account.reconnect_wanted`, the link by which the mailbox's owner connects it again.
    """

    id: str
    kind: str
    at: str
    account: str
    data: dict[str, object] = field(repr=False)
