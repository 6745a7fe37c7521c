"""One refresh under the lease (semantics.md, Refreshing, 3 to 6)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from mailbearer.errors import (
    ClientRefused,
    GrantDead,
    GrantRefused,
    LeaseLost,
    SecretMissing,
    TokenEndpointBusy,
    TokenError,
    Unavailable,
)
from mailbearer.token import StoredToken, TokenSet, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.client import Client
    from mailbearer.definition import Definition, Definitions
    from mailbearer.news import News
    from mailbearer.ports import Clock
    from mailbearer.ports.provider import TokenAnswer
    from mailbearer.ports.vaults import TokenVault
    from mailbearer.refreshing.lease import Lease
    from mailbearer.refreshing.refusals import Refusals, Wish
    from mailbearer.registration import Registration
    from mailbearer.tally import Tally
    from mailbearer.trail import Trail

T = TypeVar("T")

STORE_BUDGET = 25.0
"""For so many seconds the same put is repeated."""

_STORE_PAUSE = 0.25


def read(vault: TokenVault, account: Account) -> StoredToken:
    """Read a mailbox's token set; a mailbox that has none is as one without a grant."""
    stored = vault.read(account.id)
    if stored is None:
        msg = f"{account.address} has no token in the vault; connect it again."
        raise GrantDead(msg, reason="secret_missing")
    return stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """Make one token call for whoever holds the lease, and store what it gives before anyone uses it."""

    lease: Lease
    definitions: Definitions
    vault: TokenVault
    client: Client
    refusals: Refusals
    news: News
    trail: Trail
    clock: Clock
    sleep: Callable[[float], None]
    refreshed: Tally

    def renew(self, account: Account, registration: Registration | None, wish: Wish) -> StoredToken | None:
        """Re-read under the lease; adopt what a crashed holder stored, or make one token call and store its answer.

        None if what was adopted does not meet the wish: then look again. Raises `LeaseLost`, and what the wish may.
        """
        definition = self.definitions(registration.kind if registration is not None else "")
        try:
            stored = read(self.vault, account)
        except (GrantDead, SecretMissing, Unavailable):
            # No call has been made: whoever takes the lease next must not take its answer for lost.
            with suppress(LeaseLost, Unavailable):
                self.lease.let_go(account)
            raise
        if stored.version not in {account.token.version, wish.refused_version}:
            adopted = self.lease.release(
                account, stored, previous=account.token.version, definition=definition, scope=stored.tokens.scope
            )
            self.trail.note("token.adopted", adopted.id, "adopted", version=stored.version)
            return stored if stored.tokens.lives_until(wish.needed_until) else None
        self.trail.note("token.refresh", account.id, "intended", token=account.token.refresh_hash)
        if registration is None:
            missing = ClientRefused(f"The registration {account.provider} does not exist.")
            raise self.refusals.client_refused(account, missing)
        try:
            self.trail.flush()
            answer = self.client.renew(registration, stored.tokens, subject=account.address)
        except GrantRefused as error:
            return self.refusals.grant_refused(account, registration, stored, error, wish)
        except ClientRefused as error:
            self.refusals.client_refused(account, error)
            raise
        except SecretMissing as error:
            raise self.refusals.client_refused(account, ClientRefused(error.detail)) from error
        except TokenError as error:
            return self.refusals.unanswered(account, stored, error, wish)
        except Unavailable as error:
            # The call has not been made: the lease goes back, so that nobody takes its answer for lost.
            return self.refusals.unanswered(account, stored, TokenEndpointBusy(error.detail), wish)
        return self._keep(account, registration, stored, answer)

    def _keep(
        self, account: Account, registration: Registration, stored: StoredToken, answer: TokenAnswer
    ) -> StoredToken:
        """Store what came before anyone uses it, then let the lease go and say what has changed."""
        before, tokens = account.token, self._merge(stored.tokens, answer)
        definition = self.definitions(registration.kind)
        rotated = tokens.refresh_token != stored.tokens.refresh_token
        give_up = self.clock() + STORE_BUDGET
        try:
            # From here on the new refresh token may exist in this process alone: nothing that passes may cost it.
            account = self._patiently(partial(self.lease.hold, account), give_up)
            if rotated or self.lease.may_write(account):
                fresh = StoredToken(tokens, account.token.planned_version)
                self._patiently(partial(self.vault.store, account.id, fresh.tokens, fresh.version), give_up)
            else:
                # The secret's write budget is spent. What it holds brings another access token at any time, so this
                # one may live in this process alone.
                fresh = StoredToken(tokens, stored.version)
            account = self.lease.release(
                account,
                fresh,
                previous=stored.version,
                definition=definition,
                scope=answer.scope or None,
                ends_in=answer.grant_ends_in,
            )
        except (LeaseLost, SecretMissing) as error:
            self.refusals.overtaken(account, registration, tokens, error)
        self.refreshed.add()
        self._tell_refreshed(account, definition, stored.tokens, tokens)
        self.news.tell_end(account, before)
        return fresh

    def _tell_refreshed(self, account: Account, definition: Definition, old: TokenSet, new: TokenSet) -> None:
        """Leave the traces of a refresh; a scope that came or went is told apart."""
        had = definition.own_names(old.scope)
        missing, excessive = definition.scope_drift(tuple(had), new.scope) if had else ((), ())
        drift = {"scope_missing": " ".join(missing), "scope_excessive": " ".join(excessive)}
        self.trail.note(
            "token.refreshed",
            account.id,
            "refreshed",
            token=fingerprint(new.refresh_token, account.id) if new.refresh_token else "",
            rotated="false" if new.refresh_token == old.refresh_token else "true",
            **drift,
        )
        if missing:
            self.trail.note("token.scope_narrowed", account.id, "narrowed", **drift)
        if missing or excessive:
            self.news.publish("token.scope_drift", account, **drift)

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

    def _patiently(self, call: Callable[[], T], give_up: float) -> T:
        """Repeat the same call until it succeeds or its time is up; each may be repeated without doing more."""
        pause = _STORE_PAUSE
        while True:
            try:
                return call()
            except Unavailable:
                if self.clock() + pause > give_up:
                    raise
            self.sleep(pause)
            pause *= 2
