"""Emergencies: the verbs, joined."""

from __future__ import annotations

# ruff: noqa: PLC0415 - see the comment in `adapters`
from functools import cached_property
from typing import TYPE_CHECKING

from mailbearer.wiring.accepting import Accepting
from mailbearer.wiring.connecting import Connecting
from mailbearer.wiring.guarding import Guarding
from mailbearer.wiring.tokens import definition_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.incidents.book import Book
    from mailbearer.incidents.containing import Containment
    from mailbearer.incidents.declaring import Declaration
    from mailbearer.incidents.keys import KeyLock
    from mailbearer.incidents.reporting import Reporting
    from mailbearer.incidents.resolving import Resolution
    from mailbearer.incidents.tending import Tending
    from mailbearer.registration import Registration


class Emergencies(Accepting, Connecting, Guarding):
    """What shuts mailboxes in an emergency, and lets them come back."""

    @cached_property
    def incident_book(self) -> Book:
        """Give the incidents with their mailboxes."""
        from mailbearer.incidents.book import Book

        return Book(self.incident_store, self.accounts)

    @cached_property
    def declaration(self) -> Declaration:
        """Give the declaring of incidents."""
        from mailbearer.incidents.declaring import Declaration

        return Declaration(
            book=self.incident_book,
            registrations=self.registrations,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def containment(self) -> Containment:
        """Give the shutting of what an incident covers."""
        from mailbearer.incidents.containing import Containment
        from mailbearer.news import News

        return Containment(
            book=self.incident_book,
            revocation=self.revocation,
            keys=self.key_lock,
            news=News(self.events, self.trail, self.clock),
            trail=self.trail,
            clock=self.clock,
        )

    @cached_property
    def resolution(self) -> Resolution:
        """Give the resolving of incidents, for whoever may make secrets."""
        return self._resolution(self._reconnect)

    @cached_property
    def incident_reporting(self) -> Reporting:
        """Give the reports of incidents."""
        from mailbearer.incidents.reporting import Reporting
        from mailbearer.incidents.sends import Sends

        return Reporting(
            book=self.incident_book,
            registrations=self.registrations,
            definitions=definition_of,
            keys=self.key_lock,
            sends=Sends(reader=self.audit_reader, messages=self.messages),
            archive=self.archive,
            clock=self.clock,
        )

    @cached_property
    def key_lock(self) -> KeyLock:
        """Give the API keys of incidents."""
        from mailbearer.incidents.keys import KeyLock

        return KeyLock(self.keys, self.keyring)

    @cached_property
    def tending(self) -> Tending:
        """Give what the schedule does about incidents; it makes no secrets."""
        from mailbearer.incidents.tending import Tending

        return Tending(
            book=self.incident_book,
            containment=self.containment,
            resolution=self._resolution(self._reconnect_tokenless),
            trail=self.trail,
        )

    def _resolution(self, reconnect: Callable[[Account, Registration, str], Account | None]) -> Resolution:
        from mailbearer.incidents.resolving import Resolution
        from mailbearer.news import News

        return Resolution(
            book=self.incident_book,
            registrations=self.registrations,
            revocation=self.revocation,
            keys=self.key_lock,
            reconnect=reconnect,
            drain=self.resubmission.drain,
            news=News(self.events, self.trail, self.clock),
            trail=self.trail,
            clock=self.clock,
        )

    def _reconnect(self, account: Account, registration: Registration, actor: str) -> Account:
        way = self.unattended if registration.flow.has_token else self.tokenless
        return way.connect(account, registration, actor=actor, admit=lambda: account).account

    def _reconnect_tokenless(self, account: Account, registration: Registration, actor: str) -> Account | None:
        return None if registration.flow.has_token else self._reconnect(account, registration, actor)
