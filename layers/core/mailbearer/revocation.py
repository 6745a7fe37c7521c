"""Shutting a mailbox off: first here, then at the provider, then the secret (semantics.md, Revoking)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.errors import Conflict, SecretMissing, TokenError, Unavailable

if TYPE_CHECKING:
    from mailbearer.client import Client
    from mailbearer.ports import (
        AccountStore,
        Clock,
        EventBus,
        RegistrationStore,
        TokenVault,
    )
    from mailbearer.trail import Trail

RETRY_EVERY = 300.0

LONGEST_IN_FLIGHT = 120
"""Seconds after a revocation in which a worker that had looked before it may still send: the worker's time-out."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """How far a revocation got.

    `token_may_live_until` (epoch seconds) is when a cached access token dies at the latest.
    """

    account: Account
    provider_told: bool
    secret_retired: bool
    token_may_live_until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Revoke mailboxes and finish what could not be finished at once."""

    accounts: AccountStore
    registrations: RegistrationStore
    vault: TokenVault
    client: Client
    events: EventBus
    trail: Trail
    clock: Clock

    def revoke(self, account: Account, *, actor: str, reason: str) -> Revoked:
        """Refuse every send from now on, then tell the provider and retire the secret as far as they can be reached."""
        self.trail.note("account.revoke", account.id, "intended", actor=actor, reason=reason)
        self.trail.flush()
        disabled = self._disable(account, reason)
        done = self.finish(disabled, actor=actor)
        try:
            self.events.publish(
                "account.revoked", {"account": account.id, "address": account.address, "reason": reason}
            )
        except Unavailable as error:
            self.trail.note("event.unpublished", account.id, "failed", reason=error.code)
        return done

    def finish(self, account: Account, *, actor: str = "") -> Revoked:
        """Do what is left of a revocation; safe to repeat, and the schedule does so until nothing is left."""
        told, retired = self._tell_provider(account), False
        if told:
            try:
                self.vault.retire(account.id)
                retired = True
            except Unavailable as error:
                self.trail.note("secret.retire_failed", account.id, "failed", reason=error.code)
        now = self.clock()
        done = told and retired
        account = self._settle(account, done=done, retry_at=0 if done else now + RETRY_EVERY)
        outcome = "revoked" if done else "unfinished"
        self.trail.note("account.revoked", account.id, outcome, actor=actor, reason=account.reason)
        lives = now + LONGEST_IN_FLIGHT if done else max(now + LONGEST_IN_FLIGHT, account.token.expires_at)
        return Revoked(account, told, retired, lives)

    def _disable(self, account: Account, reason: str) -> Account:
        """Set the state and raise the fence, so that a refresh in flight cannot bring the mailbox back."""
        for _ in range(10):
            now = self.clock()
            disabled = account.changed(
                state=AccountState.REVOKED,
                reason=reason,
                revocation_pending=True,
                updated_at=now,
                token=replace(
                    account.token,
                    fence=account.token.fence + 1,
                    lease_owner="",
                    lease_until=0,
                    due_at=now + RETRY_EVERY,
                ),
            )
            stored = self.accounts.replace(disabled, expected=account)
            if stored == disabled:
                return disabled
            account = stored
        msg = "The account changes too often to be revoked; try again."
        raise Conflict(msg)

    def _tell_provider(self, account: Account) -> bool:
        """Revoke refresh token, then access token (RFC 7009).

        True also if there is nothing, or no endpoint, to tell.
        """
        try:
            stored = self.vault.read(account.id)
            registration = self.registrations.get(account.provider)
            if stored is None or registration is None:
                return True
            told = self.client.revoke(registration, token=stored.tokens.refresh_token, hint="refresh_token")
            if told:
                self.client.revoke(registration, token=stored.tokens.access_token, hint="access_token")
        except (TokenError, SecretMissing, Unavailable) as error:
            self.trail.note("token.revoke_failed", account.id, "failed", reason=error.code)
            return False
        self.trail.note("token.revoked", account.id, "revoked" if told else "no_endpoint")
        return True

    def _settle(self, account: Account, *, done: bool, retry_at: float) -> Account:
        for _ in range(10):
            settled = account.changed(
                revocation_pending=not done,
                updated_at=self.clock(),
                token=replace(account.token, due_at=retry_at, version="" if done else account.token.version),
            )
            stored = self.accounts.replace(settled, expected=account)
            if stored == settled or stored.state is not AccountState.REVOKED:
                return stored
            account = stored
        return account
