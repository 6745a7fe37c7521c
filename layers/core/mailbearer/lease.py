"""The lease on a mailbox's token: taken, held and let go by conditional writes (semantics.md, Refreshing, 2 and 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mailbearer.account import Account, AccountState
from mailbearer.errors import LeaseLost
from mailbearer.ids import new_id
from mailbearer.token import StoredToken, TokenSet, TokenState, fingerprint, planned_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports import AccountStore, Clock, RandomBytes

LEASE_SECONDS = 60.0
"""Longer than a token call (15 s) and the time budget of storing what it gave (25 s) together."""

WRITE_EVERY, WRITE_BURST = 600.0, 1200.0
"""Secrets Manager's budget: one sustained write per secret in ten minutes, with room for two more in a row."""

_LEAD = 900.0
_TRIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Let one process at a time refresh a mailbox's token; every way of letting go checks the fence."""

    accounts: AccountStore
    clock: Clock
    random_bytes: RandomBytes

    def take(self, account: Account, stored: StoredToken, *, forced: bool) -> Account | None:
        """Take the lease: fence + 1, whose token is about to be used, and the version that will be written."""
        now = self.clock()
        state = account.token
        fence = state.fence + 1
        refresh_hash = fingerprint(stored.tokens.refresh_token, account.id)
        # A holder that never let go died with this very token in hand, perhaps after the provider had rotated it.
        answer_lost = bool(state.lease_owner) and state.refresh_hash == refresh_hash
        leased = account.changed(
            updated_at=now,
            token=replace(
                state,
                fence=fence,
                lease_owner=new_id("", now, self.random_bytes),
                lease_until=now + LEASE_SECONDS,
                refresh_hash=refresh_hash,
                planned_version=planned_version(account.id, fence),
                forced_at=now if forced else state.forced_at,
                answer_lost_at=state.answer_lost_at or (now if answer_lost else 0),
            ),
        )
        return leased if self.accounts.replace(leased, expected=account) == leased else None

    def hold(self, account: Account) -> Account:
        """Check, with a conditional write, that nobody took the lease over or shut the mailbox off during the call."""
        until = self.clock() + LEASE_SECONDS
        return self._update(account, lambda state: replace(state, lease_until=until))

    def release(self, account: Account, stored: StoredToken, *, previous: str) -> Account:
        """Release the lease into `valid(v+1)`."""
        now = self.clock()

        def valid(state: TokenState) -> TokenState:
            allowance = max(state.write_allowance_at, now) + (WRITE_EVERY if stored.version != previous else 0)
            return replace(
                state,
                lease_owner="",
                lease_until=0,
                version=stored.version,
                expires_at=stored.tokens.expires_at,
                refreshed_at=stored.tokens.obtained_at,
                due_at=self.due(stored.tokens, allowance),
                backoff_until=0,
                failures=0,
                answer_lost_at=0,
                write_allowance_at=allowance,
            )

        return self._update(account, valid, scopes_granted=tuple(stored.tokens.scope.split()))

    def back_off(self, account: Account, pause: float, *, lost: bool) -> Account:
        """Release the lease into `backoff` for `pause` seconds; `lost` notes that an answer may have been lost."""
        now = self.clock()
        return self._update(
            account,
            lambda state: replace(
                state,
                lease_owner="",
                lease_until=0,
                backoff_until=now + pause,
                due_at=now + pause,
                failures=state.failures + 1,
                answer_lost_at=state.answer_lost_at or (now if lost else 0),
            ),
        )

    def give_up(self, account: Account, reason: str) -> Account:
        """Release the lease into `consent_required`: the grant is dead."""
        return self._update(
            account,
            lambda state: replace(state, lease_owner="", lease_until=0, due_at=0, failures=state.failures + 1),
            state=AccountState.CONSENT_REQUIRED,
            reason=reason,
        )

    def may_write(self, account: Account) -> bool:
        """Tell whether the secret's write budget has room for one more."""
        return account.token.write_allowance_at - WRITE_BURST <= self.clock()

    def due(self, tokens: TokenSet, write_allowance_at: float) -> float:
        """Say when the schedule should refresh: ahead of expiry with jitter, within the secret's write budget."""
        life = tokens.expires_at - tokens.obtained_at
        lead = min(_LEAD, life / 2)
        jitter = lead * 0.25 * int.from_bytes(self.random_bytes(2), "big") / 2**16
        return max(tokens.expires_at - lead - jitter, write_allowance_at - WRITE_BURST)

    def _update(self, account: Account, change: Callable[[TokenState], TokenState], **fields: Any) -> Account:
        """Change the account if our fence still stands; changes of others that leave the fence alone are kept.

        Raises `LeaseLost`.
        """
        fence = account.token.fence
        for _ in range(_TRIES):
            changed = account.changed(updated_at=self.clock(), token=change(account.token), **fields)
            stored = self.accounts.replace(changed, expected=account)
            if stored == changed:
                return changed
            if stored.token.fence != fence or stored.state is AccountState.REVOKED:
                break
            account = stored
        msg = f"The lease on {account.address}'s token was taken over."
        raise LeaseLost(msg)
