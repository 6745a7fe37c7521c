"""Play every fault at the sandbox's token endpoint, over real sockets, and see how the mailbox ends up."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mailbearer.errors import GrantDead, TokenError
from proofs.faults import FAULTS, End, TokenFault
from proofs.ground import PROVIDERS, Clock, Ground
from proofs.processes import fork, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.account import Account
    from mailbearer.wiring import Wiring
    from proofs.processes import Say

OLD_ENDS_IN = 600.0
"""Life that the old access token has left, in seconds: a refresh is wanted, and the old one still serves."""
_WANTED_FOR = 1800.0
SECONDS = 240.0
_NOW = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How one fault ended, and how it has to."""

    place: int
    fault: str
    provider: str
    seen: End
    expected: End

    @property
    def holds(self) -> bool:
        """Tell whether it ended as specified; a pause within its bounds is as good as another."""
        first, last = self.expected.pause
        if not first <= self.seen.pause[0] <= last:
            return False
        return replace(self.seen, pause=self.expected.pause) == self.expected

    def as_json(self) -> dict[str, Any]:
        """Give it for a file."""
        return asdict(self) | {"holds": self.holds}


def prove(ground: Ground) -> Iterator[Ending]:
    """Play every fault and give its ending as it is seen; each provider's are played one after the other."""
    lanes = [fork(partial(_lane, ground, provider)) for provider in PROVIDERS]
    for _, (number, said) in told(lanes, seconds=SECONDS):
        seen = End(**said | {"pause": tuple(said["pause"]), "audit": tuple(said["audit"])})
        fault = FAULTS[number]
        yield Ending(place=number, fault=fault.name, provider=fault.provider, seen=seen, expected=fault.end)


def _lane(parents: Ground, provider: str, say: Say) -> None:
    ground = parents.forked()
    for number, fault in enumerate(FAULTS):
        if fault.provider == provider:
            say([number, asdict(_ending(ground, fault))])


def _ending(ground: Ground, fault: TokenFault) -> End:
    account = ground.connect(fault.provider, ends_in=OLD_ENDS_IN)
    clock, begin, before = Clock(), time.time(), ground.token_calls(fault.provider)
    wiring = ground.wiring(clock)
    planned = ground.control.plan_fault(
        "token",
        fault.kind,
        tenant=PROVIDERS[fault.provider].tenant,
        times=fault.times,
        match={"grant_type": "refresh_token", "mailbox": account.address},
        **fault.params(),
    )
    asked_at = clock()
    _try(wiring, account)
    ended = ground.stores.accounts.get(account.id) or account
    if ended.token.failures:
        # Nobody asks again before the pause is over, however often somebody wants a token.
        _try(wiring, account)
    played = {each["id"]: each["played"] for each in ground.control.faults()}[planned]
    made = ground.token_calls(fault.provider) - before
    stored = ground.stores.vault.read(account.id)
    pause = ended.token.backoff_until - max(asked_at, ended.updated_at) if ended.token.backoff_until else 0
    end = End(
        state=str(ended.state) + (f" ({ended.reason})" if ended.reason else ""),
        pause=(round(pause, 1), round(pause, 1)),
        failures=ended.token.failures,
        lost=ended.token.answer_lost_at > 0,
        serves=_serves(wiring, account),
        # A hanging call is counted by the sandbox when it ends, and here as soon as it began.
        token_calls=max(made, played),
        audit=_audit(ground, account, wiring, begin),
        life=None if stored is None or stored.version == account.token.version else _life(stored.tokens),
    )
    clock.advance(max(pause, end.life or 0) + 1)
    _try(wiring, account)
    wiring.trail.flush()
    return replace(end, after=_after(ground, account, ended.token.version))


def _try(wiring: Wiring, account: Account) -> None:
    """Want a token that lives longer than the old one."""
    try:
        wiring.lifecycle.refresh(account.id, needed_until=wiring.clock() + _WANTED_FOR)
    except TokenError:
        return


def _serves(wiring: Wiring, account: Account) -> bool:
    """Tell whether a message that is sent now gets a token without another call."""
    try:
        return bool(wiring.lifecycle.usable(account, needed_for=_NOW))
    except GrantDead:
        return False


def _life(tokens: Any) -> float:
    return float(round(tokens.expires_at - tokens.obtained_at))


def _audit(ground: Ground, account: Account, wiring: Wiring, begin: float) -> tuple[str, ...]:
    wiring.trail.flush()
    shown = []
    # One process wrote all of them, so its chain has them in their order.
    for _, event in sorted(ground.audit(since=begin), key=lambda each: int(each[1]["seq"])):
        if event["subject"] in {account.id, account.provider}:
            reason = f" ({event['reason']})" if event.get("reason") else ""
            missing = event.get("facts", {}).get("scope_missing")
            shown.append(
                f"{event['action']} {event['outcome']}{reason}" + (f", scope_missing={missing}" if missing else "")
            )
    # That the intent is the first is specified; the order of the others is not.
    return (*shown[:1], *sorted(shown[1:]))


def _after(ground: Ground, account: Account, version: str) -> str:
    now = ground.stores.accounts.get(account.id) or account
    if now.reason:
        return f"{now.state} ({now.reason})"
    return "refreshed" if now.token.version != version and not now.token.failures else f"{now.state}, not refreshed"
