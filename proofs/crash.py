"""A process is killed at every call of a refresh, before and after its effect; other processes then go on."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mailbearer.errors import GrantDead
from proofs.calls import Calls, Point
from proofs.ground import Clock, Ground
from proofs.processes import ProcessError, fork, told
from proofs.recovery import recovered
from proofs.specified import OLD_ENDS_IN, REVOKED, WANTED_FOR, Crash, expected, marks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.account import Account
    from proofs.processes import Say

SECONDS = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One crash point of one case, which is a provider's habit or `REVOKED`: what was seen, and what has to be."""

    case: str
    number: int
    answered: bool
    call: str
    in_the_window: bool
    seen: Crash
    expected: Crash

    @property
    def holds(self) -> bool:
        """Tell whether it came as the specification says."""
        return self.seen == self.expected

    def as_json(self) -> dict[str, Any]:
        """Give it for a file."""
        return asdict(self) | {"holds": self.holds}


def prove(ground: Ground) -> Iterator[Row]:
    """Kill a process at every point of a refresh at each provider, and give a row for each as it is seen."""
    # A provider's requests are counted together, so what happens at one provider happens one after the other.
    lanes = [fork(partial(_lane, ground, cases)) for cases in (("kept", REVOKED), ("renewed",), ("rotated",))]
    for _, row in told(lanes, seconds=SECONDS):
        yield Row(**row | {"seen": Crash(**row["seen"]), "expected": Crash(**row["expected"])})


def _lane(parents: Ground, cases: tuple[str, ...], say: Say) -> None:
    """Go through the points of some cases at one provider."""
    ground = parents.forked()
    for case in cases:
        for row in _rows(ground, case):
            say(asdict(row))


def _rows(ground: Ground, case: str) -> Iterator[Row]:
    """Go through the points of one case; which there are is learnt from a refresh that nobody disturbs."""
    calls = _run(ground, _connected(ground, case), None)
    at = marks(calls)
    for number, call in enumerate(calls):
        for answered in (False, True):
            point = Point(number, answered)
            yield Row(
                case=case,
                number=number,
                answered=answered,
                call=call,
                in_the_window=at.in_the_window(point),
                seen=_crash(ground, case, point),
                expected=expected(at, point, case),
            )


def _connected(ground: Ground, case: str) -> Account:
    account = ground.connect(_provider(case), ends_in=OLD_ENDS_IN)
    if case == REVOKED:
        ground.control.revoke_tokens(mailbox=account.address)
    return account


def _provider(case: str) -> str:
    return "kept" if case == REVOKED else case


def _run(ground: Ground, account: Account, end: Point | None) -> list[str]:
    """Let a process refresh and acknowledge; give its calls, or nothing if it was killed."""

    def refresh(say: Say) -> None:
        calls = Calls(ground.settings, end)
        wiring = ground.forked().watched(calls, Clock())
        with suppress(GrantDead):
            wiring.lifecycle.refresh(account.id, needed_until=time.time() + WANTED_FOR)
        wiring.trail.flush()
        say(calls.seen)

    seen = [calls for _, calls in told([fork(refresh)], seconds=SECONDS)]
    if end is not None and seen:
        raise ProcessError(f"the process was not killed at {end}")
    return seen[0] if seen else []


def _crash(ground: Ground, case: str, point: Point) -> Crash:
    account = _connected(ground, case)
    before = ground.token_calls(_provider(case))
    _run(ground, account, point)

    def recover(say: Say) -> None:
        say(asdict(recovered(ground.forked(), account, _provider(case), calls_before=before)))

    ((_, seen),) = told([fork(recover)], seconds=SECONDS)
    return Crash(**seen)
