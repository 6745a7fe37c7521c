"""Keeping a mailbox's token alive.

Refresh under a lease, store before use, adopt after a crash (semantics.md, Refreshing).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.errors import GrantDead, LeaseLost, TokenError
from mailbearer.news import News
from mailbearer.pauses import growing
from mailbearer.refreshing.deadlines import calls_within
from mailbearer.refreshing.refusals import OVERTAKEN_PAUSE, Refusals, Wish
from mailbearer.refreshing.renewal import Renewal, read
from mailbearer.refreshing.token_cache import TokenCache
from mailbearer.registration import check_has_token
from mailbearer.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.client import Client
    from mailbearer.definition import Definition, Definitions
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.channels import EventBus
    from mailbearer.ports.stores import AccountStore, RegistrationStore
    from mailbearer.ports.vaults import TokenVault
    from mailbearer.refreshing.lease import Lease
    from mailbearer.registration import Registration
    from mailbearer.token import StoredToken, TokenSet
    from mailbearer.trail import Trail

FORCED_EVERY = 300.0
"""A 401 or 535 from the mail side earns one refresh per mailbox in that many seconds."""

_WAIT_FOR_OTHERS = 20.0
_FIRST_LOOK, _LONGEST_LOOK, _SHORTEST_LOOK = 0.25, 4.0, 0.05
_WITH_GRANT = frozenset({AccountState.ACTIVE, AccountState.PAUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Give out usable access tokens, refreshing one at a time over all processes.

    `refreshed` counts the refreshes of this process.
    """

    accounts: AccountStore
    lease: Lease
    registrations: RegistrationStore
    definitions: Definitions
    vault: TokenVault
    client: Client
    events: EventBus
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes
    sleep: Callable[[float], None]
    cache: TokenCache = field(default_factory=TokenCache)
    refreshed: Tally = field(default_factory=Tally)

    def usable(self, account: Account, *, needed_for: float) -> str:
        """Give an access token that lives `needed_for` seconds more; refreshes only if the schedule has not.

        Raises `GrantDead`, `ClientRefused`, `RefreshDeferred`.
        """
        needed_until = self.clock() + needed_for
        if (known := self._known(account, needed_until)) is not None:
            return known.access_token
        with self.cache.gate(account.id):
            # Whoever waited at the gate finds what the one before him fetched.
            current = self.accounts.get(account.id)
            if current is not None and (known := self._known(current, needed_until)) is not None:
                return known.access_token
            stored = self._settle(Wish(account_id=account.id, needed_until=needed_until), current)
            self.cache.put(account.id, stored)
            return stored.tokens.access_token

    def may_force(self, account: Account) -> bool:
        """Tell whether five minutes have gone since the mail side last earned the mailbox a refresh."""
        return account.token.forced_at + FORCED_EVERY <= self.clock()

    def force_refresh(self, account_id: str) -> bool:
        """Refresh because the mail side refused the token, at most once in five minutes.

        Tell whether a new token is there.
        """
        with self.cache.gate(account_id):
            # Whoever waited at the gate finds that the one before him had the refresh of these five minutes.
            account = self.accounts.get(account_id)
            if account is None or not self.may_force(account):
                return False
            self.cache.drop(account_id)
            wish = Wish(account_id=account_id, needed_until=0, refused_version=account.token.version)
            try:
                stored = self._settle(wish, account)
            except TokenError:
                # What it means for the account is recorded; the message is deferred and finds it there.
                return False
            self.cache.put(account_id, stored)
        return True

    def refresh(self, account_id: str, *, needed_until: float, refused_version: str | None = None) -> StoredToken:
        """Give a token set living until `needed_until` (epoch seconds), by refreshing if the stored one does not.

        With `refused_version` the stored set counts as stale while it still is that version.
        """
        wish = Wish(account_id=account_id, needed_until=needed_until, refused_version=refused_version)
        return self._settle(wish, self.accounts.get(account_id))

    def rotate(self, account: Account) -> StoredToken:
        """Refresh now because an operator asks, who may have mended something: a back-off does not count this once.

        Raises `Conflict` for a mailbox that needs no token.
        """
        check_has_token(self.registrations.get(account.provider), account.address)
        wish = Wish(account_id=account.id, needed_until=account.token.expires_at + 1, at_once=True)
        return self._settle(wish, self.accounts.get(account.id))

    def scope_drift(
        self, account: Account, registration: Registration | None
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Compare the granted scopes with the wanted ones: give those that are missing and those that are too many."""
        if not (account.scopes_wanted and account.scopes_granted):
            return (), ()
        return self._definition(registration).scope_drift(account.scopes_wanted, " ".join(account.scopes_granted))

    def wake(self, registration: str) -> int:
        """Let every mailbox of a registration that backs off be tried again at once, for the registration was mended.

        Reads all accounts; gives how many were woken.
        """
        woken, cursor = 0, ""
        while True:
            page, cursor = self.accounts.listing(limit=100, cursor=cursor)
            for account in page:
                if account.provider == registration and account.token.backoff_until > self.clock():
                    with suppress(LeaseLost):
                        self.lease.wake(account)
                        woken += 1
            if not cursor:
                return woken

    # --- one at a time ----------------------------------------------------------------------------------------------

    def _settle(self, wish: Wish, account: Account | None) -> StoredToken:
        """Find the token, wait for whoever fetches it, or fetch it.

        Everybody who waits reads the account now and then; the secret only when the account says that it has changed.
        """
        give_up = self.clock() + _WAIT_FOR_OTHERS
        looks = growing(_FIRST_LOOK, _LONGEST_LOOK, self.random_bytes)
        stored: StoredToken | None = None
        seen = ""
        while True:
            account = self._sendable(account)
            state, now = account.token, self.clock()
            held, backs_off = state.lease_until > now, state.backoff_until > now and not wish.at_once
            if wish.promised_by(account) or not held or backs_off or now > give_up:
                if stored is None or seen != state.version:
                    stored, seen = read(self.vault, account), state.version
                if wish.met_by(stored, account):
                    return stored
                if backs_off:
                    why = f"The last refresh of {account.address} failed."
                    return self._refusals.make_do(stored, state.backoff_until, wish, why)
                if now > give_up:
                    retry_at = max(state.lease_until, now + OVERTAKEN_PAUSE)
                    return self._refusals.make_do(stored, retry_at, wish, "Another process is refreshing this token.")
                if not held:
                    # Whoever loses the lease looks at what stands now, as if he had waited.
                    with suppress(LeaseLost):
                        if (settled := self._try(wish, account, stored)) is not None:
                            return settled
            self.sleep(min(next(looks), max(state.lease_until - now, _SHORTEST_LOOK)))
            account = self.accounts.get(wish.account_id)

    def _try(self, wish: Wish, account: Account, stored: StoredToken) -> StoredToken | None:
        """Take the lease and refresh under it; None if somebody else was faster."""
        registration = self.registrations.get(account.provider)
        budget = self._definition(registration).token_calls
        calls = calls_within(account.token.calls, budget, self.clock())
        if budget[0] and len(calls) >= budget[0]:
            why = f"The provider gives no more than {budget[0]} tokens in {budget[1]:.0f} seconds."
            return self._refusals.make_do(stored, calls[0] + budget[1], wish, why)
        forced = wish.refused_version is not None
        if forced and not self.may_force(account):
            # Somebody else had it while we waited; what he got may live in his process alone (write budget).
            why = "The refresh of these five minutes has been used."
            return self._refusals.make_do(stored, account.token.forced_at + FORCED_EVERY, wish, why)
        leased = self.lease.take(account, stored, forced=forced, budget=budget)
        if leased is None:
            return None
        # A sender's call that led here took its own time.
        with self.trail.about(provider=registration.kind if registration is not None else "", ms=""):
            return self._renewal.renew(leased, registration, wish)

    # --- the account ------------------------------------------------------------------------------------------------

    def _known(self, account: Account, needed_until: float) -> TokenSet | None:
        """Give this process's token set if it is of the version that stands and lives long enough."""
        if account.state not in _WITH_GRANT:
            return None
        known = self.cache.get(account.id, account.token.version)
        if known is None or known.obtained_at < account.token.forced_at:
            return None
        return known if known.lives_until(needed_until) else None

    def _sendable(self, account: Account | None) -> Account:
        if account is None or account.state in {AccountState.REVOKED, AccountState.PENDING_CONSENT}:
            msg = "The mailbox has no grant."
            raise GrantDead(msg, reason="revoked")
        if account.state is AccountState.CONSENT_REQUIRED:
            msg = f"{account.address} has to be connected again."
            raise GrantDead(msg, reason=account.reason)
        return account

    def _definition(self, registration: Registration | None) -> Definition:
        return self.definitions(registration.kind if registration is not None else "")

    @property
    def _renewal(self) -> Renewal:
        return Renewal(
            lease=self.lease,
            definitions=self.definitions,
            vault=self.vault,
            client=self.client,
            refusals=self._refusals,
            news=News(self.events, self.trail, self.clock),
            trail=self.trail,
            clock=self.clock,
            sleep=self.sleep,
            refreshed=self.refreshed,
        )

    @property
    def _refusals(self) -> Refusals:
        return Refusals(
            accounts=self.accounts,
            lease=self.lease,
            definitions=self.definitions,
            vault=self.vault,
            client=self.client,
            news=News(self.events, self.trail, self.clock),
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )
