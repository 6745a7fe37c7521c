"""How many provider calls run at once for one mailbox: in this process, and where it is limited over all of them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.errors import Unavailable
from mailbearer.ledger import with_lease

if TYPE_CHECKING:
    from types import TracebackType

    from mailbearer.ledger import Ledger
    from mailbearer.ledger_book import LedgerBook
    from mailbearer.ports import Clock

RENEWED_AFTER = 60.0
"""Seconds for which a lease gives slots beyond the time that one call may take."""

CROWD = 5
"""Messages in one batch from which on a mailbox is crowded: it could take all workers at once."""

_CROWDED = 60.0  # seconds for which it counts as that
_SLOW = 2.0  # seconds of a call from which on its server is slow; one that is not known yet is taken for that
_ASKED_AGAIN = 2.0
_LONGEST_LINE = 120.0


@dataclass(slots=True)
class _Gate:
    """The slots of one mailbox in this process: `taken` of them are in use, `leased` until `until` are its share.

    `seconds` is about what a call takes, `line` is the moment for which the last who got none was put off.
    """

    free: threading.Condition = field(default_factory=threading.Condition)
    taken: int = 0
    wanted: int = 0
    leased: int = 0
    until: float = 0
    ask_at: float = 0
    seconds: float = _SLOW
    line: float = 0
    crowded_until: float = 0
    keeps: bool = False


@dataclass(slots=True)
class Slot:
    """One provider call's place; as a context manager it yields whether there is one.

    If there is none, `again_at` is the moment (epoch seconds) at which to ask again: later for each who asks, so that
    no more come back than can go.
    """

    _slots: MailboxSlots
    _account_id: str
    _size: int
    _shared: int
    _patience: float
    _call: float
    _keeps: bool
    again_at: float = 0
    _since: float = 0

    def __enter__(self) -> bool:
        slots, account = self._slots, self._account_id
        self.again_at = slots.take(account, self._size, self._shared, self._patience, self._call, keeps=self._keeps)
        self._since = self._slots.clock()
        return not self.again_at

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.again_at:
            self._slots.give_back(self._account_id, self._slots.clock() - self._since)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSlots:
    """Hand out slots; those that all processes share are leased from the mailbox's ledger under the name `worker`.

    A lease costs a write for each mailbox in a batch, one more when more slots are needed than were, and one to give it
    back when the batch is done. Where connections stay open it is kept as long as they are, about a minute: it lapses
    then, and so does a crashed worker's.

    A batch lasts as long as its slowest call. So that a mailbox with a slow server and much mail leaves half of the
    workers to the others, a crowded one shares no more than `crowd` slots while its server is slow or not known yet.
    These are leased for one call each and given back, so that no worker keeps what another needs: two writes for a
    message.
    """

    book: LedgerBook
    clock: Clock
    worker: str
    crowd: int
    _gates: dict[str, _Gate] = field(default_factory=dict, init=False, repr=False)

    def one(
        self, account_id: str, size: int, patience: float, *, shared: int = 0, call: float = 60.0, keeps: bool = False
    ) -> Slot:
        """Give one of `size` slots as a context manager, which yields False if there is none.

        `shared` is the most calls at once over all processes, 0 = not limited; a call takes at most `call` seconds. If
        this process has slots but all are in use, one that comes free is waited for `patience` seconds; if it gets
        none at all, it says so at once. With `keeps` the call leaves a connection open, and the lease stays with it.
        """
        return Slot(self, account_id, size, shared, patience, call, keeps)

    def expect(self, account_id: str, messages: int) -> None:
        """Hear of how many messages of a mailbox a batch has, before its first asks for a slot."""
        if messages >= CROWD:
            self._gates.setdefault(account_id, _Gate()).crowded_until = self.clock() + _CROWDED

    def rest(self) -> None:
        """Give back what is leased and not used, now that a batch is done: another worker may have mail for it.

        What cannot be given back lapses.
        """
        for account_id, gate in list(self._gates.items()):
            with gate.free:
                if gate.leased and not gate.taken and not gate.keeps and gate.until > self.clock():
                    self._lease(account_id, gate, 0, most=gate.leased, until=gate.until)

    def take(
        self, account_id: str, size: int, shared: int, patience: float, call: float, *, keeps: bool = False
    ) -> float:
        """Take a slot; if there is none, give the moment at which to ask again, else 0."""
        gate, end = self._gates.setdefault(account_id, _Gate()), time.monotonic() + patience
        with gate.free:
            gate.keeps = keeps
            gate.wanted += 1
            try:
                while True:
                    most = min(shared or self.crowd, self.crowd) if self._crowds(gate) else shared
                    room = self._leased(account_id, gate, min(size, most), most, call) if most else size
                    if gate.taken < room:
                        gate.taken += 1
                        return 0.0
                    left = end - time.monotonic()
                    if not room or left <= 0 or not gate.free.wait(left):
                        return self._put_off(gate, room)
            finally:
                gate.wanted -= 1

    def give_back(self, account_id: str, seconds: float) -> None:
        """Give a slot back that was used for so many seconds."""
        gate = self._gates[account_id]
        with gate.free:
            crowds = self._crowds(gate)
            gate.taken -= 1
            gate.seconds += (seconds - gate.seconds) / 8
            if crowds and gate.leased > gate.taken and gate.until > self.clock():
                self._lease(account_id, gate, gate.taken, most=gate.leased, until=gate.until)
            gate.free.notify_all()

    def _put_off(self, gate: _Gate, room: int) -> float:
        """Put one more at the end of the line, which moves on by as much as the slots can take."""
        now = self.clock()
        # About two workers for each slot put mail off.
        step = max(0.1, 2 * gate.seconds if self._crowds(gate) else gate.seconds / max(1, room))
        # Each worker's line begins at another moment, so that not all lines bring one back at once.
        begins = gate.line if gate.line > now else now + step * (int(self.worker, 16) % 1000) / 1000
        gate.line = min(begins + step, now + _LONGEST_LINE)
        return gate.line

    def _crowds(self, gate: _Gate) -> bool:
        """Tell whether the mailbox could take all workers: as long as some of its mail is put off, it has much."""
        return gate.seconds >= _SLOW and max(gate.crowded_until, gate.line) > self.clock()

    def _leased(self, account_id: str, gate: _Gate, size: int, most: int, call: float) -> int:
        """Give how many calls this process may make at once, having leased what is wanted and to be had.

        A lease outlives every call that begins under it.
        """
        now, crowds = self.clock(), self._crowds(gate)
        have = gate.leased if gate.until - now >= call else 0
        wanted = min(size, gate.taken + (1 if crowds else gate.wanted))
        if have >= wanted or now < gate.ask_at:
            return have
        granted = self._lease(account_id, gate, wanted, most=most, until=now + call + (0 if crowds else RENEWED_AFTER))
        if granted < wanted:
            gate.ask_at = now + _ASKED_AGAIN
        return max(have, granted)

    def _lease(self, account_id: str, gate: _Gate, wanted: int, *, most: int, until: float) -> int:
        """Lease what is wanted, or as much of it as is more than what is leased already; give how much that is."""
        now = self.clock()
        have = gate.leased if gate.until > now else 0

        def rule(ledger: Ledger) -> tuple[Ledger, int]:
            leased, granted = with_lease(ledger, self.worker, wanted, most=most, now=now, until=until)
            return (leased, granted) if granted == wanted or granted > have else (ledger, -1)

        try:
            granted = self.book.change(account_id, rule)
        except Unavailable:
            # Mail goes on: with what is leased already, or one call at a time from each process.
            granted = 1 if wanted and not have else -1
        if granted >= 0:
            gate.leased, gate.until = granted, until
        return max(0, granted)
