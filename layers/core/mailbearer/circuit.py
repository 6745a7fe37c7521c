"""Leaving a mailbox alone while its mail side is ill, so that it takes nobody's time."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.errors import NotFound, Unavailable
from mailbearer.pauses import chance

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.message import Outcome
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.stores import AccountStore
    from mailbearer.trail import Trail

ILL = 5
"""Failures in a row after which a circuit opens."""

_FIRST, _LONGEST = 30.0, 900.0  # seconds for which it is open, twice as long after each failed try
_TRY = 60.0  # seconds for which everybody waits for what comes of a try
_WRITES = 3


@dataclass(slots=True)
class _Circuit:
    """A mailbox's circuit as this process knows it; `revision` is that of the account which says so too, 0 = none."""

    failures: int = 0
    until: float = 0
    trying_until: float = 0
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """Open a mailbox's circuit after five failures in a row that say that its mail side is ill, and close it again.

    A refused message is no failure: whoever refuses is well. What somebody has to mend is `Standing`'s matter. Failures
    are counted in each process; an open circuit is kept on the account, where the other workers see it: one write when
    it opens, two for each try that fails, and one when it closes.
    """

    accounts: AccountStore
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes
    _circuits: dict[str, _Circuit] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def open_until(self, account: Account) -> float:
        """Give the moment until which a message has to wait (epoch seconds); one that has come means that it may go.

        When the time is over, one message of all tries. The others' moments are spread over half as long again, so that
        they do not all come back at once.
        """
        if account.id not in self._circuits and not account.circuit_until:
            return 0.0
        now = self.clock()
        with self._lock:
            circuit = self._heeded(account)
            if circuit.failures < ILL:
                return 0.0
            failures, tries = circuit.failures, max(circuit.until, circuit.trying_until) <= now
            if tries:
                circuit.trying_until = now + _TRY
            ends = max(circuit.until, circuit.trying_until)

        def claim(stands: Account) -> dict[str, float] | None:
            return {"circuit_until": ends, "circuit_failures": failures} if stands.circuit_until <= now else None

        if tries and self._keep(account, claim):
            return 0.0
        return ends + 0.5 * _ceiling(failures) * chance(self.random_bytes)

    def failed(self, account: Account, outcome: Outcome) -> None:
        """Count a call that was not taken, if it says that the mail side is ill."""
        from mailbearer.diagnosis import Answer, Who, by_code  # noqa: PLC0415 - mail that goes needs none of it

        row = by_code(outcome.code)
        if row.answer is Answer.MESSAGE:
            self.succeeded(account)
        elif row.answer is Answer.LIMIT or (row.who is Who.NOBODY and row.answer in {Answer.OTHER, Answer.BUSY}):
            self._count(account, outcome)

    def succeeded(self, account: Account) -> None:
        """Begin to count anew, and close the circuit if it is open."""
        if account.id not in self._circuits and not account.circuit_until:
            return
        with self._lock:
            seen = self._circuits.pop(account.id, _Circuit()).revision

        def close(stands: Account) -> dict[str, float] | None:
            # What was read before the circuit opened says nothing.
            still_open = stands.circuit_until or stands.revision < seen
            return {"circuit_until": 0.0, "circuit_failures": 0} if still_open else None

        if self._keep(account, close):
            self.trail.note("account.circuit_closed", account.id, "closed")

    def _heeded(self, account: Account) -> _Circuit:
        """Give the circuit, brought up to what other workers say of it on the account."""
        circuit = self._circuits.setdefault(account.id, _Circuit())
        if account.revision >= circuit.revision:
            if account.circuit_until > circuit.until and account.circuit_until != circuit.trying_until:
                self._circuits[account.id] = circuit = _Circuit(
                    account.circuit_failures, account.circuit_until, revision=account.revision
                )
            elif circuit.revision and not account.circuit_until:
                self._circuits[account.id] = circuit = _Circuit()
        return circuit

    def _count(self, account: Account, outcome: Outcome) -> None:
        now = self.clock()
        with self._lock:
            circuit = self._heeded(account)
            if circuit.until > now:
                # This call began before.
                return
            circuit.failures += 1
            tried, circuit.trying_until = circuit.trying_until, 0
            if circuit.failures < ILL:
                return
            pause = _ceiling(circuit.failures) * (0.5 + 0.5 * chance(self.random_bytes))
            until = circuit.until = now + max(pause, min(outcome.retry_after or 0.0, _LONGEST))
            failures = circuit.failures

        def open_it(stands: Account) -> dict[str, float] | None:
            ours = stands.circuit_until <= now or stands.circuit_until == tried
            return {"circuit_until": until, "circuit_failures": failures} if ours else None

        if self._keep(account, open_it):
            self.trail.note("account.circuit_opened", account.id, "opened", reason=outcome.code)

    def _keep(self, account: Account, change: Callable[[Account], dict[str, float] | None]) -> bool:
        """Change the account unless it needs no change; tell whether it was done.

        What cannot be kept there is good in this process alone.
        """
        try:
            for _ in range(_WRITES):
                fields = change(account)
                if fields is None:
                    return False
                changed = account.changed(**fields)
                account = self.accounts.replace(changed, expected=account)
                if account == changed:
                    self._kept(changed)
                    return True
        except (NotFound, Unavailable) as error:
            self.trail.note("account.mail_unnoted", account.id, "failed", reason=error.code)
        return False

    def _kept(self, account: Account) -> None:
        with self._lock:
            circuit = self._circuits.get(account.id)
            if circuit is not None and account.circuit_until:
                circuit.revision = account.revision


def _ceiling(failures: int) -> float:
    return min(_LONGEST, _FIRST * 2.0 ** min(failures - ILL, 16))
