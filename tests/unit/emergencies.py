"""Mailboxes, keys and an operator in an emergency, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.caller import ApiKey, hash_secret
from mailbearer.connecting.tokenless import TokenlessFlow
from mailbearer.ids import derived_id
from mailbearer.incident import Incident, Reach
from mailbearer.incidents.book import Book
from mailbearer.incidents.containing import Contained, Containment
from mailbearer.incidents.declaring import Declaration, Emergency
from mailbearer.incidents.keys import KeyLock
from mailbearer.incidents.reporting import Reporting
from mailbearer.incidents.resolving import Resolution, Resolved
from mailbearer.incidents.sends import Sends
from mailbearer.incidents.tending import Tending
from mailbearer.keyring import Keyring
from mailbearer.keyring.reading import Reader
from mailbearer.news import News
from mailbearer.registration import SANDBOX, Registration
from tests.fakes import FakeArchive, FakeAuditReader, FakeKeyStore, FakeMessageStore
from tests.unit.grants import Grants

if TYPE_CHECKING:
    from mailbearer.account import Account

OPERATOR = "arn:aws:iam::123456789012:user/ann"


class Emergencies(Grants):
    """A provider, the sandbox, their mailboxes and keys, and all that an incident does to them."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.registrations.registrations["sandbox"] = SANDBOX
        self.keys = FakeKeyStore()
        self.messages = FakeMessageStore()
        self.reader = FakeAuditReader()
        self.archive = FakeArchive()

    @property
    def book(self) -> Book:
        """Give the incidents with their mailboxes."""
        return Book(self.incidents, self.accounts)

    @property
    def key_lock(self) -> KeyLock:
        """Give the API keys of incidents."""
        reader = Reader(accounts=self.accounts, clock=self.clock)
        return KeyLock(
            self.keys,
            Keyring(keys=self.keys, reader=reader, trail=self.trail, clock=self.clock, random_bytes=self.random_bytes),
        )

    @property
    def news(self) -> News:
        """Give the way to the event bus."""
        return News(self.events, self.trail, self.clock)

    def containment(self) -> Containment:
        """Give the shutting of what an incident covers."""
        return Containment(
            book=self.book,
            revocation=self.revocation(),
            keys=self.key_lock,
            news=self.news,
            trail=self.trail,
            clock=self.clock,
        )

    def resolution(self, *, may_make_secrets: bool = True) -> Resolution:
        """Give the resolving of incidents, as the operator or the schedule does it."""

        def reconnect(account: Account, registration: Registration, actor: str) -> Account | None:
            if registration.flow.has_token and not may_make_secrets:
                return None
            way = self.unattended() if registration.flow.has_token else self.tokenless()
            return way.connect(account, registration, actor=actor, admit=lambda: account).account

        return Resolution(
            book=self.book,
            registrations=self.registrations,
            revocation=self.revocation(),
            keys=self.key_lock,
            reconnect=reconnect,
            drain=lambda account: self.drained.append(account.id),
            news=self.news,
            trail=self.trail,
            clock=self.clock,
        )

    def tending(self) -> Tending:
        """Give what the schedule does about incidents."""
        return Tending(
            book=self.book,
            containment=self.containment(),
            resolution=self.resolution(may_make_secrets=False),
            trail=self.trail,
        )

    def tokenless(self) -> TokenlessFlow:
        """Give the connecting of a mailbox of the sandbox."""
        return TokenlessFlow(
            accounts=self.accounts,
            embargo=self.embargo(),
            events=self.events,
            trail=self.trail,
            clock=self.clock,
        )

    def reporting(self) -> Reporting:
        """Give the reports of incidents."""
        return Reporting(
            book=self.book,
            registrations=self.registrations,
            definitions=self.definitions,
            keys=self.key_lock,
            sends=Sends(reader=self.reader, messages=self.messages),
            archive=self.archive,
            clock=self.clock,
        )

    # --- what a test says ---------------------------------------------------------------------------------------------

    def declared(self, reach: Reach = Reach.ALL, target: str = "", **changes: Any) -> Incident:
        """Put an incident on record."""
        values: dict[str, Any] = {"reason": "The laptop is gone.", "since": self.clock() - 86_400} | changes
        declaration = Declaration(
            book=self.book,
            registrations=self.registrations,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )
        return declaration.declare(Emergency(reach=reach, target=target, **values), actor=OPERATOR)

    def declare(self, reach: Reach = Reach.ALL, target: str = "", **changes: Any) -> Contained:
        """Declare an incident and contain it."""
        return self.containment().contain(self.declared(reach, target, **changes), actor=OPERATOR)

    def resolve(self, incident: Incident, **options: Any) -> Resolved:
        """Resolve an incident as it stands."""
        return self.resolution().resolve(self.book.find(incident.id), actor=OPERATOR, **options)

    def tend(self) -> None:
        """Let the schedule see to the incidents."""
        self.tending().run(deadline=self.clock() + 200)

    def run_schedule(self) -> None:
        """Let the schedule do what is due, incidents first."""
        self.tend()
        self.rotation().run(deadline=self.clock() + 290)

    def key(self, name: str, *accounts: str, **changes: Any) -> ApiKey:
        """Put an API key bound to accounts, to none: to all."""
        values: dict[str, Any] = {
            "id": derived_id("key_", name),
            "name": name,
            "secret_hash": hash_secret(name),
            "scopes": frozenset({"messages:send"}),
            "accounts": frozenset(accounts),
            "created_at": self.clock(),
        }
        key = ApiKey(**(values | changes))
        self.keys.create(key)
        return key

    def disabled(self) -> set[str]:
        """Name the keys that are disabled."""
        return {key.name for key in self.keys.keys.values() if key.disabled}
