"""Asking whether a token is good, sending nothing: at the authorization server first, at the mail side last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.definition import NOBODY, ProbeBy
from mailbearer.errors import MailbearerError, SecretMissing, TokenError, TokenRefused, Unavailable
from mailbearer.registration import Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailbearer.account import Account
    from mailbearer.client import Client
    from mailbearer.definition import Definitions
    from mailbearer.ports.mail import Transport
    from mailbearer.ports.provider import TokenFacts
    from mailbearer.registration import Registration

FOREIGN = "token_of_another_client"
_REFUSED = "fresh_token_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen: `valid` is None if nothing there could tell, `code` the diagnosis' word for a refusal.

    `how` names what was asked, `scopes` are those it named (None if it named none), `identity` is the mailbox it named.
    """

    valid: bool | None = None
    how: str = ""
    code: str = ""
    scopes: tuple[str, ...] | None = None
    identity: str = ""
    doubted: bool = False
    """Whether the authorization server refuses a token that the mail side takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looker:
    """Ask what a provider's definition names, in that order, until something can tell."""

    client: Client
    definitions: Definitions
    transport: Callable[[str], Transport]

    def look(self, account: Account, registration: Registration, token: str) -> Look:
        """Look whether the token is good.

        Where the authorization server refuses the token the mail side has the last word, for a token may be good there
        alone; but not for a token of another client.
        """
        refused = Look()
        for how in self.definitions(registration.kind).probes:
            if refused.valid is False and how is not ProbeBy.MAIL:
                continue
            look = self._ask(how, account, registration, token)
            if look.valid or look.code == FOREIGN:
                return replace(look, how=str(how), doubted=refused.valid is False)
            if look.valid is False and refused.valid is None:
                refused = replace(look, how=str(how))
        return refused

    def _ask(self, how: ProbeBy, account: Account, registration: Registration, token: str) -> Look:
        try:
            if how is ProbeBy.TOKENINFO:
                return self._facts(registration, self.client.tokeninfo(registration, token), issued_to=True)
            if how is ProbeBy.INTROSPECTION:
                return self._facts(registration, self.client.introspect(registration, token))
            if how is ProbeBy.USERINFO:
                return self._claims(registration, token)
            transport = self.transport(account.transport)
            told = transport.verify(account=account, registration=registration, access_token=token)
        except TokenRefused:
            return Look(valid=False, code=_REFUSED)
        except (TokenError, SecretMissing, Unavailable) as error:
            # Whoever cannot answer, or does not let us ask, says nothing about the token.
            return Look(code=_word(error))
        return Look(valid=told, code=_REFUSED if told is False else "")

    def _facts(self, registration: Registration, facts: TokenFacts | None, *, issued_to: bool = False) -> Look:
        if facts is None:
            return Look()
        if not facts.active:
            return Look(valid=False, code=_REFUSED)
        # A service account's tokens are issued to its number, which no registration knows.
        if issued_to and registration.flow is not Flow.JWT_BEARER:
            named = {facts.claims.get("aud"), facts.claims.get("azp")} - {None, ""}
            if named and registration.client_id not in named:
                return Look(valid=False, code=FOREIGN)
        scopes = None if facts.scope is None else tuple(facts.scope.split())
        return Look(valid=True, scopes=scopes, identity=self._identity(registration, facts.claims))

    def _claims(self, registration: Registration, token: str) -> Look:
        if registration.flow is Flow.CLIENT_CREDENTIALS:
            return Look()  # such a token is nobody's
        claims = self.client.userinfo(registration, token)
        return Look() if claims is None else Look(valid=True, identity=self._identity(registration, claims))

    def _identity(self, registration: Registration, claims: Mapping[str, object]) -> str:
        if registration.flow is Flow.CLIENT_CREDENTIALS:
            return ""
        # An introspection answer calls it `username` (RFC 7662 section 2.2).
        named = self.definitions(registration.kind).mailbox_in(claims, "username")
        return "" if named == NOBODY else named


def _word(error: MailbearerError) -> str:
    return (error.finding if isinstance(error, TokenError) else "") or error.code
