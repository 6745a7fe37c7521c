"""The ledgers as one process knows them, and the one way to change them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from mailbearer.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ledger import Ledger
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.stores import LedgerStore
    from mailbearer.trail import Trail

T = TypeVar("T")

_TRIES = 30
_LEFT_ALONE = 30.0


@dataclass(slots=True)
class _Leaf:
    """What this process saw last of one ledger; the lock is held while the store is asked."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    known: Ledger | None = None
    closed_until: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerBook:
    """Change ledgers by rules, each change one conditional write; safe for several threads.

    A change is a read and a write, for a read costs a fifth of a write that comes too late. A store that does not
    answer is left alone for half a minute, so that no message waits for it.
    """

    ledgers: LedgerStore
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes
    _leaves: dict[str, _Leaf] = field(default_factory=dict, init=False, repr=False)

    def known(self, account_id: str) -> Ledger | None:
        """Give a mailbox's ledger as this process saw it last, None if it has not yet."""
        leaf = self._leaves.get(account_id)
        return leaf.known if leaf is not None else None

    def change(self, account_id: str, rule: Callable[[Ledger], tuple[Ledger, T]]) -> T:
        """Apply a rule to a mailbox's ledger, and again if another worker was first; give what the rule gives.

        A rule that leaves the ledger as it is costs no write. Raises `Unavailable`.
        """
        leaf = self._leaves.setdefault(account_id, _Leaf())
        with leaf.lock:
            if self.clock() < leaf.closed_until:
                raise Unavailable("The mailbox's ledger could not be had a moment ago.")
            try:
                return self._changed(account_id, leaf, rule)
            except Unavailable as error:
                leaf.closed_until = self.clock() + _LEFT_ALONE
                self.trail.note("account.ledger_unavailable", account_id, "failed", reason=error.code)
                raise

    def _changed(self, account_id: str, leaf: _Leaf, rule: Callable[[Ledger], tuple[Ledger, T]]) -> T:
        stands = self.ledgers.get(account_id)
        for _ in range(_TRIES):
            leaf.known = stands
            wanted, given = rule(stands)
            if wanted == stands:
                return given
            wanted = wanted.changed(self.random_bytes(4).hex())
            stands = self.ledgers.replace(wanted, expected=stands)
            if stands == wanted:
                leaf.known = stands
                return given
        raise Unavailable("The mailbox's ledger is changed by too many workers at once.")
