"""Connecting a mailbox that nobody consents for: client credentials, or a service account's assertion.

There is no grant that could be lost here: a token is got anew whenever one is needed, and the first one only proves
that registration and mailbox go together. So everything is asked first, and stored when it has been answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.connecting.granting import refusal
from mailbearer.errors import ConsentRefused, SecretMissing, TokenEndpointBusy, TokenError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.client import Client
    from mailbearer.connecting.granting import Connected, Granting
    from mailbearer.connecting.identity import Identity
    from mailbearer.ports.provider import TokenAnswer
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class UnattendedFlow:
    """Connect mailboxes for which the registration speaks by itself."""

    client: Client
    identity: Identity
    granting: Granting
    trail: Trail

    def connect(
        self, account: Account, registration: Registration, *, actor: str, admit: Callable[[], Account]
    ) -> Connected:
        """Get a token, see that it opens the mailbox, and only then `admit` the account and store the token.

        Raises `ConsentRefused` if the provider refuses: then there is no account. Raises `Unavailable` if somebody does
        not answer; the same again is safe, also after an account was admitted that could not be made active.
        """
        self.trail.intend("consent.grant", account.id, actor=actor, registration=registration.name)
        try:
            answer = self._mint(account, registration)
            proof = self._prove(account, registration, answer)
            return self.granting.store(admit(), registration, answer, proof=proof)
        except ConsentRefused as error:
            self.trail.note("consent.refused", account.id, "refused", reason=error.reason, actor=actor)
            raise

    def _prove(self, account: Account, registration: Registration, answer: TokenAnswer) -> str:
        """Name what shows that the token is good for the mailbox.

        Where the mail side cannot tell it is the token itself: a service account's was given for this very mailbox, and
        an application's opens the mailboxes that an administrator chose.
        """
        opens = self.identity.opens(account, registration, answer)
        if opens is False:
            msg = (
                f"The provider gave {registration.name} a token, and the mail side does not take it for "
                f"{account.address}: the administrator has to allow the application this mailbox."
            )
            raise ConsentRefused(msg, reason="mailbox_not_allowed", status=409)
        return "mail" if opens else "token"

    def _mint(self, account: Account, registration: Registration) -> TokenAnswer:
        try:
            return self.client.mint(registration, subject=account.address)
        except TokenEndpointBusy as error:
            raise Unavailable(f"The provider gives no token now: {error.detail}") from error
        except SecretMissing as error:
            raise ConsentRefused(error.detail, reason="registration_incomplete", status=409) from error
        except TokenError as error:
            raise refusal(error, account, registration) from error
