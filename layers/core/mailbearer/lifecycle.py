"""Keeping a mailbox's token alive.

Refresh under a lease, store before use, adopt after a crash (semantics.md, Refreshing).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.diagnosis import judge_refusal
from mailbearer.errors import (
    ClientRefused,
    GrantDead,
    GrantRefused,
    LeaseLost,
    RefreshDeferred,
    SecretMissing,
    TokenAnswerLost,
    TokenEndpointBusy,
    TokenError,
    Unavailable,
)
from mailbearer.token import StoredToken, TokenSet, fingerprint
from mailbearer.token_cache import TokenCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.client import Client
    from mailbearer.lease import Lease
    from mailbearer.ports import (
        AccountStore,
        Clock,
        EventBus,
        RandomBytes,
        RegistrationStore,
        TokenAnswer,
        TokenVault,
    )
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail

FORCED_EVERY = 300.0
"""A 401 or 535 from the mail side earns one refresh per mailbox in that many seconds."""

STORE_BUDGET = 25.0
_BUSY_BACKOFF, _BUSY_CAP = 15.0, 900.0
_CLIENT_BACKOFF = 300.0
_LOST_ANSWER_PAUSE = 30.0
_WAIT_FOR_OTHERS = 20.0
_OVERTAKEN_PAUSE = 5.0
_POLL = 0.25
_WITH_GRANT = frozenset({AccountState.ACTIVE, AccountState.PAUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Give out usable access tokens, refreshing one at a time over all processes."""

    accounts: AccountStore
    lease: Lease
    registrations: RegistrationStore
    vault: TokenVault
    client: Client
    events: EventBus
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes
    sleep: Callable[[float], None]
    cache: TokenCache = field(default_factory=TokenCache)

    def usable(self, account: Account, *, needed_for: float) -> str:
        """Give an access token that lives `needed_for` seconds more; refreshes only if the schedule has not.

        Raises `GrantDead`, `ClientRefused`, `RefreshDeferred`.
        """
        needed_until = self.clock() + needed_for
        if (known := self._known(account, needed_until)) is not None:
            return known.access_token
        with self.cache.gate(account.id):
            # Whoever waited at the gate finds what the one before him fetched.
            current = self.accounts.get(account.id) or account
            if (known := self._known(current, needed_until)) is not None:
                return known.access_token
            stored = self.refresh(current.id, needed_until=needed_until)
            self.cache.put(current.id, stored)
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
            try:
                stored = self.refresh(account_id, needed_until=0, refused_version=account.token.version)
            except TokenError:
                # What it means for the account is recorded; the message is deferred and finds it there.
                return False
            self.cache.put(account_id, stored)
        return True

    def refresh(self, account_id: str, *, needed_until: float, refused_version: str | None = None) -> StoredToken:
        """Give a token set living until `needed_until` (epoch seconds), by refreshing if the stored one does not.

        With `refused_version` the stored set counts as stale while it still is that version.
        """
        give_up = self.clock() + _WAIT_FOR_OTHERS
        while True:
            account = self._sendable(account_id)
            state = account.token
            stored = self._read(account)
            now = self.clock()
            settled = stored.version == state.version
            if settled and refused_version != state.version and stored.tokens.lives_until(needed_until):
                return stored
            if state.backoff_until > now:
                return self._make_do(
                    stored, state.backoff_until, refused_version, f"The last refresh of {account.address} failed."
                )
            if now > give_up:
                retry_at = max(state.lease_until, now + _OVERTAKEN_PAUSE)
                return self._make_do(stored, retry_at, refused_version, "Another process is refreshing this token.")
            if state.lease_until <= now:
                leased = self.lease.take(account, stored, forced=refused_version is not None)
                if leased is not None:
                    # Whoever loses the lease looks at what stands now, as if he had waited.
                    with suppress(LeaseLost):
                        return self._refresh_leased(leased, needed_until, refused_version)
            self.sleep(_POLL)

    # --- under the lease --------------------------------------------------------------------------------------------

    def _refresh_leased(self, account: Account, needed_until: float, refused_version: str | None) -> StoredToken:
        """Re-read under the lease; adopt what a crashed holder stored, or make one token call and store its answer."""
        stored = self._read(account)
        if stored.version not in {account.token.version, refused_version}:
            adopted = self.lease.release(account, stored, previous=account.token.version)
            self.trail.note("token.adopted", adopted.id, "adopted", version=stored.version)
            if stored.tokens.lives_until(needed_until):
                return stored
            return self.refresh(account.id, needed_until=needed_until)
        self.trail.note("token.refresh", account.id, "intended", token=account.token.refresh_hash)
        self.trail.flush()
        try:
            registration = self._registration(account)
            answer = self.client.renew(registration, stored.tokens, subject=account.address)
        except GrantRefused as error:
            return self._refused(account, stored, error, refused_version)
        except ClientRefused as error:
            self._back_off(account, _CLIENT_BACKOFF, error)
            self.trail.note("registration.refused", account.provider, "refused", reason=error.code)
            raise
        except SecretMissing as error:
            refusal = ClientRefused(error.detail)
            self._back_off(account, _CLIENT_BACKOFF, refusal)
            raise refusal from error
        except TokenError as error:
            return self._unanswered(account, stored, error, refused_version)
        tokens = self._merge(stored.tokens, answer)
        rotated = tokens.refresh_token != stored.tokens.refresh_token
        try:
            account = self.lease.hold(account)
            if rotated or self.lease.may_write(account):
                fresh = StoredToken(tokens, account.token.planned_version)
                self._store(account.id, fresh)
            else:
                # The secret's write budget is spent. What it holds brings another access token at any time, so this
                # one may live in this process alone.
                fresh = StoredToken(tokens, stored.version)
            account = self.lease.release(account, fresh, previous=stored.version)
        except (LeaseLost, SecretMissing) as error:
            return self._overtaken(account, registration, tokens, error)
        self.trail.note(
            "token.refreshed",
            account.id,
            "refreshed",
            token=fingerprint(tokens.refresh_token, account.id),
            rotated="true" if rotated else "false",
            scope_missing=" ".join(sorted(set(stored.tokens.scope.split()) - set(tokens.scope.split()))),
        )
        return fresh

    def _merge(self, old: TokenSet, answer: TokenAnswer) -> TokenSet:
        """Join the answer to what we had: no refresh token means that the old one stays (RFC 6749 section 6)."""
        now = self.clock()
        return TokenSet(
            access_token=answer.access_token,
            refresh_token=answer.refresh_token or old.refresh_token,
            expires_at=now + answer.expires_in,
            obtained_at=now,
            scope=answer.scope or old.scope,
        )

    def _store(self, account_id: str, fresh: StoredToken) -> None:
        """Put the token set before anyone uses it, repeating the same put until the time budget ends."""
        give_up = self.clock() + STORE_BUDGET
        pause = _POLL
        while True:
            try:
                self.vault.store(account_id, fresh.tokens, fresh.version)
            except Unavailable:
                if self.clock() + pause > give_up:
                    raise
                self.sleep(pause)
                pause *= 2
            else:
                return

    def due(self, tokens: TokenSet, write_allowance_at: float) -> float:
        """Say when the schedule should refresh these tokens (epoch seconds)."""
        return self.lease.due(tokens, write_allowance_at)

    # --- refusals ---------------------------------------------------------------------------------------------------

    def _refused(
        self, account: Account, stored: StoredToken, error: GrantRefused, refused_version: str | None
    ) -> StoredToken:
        """Look for a newer token that somebody else stored meanwhile, before a grant is called dead."""
        again = self.vault.read(account.id)
        if again is not None and again.version != stored.version:
            self.lease.release(account, again, previous=account.token.version)
            return again
        judgement = judge_refusal(error, first_time=account.token.failures == 0)
        if not judgement.dead:
            self._back_off(account, judgement.pause, error)
            return self._make_do(stored, self.clock() + judgement.pause, refused_version, error.detail)
        reason = "rotation_lost_or_revoked" if account.token.answer_lost_at else judgement.reason
        self.lease.give_up(account, reason)
        self.trail.note("token.rejected", account.id, "rejected", reason=reason, token=account.token.refresh_hash)
        self.trail.flush()
        self._tell("account.consent_required", account, reason)
        raise GrantDead(error.detail, reason=reason) from error

    def _unanswered(
        self, account: Account, stored: StoredToken, error: TokenError, refused_version: str | None
    ) -> StoredToken:
        """Back off when the token endpoint gave nothing that can be used.

        The old access token serves while it lives.
        """
        lost = isinstance(error, TokenAnswerLost)
        wanted = error.retry_after if isinstance(error, TokenEndpointBusy) else None
        ceiling = min(_BUSY_CAP, _BUSY_BACKOFF * 2 ** min(account.token.failures, 8))
        jitter = int.from_bytes(self.random_bytes(2), "big") / 2**16
        pause = max(_LOST_ANSWER_PAUSE if lost else ceiling * (0.5 + 0.5 * jitter), min(wanted or 0, 3600.0))
        self._back_off(account, pause, error, lost=lost)
        return self._make_do(stored, self.clock() + pause, refused_version, error.detail)

    def _back_off(self, account: Account, pause: float, error: TokenError, *, lost: bool = False) -> None:
        self.lease.back_off(account, pause, lost=lost)
        self.trail.note(
            "token.refresh_failed", account.id, "failed", reason=error.code, token=account.token.refresh_hash
        )

    def _overtaken(
        self, account: Account, registration: Registration, tokens: TokenSet, error: LeaseLost | SecretMissing
    ) -> StoredToken:
        """Give up a token that may not be stored any more.

        If the mailbox was shut off meanwhile, take it back at once.
        """
        current = self.accounts.get(account.id)
        if current is None or current.state is AccountState.REVOKED:
            try:
                self.client.revoke(registration, token=tokens.refresh_token, hint="refresh_token")
            except (TokenError, SecretMissing, Unavailable) as failure:
                self.trail.note("token.revoke_failed", account.id, "failed", reason=failure.code)
            else:
                self.trail.note("token.revoked", account.id, "revoked", reason="refreshed_while_revoked")
            msg = "The mailbox was revoked during the refresh."
            raise GrantDead(msg, reason="revoked") from error
        raise RefreshDeferred(error.detail, retry_at=self.clock() + _OVERTAKEN_PAUSE) from error

    def _make_do(self, stored: StoredToken, retry_at: float, refused_version: str | None, why: str) -> StoredToken:
        """Use the old access token while it lives, or say when to come again."""
        if refused_version is None and stored.tokens.lives_until(self.clock() + 5):
            return stored
        raise RefreshDeferred(why, retry_at=retry_at)

    # --- the account ------------------------------------------------------------------------------------------------

    def _known(self, account: Account, needed_until: float) -> TokenSet | None:
        """Give this process's token set if it is of the version that stands and lives long enough."""
        if account.state not in _WITH_GRANT:
            return None
        known = self.cache.get(account.id, account.token.version)
        return known if known is not None and known.lives_until(needed_until) else None

    def _sendable(self, account_id: str) -> Account:
        account = self.accounts.get(account_id)
        if account is None or account.state in {AccountState.REVOKED, AccountState.PENDING_CONSENT}:
            msg = "The mailbox has no grant."
            raise GrantDead(msg, reason="revoked")
        if account.state is AccountState.CONSENT_REQUIRED:
            msg = f"{account.address} has to be connected again."
            raise GrantDead(msg, reason=account.reason)
        return account

    def _read(self, account: Account) -> StoredToken:
        stored = self.vault.read(account.id)
        if stored is None:
            msg = f"{account.address} has no token in the vault; connect it again."
            raise GrantDead(msg, reason="secret_missing")
        return stored

    def _registration(self, account: Account) -> Registration:
        registration = self.registrations.get(account.provider)
        if registration is None:
            msg = f"The registration {account.provider} does not exist."
            raise ClientRefused(msg)
        return registration

    def _tell(self, what: str, account: Account, reason: str) -> None:
        """Publish an event; the audit log has it already, so a bus that is down changes nothing."""
        try:
            self.events.publish(what, {"account": account.id, "address": account.address, "reason": reason})
        except Unavailable as error:
            self.trail.note("event.unpublished", account.id, "failed", reason=error.code)
