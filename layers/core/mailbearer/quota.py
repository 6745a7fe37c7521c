"""When a mailbox's messages may go, and how many at once, over all workers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.errors import Unavailable
from mailbearer.ledger import Ledger, Limits, with_sent, with_turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.account import Account
    from mailbearer.ledger_book import LedgerBook
    from mailbearer.mailbox_slots import MailboxSlots, Slot
    from mailbearer.ports import Clock

TURN_HOLDS = 15.0
"""Seconds for which a turn that has come is good; whoever comes later has to ask anew.

Messages that use their turns late can bring a quarter of the turns more into one minute; trust that floods do not use
leaves room for that.
"""

_SHARE, _LARGEST_SHARE, _LEAST = 5, 3, 2
# A fifth of each limit is divided among the workers. If that gives each less than two messages, they get as much of two
# as a third of it allows: a mailbox that sends now and then shall cost no call.


@dataclass(frozen=True, slots=True)
class Trust:
    """A limit, divided: what each worker may send without asking, and what is left for those who ask."""

    each: int
    rest: int


def trust_of(limit: int, workers: int) -> Trust:
    """Divide a limit so that both together never exceed it."""
    each = max(limit // (_SHARE * workers), min(_LEAST, limit // (_LARGEST_SHARE * workers)))
    return Trust(each, limit - each * workers)


@dataclass(slots=True)
class _Ask:
    """A message of so many recipients that waits to be given its turn, 0 = not yet."""

    recipients: int
    turn: float = 0


@dataclass(slots=True)
class _Tab:
    """What this process has sent for one mailbox without asking.

    `own` is a ledger of its own for that; `messages` and `recipients` are what the shared ledger has not been told yet.
    `asks` are answered together, by whoever holds `asking`.
    """

    own: Ledger
    messages: int = 0
    recipients: int = 0
    asks: list[_Ask] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    asking: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """Keep mailboxes within their limits; `workers` is the most processes at once.

    A mailbox without limits costs nothing. Of every other's limits each worker may use a small share on trust, which
    costs nothing either until its day's share is used up; the others' turns are had from the shared ledger, all that
    ask at the same moment with one write. Trust and turns together never exceed a limit while at most `workers`
    processes send in any minute; of a day's limit, each process that ends takes with it what it has not told yet, at
    most its share.
    """

    book: LedgerBook
    slots: MailboxSlots
    clock: Clock
    workers: int
    _tabs: dict[str, _Tab] = field(default_factory=dict, init=False, repr=False)

    def turn(self, account: Account, limits: Limits, recipients: int, *, had: float = 0) -> float:
        """Give the moment from which a message may go (epoch seconds); one that has come means now.

        `had` is the turn that the message was given before, 0 = none; it is good for `TURN_HOLDS` seconds.
        """
        now = self.clock()
        if not limits.counted:
            return now
        if now < had + TURN_HOLDS:
            return had
        tab = self._tabs.setdefault(account.id, _Tab(Ledger(account=account.id)))
        with tab.lock:
            if self._trusted(tab, limits, now, recipients):
                return now
            ask = _Ask(recipients)
            tab.asks.append(ask)
        with tab.asking:
            if not ask.turn:
                with tab.lock:
                    # If whoever took it along came to grief, it is not among them.
                    asks, tab.asks = [ask, *(each for each in tab.asks if each is not ask)], []
                self._answer(tab, limits, asks)
        return ask.turn

    def expect(self, messages: Mapping[str, int]) -> None:
        """Hear of how many messages of each mailbox a batch has; without it a crowded one may take all workers."""
        for account_id, number in messages.items():
            self.slots.expect(account_id, number)

    def rest(self) -> None:
        """Give back what this process does not use any more, now that a batch is done."""
        self.slots.rest()

    def slot(
        self, account: Account, limits: Limits, size: int, patience: float, *, call: float = 60.0, keeps: bool = False
    ) -> Slot:
        """Give one of the mailbox's slots as a context manager; see `MailboxSlots.one`."""
        return self.slots.one(account.id, size, patience, shared=limits.concurrency, call=call, keeps=keeps)

    def _trusted(self, tab: _Tab, limits: Limits, now: float, recipients: int) -> bool:
        """Count the message as sent on trust if some is left and, as far as is known, nobody waits; tell whether."""
        known = self.book.known(tab.own.account)
        if tab.own.next_at > now or (known is not None and known.next_at > now):
            return False
        days = (limits.per_day, tab.messages + 1), (limits.recipients_per_day, tab.recipients + recipients)
        if any(limit and used > trust_of(limit, self.workers).each for limit, used in days):
            return False
        if limits.per_minute:
            each = trust_of(limits.per_minute, self.workers).each
            if not each:
                return False
            own, at = with_turn(tab.own, Limits(per_minute=each), now, recipients)
            if at > now:
                return False
            tab.own = own
        self._untold(tab, recipients)
        return True

    def _answer(self, tab: _Tab, limits: Limits, asks: list[_Ask]) -> None:
        """Give turns from the shared ledger, and tell it what it does not know yet."""
        now, messages, recipients = self.clock(), tab.messages, tab.recipients
        rest = Limits(
            per_minute=trust_of(limits.per_minute, self.workers).rest,
            per_day=trust_of(limits.per_day, self.workers).rest,
            recipients_per_day=trust_of(limits.recipients_per_day, self.workers).rest,
        )

        def rule(ledger: Ledger) -> tuple[Ledger, list[float]]:
            ledger, turns = with_sent(ledger, now, messages, recipients), []
            for ask in asks:
                ledger, turn = with_turn(ledger, rest, now, ask.recipients)
                turns.append(turn)
            return ledger, turns

        try:
            turns = self.book.change(tab.own.account, rule)
        except Unavailable:
            with tab.lock:
                self._share(tab, limits, asks, now)
            return
        with tab.lock:
            tab.messages -= messages
            tab.recipients -= recipients
        for ask, turn in zip(asks, turns, strict=True):
            ask.turn = turn

    def _share(self, tab: _Tab, limits: Limits, asks: list[_Ask], now: float) -> None:
        """Let messages go without the shared ledger: as many in a minute as each of all workers could.

        What a day allows, only the provider knows meanwhile.
        """
        share = Limits(per_minute=max(1, limits.per_minute // self.workers) if limits.per_minute else 0)
        for ask in asks:
            tab.own, ask.turn = with_turn(tab.own, share, now, ask.recipients)
            self._untold(tab, ask.recipients)

    def _untold(self, tab: _Tab, recipients: int) -> None:
        tab.messages += 1
        tab.recipients += recipients
