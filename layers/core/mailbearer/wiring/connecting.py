"""Connecting mailboxes: the verbs, joined."""

from __future__ import annotations

# ruff: noqa: PLC0415 - see the comment in `adapters`
from functools import cached_property
from typing import TYPE_CHECKING

from mailbearer.wiring.tokens import Tokens, definition_of

if TYPE_CHECKING:
    from mailbearer.connecting.consent import ConsentFlow
    from mailbearer.connecting.device import DeviceFlow
    from mailbearer.connecting.granting import Granting
    from mailbearer.connecting.identity import Identity
    from mailbearer.connecting.importing import Import
    from mailbearer.connecting.invitations import Invitations
    from mailbearer.connecting.tickets import Tickets
    from mailbearer.connecting.tokenless import TokenlessFlow
    from mailbearer.connecting.unattended import UnattendedFlow
    from mailbearer.directory import Directory
    from mailbearer.embargo import Embargo


class Connecting(Tokens):
    """What brings mailboxes in."""

    @cached_property
    def embargo(self) -> Embargo:
        """Give what asks whether an incident forbids something."""
        from mailbearer.embargo import Embargo

        return Embargo(self.incident_store)

    @cached_property
    def tickets(self) -> Tickets:
        """Give the links of consents under way."""
        from mailbearer.connecting.tickets import Tickets

        return Tickets(
            accounts=self.accounts,
            registrations=self.registrations,
            consents=self.consents,
            embargo=self.embargo,
            clock=self.clock,
            random_bytes=self.random_bytes,
            api_url=self.settings.api_url,
        )

    @cached_property
    def invitations(self) -> Invitations:
        """Give the telling of owners that their mailbox has to be connected again."""
        from mailbearer.connecting.invitations import Invitations

        return Invitations(
            tickets=self.tickets, consents=self.consents, events=self.events, trail=self.trail, clock=self.clock
        )

    @cached_property
    def identity(self) -> Identity:
        """Give the pinning of tokens to mailboxes."""
        from mailbearer.connecting.identity import Identity

        return Identity(client=self.client, definitions=definition_of, transport=self.transport, clock=self.clock)

    @cached_property
    def granting(self) -> Granting:
        """Give what every way of connecting a mailbox shares."""
        from mailbearer.connecting.granting import Granting
        from mailbearer.refreshing.lease import Lease

        return Granting(
            accounts=self.accounts,
            registrations=self.registrations,
            vault=self.vault,
            client=self.client,
            definitions=definition_of,
            identity=self.identity,
            embargo=self.embargo,
            lease=Lease(accounts=self.accounts, clock=self.clock, random_bytes=self.random_bytes),
            events=self.events,
            trail=self.trail,
            clock=self.clock,
        )

    @cached_property
    def consent(self) -> ConsentFlow:
        """Give the connecting of a mailbox with a browser."""
        from mailbearer.connecting.consent import ConsentFlow

        return ConsentFlow(
            tickets=self.tickets,
            consents=self.consents,
            granting=self.granting,
            client=self.client,
            definitions=definition_of,
            trail=self.trail,
            clock=self.clock,
            api_url=self.settings.api_url,
        )

    @cached_property
    def device(self) -> DeviceFlow:
        """Give the connecting of a mailbox by a device code."""
        from mailbearer.connecting.device import DeviceFlow

        return DeviceFlow(
            tickets=self.tickets,
            consents=self.consents,
            granting=self.granting,
            client=self.client,
            trail=self.trail,
            clock=self.clock,
        )

    @cached_property
    def unattended(self) -> UnattendedFlow:
        """Give the connecting of a mailbox that nobody consents for."""
        from mailbearer.connecting.unattended import UnattendedFlow

        return UnattendedFlow(client=self.client, identity=self.identity, granting=self.granting, trail=self.trail)

    @cached_property
    def tokenless(self) -> TokenlessFlow:
        """Give the connecting of a mailbox that needs no token."""
        from mailbearer.connecting.tokenless import TokenlessFlow

        return TokenlessFlow(
            accounts=self.accounts, embargo=self.embargo, events=self.events, trail=self.trail, clock=self.clock
        )

    @cached_property
    def importing(self) -> Import:
        """Give the connecting of a mailbox by a refresh token that somebody has."""
        from mailbearer.connecting.importing import Import

        return Import(
            tickets=self.tickets,
            client=self.client,
            definitions=definition_of,
            granting=self.granting,
            identity=self.identity,
            trail=self.trail,
        )

    @cached_property
    def directory(self) -> Directory:
        """Give the keeping of mailboxes."""
        from mailbearer.directory import Directory

        return Directory(
            accounts=self.accounts,
            registrations=self.registrations,
            embargo=self.embargo,
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )
