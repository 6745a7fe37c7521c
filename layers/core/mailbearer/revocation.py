"""Shutting a mailbox off: first here, then at the provider, then the secret (semantics.md, Revoking)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from mailbearer import happenings
from mailbearer.account import Account, AccountState
from mailbearer.errors import Conflict, NotFound, SecretMissing, TokenError, Unavailable
from mailbearer.ids import new_id, rfc3339
from mailbearer.news import News

if TYPE_CHECKING:
    from mailbearer.client import Client
    from mailbearer.definition import Definitions
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.channels import EventBus
    from mailbearer.ports.stores import AccountStore, RegistrationStore
    from mailbearer.ports.vaults import TokenVault
    from mailbearer.registration import Registration
    from mailbearer.token import TokenSet, TokenState
    from mailbearer.trail import Trail

RETRY_EVERY = 300.0

PATIENCE = 7 * 86_400.0
"""Seconds after which a provider that could not be told is given up: the secret goes, the last step is a person's."""

LONGEST_IN_FLIGHT = 120
"""Seconds after a revocation in which a worker that had looked before it may still send: the worker's time-out."""

_CLAIM_SECONDS = 90.0  # two calls to the provider (15 s each) and the vault's, with room
_TRIES = 10
BY_HAND = "End the application's access in the mailbox's security settings at the provider."


class Telling(StrEnum):
    """What became of telling the provider."""

    TOLD = "revoked"
    NOTHING = "nothing_to_tell"
    NO_ENDPOINT = "no_endpoint"
    """The provider cannot be told by a program; its tokens live on until they end by themselves."""
    UNREACHED = "unreached"


@dataclass(frozen=True, slots=True)
class Revoked:
    """How far a revocation got.

    `token_may_live_until` (epoch seconds) is when a cached access token dies at the latest. `manual_step` is what a
    person has to do at the provider, empty if nothing.
    """

    account: Account
    telling: Telling
    secret_retired: bool
    token_may_live_until: float
    manual_step: str = ""

    @property
    def provider_told(self) -> bool:
        """Tell whether nothing is left to be said to the provider by us."""
        return self.telling is not Telling.UNREACHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Revoke mailboxes and finish what could not be finished at once.

    Whoever finishes holds the account's lease, so that nobody who connects the mailbox anew meanwhile finds his secret
    retired.
    """

    accounts: AccountStore
    registrations: RegistrationStore
    vault: TokenVault
    client: Client
    definitions: Definitions
    events: EventBus
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes

    def revoke(self, account: Account, *, actor: str, reason: str) -> Revoked:
        """Refuse every send from now on, then tell the provider and retire the secret as far as they can be reached."""
        self.trail.note("account.revoke", account.id, "intended", actor=actor, reason=reason)
        # With log and spool both down the event waits in memory: an emergency does not.
        with suppress(Unavailable):
            self.trail.flush()
        disabled, in_flight = self._disable(account, reason)
        return self._finish(disabled, actor=actor, look_again=in_flight)

    def shut(self, account: Account, *, incident: str, actor: str) -> Account | None:
        """Refuse every send from now on because of an incident, by one write; the schedule or `finish` does the rest.

        Gives None if there is nothing to shut: it is shut or revoked already, or was removed. Raises `Conflict`.
        """
        for _ in range(_TRIES):
            if account.state is AccountState.REVOKED:
                return None
            now = self.clock()
            shut = account.changed(
                state=AccountState.REVOKED,
                reason="incident",
                incident=incident,
                shut_from=account.state,
                revocation_pending=True,
                revoked_at=now,
                updated_at=now,
                # Whoever does the rest tells of it.
                notice_at=now,
                # A lease stays: whoever holds it may still store something, and has to be looked for once more.
                token=replace(account.token, fence=account.token.fence + 1, due_at=now),
            )
            try:
                stored = self.accounts.replace(shut, expected=account)
            except NotFound:
                return None
            if stored == shut:
                self.trail.note("account.revoke", account.id, "intended", actor=actor, reason=incident)
                return shut
            account = stored
        raise Conflict("The account changes too often to be shut; try again.")

    def finish(self, account: Account, *, actor: str = "", at_once: bool = False) -> Revoked:
        """Do what is left of a revocation; safe to repeat, and the schedule does so until nothing is left.

        With `at_once` also while somebody holds the mailbox's lease: what he stores all the same is looked for once
        more. Raises `Conflict` if somebody else is at it, or has connected the mailbox anew.
        """
        in_flight = account.token.lease_until > self.clock()
        if in_flight and not at_once:
            raise Conflict("Somebody else is finishing this revocation.")
        claimed = account.changed(token=self._claimed(account.token))
        if self.accounts.replace(claimed, expected=account) != claimed:
            raise Conflict("The account was changed meanwhile.")
        return self._finish(claimed, actor=actor, look_again=in_flight)

    def _finish(self, account: Account, *, actor: str, look_again: bool = False) -> Revoked:
        telling, manual_step = self._tell_provider(account)
        given_up = telling is Telling.UNREACHED and self.clock() >= account.revoked_at + PATIENCE
        retired = self._retire(account) if given_up or telling is not Telling.UNREACHED else False
        now = self.clock()
        done = retired and not look_again
        account = self._settle(account, telling, done=done, told=self._told(account))
        outcome = ("unconfirmed" if given_up else "revoked") if retired else "unfinished"
        self.trail.note("account.revoked", account.id, outcome, actor=actor, reason=account.reason)
        if given_up:
            manual_step = BY_HAND
            news = News(self.events, self.trail, self.clock)
            news.publish("account.revocation_unconfirmed", account, reason=manual_step)
        lives = float(now + LONGEST_IN_FLIGHT)
        if telling in {Telling.NO_ENDPOINT, Telling.UNREACHED}:
            lives = max(lives, account.token.expires_at)
        return Revoked(account, telling, retired, lives, manual_step)

    def _disable(self, account: Account, reason: str) -> tuple[Account, bool]:
        """Set the state and raise the fence, so that a refresh in flight cannot bring the mailbox back.

        Tells also whether somebody held the lease: what he may still store before he notices (a consent's tokens, if
        he dies right then) has to be looked for once more when his time is over.
        """
        for _ in range(_TRIES):
            now = self.clock()
            disabled = account.changed(
                state=AccountState.REVOKED,
                reason=reason,
                pause_kept=False,
                # Whoever revokes a mailbox that an incident shut wants it to stay so.
                incident="",
                shut_from="",
                revocation_pending=True,
                revoked_at=now,
                updated_at=now,
                notice_at=now,
                token=replace(self._claimed(account.token), due_at=now + RETRY_EVERY),
            )
            stored = self.accounts.replace(disabled, expected=account)
            if stored == disabled:
                return disabled, account.token.lease_until > now
            account = stored
        msg = "The account changes too often to be revoked; try again."
        raise Conflict(msg)

    def _claimed(self, state: TokenState) -> TokenState:
        now = self.clock()
        owner = new_id("", now, self.random_bytes)
        return replace(state, fence=state.fence + 1, lease_owner=owner, lease_until=now + _CLAIM_SECONDS)

    def _tell_provider(self, account: Account) -> tuple[Telling, str]:
        """Revoke refresh token, then access token (RFC 7009); gives also what a person has to do there."""
        try:
            stored = self.vault.read(account.id)
            registration = self.registrations.get(account.provider)
            if stored is None or registration is None:
                return Telling.NOTHING, ""
            telling = self._revoke(registration, stored.tokens)
        except (TokenError, SecretMissing, Unavailable) as error:
            self.trail.note("token.revoke_failed", account.id, "failed", reason=error.code)
            return Telling.UNREACHED, ""
        self.trail.note("token.revoked", account.id, telling)
        step = self.definitions(registration.kind).manual_step(registration)
        return telling, step if telling is Telling.NO_ENDPOINT else ""

    def _revoke(self, registration: Registration, tokens: TokenSet) -> Telling:
        told = False
        # An unattended flow has no refresh token.
        for token, hint in ((tokens.refresh_token, "refresh_token"), (tokens.access_token, "access_token")):
            if token:
                told = self.client.revoke(registration, token=token, hint=hint) or told
                if not told:
                    break
        return Telling.TOLD if told else Telling.NO_ENDPOINT

    def _retire(self, account: Account) -> bool:
        """Retire the secret if the claim still stands; nobody can take it over before it lapses."""
        if self.clock() >= account.token.lease_until:
            return False
        try:
            self.vault.retire(account.id)
        except Unavailable as error:
            self.trail.note("secret.retire_failed", account.id, "failed", reason=error.code)
            return False
        return True

    def _told(self, account: Account) -> bool:
        """Tell that it was cut off, if that is due; one revocation is one event, whoever tells of it and how often."""
        if not account.notice_at:
            return True
        facts = happenings.of_account(account) | {"reason": account.reason}
        mark = rfc3339(account.revoked_at)
        return News(self.events, self.trail, self.clock).tell("account.revoked", account.id, mark, facts)

    def _settle(self, account: Account, telling: Telling, *, done: bool, told: bool) -> Account:
        fence, later = account.token.fence, self.clock() + RETRY_EVERY
        for _ in range(_TRIES):
            settled = account.changed(
                revocation_pending=not done,
                updated_at=self.clock(),
                notice_at=0.0 if told else later,
                token=replace(
                    account.token,
                    lease_owner="",
                    lease_until=0,
                    due_at=0 if done else later,
                    version="" if done else account.token.version,
                ),
                # Those that the provider has ended count no longer against how many it keeps.
                grants=() if done and telling is Telling.TOLD else account.grants,
            )
            stored = self.accounts.replace(settled, expected=account)
            if stored == settled or stored.state is not AccountState.REVOKED or stored.token.fence != fence:
                return stored
            account = stored
        return account
