"""The one place that joins everything: cached, lazy factories from settings to ports and verbs."""

from __future__ import annotations

# ruff: noqa: PLC0415 - see the comment above the class
from functools import cached_property
from typing import TYPE_CHECKING

from mailbearer.wiring.adapters import Adapters

if TYPE_CHECKING:
    from mailbearer.client import Client
    from mailbearer.connecting.consent import ConsentFlow
    from mailbearer.connecting.device import DeviceFlow
    from mailbearer.connecting.granting import Granting
    from mailbearer.connecting.identity import Identity
    from mailbearer.connecting.importing import Import
    from mailbearer.connecting.tickets import Tickets
    from mailbearer.connecting.unattended import UnattendedFlow
    from mailbearer.credentials.edits import CredentialEdits
    from mailbearer.credentials.rotation import CredentialRotation
    from mailbearer.credentials.tending import CredentialTending
    from mailbearer.credentials.watch import CredentialWatch, Watched
    from mailbearer.definition import Definition
    from mailbearer.delivery import Delivery
    from mailbearer.directory import Directory
    from mailbearer.ports.vaults import CredentialMinter
    from mailbearer.probing.prober import Prober
    from mailbearer.refreshing.lifecycle import Lifecycle
    from mailbearer.resubmission import Resubmission
    from mailbearer.revocation import Revocation
    from mailbearer.schedule.rotation import Rotation
    from mailbearer.schedule.upkeep import Upkeep
    from mailbearer.submission import Submission

# Imports inside the factories are there because a function pays only for what it uses: authlib alone costs as much as
# all the rest together, and a worker whose tokens are fresh never needs it.


def _definition_of(kind: str) -> Definition:
    from mailbearer.providers import definition_of

    return definition_of(kind)


def _tell_watched(watched: Watched) -> None:
    from mailbearer.observability import level, logger

    if watched.days_left is not None:
        level(credential_days_left=watched.days_left)
    if watched.problems:
        logger().warning("credentials not looked at", extra={"problems": watched.problems})


class Wiring(Adapters):
    """Everything a process needs, made when it is first asked for and kept for its warm life."""

    @cached_property
    def submission(self) -> Submission:
        """Give the acceptance of messages."""
        from mailbearer.mime import compose, read_raw
        from mailbearer.submission import Submission

        return Submission(
            messages=self.messages,
            accounts=self.accounts,
            queue=self.queue,
            content=self.content,
            compose=compose,
            read_raw=read_raw,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def resubmission(self) -> Resubmission:
        """Give what can still be done with accepted messages."""
        from mailbearer.resubmission import Resubmission

        return Resubmission(
            messages=self.messages,
            accounts=self.accounts,
            queue=self.queue,
            content=self.content,
            trail=self.trail,
            clock=self.clock,
        )

    @cached_property
    def credential_edits(self) -> CredentialEdits:
        """Give the changing of registrations' credentials."""
        from mailbearer.credentials.edits import CredentialEdits

        return CredentialEdits(registrations=self.registrations, credentials=self.credentials, trail=self.trail)

    def minter(self, kind: str) -> CredentialMinter | None:
        """Give a kind's way to make client secrets, None if it has none."""
        if kind != "microsoft":
            return None
        from mailbearer.minters.entra import EntraMinter

        return EntraMinter(self.egress, _definition_of, self.client.own_token)

    @cached_property
    def credential_rotation(self) -> CredentialRotation:
        """Give the rotation of registrations' client secrets."""
        from mailbearer.credentials.rotation import CredentialRotation

        return CredentialRotation(
            registrations=self.registrations,
            credentials=self.credentials,
            client=self.client,
            minter=self.minter,
            trail=self.trail,
            clock=self.clock,
            sleep=self._sleep,
        )

    @cached_property
    def credential_tending(self) -> CredentialTending:
        """Give what a rotation leaves to be done later."""
        from mailbearer.credentials.tending import CredentialTending

        return CredentialTending(
            registrations=self.registrations,
            credentials=self.credentials,
            client=self.client,
            edits=self.credential_edits,
            minter=self.minter,
            trail=self.trail,
            clock=self.clock,
        )

    @cached_property
    def credential_watch(self) -> CredentialWatch:
        """Give the warnings of credentials that are about to expire."""
        from mailbearer.credentials.watch import CredentialWatch

        return CredentialWatch(
            registrations=self.registrations,
            credentials=self.credentials,
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            tell=_tell_watched,
        )

    @cached_property
    def client(self) -> Client:
        """Give our side of every registration."""
        from mailbearer.client import Client

        return Client(credentials=self.credentials, definitions=_definition_of, server=self.server, trail=self.trail)

    @cached_property
    def lifecycle(self) -> Lifecycle:
        """Give the keeping of tokens."""
        from mailbearer.refreshing.lease import Lease
        from mailbearer.refreshing.lifecycle import Lifecycle

        return Lifecycle(
            accounts=self.accounts,
            lease=Lease(accounts=self.accounts, clock=self.clock, random_bytes=self.random_bytes),
            registrations=self.registrations,
            definitions=_definition_of,
            vault=self.vault,
            client=self.client,
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
            sleep=self._sleep,
        )

    @cached_property
    def delivery(self) -> Delivery:
        """Give the delivery of messages."""
        from mailbearer.delivery import Delivery
        from mailbearer.mailbox_slots import MailboxSlots
        from mailbearer.mime import compose
        from mailbearer.registration_cache import RegistrationCache
        from mailbearer.standing import Standing

        return Delivery(
            messages=self.messages,
            accounts=self.accounts,
            registrations=RegistrationCache(self.registrations, self.clock),
            lifecycle=self.lifecycle,
            transport=self.transport,
            compose=compose,
            content=self.content,
            queue=self.queue,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
            slots=MailboxSlots(),
            standing=Standing(accounts=self.accounts, events=self.events, trail=self.trail),
        )

    @cached_property
    def revocation(self) -> Revocation:
        """Give the shutting off of mailboxes."""
        from mailbearer.revocation import Revocation

        return Revocation(
            accounts=self.accounts,
            registrations=self.registrations,
            vault=self.vault,
            client=self.client,
            definitions=_definition_of,
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def prober(self) -> Prober:
        """Give the proving of tokens."""
        from mailbearer.probing.prober import Prober

        return Prober(
            accounts=self.accounts,
            registrations=self.registrations,
            definitions=_definition_of,
            lifecycle=self.lifecycle,
            client=self.client,
            transport=self.transport,
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def rotation(self) -> Rotation:
        """Give the scheduled run."""
        from mailbearer.schedule.rotation import Rotation

        return Rotation(
            accounts=self.accounts,
            queue=self.rotation_queue,
            upkeep=self.upkeep,
            log=self.audit_log,
            spool=self.audit_spool,
            trail=self.trail,
            clock=self.clock,
            watch=self.credential_watch.run,
        )

    @cached_property
    def upkeep(self) -> Upkeep:
        """Give what the schedule does for one account."""
        from mailbearer.schedule.upkeep import Upkeep

        return Upkeep(
            accounts=self.accounts,
            lifecycle=self.lifecycle,
            prober=self.prober,
            revocation=self.revocation,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def tickets(self) -> Tickets:
        """Give the links of consents under way."""
        from mailbearer.connecting.tickets import Tickets

        return Tickets(
            accounts=self.accounts,
            registrations=self.registrations,
            consents=self.consents,
            clock=self.clock,
            random_bytes=self.random_bytes,
            api_url=self.settings.api_url,
        )

    @cached_property
    def identity(self) -> Identity:
        """Give the pinning of tokens to mailboxes."""
        from mailbearer.connecting.identity import Identity

        return Identity(client=self.client, definitions=_definition_of, transport=self.transport, clock=self.clock)

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
            definitions=_definition_of,
            identity=self.identity,
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
            definitions=_definition_of,
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
    def importing(self) -> Import:
        """Give the connecting of a mailbox by a refresh token that somebody has."""
        from mailbearer.connecting.importing import Import

        return Import(
            tickets=self.tickets,
            client=self.client,
            definitions=_definition_of,
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
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )
