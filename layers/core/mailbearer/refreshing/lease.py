"""The lease on a mailbox's token: taken, held and let go by conditional writes (semantics.md, Refreshing, 2 and 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mailbearer.account import Account, AccountState, Probe
from mailbearer.errors import LeaseLost
from mailbearer.ids import new_id
from mailbearer.pauses import chance
from mailbearer.refreshing.deadlines import calls_within, grant_end, refresh_due
from mailbearer.token import StoredToken, TokenState, fingerprint, planned_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.definition import Definition
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.stores import AccountStore

LEASE_SECONDS = 60.0
"""Longer than a token call (15 s) and the time budget of storing what it gave (25 s) together."""

WRITE_EVERY, WRITE_BURST = 600.0, 1200.0
"""Secrets Manager's budget: one sustained write per secret in ten minutes, with room for two more in a row."""

_TRIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Let one process at a time refresh a mailbox's token; every way of letting go checks the fence."""

    accounts: AccountStore
    clock: Clock
    random_bytes: RandomBytes

    def take(
        self, account: Account, stored: StoredToken, *, forced: bool, budget: tuple[int, float] = (0, 0)
    ) -> Account | None:
        """Take the lease: fence + 1, whose token is about to be used, and the version that will be written.

        The call that is about to be made counts against the provider's `budget` from here on.
        """
        now = self.clock()
        state = account.token
        fence = state.fence + 1
        refresh_token = stored.tokens.refresh_token
        refresh_hash = fingerprint(refresh_token, account.id) if refresh_token else ""
        # A holder that never let go died with this very token in hand, perhaps after the provider had rotated it.
        answer_lost = bool(state.lease_owner and refresh_hash) and state.refresh_hash == refresh_hash
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
                calls=(*calls_within(state.calls, budget, now), now) if budget[0] else (),
            ),
        )
        return leased if self.accounts.replace(leased, expected=account) == leased else None

    def hold(self, account: Account) -> Account:
        """Check, with a conditional write, that nobody took the lease over or shut the mailbox off during the call."""
        until = self.clock() + LEASE_SECONDS
        return self._update(account, lambda state: replace(state, lease_until=until))

    def release(
        self,
        account: Account,
        stored: StoredToken,
        *,
        previous: str,
        definition: Definition,
        scope: str | None,
        ends_in: float | None = None,
    ) -> Account:
        """Release the lease into `valid(v+1)`.

        `scope` and `ends_in` (the grant's life in seconds) are what the answer says; None changes nothing.
        """
        now, luck = self.clock(), chance(self.random_bytes)
        consented_at = max(account.grants, default=0)

        def valid(state: TokenState) -> TokenState:
            allowance = max(state.write_allowance_at, now) + (WRITE_EVERY if stored.version != previous else 0)
            ends_at, ending = grant_end(state, definition, ends_in=ends_in, consented_at=consented_at, now=now)
            return replace(
                _well(state, stored),
                due_at=_due(stored, definition, ends_at, allowance, luck),
                write_allowance_at=allowance,
                grant_ends_at=ends_at,
                ending=ending,
            )

        said = {} if scope is None else {"scopes_granted": tuple(scope.split())}
        return self._update(account, valid, **said)

    def granted(
        self, account: Account, stored: StoredToken, *, definition: Definition, ends_in: float | None
    ) -> Account:
        """Give the account as it is once `stored` has come of a new grant: active, nothing of the old grant left.

        Nothing is written here. The fence grows, so that a refresh of the old grant that is under way cannot store what
        it brings; the first probe is due at once.
        """
        now = self.clock()
        consented_at = max(account.grants, default=0)
        ends_at, ending = grant_end(TokenState(), definition, ends_in=ends_in, consented_at=consented_at, now=now)
        fresh = TokenState(
            fence=account.token.fence + 1,
            due_at=_due(stored, definition, ends_at, now, chance(self.random_bytes)),
            write_allowance_at=now,
            grant_ends_at=ends_at,
            ending=ending,
            calls=(now,) if definition.token_calls[0] else (),
        )
        return account.changed(
            state=AccountState.ACTIVE,
            reason="",
            updated_at=now,
            scopes_granted=tuple(stored.tokens.scope.split()),
            pause_kept=False,
            notice_at=0,
            revocation_pending=False,
            token=_well(fresh, stored),
            probe=Probe(due_at=now),
        )

    def back_off(
        self, account: Account, pause: float, *, failure: str, raw: str = "", lost: bool = False, doubted: bool = False
    ) -> Account:
        """Release the lease into `backoff` for `pause` seconds.

        `failure` and `raw` say why in the diagnosis' and the provider's words. `lost` notes that an answer may have
        been lost, `doubted` that the grant was refused in a way that is known to heal.
        """
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
                failure=failure,
                failure_raw=raw,
                doubted_at=state.doubted_at or (now if doubted else 0),
            ),
        )

    def give_up(self, account: Account, reason: str, *, raw: str = "") -> Account:
        """Release the lease into `consent_required`: the grant is dead."""
        return self._update(
            account,
            lambda state: replace(
                state,
                lease_owner="",
                lease_until=0,
                due_at=0,
                failures=state.failures + 1,
                failure=reason,
                failure_raw=raw,
            ),
            state=AccountState.CONSENT_REQUIRED,
            reason=reason,
            notice_at=self.clock(),
            pause_kept=account.pause_kept or account.state is AccountState.PAUSED,
        )

    def let_go(self, account: Account) -> Account:
        """Give the lease back as if it had not been taken: nobody was asked anything."""
        return self._update(account, lambda state: replace(state, lease_owner="", lease_until=0))

    def wake(self, account: Account) -> Account:
        """End the back-off, for what it waited for has been mended: the schedule tries again with its next run."""
        now = self.clock()
        return self._update(account, lambda state: replace(state, backoff_until=0, due_at=now))

    def may_write(self, account: Account) -> bool:
        """Tell whether the secret's write budget has room for one more."""
        return account.token.write_allowance_at - WRITE_BURST <= self.clock()

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


def _well(state: TokenState, stored: StoredToken) -> TokenState:
    """Give the state with this token set standing, no lease on it and every failure forgotten."""
    return replace(
        state,
        lease_owner="",
        lease_until=0,
        version=stored.version,
        expires_at=stored.tokens.expires_at,
        refreshed_at=stored.tokens.obtained_at,
        backoff_until=0,
        failures=0,
        answer_lost_at=0,
        failure="",
        failure_raw="",
        doubted_at=0,
    )


def _due(stored: StoredToken, definition: Definition, ends_at: float, allowance: float, luck: float) -> float:
    """Give when the schedule should refresh, within the secret's write budget."""
    not_before = allowance - WRITE_BURST
    return refresh_due(stored.tokens, definition, grant_ends_at=ends_at, not_before=not_before, chance=luck)
