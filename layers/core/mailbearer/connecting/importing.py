"""Connecting a mailbox by a refresh token that somebody already has."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.connecting.granting import mailbox_of, refusal
from mailbearer.connecting.identity import AnotherMailbox
from mailbearer.errors import (
    Conflict,
    ConsentRefused,
    Fault,
    InvalidInput,
    MailbearerError,
    SecretMissing,
    TokenAnswerLost,
    TokenEndpointBusy,
    TokenError,
    Unavailable,
)

if TYPE_CHECKING:
    from mailbearer.client import Client
    from mailbearer.connecting.granting import Connected, Granting
    from mailbearer.connecting.identity import Identity
    from mailbearer.connecting.tickets import Tickets
    from mailbearer.definition import Definitions
    from mailbearer.ports.provider import TokenAnswer
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail

_CONNECTED = frozenset({AccountState.ACTIVE, AccountState.PAUSED})
# RFC 6749 appendix A: printable ASCII; longer than any provider's.
_REFRESH_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """Take a refresh token that was granted elsewhere, to the same client."""

    tickets: Tickets
    client: Client
    definitions: Definitions
    identity: Identity
    granting: Granting
    trail: Trail

    def take(self, account: Account, body: object, *, actor: str) -> Connected:
        """Use the token once, pin the mailbox, and only then store.

        `body` is `{"refresh_token": ...}`. Of what is refused, only a token that the provider gave in exchange just now
        is given back; the one that was handed in stays its owner's. Raises `InvalidInput`, `Conflict` for a mailbox
        that is connected or needs no refresh token, `ConsentRefused` if the provider refuses or the token is another
        mailbox's, `Unavailable`.
        """
        handed_in = _read(body)
        registration = self.tickets.registration_of(account)
        if registration.flow.unattended:
            msg = f"{registration.name} works without a refresh token ({registration.flow}); there is none to import."
            raise Conflict(msg)
        if account.state in _CONNECTED:
            msg = f"{account.address} is connected already. Revoke it first, then import."
            raise Conflict(msg)
        self.trail.intend("consent.import", account.id, actor=actor, registration=registration.name)
        try:
            answer = self._refresh(account, registration, handed_in)
            answer = replace(answer, refresh_token=answer.refresh_token or handed_in)
            return self._keep(account, registration, answer, handed_in)
        except ConsentRefused as error:
            self.trail.note("consent.refused", account.id, "refused", reason=error.reason, actor=actor)
            raise

    def _refresh(self, account: Account, registration: Registration, refresh_token: str) -> TokenAnswer:
        # What was granted is not known yet, and the server's own answer tells it best. Where it wants to hear scopes
        # with each refresh, those that the mailbox needs are asked for.
        wants_scopes = bool(self.definitions(registration.kind).refresh_scopes)
        scope = " ".join(registration.scopes) if wants_scopes else ""
        try:
            return self.client.refresh(registration, refresh_token=refresh_token, scope=scope)
        except TokenAnswerLost as error:
            msg = f"The provider's answer was lost. If it rotates refresh tokens, this one may be spent. {error.detail}"
            raise Unavailable(msg) from error
        except TokenEndpointBusy as error:
            msg = f"The provider gives no token now: {error.detail}"
            raise Unavailable(msg) from error
        except SecretMissing as error:
            raise ConsentRefused(error.detail, reason="registration_incomplete", status=409) from error
        except TokenError as error:
            raise refusal(error, account, registration) from error

    def _keep(self, account: Account, registration: Registration, answer: TokenAnswer, handed_in: str) -> Connected:
        try:
            self.identity.pin(account, registration, answer)
            return self.granting.store(account, registration, answer, imported="true")
        except MailbearerError as error:
            if answer.refresh_token != handed_in:
                self.granting.give_back(registration, answer, whose=mailbox_of(error, account))
            if isinstance(error, AnotherMailbox):
                msg = f"The refresh token is another mailbox's. Import one that was granted for {account.address}."
                raise ConsentRefused(msg, reason=error.reason, status=error.status) from error
            raise


def _read(body: object) -> str:
    """Read the request; no fault ever quotes it."""
    if not isinstance(body, dict):
        raise InvalidInput((Fault("", "not_an_object", "The body has to be a JSON object."),))
    faults = []
    if set(body) - {"refresh_token"}:
        faults.append(Fault("", "unknown_field", "refresh_token is the only field there is."))
    token = body.get("refresh_token")
    if not isinstance(token, str) or not _REFRESH_TOKEN.fullmatch(token):
        detail = "refresh_token is the token as the provider gave it: printable ASCII without blanks."
        faults.append(Fault("/refresh_token", "invalid_refresh_token", detail))
    if faults:
        raise InvalidInput(tuple(faults))
    return str(token)
