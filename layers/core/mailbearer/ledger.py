"""What a mailbox has used of its limits, and the rules by which its next message may go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailbearer.account import Account
    from mailbearer.definition import Definition
    from mailbearer.registration import Registration

SLICE = 3.0
"""Seconds of one entry in `Ledger.slices`."""

_SLICES = 21
_HOUR, _HOURS = 3600.0, 25
# So many slices or hours touch every window of 60 s or of a day that ends in the last of them.

SPACE = SLICE * _SLICES
"""Seconds over which as many messages as may go in any minute are spaced when they have to wait."""

FARTHEST = 7 * 86_400.0
"""Seconds ahead within which turns are given: mail waits no longer, so that a later one need take nobody's place."""

_SPACE_OF_DAYS = 1.0  # seconds between those that wait for a day's limit alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a mailbox may send, 0 = as much as it likes; `recipients` is for one message.

    They are what the account says, and where it says nothing what the provider publishes.
    """

    per_minute: int = 0
    per_day: int = 0
    recipients_per_day: int = 0
    recipients: int = 0
    concurrency: int = 0

    @property
    def counted(self) -> bool:
        """Tell whether what is sent has to be counted."""
        return bool(self.per_minute or self.per_day or self.recipients_per_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What one mailbox has used, shared by all workers; times are epoch seconds.

    `next_at` is the moment from which the next message may go; it lies in the future while others wait. `under` are the
    limits by which they wait: messages per minute, messages per day, recipients per day. `slices` are
    the messages of each slice of a minute (its number since the epoch) that still counts, `hours` the messages and the
    recipients of each such hour. `leases` say which worker may make how many calls at once, and until when.
    `revision` grows by one with every change, and `mark` is a random word of who made it: two workers that change the
    same ledger at the same time in the same way are still two.
    """

    account: str
    next_at: float = 0
    under: tuple[int, ...] = ()
    slices: tuple[tuple[int, int], ...] = ()
    hours: tuple[tuple[int, int, int], ...] = ()
    leases: tuple[tuple[str, int, float], ...] = ()
    revision: int = 0
    mark: str = ""

    @property
    def matters_until(self) -> float:
        """Give when nothing of it counts any more (epoch seconds)."""
        used = (self.hours[-1][0] + _HOURS) * _HOUR if self.hours else 0.0
        return max(used, self.next_at, *(until for *_, until in self.leases), 0.0)

    def changed(self, mark: str) -> Ledger:
        """Give it as the next revision, with the mark of who changed it."""
        return replace(self, revision=self.revision + 1, mark=mark)

    def used(self, now: float) -> tuple[int, int, int]:
        """Give the messages of the last minute, the messages of the last day and the recipients of the last day.

        Turns are counted from their moment on. The day is made of hours, so up to one more. While mail waits for longer
        than a day, what went before that is not known any more.
        """
        first, last = int(now // SLICE) - _SLICES, int(now // SLICE)
        minute = sum(messages for number, messages in self.slices if first < number <= last)
        oldest, hour = int(now // _HOUR) - _HOURS, int(now // _HOUR)
        day = [entry for entry in self.hours if oldest < entry[0] <= hour]
        return minute, sum(messages for _, messages, _ in day), sum(recipients for *_, recipients in day)


def limits_of(account: Account, registration: Registration, definition: Definition) -> Limits:
    """Give a mailbox's limits: each is the account's own if it has one, for its owner knows, else the provider's."""
    own = dict(account.limits)

    def least(name: str, published: str = "") -> int:
        return own.get(name) or definition.limit(published or name, account.address, registration.transport)

    return Limits(
        per_minute=least("per_minute", "messages_per_minute"),
        per_day=least("per_day", "messages_per_day"),
        recipients_per_day=least("recipients_per_day"),
        recipients=least("recipients_per_message"),
        concurrency=least("concurrency"),
    )


def with_turn(ledger: Ledger, limits: Limits, now: float, recipients: int) -> tuple[Ledger, float]:
    """Give a message of so many recipients its turn: the moment from which it may go (epoch seconds), `now` or later.

    Whatever fits within any 60 s and any day goes at once while nobody waits. Whoever has to wait gets a definite turn
    after all that wait already, evenly spaced, so that no two limits are met in bursts and none asks twice. A message
    with more recipients than a day allows gets a day of its own; what becomes of it the provider has to say. A turn
    farther off than `FARTHEST` is named but not given.

    Who waits by other limits than these is not waited for: after a flood the owner raises them, and the next message
    shall not come after all those that have their turns days from now.
    """
    under = (limits.per_minute, limits.per_day, limits.recipients_per_day)
    at = max(now, ledger.next_at if ledger.under == under else 0.0)
    recipients = min(recipients, limits.recipients_per_day or recipients)
    minute = [(number, messages) for number, messages in ledger.slices]
    days = [(number, messages) for number, messages, _ in ledger.hours]
    reached = [(number, recipients) for number, _, recipients in ledger.hours]
    while True:
        fits = _room(minute, at, SLICE, _SLICES, most=limits.per_minute, wanted=1)
        fits = _room(days, fits, _HOUR, _HOURS, most=limits.per_day, wanted=1)
        fits = _room(reached, fits, _HOUR, _HOURS, most=limits.recipients_per_day, wanted=recipients)
        if fits == at:
            break
        at = fits
    if at > now + FARTHEST:
        return ledger, at
    space = SPACE / limits.per_minute if limits.per_minute else _SPACE_OF_DAYS
    taken = _count(ledger, at, slices=1 if limits.per_minute else 0, messages=1, recipients=recipients)
    return replace(taken, next_at=at + space, under=under) if at > now else taken, at


def with_sent(ledger: Ledger, now: float, messages: int, recipients: int) -> Ledger:
    """Count messages of the last minutes that went without having a turn."""
    return _count(ledger, now, messages=messages, recipients=recipients) if messages else ledger


def with_lease(ledger: Ledger, worker: str, wanted: int, *, most: int, now: float, until: float) -> tuple[Ledger, int]:
    """Lease a worker `wanted` calls at once, or as many of `most` as the others leave; give how many.

    The ledger stays as it is if there is none. Who wants none gives back what he has.
    """
    others = tuple(lease for lease in ledger.leases if lease[0] != worker and lease[2] > now)
    granted = max(0, min(wanted, most - sum(slots for _, slots, _ in others)))
    if wanted and not granted:
        return ledger, 0
    return replace(ledger, leases=(*others, (worker, granted, until)) if granted else others), granted


def _room(entries: Iterable[tuple[int, int]], at: float, width: float, span: int, *, most: int, wanted: int) -> float:
    """Give the first moment from `at` on at which `wanted` more fit among the last `span` entries.

    An entry that lies ahead counts too: another worker's clock may be a little fast.
    """
    if not most:
        return at
    counted = sorted(entry for entry in entries if entry[0] > at // width - span)
    used = sum(amount for _, amount in counted)
    for number, amount in counted:
        if used + wanted <= most:
            break
        used -= amount
        at = max(at, (number + span) * width)
    return at


def _count(ledger: Ledger, at: float, *, slices: int = 0, messages: int, recipients: int) -> Ledger:
    """Enter what goes at a moment, and leave out what no turn from now on can depend on."""
    minutes = {number: amount for number, amount in ledger.slices if number > at // SLICE - _SLICES}
    days = {number: (sent, reached) for number, sent, reached in ledger.hours if number > at // _HOUR - _HOURS}
    if slices:
        minutes[int(at // SLICE)] = minutes.get(int(at // SLICE), 0) + slices
    sent, reached = days.get(int(at // _HOUR), (0, 0))
    days[int(at // _HOUR)] = (sent + messages, reached + recipients)
    return replace(
        ledger,
        slices=tuple(sorted(minutes.items())),
        hours=tuple((number, *amounts) for number, amounts in sorted(days.items())),
    )
