"""Webhooks: where others want to hear what happened, and how they know that it was us (Standard Webhooks)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

EVERY_EVENT = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An endpoint that hears of events; `events` are their types or `*`, `accounts` empty means every account.

    Its signing secrets are in the vault. `failures` counts deliveries that failed in a row, `failing_since` since when,
    `disabled` says that nothing is delivered, and `reason` why. `last_failure` is the code of the newest failure, of a
    success nothing; `delivered_at` is kept to a few minutes. Times are epoch seconds; `revision` grows by one with
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
    last_failure: str = ""
    delivered_at: float = 0
    rotated_at: float = 0
    revision: int = 0

    def wants(self, kind: str, account_id: str) -> bool:
        """Tell whether an event of this type about this account goes there."""
        of_type = EVERY_EVENT in self.events or kind in self.events
        return of_type and not self.disabled and (not self.accounts or account_id in self.accounts)

    def changed(self, **fields: Any) -> Self:
        """Give the webhook with these fields changed, as the next revision."""
        return replace(self, revision=self.revision + 1, **fields)


@dataclass(frozen=True, slots=True)
class OldSecret:
    """A signing secret that was replaced, and until when (epoch seconds) it still signs beside the new one."""

    value: bytes = field(repr=False)
    until: float


@dataclass(frozen=True, slots=True)
class SigningSecrets:
    """A webhook's signing secrets (raw bytes): the current one, and those before it, the newest first.

    `rotated_at` is that of the webhook as it stood when they were made: another there says that others are on the way.
    """

    current: bytes = field(repr=False)
    previous: tuple[OldSecret, ...] = ()
    rotated_at: float = 0

    def in_force(self, now: float) -> tuple[bytes, ...]:
        """Give all that sign at `now` (epoch seconds), the current one first."""
        return (self.current, *(old.value for old in self.previous if now < old.until))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A notice on its way to one webhook; it was tried `attempt` times and is not tried before `not_before`."""

    webhook: str
    notice: Notice
    attempt: int = 0
    not_before: float = 0
