"""Connecting a mailbox: authorization code with PKCE.

The mailbox pinned before anything is stored (semantics.md, Consent).
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState, Consent
from mailbearer.errors import (
    Conflict,
    ConsentRefused,
    SecretMissing,
    TokenError,
    Unavailable,
)
from mailbearer.ports import (
    AccountStore,
    AuthorizationRequest,
    Clock,
    ConsentStore,
    EventBus,
    RandomBytes,
    RegistrationStore,
    TokenAnswer,
    TokenVault,
    Transport,
)
from mailbearer.token import StoredToken, TokenSet, fingerprint, planned_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailbearer.client import Client
    from mailbearer.definition import Definitions
    from mailbearer.lifecycle import Lifecycle
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail

CONSENT_LIFE = 600.0
_IDENTITY_CLAIMS = ("email", "preferred_username", "upn")


@dataclass(frozen=True, slots=True)
class ConsentPage:
    """What the page shows that asks for consent, and where its one button leads."""

    account: Account
    registration: Registration
    authorization_url: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A mailbox that can send; `missing` and `excessive` compare the granted scopes with the wanted ones."""

    account: Account
    missing: tuple[str, ...]
    excessive: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFlow:
    """Lead the owner of a mailbox through consent."""

    accounts: AccountStore
    registrations: RegistrationStore
    consents: ConsentStore
    vault: TokenVault
    client: Client
    transport: Callable[[str], Transport]
    lifecycle: Lifecycle
    events: EventBus
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes
    api_url: str
    definitions: Definitions

    @property
    def redirect_uri(self) -> str:
        """Give the one redirect URI, exactly as it is registered with the provider."""
        return f"{self.api_url}/oauth/callback"

    def begin(self, account: Account, *, actor: str) -> str:
        """Start a consent; gives the one-use link for the owner of the mailbox.

        Raises `Conflict` if there is nobody to ask.
        """
        registration = self.registrations.get(account.provider)
        if registration is None:
            msg = f"The registration {account.provider} does not exist; add it with `mailbearer providers add`."
            raise Conflict(msg)
        ticket = _random_text(self.random_bytes)
        now = self.clock()
        self.trail.intend("consent.begin", account.id, actor=actor)
        self.consents.put(
            Consent(
                state_hash=_hash(_state_of(ticket)),
                account_id=account.id,
                registration=registration.name,
                verifier=_random_text(self.random_bytes),
                nonce=_random_text(self.random_bytes),
                redirect_uri=self.redirect_uri,
                created_at=now,
                expires_at=now + CONSENT_LIFE,
            )
        )
        return f"{self.api_url}/connect/{ticket}"

    def page(self, ticket: str) -> ConsentPage:
        """Give what the consent page shows. Raises `ConsentRefused` for a link that was used, is late or never was."""
        state = _state_of(ticket)
        consent = self._living(self.consents.get(_hash(state)))
        account, registration = self._subjects(consent)
        request = AuthorizationRequest(
            state=state,
            verifier=consent.verifier,
            nonce=consent.nonce,
            redirect_uri=consent.redirect_uri,
            login_hint=account.address,
        )
        return ConsentPage(account, registration, self.client.authorization_url(registration, request))

    def finish(self, query: Mapping[str, str]) -> Connected:
        """Take the callback (RFC 6749 section 4.1.2) to a connected mailbox, or refuse it with the reason audited.

        Raises `ConsentRefused`.
        """
        subject = "unknown"
        try:
            consent = self._living(self.consents.take(_hash(query.get("state", ""))))
            subject = consent.account_id
            account, registration = self._subjects(consent)
            self._check_callback(query, registration)
            self.trail.intend("consent.grant", account.id, registration=registration.name)
            return self._redeem(query["code"], consent, account, registration)
        except ConsentRefused as error:
            self.trail.note("consent.refused", subject, "refused", reason=error.reason)
            raise

    # --- the callback -----------------------------------------------------------------------------------------------

    def _living(self, consent: Consent | None) -> Consent:
        # DynamoDB's TTL removes items late, so the time is checked here.
        if consent is None or consent.expires_at <= self.clock():
            msg = "This link was used already or is older than ten minutes. Ask for a new one."
            raise ConsentRefused(msg, reason="state_unknown", status=410)
        return consent

    def _subjects(self, consent: Consent) -> tuple[Account, Registration]:
        account = self.accounts.get(consent.account_id)
        registration = self.registrations.get(consent.registration)
        if account is None or registration is None:
            msg = "The mailbox or its provider was removed meanwhile. Ask for a new link."
            raise ConsentRefused(msg, reason="subject_gone", status=410)
        if account.state is AccountState.REVOKED and consent.created_at < account.updated_at:
            # Whoever holds a link from before must not undo a revocation with it.
            msg = "The mailbox was revoked after this link was made. Ask for a new one."
            raise ConsentRefused(msg, reason="revoked_meanwhile", status=410)
        return account, registration

    def _check_callback(self, query: Mapping[str, str], registration: Registration) -> None:
        issuer = registration.endpoints.issuer
        came = query.get("iss", "")
        if (registration.issuer_in_callback or (came and issuer)) and came != issuer:
            msg = "The answer came from another authorization server than the one that was asked (RFC 9207)."
            raise ConsentRefused(msg, reason="issuer_mismatch")
        if error := query.get("error"):
            denied = error == "access_denied"
            msg = "The consent was declined." if denied else f"The provider refused: {_plain(error)}."
            raise ConsentRefused(msg, reason="denied" if denied else "provider_error")
        if not query.get("code"):
            msg = "The provider's answer holds no code."
            raise ConsentRefused(msg, reason="code_missing")

    def _redeem(self, code: str, consent: Consent, account: Account, registration: Registration) -> Connected:
        """Use the code once, pin the mailbox, and only then store."""
        try:
            answer = self.client.redeem(
                registration, code=code, verifier=consent.verifier, redirect_uri=consent.redirect_uri
            )
        except SecretMissing as error:
            raise ConsentRefused(error.detail, reason="registration_incomplete", status=502) from error
        except TokenError as error:
            msg = f"The provider gave no token: {error.detail}"
            raise ConsentRefused(msg, reason=error.code, status=502) from error
        try:
            self._check_id_token(answer, consent, registration)
            self._pin(account, registration, answer)
            self._check_refresh_token(answer)
            return self._store(account, registration, answer)
        except ConsentRefused:
            self._give_back(registration, answer)
            raise

    def _check_id_token(self, answer: TokenAnswer, consent: Consent, registration: Registration) -> None:
        """Check an id token that came straight from the token endpoint (OIDC Core section 3.1.3.7)."""
        if answer.claims is None:
            return
        claims, issuer = answer.claims, registration.endpoints.issuer
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        expiry = claims.get("exp")
        faults = [
            name
            for name, wrong in (
                (
                    "iss",
                    bool(issuer)
                    and "{" not in issuer
                    and claims.get("iss") not in (issuer, issuer.removeprefix("https://")),
                ),
                ("aud", registration.client_id not in audiences),
                ("exp", not isinstance(expiry, (int, float)) or expiry < self.clock() - 60),
                ("nonce", claims.get("nonce") is not None and claims.get("nonce") != consent.nonce),
            )
            if wrong
        ]
        if faults:
            msg = f"The id token does not belong to this consent ({', '.join(faults)})."
            raise ConsentRefused(msg, reason="id_token_invalid")

    def _check_refresh_token(self, answer: TokenAnswer) -> None:
        if not answer.refresh_token:
            msg = (
                "The provider gave no refresh token, so the mailbox could not go on sending by itself. Remove the "
                "application's access in the mailbox's security settings and connect again."
            )
            raise ConsentRefused(msg, reason="refresh_token_missing", status=502)

    def _pin(self, account: Account, registration: Registration, answer: TokenAnswer) -> None:
        """Refuse any mailbox but the account's.

        By id token, else userinfo, else by what the mail server lets the token open.
        """
        claims, silence = answer.claims, ""
        if not _identities(claims):
            try:
                claims = self.client.userinfo(registration, answer.access_token)
            except TokenError as error:
                # A token without the scope `openid` may not ask there; the mail side may still know.
                claims, silence = None, f" ({error.detail})"
        if identities := _identities(claims):
            if account.address.lower() not in identities or (claims or {}).get("email_verified") in (False, "false"):
                raise _another_mailbox(account)
            return
        proven = self.transport(account.transport).verify(
            account=account, registration=registration, access_token=answer.access_token
        )
        if proven is False:
            raise _another_mailbox(account)
        if proven is None:
            msg = (
                f"Nothing proves that this is {account.address}: register the provider with the scopes openid "
                f"and email, or with its issuer{silence}."
            )
            raise ConsentRefused(msg, reason="identity_unproven", status=502)

    def _give_back(self, registration: Registration, answer: TokenAnswer) -> None:
        """Revoke a grant that will not be used; nothing of it was stored."""
        token, hint = (
            (answer.refresh_token, "refresh_token") if answer.refresh_token else (answer.access_token, "access_token")
        )
        try:
            self.client.revoke(registration, token=token, hint=hint)
        except TokenError as error:
            self.trail.note("token.revoke_failed", registration.name, "failed", reason=error.code)

    def _store(self, account: Account, registration: Registration, answer: TokenAnswer) -> Connected:
        """Store under the next fence: secret first, then the account becomes active."""
        now = self.clock()
        wanted = " ".join(account.scopes_wanted or registration.scopes)
        tokens = TokenSet(
            access_token=answer.access_token,
            refresh_token=answer.refresh_token,
            expires_at=now + answer.expires_in,
            obtained_at=now,
            scope=answer.scope if answer.scope is not None else wanted,
        )
        for _ in range(10):
            fence = account.token.fence + 1
            fenced = account.changed(updated_at=now, token=replace(account.token, fence=fence))
            stored = self.accounts.replace(fenced, expected=account)
            if stored == fenced:
                break
            account = stored
        else:
            msg = "The account changes too often; ask for a new link."
            raise ConsentRefused(msg, reason="conflict", status=409)
        version = planned_version(account.id, fence)
        self.vault.open(account.id, tokens, version)
        try:
            active = self._activate(fenced, StoredToken(tokens, version))
        except ConsentRefused:
            # Revoked while the provider was asked: the secret must not outlive that.
            self.vault.retire(account.id)
            raise
        missing, excessive = self.definitions(registration.kind).scope_drift(tuple(wanted.split()), tokens.scope)
        self.trail.note(
            "consent.granted",
            account.id,
            "granted",
            registration=registration.name,
            token=fingerprint(tokens.refresh_token, account.id),
            scope_missing=" ".join(missing),
            scope_excessive=" ".join(excessive),
        )
        try:
            self.events.publish("account.activated", {"account": account.id, "address": account.address})
        except Unavailable as error:
            self.trail.note("event.unpublished", account.id, "failed", reason=error.code)
        return Connected(active, missing, excessive)

    def _activate(self, account: Account, stored: StoredToken) -> Account:
        now = self.clock()
        for _ in range(10):
            active = account.changed(
                state=AccountState.ACTIVE,
                reason="",
                updated_at=now,
                scopes_granted=tuple(stored.tokens.scope.split()),
                revocation_pending=False,
                token=replace(
                    account.token,
                    # Once more, so that a refresh of the old grant that began meanwhile cannot store what it brings.
                    fence=account.token.fence + 1,
                    lease_owner="",
                    lease_until=0,
                    version=stored.version,
                    expires_at=stored.tokens.expires_at,
                    refreshed_at=now,
                    due_at=self.lifecycle.due(stored.tokens, now),
                    backoff_until=0,
                    failures=0,
                    forced_at=0,
                    answer_lost_at=0,
                    write_allowance_at=now,
                ),
            )
            result = self.accounts.replace(active, expected=account)
            if result == active:
                return active
            if result.state is AccountState.REVOKED and result.token.fence != account.token.fence:
                break
            account = result
        msg = "The account was changed during the consent; ask for a new link."
        raise ConsentRefused(msg, reason="conflict", status=409)


def _another_mailbox(account: Account) -> ConsentRefused:
    msg = f"Another mailbox consented. Sign in as {account.address} and try again."
    return ConsentRefused(msg, reason="identity_mismatch", status=403)


def _identities(claims: Mapping[str, object] | None) -> frozenset[str]:
    values = ((claims or {}).get(name) for name in _IDENTITY_CLAIMS)
    return frozenset(value.lower() for value in values if isinstance(value, str) and "@" in value)


def _state_of(ticket: str) -> str:
    """Derive the state from the ticket, one way: whoever sees the state (the provider) does not know the link."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"state:{ticket}".encode()).digest()).decode().rstrip("=")


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def _random_text(random_bytes: Callable[[int], bytes]) -> str:
    return base64.urlsafe_b64encode(random_bytes(32)).decode().rstrip("=")


def _plain(text: str) -> str:
    return "".join(char for char in text if char.isalnum() or char in "_-. ")[:80]
