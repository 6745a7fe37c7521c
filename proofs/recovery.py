"""What other processes make of what a dead one left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.account import AccountState
from mailbearer.errors import GrantDead, RefreshDeferred
from mailbearer.refreshing.lease import LEASE_SECONDS
from proofs.ground import Clock, Ground
from proofs.specified import GONE, LEASE, NEW, NOTHING, PLANNED, WANTED_FOR, Crash

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.token import StoredToken
    from mailbearer.wiring import Wiring

_TRIES = 5
_TWO_HOURS = 7200.0


def recovered(ground: Ground, account: Account, provider: str, *, calls_before: int) -> Crash:
    """Let processes come and go as time passes, until one has a token that lives long enough, or none can have one.

    `account` is the mailbox, and `calls_before` the provider's count of token calls, before the crash.
    """
    clients, clock = ground.clients(), Clock()
    until = clock() + WANTED_FOR
    found = _left_behind(ground, account)
    calls, meanwhile, outcome, fresh = ground.token_calls(provider), "", "never came to an end", None
    for _ in range(_TRIES):
        process = ground.wiring(clock, clients=clients)
        try:
            token = process.lifecycle.refresh(account.id, needed_until=until)
        except GrantDead as dead:
            outcome = f"consent_required ({dead.reason})"
            break
        except RefreshDeferred as deferred:
            meanwhile = "none"
            clock.advance(deferred.retry_at - clock() + 1)
            continue
        finally:
            process.trail.flush()
        now = ground.stores.accounts.get(account.id)
        if now is not None and not now.token.lease_owner and token.tokens.lives_until(until):
            outcome = "adopted" if found == PLANNED else "used"
            fresh = token
            break
        meanwhile = "old" if token.version == account.token.version else "new"
        clock.advance(LEASE_SECONDS + 1)
    made = ground.token_calls(provider)
    if fresh is not None and made > calls:
        outcome = "refreshed"
    return Crash(
        found=found,
        meanwhile=meanwhile,
        outcome=outcome,
        token_calls=made - calls_before,
        kept=fresh is not None and _is_kept(ground, account, fresh, ground.wiring(clock, clients=clients)),
    )


def _left_behind(ground: Ground, account: Account) -> str:
    now, stored = ground.stores.accounts.get(account.id), ground.stores.vault.read(account.id)
    if now is None or stored is None:
        return "nothing at all"
    if now.state is AccountState.CONSENT_REQUIRED:
        return GONE
    if now.token.lease_owner:
        return PLANNED if stored.version == now.token.planned_version else LEASE
    return NOTHING if stored.version == account.token.version else NEW


def _is_kept(ground: Ground, account: Account, given: StoredToken, wiring: Wiring) -> bool:
    """Tell whether the vault holds what was given, and whether that refreshes once more at the provider."""
    stored = ground.stores.vault.read(account.id)
    if stored is None or stored.tokens != given.tokens:
        return False
    try:
        again = wiring.lifecycle.refresh(account.id, needed_until=wiring.clock() + _TWO_HOURS)
    except (GrantDead, RefreshDeferred):
        return False
    finally:
        wiring.trail.flush()
    return again.tokens.access_token != given.tokens.access_token and not ground.grant(account.address)["revoked"]
