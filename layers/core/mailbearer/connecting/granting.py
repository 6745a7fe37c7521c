"""What every way of connecting a mailbox shares: pin it, compare the scopes, store, or give the grant back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.connecting.identity import AnotherMailbox
from mailbearer.diagnosis import by_code
from mailbearer.errors import (
    ConsentRefused,
    LeaseLost,
    MailbearerError,
    NotFound,
    SecretMissing,
    TokenError,
    TooManyGrants,
    Unavailable,
)
from mailbearer.news import News
from mailbearer.refreshing.lease import LEASE_SECONDS
from mailbearer.token import StoredToken, TokenSet, TokenState, fingerprint, planned_version

if TYPE_CHECKING:
    from mailbearer.client import Client
    from mailbearer.connecting.identity import Identity
    from mailbearer.definition import Definitions
    from mailbearer.embargo import Embargo
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import EventBus
    from mailbearer.ports.provider import TokenAnswer
    from mailbearer.ports.stores import AccountStore, RegistrationStore
    from mailbearer.ports.vaults import TokenVault
    from mailbearer.refreshing.lease import Lease
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail

_CONNECTED = frozenset({AccountState.ACTIVE, AccountState.PAUSED})
_TRIES = 10
_UNLIMITED = 1


@dataclass(frozen=True, slots=True)
class Connected:
    """A mailbox that can send; `missing` and `excessive` compare the granted scopes with the wanted ones."""

    account: Account
    missing: tuple[str, ...]
    excessive: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Granting:
    """Take what a provider granted into keeping."""

    accounts: AccountStore
    registrations: RegistrationStore
    vault: TokenVault
    client: Client
    definitions: Definitions
    identity: Identity
    embargo: Embargo
    lease: Lease
    events: EventBus
    trail: Trail
    clock: Clock

    # --- before a grant -----------------------------------------------------------------------------------------------

    def check_room(self, account: Account, registration: Registration) -> None:
        """Refuse one more refresh token where the provider would end the oldest of this mailbox and client for it.

        All accounts of the address count whose registration is the same client. Raises `TooManyGrants`.
        """
        definition = self.definitions(registration.kind)
        most = definition.live_refresh_tokens
        if not most:
            return
        living = sum(
            len(_living(other, definition.idle_life, self.clock()))
            for other in self.accounts.by_address(account.address.lower())
            if other.grants and self._same_client(other, registration)
        )
        if living >= most:
            msg = (
                f"{account.address} has {living} refresh tokens for this application, and {definition.title} keeps "
                f"{most}: one more would end the oldest without a word, and perhaps a mailbox that sends. Revoke the "
                "mailbox (`mailbearer accounts revoke`), which ends them at the provider, and connect it again."
            )
            raise TooManyGrants(msg)

    # --- a grant ------------------------------------------------------------------------------------------------------

    def keep_consented(
        self, account: Account, registration: Registration, answer: TokenAnswer, *, nonce: str = ""
    ) -> Connected:
        """Take a grant that the owner has just given.

        Whatever goes wrong, the grant is given back. Raises `ConsentRefused`, `Unavailable`.
        """
        try:
            self.identity.pin(account, registration, answer, nonce=nonce)
            if not answer.refresh_token:
                raise _no_refresh_token()
            return self.store(account, registration, answer)
        except MailbearerError as error:
            self.give_back(registration, answer, whose=mailbox_of(error, account))
            raise

    def give_back(self, registration: Registration, answer: TokenAnswer, *, whose: str) -> None:
        """Revoke a grant that will not be used; nothing of it was stored.

        Unless an older one of that mailbox works: some providers (Google) take all grants of a mailbox and client for
        one, so revoking the new one would end the old one. A grant that nobody uses does less harm.
        """
        token, hint = (
            (answer.refresh_token, "refresh_token") if answer.refresh_token else (answer.access_token, "access_token")
        )
        try:
            if connected := self._connected(whose, registration):
                self.trail.note("token.not_revoked", connected.id, "kept", registration=registration.name)
                return
            self.client.revoke(registration, token=token, hint=hint)
        except (TokenError, SecretMissing, Unavailable) as error:
            self.trail.note("token.revoke_failed", registration.name, "failed", reason=error.code)

    def _connected(self, address: str, registration: Registration) -> Account | None:
        """Find an account that sends from this address with a grant to the same client."""
        if not address:
            return None
        found = (one for one in self.accounts.by_address(address) if one.state in _CONNECTED)
        return next((one for one in found if self._same_client(one, registration)), None)

    def _same_client(self, account: Account, registration: Registration) -> bool:
        theirs = self.registrations.get(account.provider)
        return theirs is not None and (theirs.kind, theirs.client_id) == (registration.kind, registration.client_id)

    # --- storing ------------------------------------------------------------------------------------------------------

    def store(self, account: Account, registration: Registration, answer: TokenAnswer, **facts: str) -> Connected:
        """Store under the next fence: secret first, then the account becomes active.

        Raises `ConsentRefused` if the mailbox was cut off, removed, or shut by an incident meanwhile, `Unavailable`.
        """
        self.embargo.check_consent(account)
        now = self.clock()
        definition = self.definitions(registration.kind)
        # Somebody may have registered other scopes since the account was added.
        wanted = registration.scopes
        tokens = TokenSet(
            access_token=answer.access_token,
            refresh_token=answer.refresh_token,
            expires_at=now + answer.expires_in,
            obtained_at=now,
            scope=answer.scope if answer.scope is not None else " ".join(wanted),
        )
        fenced = self._fence(account, registration, tokens)
        stored = StoredToken(tokens, planned_version(account.id, fenced.token.fence))
        self._open(account.id, stored)
        try:
            active = self._activate(fenced, registration, stored, ends_in=answer.grant_ends_in)
        except ConsentRefused:
            self._retire_if_cut_off(account.id)
            raise
        missing, excessive = definition.scope_drift(wanted, tokens.scope)
        self.trail.note(
            "consent.granted",
            account.id,
            "granted",
            registration=registration.name,
            token=fingerprint(tokens.refresh_token, account.id) if tokens.refresh_token else "",
            scope_missing=" ".join(missing),
            scope_excessive=" ".join(excessive),
            **facts,
        )
        news = News(self.events, self.trail, self.clock)
        news.publish("account.connected", active)
        news.tell_end(active, TokenState())
        return Connected(active, missing, excessive)

    def _fence(self, account: Account, registration: Registration, tokens: TokenSet) -> Account:
        """Take the next fence with its lease, and count the grant, so that it counts also if all that follows fails.

        The lease keeps a refresh of the old grant from beginning before the account knows the new one: it would store
        the old grant's tokens over the new grant's.
        """
        for _ in range(_TRIES):
            if account.revocation_pending and account.token.lease_until > self.clock():
                # Whoever finishes the revocation is about to retire the secret, and could not tell ours from the old.
                msg = "The mailbox is being cut off this very moment; ask for a new link in two minutes."
                raise ConsentRefused(msg, reason="revocation_under_way", status=409)
            fenced = account.changed(
                updated_at=tokens.obtained_at,
                grants=self._counted(account, registration, tokens),
                token=replace(account.token, fence=account.token.fence + 1, lease_until=self.clock() + LEASE_SECONDS),
            )
            stored = self._replace(fenced, expected=account)
            if stored == fenced:
                return fenced
            account = _not_cut_off(stored, before=account)
        raise _changed_meanwhile()

    def _counted(self, account: Account, registration: Registration, tokens: TokenSet) -> tuple[float, ...]:
        if not tokens.refresh_token:
            return account.grants
        definition = self.definitions(registration.kind)
        living = (*_living(account, definition.idle_life, tokens.obtained_at), tokens.obtained_at)
        return living[-(definition.live_refresh_tokens or _UNLIMITED) :]

    def _open(self, account_id: str, stored: StoredToken) -> None:
        """Store the tokens; a put whose answer was lost may be done, so the vault is asked before it counts as not."""
        try:
            self.vault.open(account_id, stored.tokens, stored.version)
        except (LeaseLost, SecretMissing) as error:
            raise _changed_meanwhile() from error
        except Unavailable:
            if not self._holds(account_id, stored):
                raise

    def _holds(self, account_id: str, stored: StoredToken) -> bool:
        try:
            return self.vault.read(account_id) == stored
        except (SecretMissing, Unavailable):
            return False

    def _retire_if_cut_off(self, account_id: str) -> None:
        """Let no secret outlive a mailbox that was cut off or removed while the provider was asked."""
        try:
            current = self.accounts.get(account_id)
            if current is None or current.state is AccountState.REVOKED:
                self.vault.retire(account_id)
        except Unavailable as error:
            self.trail.note("secret.retire_failed", account_id, "failed", reason=error.code)

    def _activate(
        self, account: Account, registration: Registration, stored: StoredToken, *, ends_in: float | None
    ) -> Account:
        definition = self.definitions(registration.kind)
        for _ in range(_TRIES):
            active = self.lease.granted(account, stored, definition=definition, ends_in=ends_in)
            # Whatever was held for it is to be sent; the mark is there should whoever asks for that die first.
            active = replace(
                active,
                state=_reopened(account),
                scopes_wanted=registration.scopes,
                drain_from=self.clock(),
                incident="",
                shut_from="",
            )
            result = self._replace(active, expected=account)
            if result == active:
                return active
            account = _not_cut_off(result, before=account)
        raise _changed_meanwhile()

    def _replace(self, new: Account, *, expected: Account) -> Account:
        try:
            return self.accounts.replace(new, expected=expected)
        except NotFound as error:
            msg = "The mailbox was removed meanwhile."
            raise ConsentRefused(msg, reason="subject_gone", status=410) from error


def _no_refresh_token() -> ConsentRefused:
    msg = (
        "The provider gave no refresh token, so the mailbox could not go on sending by itself. Remove the "
        "application's access in the mailbox's security settings and connect again."
    )
    return ConsentRefused(msg, reason="refresh_token_missing", status=502)


def mailbox_of(error: MailbearerError, account: Account) -> str:
    """Give the mailbox whose grant it is that came to this end; empty if nobody knows."""
    return error.address if isinstance(error, AnotherMailbox) else account.address.lower()


def _reopened(account: Account) -> AccountState:
    """Give the state of a mailbox that is connected: what the operator paused stays paused, whoever consents."""
    return AccountState.PAUSED if account.state is AccountState.PAUSED or account.pause_kept else AccountState.ACTIVE


def _not_cut_off(account: Account, *, before: Account) -> Account:
    """Give the account as it stands, for another try, unless somebody has cut it off since. Raises `ConsentRefused`."""
    if account.state is AccountState.REVOKED and account.token.fence != before.token.fence:
        raise _changed_meanwhile()
    return account


def _changed_meanwhile() -> ConsentRefused:
    msg = "The account was changed during the consent; ask for a new link."
    return ConsentRefused(msg, reason="conflict", status=409)


def _living(account: Account, idle_life: float, now: float) -> tuple[float, ...]:
    """Give the moments since which grants that may still live are idle; where no idle life is known they live on.

    The newest is the one that is used.
    """
    if not account.grants:
        return ()
    *older, newest = account.grants
    moments = (*older, max(newest, account.token.refreshed_at))
    return tuple(moment for moment in moments if not idle_life or moment + idle_life >= now)


def refusal(error: TokenError, account: Account, registration: Registration) -> ConsentRefused:
    """Say why the provider gave no token, and what mends it."""
    found = by_code(error.finding or error.code)
    remedy = found.remedy_for(
        provider=registration.kind,
        account=account.address,
        registration=registration.name,
        client_id=registration.client_id,
        tenant=registration.tenant,
    )
    msg = f"The provider gave no token. {found.cause} {remedy} In its own words: {error.detail}"
    return ConsentRefused(msg, reason=error.finding or error.code, status=409)
