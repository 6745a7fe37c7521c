"""What a mailbox has used of its limits, and when its next message may go."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a mailbox may send, 0 = as much as it likes; `recipients` is for one message.

    They are the least of what the provider publishes and what the account says.
    """

    per_minute: int = 0
    per_day: int = 0
    recipients_per_day: int = 0
    recipients: int = 0
    concurrency: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What one mailbox has used, shared by all workers; times are epoch seconds.

    `next_at` is the moment from which the next message may go. `hours` are the messages and the recipients of each hour
    (its number since the epoch) that still counts. `leases` say which worker may make how many calls at once,
    and until when. `revision` grows by one with every change.
    """

    account: str
    next_at: float = 0
    hours: tuple[tuple[int, int, int], ...] = ()
    leases: tuple[tuple[str, int, float], ...] = ()
    revision: int = 0
