"""What is kept in tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailbearer.account import Account, Consent
    from mailbearer.caller import ApiKey
    from mailbearer.incident import Incident
    from mailbearer.ledger import Ledger
    from mailbearer.message import MessageRecord
    from mailbearer.registration import Registration
    from mailbearer.suppression import Suppression
    from mailbearer.template import Template, TemplateVersion
    from mailbearer.webhook import Webhook


@dataclass(frozen=True, slots=True)
class Page:
    """One page of ids, newest first; `cursor` is empty on the last."""

    ids: tuple[str, ...]
    cursor: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """An account with work for the schedule since `at` (epoch seconds)."""

    at: float
    account_id: str


class MessageStore(Protocol):
    """The status of every message."""

    def create(self, record: MessageRecord) -> MessageRecord:
        """Put the record if its id is new; give the record that stands there."""

    def get(self, message_id: str) -> MessageRecord | None:
        """Read one record."""

    def get_many(self, message_ids: Sequence[str]) -> dict[str, MessageRecord]:
        """Read up to 100 records by id; missing ones are left out."""

    def replace(self, new: MessageRecord, *, expected: MessageRecord) -> MessageRecord:
        """Write `new` if status, attempt, owner and `retry_at` are still those of `expected`; give what stands there.

        Raises `NotFound` if there is none.
        """

    def by_account(self, account_id: str, *, since: float, limit: int, cursor: str) -> Page:
        """List an account's messages created at or after `since`, newest first."""

    def held(self, account_id: str, *, limit: int) -> tuple[str, ...]:
        """Give the ids of messages that are held for a mailbox (not for its quota), the oldest first.

        Those that are being sent from there are among them.
        """


class AccountStore(Protocol):
    """Every mailbox, with the lease on its token."""

    def create(self, account: Account) -> bool:
        """Put the account if its id is new; tell whether it was."""

    def get(self, account_id: str, *, consistent: bool = True) -> Account | None:
        """Read one account; without `consistent` for half the price, perhaps as it was a moment ago."""

    def replace(self, new: Account, *, expected: Account) -> Account:
        """Write `new`, the next revision of `expected`, if the stored revision still is that of `expected`.

        Gives the account that stands there afterwards.

        Raises `NotFound` if there is none.
        """

    def delete(self, account: Account) -> None:
        """Remove the account if nobody has changed it since it was read. Raises `Conflict` if somebody has."""

    def by_address(self, address: str) -> list[Account]:
        """Find the accounts of an address, compared without case."""

    def listing(self, *, limit: int, cursor: str) -> tuple[list[Account], str]:
        """List accounts; the second value continues the list, empty at its end."""

    def due(self, now: float) -> Iterator[Due]:
        """Give the accounts whose `due_at` has come, the longest overdue first; each once, read as they are asked for.

        Only active and paused accounts are ever due, those whose owner has to be told of a dead grant, and those whose
        revocation is pending.
        """


class ConsentStore(Protocol):
    """Consents under way."""

    def put(self, consent: Consent) -> None:
        """Keep a consent."""

    def get(self, state_hash: str) -> Consent | None:
        """Read a consent without consuming it."""

    def replace(self, new: Consent, *, expected: Consent) -> Consent | None:
        """Write `new` if the consent still is as `expected` and nobody took it; give the one that stands, if any."""

    def take(self, state_hash: str) -> Consent | None:
        """Consume a consent: exactly one of many callers gets it, also if an answer is lost and the call repeated."""


class RegistrationStore(Protocol):
    """Registrations, without their secrets."""

    def create(self, registration: Registration) -> bool:
        """Put the registration if its name is new; tell whether it was."""

    def replace(self, new: Registration, *, expected: Registration) -> Registration:
        """Write `new`, the next revision of `expected`, if the stored revision still is that of `expected`.

        Gives the registration that stands there afterwards. Raises `NotFound` if there is none.
        """

    def get(self, name: str) -> Registration | None:
        """Read one registration."""

    def listing(self) -> list[Registration]:
        """List all registrations by name."""


class TemplateStore(Protocol):
    """Templates and their versions."""

    def create(self, template: Template) -> Template:
        """Put the template if its name is new; give the one that stands there."""

    def get(self, name: str) -> Template | None:
        """Read one template."""

    def replace(self, new: Template, *, expected: Template) -> Template:
        """Write `new`, the next revision of `expected`, if the stored revision still is that of `expected`.

        Gives the template that stands there afterwards. Raises `NotFound` if there is none.
        """

    def delete(self, template: Template) -> None:
        """Remove the template with all its versions if nobody has changed it since. Raises `Conflict` if so."""

    def listing(self, *, limit: int, cursor: str) -> tuple[list[Template], str]:
        """List templates by name; the second value continues the list, empty at its end."""

    def add_version(self, version: TemplateVersion, *, since: float) -> TemplateVersion:
        """Put the version if there is none of this number; give the one that stands there.

        One that was made before `since` (epoch seconds) is left from another template of that name and does not count.
        """

    def version(self, name: str, version: int) -> TemplateVersion | None:
        """Read one version."""

    def versions(self, name: str, *, limit: int, cursor: str) -> tuple[list[TemplateVersion], str]:
        """List a template's versions, newest first; the second value continues the list."""


class SuppressionStore(Protocol):
    """Addresses to which nothing is sent, by mailbox and for all of them."""

    def put(self, suppression: Suppression) -> Suppression:
        """Put the suppression if there is none of this address and account; give the one that stands there."""

    def get(self, account: str, address: str) -> Suppression | None:
        """Read one."""

    def delete(self, account: str, address: str) -> bool:
        """Remove one; tell whether there was one."""

    def listing(self, account: str, *, limit: int, cursor: str) -> tuple[list[Suppression], str]:
        """List those of an account (or of all, `*`) by address; the second value continues the list."""

    def any_of(self, account: str) -> bool:
        """Tell whether an account (or `*`) has any at all."""

    def among(self, account: str, addresses: Sequence[str]) -> frozenset[str]:
        """Give those of the addresses that are suppressed for the account (or for `*`)."""


class LedgerStore(Protocol):
    """What each mailbox has used of its limits."""

    def get(self, account_id: str) -> Ledger:
        """Read a mailbox's ledger; an empty one if there is none."""

    def replace(self, new: Ledger, *, expected: Ledger) -> Ledger:
        """Write `new`, the next revision of `expected`, if the stored one still is `expected` (or there is none yet).

        Gives the ledger that stands there afterwards.
        """


class KeyStore(Protocol):
    """API keys, hashed."""

    def create(self, key: ApiKey) -> bool:
        """Put the key if its id is new; tell whether it was."""

    def get(self, key_id: str) -> ApiKey | None:
        """Read one key."""

    def replace(self, new: ApiKey, *, expected: ApiKey) -> ApiKey:
        """Write `new`, the next revision of `expected`, if the stored revision still is that of `expected`.

        Gives the key that stands there afterwards. Its last use stays what it is. Raises `NotFound` if there is none.
        """

    def delete(self, key: ApiKey) -> None:
        """Remove the key if nobody has changed it since it was read. Raises `Conflict` if somebody has."""

    def listing(self, *, limit: int, cursor: str) -> tuple[list[ApiKey], str]:
        """List keys; the second value continues the list, empty at its end."""

    def mark_used(self, key_id: str, at: float) -> None:
        """Keep when the key was last used (epoch seconds), beside its revision.

        Nothing is written if there is no such key, or a use in the `USED_EVERY` seconds before is kept already.
        """


class WebhookStore(Protocol):
    """Webhooks, without their secrets."""

    def create(self, webhook: Webhook) -> bool:
        """Put the webhook if its id is new; tell whether it was."""

    def get(self, webhook_id: str) -> Webhook | None:
        """Read one."""

    def replace(self, new: Webhook, *, expected: Webhook) -> Webhook:
        """Write `new`, the next revision of `expected`, if the stored revision still is that of `expected`.

        Gives the webhook that stands there afterwards. Raises `NotFound` if there is none.
        """

    def delete(self, webhook_id: str) -> None:
        """Remove one; no error if there is none."""

    def listing(self) -> list[Webhook]:
        """List all by id; there are at most a hundred."""


class IncidentStore(Protocol):
    """Incidents, open and resolved."""

    def create(self, incident: Incident) -> bool:
        """Put the incident if its id is new; tell whether it was."""

    def get(self, incident_id: str) -> Incident | None:
        """Read one."""

    def replace(self, new: Incident, *, expected: Incident) -> Incident:
        """Write `new`, the next revision of `expected`, if the stored revision still is that of `expected`.

        Gives the incident that stands there afterwards. Raises `NotFound` if there is none.
        """

    def listing(self) -> list[Incident]:
        """List all, the newest first."""
