"""Consents under way: a link that only the owner of the mailbox has, and what stands behind it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState, Consent
from mailbearer.errors import Conflict, ConsentRefused

if TYPE_CHECKING:
    from mailbearer.embargo import Embargo
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.stores import AccountStore, ConsentStore, RegistrationStore
    from mailbearer.registration import Registration

CONSENT_LIFE = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tickets:
    """Give out links and find what they stand for.

    The state is derived from the ticket, one way, and the table knows the state's hash alone: whoever sees the state
    (the provider) does not know the link, and whoever reads the table knows neither.
    """

    accounts: AccountStore
    registrations: RegistrationStore
    consents: ConsentStore
    embargo: Embargo
    clock: Clock
    random_bytes: RandomBytes
    api_url: str

    def text(self) -> str:
        """Give 43 unpredictable characters, as tickets, verifiers (RFC 7636 section 4.1) and nonces are made of."""
        return base64.urlsafe_b64encode(self.random_bytes(32)).decode().rstrip("=")

    def registration_of(self, account: Account) -> Registration:
        """Give whom to ask for a mailbox. Raises `Conflict` if there is nobody, or an incident forbids it."""
        self.embargo.check(account)
        registration = self.registrations.get(account.provider)
        if registration is None:
            msg = f"The registration {account.provider} does not exist; add it with `mailbearer providers add`."
            raise Conflict(msg)
        return registration

    def link(self, ticket: str) -> str:
        """Give the page behind a ticket."""
        return f"{self.api_url}/connect/{ticket}"

    def find(self, ticket: str) -> Consent:
        """Find a consent without consuming it.

        Raises `ConsentRefused` for a link that was used, is late or never was.
        """
        return self._living(self.consents.get(hash_of(state_of(ticket))))

    def take(self, state: str) -> Consent:
        """Consume a consent: one of many callers gets it, all others get `ConsentRefused`."""
        return self._living(self.consents.take(hash_of(state)))

    def subjects(self, consent: Consent) -> tuple[Account, Registration]:
        """Give whom a consent concerns. Raises `ConsentRefused` if that is gone or has been cut off since."""
        account = self.accounts.get(consent.account_id)
        registration = self.registrations.get(consent.registration)
        if account is None or registration is None:
            msg = "The mailbox or its provider was removed meanwhile. Ask for a new link."
            raise ConsentRefused(msg, reason="subject_gone", status=410)
        self.embargo.check_consent(account)
        if account.state is AccountState.REVOKED and consent.created_at < (account.revoked_at or account.updated_at):
            # Whoever holds a link from before must not undo a revocation with it.
            msg = "The mailbox was revoked after this link was made. Ask for a new one."
            raise ConsentRefused(msg, reason="revoked_meanwhile", status=410)
        return account, registration

    def _living(self, consent: Consent | None) -> Consent:
        # DynamoDB's TTL removes items late, so the time is checked here.
        if consent is None or consent.expires_at <= self.clock():
            raise unknown_state()
        return consent


def unknown_state() -> ConsentRefused:
    """Make the refusal of a link that was used, is late or never was; which of these it is is nobody's affair."""
    msg = "This link was used already or is older than ten minutes. Ask for a new one."
    return ConsentRefused(msg, reason="state_unknown", status=410)


def state_of(ticket: str) -> str:
    """Derive the state from the ticket."""
    return base64.urlsafe_b64encode(hashlib.sha256(f"state:{ticket}".encode()).digest()).decode().rstrip("=")


def hash_of(state: str) -> str:
    """Give what the table knows of a state."""
    return hashlib.sha256(state.encode()).hexdigest()
