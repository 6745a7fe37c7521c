"""Connecting a mailbox with a browser: authorization code with PKCE (semantics.md, Consent)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.account import Account, Consent
from mailbearer.connecting.tickets import CONSENT_LIFE, hash_of, state_of, unknown_state
from mailbearer.errors import ConsentRefused, SecretMissing, TokenError, TooManyGrants
from mailbearer.ports.provider import AuthorizationRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailbearer.client import Client
    from mailbearer.connecting.granting import Connected, Granting
    from mailbearer.connecting.tickets import Tickets
    from mailbearer.definition import Definitions
    from mailbearer.ports import Clock
    from mailbearer.ports.provider import TokenAnswer
    from mailbearer.ports.stores import ConsentStore
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail


@dataclass(frozen=True, slots=True)
class ConsentPage:
    """What the page shows that asks for consent, and where its one button leads."""

    account: Account
    registration: Registration
    authorization_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFlow:
    """Lead the owner of a mailbox through consent."""

    tickets: Tickets
    consents: ConsentStore
    granting: Granting
    client: Client
    definitions: Definitions
    trail: Trail
    clock: Clock
    api_url: str

    @property
    def redirect_uri(self) -> str:
        """Give the one redirect URI, exactly as it is registered with the provider."""
        return f"{self.api_url}/oauth/callback"

    def begin(self, account: Account, *, actor: str, announce: Callable[[], None] | None = None) -> str:
        """Start a consent; gives the one-use link for the owner of the mailbox.

        `announce` says what else the link is for, last before it is stored. Raises what that does, `Conflict` if there
        is nobody to ask, `TooManyGrants` if the provider keeps no more.
        """
        registration = self.tickets.registration_of(account)
        self.granting.check_room(account, registration)
        self.trail.intend("consent.begin", account.id, actor=actor)
        if announce is not None:
            announce()
        ticket, now = self.tickets.text(), self.clock()
        self.consents.put(
            Consent(
                state_hash=hash_of(state_of(ticket)),
                account_id=account.id,
                registration=registration.name,
                verifier=self.tickets.text(),
                nonce=self.tickets.text(),
                redirect_uri=self.redirect_uri,
                created_at=now,
                expires_at=now + CONSENT_LIFE,
            )
        )
        return self.tickets.link(ticket)

    def page(self, ticket: str, consent: Consent) -> ConsentPage:
        """Give what the consent page shows of a consent found by its ticket. Raises `ConsentRefused`."""
        account, registration = self.tickets.subjects(consent)
        self._check_room(account, registration)
        request = AuthorizationRequest(
            state=state_of(ticket),
            verifier=consent.verifier,
            nonce=consent.nonce,
            redirect_uri=consent.redirect_uri,
            login_hint=account.address,
        )
        return ConsentPage(account, registration, self.client.authorization_url(registration, request))

    def finish(self, query: Mapping[str, str]) -> Connected:
        """Take the callback (RFC 6749 section 4.1.2) to a connected mailbox, or refuse it with the reason audited.

        Raises `ConsentRefused`, and `Unavailable` if the log or the vault is down: then nothing is stored either.
        """
        subject = "unknown"
        try:
            consent = self.tickets.take(query.get("state", ""))
            subject = consent.account_id
            if consent.device is not None:
                raise unknown_state()
            account, registration = self.tickets.subjects(consent)
            self._check_callback(query, registration)
            self._check_room(account, registration)
            self.trail.intend("consent.grant", account.id, registration=registration.name)
            answer = self._redeem(query["code"], consent, registration)
            return self.granting.keep_consented(account, registration, answer, nonce=consent.nonce)
        except ConsentRefused as error:
            self.trail.note("consent.refused", subject, "refused", reason=error.reason)
            raise

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
        if elsewhere := self.definitions(registration.kind).other_location(registration, query):
            # The code is good there alone, and nothing of ours goes to a server that a browser's URL names.
            msg = (
                f"This mailbox lives in the provider's data centre {_plain(elsewhere)}, and {registration.name} is "
                "registered for another one. The operator adds a registration with that data centre "
                "(`mailbearer providers add --cloud`) and connects the mailbox through it."
            )
            raise ConsentRefused(msg, reason="data_centre_mismatch")

    def _check_room(self, account: Account, registration: Registration) -> None:
        try:
            self.granting.check_room(account, registration)
        except TooManyGrants as error:
            raise ConsentRefused(error.detail, reason=error.code, status=409) from error

    def _redeem(self, code: str, consent: Consent, registration: Registration) -> TokenAnswer:
        """Use the code, once."""
        try:
            return self.client.redeem(
                registration, code=code, verifier=consent.verifier, redirect_uri=consent.redirect_uri
            )
        except SecretMissing as error:
            raise ConsentRefused(error.detail, reason="registration_incomplete", status=502) from error
        except TokenError as error:
            msg = f"The provider gave no token: {error.detail}"
            raise ConsentRefused(msg, reason=error.code, status=502) from error


def _plain(text: str) -> str:
    return "".join(char for char in text if char.isalnum() or char in "_-.:/ ")[:80]
