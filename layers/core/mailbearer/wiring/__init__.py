"""The one place that joins everything: cached, lazy factories from settings to ports and verbs."""

from __future__ import annotations

# ruff: noqa: PLC0415 - see the comment above the class
from functools import cached_property
from typing import TYPE_CHECKING

from mailbearer.wiring.adapters import Adapters

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from mailbearer.account import Account
    from mailbearer.circuit import Circuit
    from mailbearer.client import Client
    from mailbearer.comeback import Comeback
    from mailbearer.connecting.consent import ConsentFlow
    from mailbearer.connecting.device import DeviceFlow
    from mailbearer.connecting.granting import Granting
    from mailbearer.connecting.identity import Identity
    from mailbearer.connecting.importing import Import
    from mailbearer.connecting.invitations import Invitations
    from mailbearer.connecting.tickets import Tickets
    from mailbearer.connecting.tokenless import TokenlessFlow
    from mailbearer.connecting.unattended import UnattendedFlow
    from mailbearer.credentials.edits import CredentialEdits
    from mailbearer.credentials.rotation import CredentialRotation
    from mailbearer.credentials.tending import CredentialTending
    from mailbearer.credentials.watch import CredentialWatch, Watched
    from mailbearer.definition import Definition
    from mailbearer.delivery.delivering import Delivery
    from mailbearer.delivery.draining import Draining
    from mailbearer.delivery.preparing import Preparation
    from mailbearer.delivery.recording import Recorder
    from mailbearer.directory import Directory
    from mailbearer.ledger import Limits
    from mailbearer.ports.vaults import CredentialMinter
    from mailbearer.probing.prober import Prober
    from mailbearer.quota import Quota
    from mailbearer.refreshing.lifecycle import Lifecycle
    from mailbearer.registration import Registration
    from mailbearer.resubmission import Resubmission
    from mailbearer.revocation import Revocation
    from mailbearer.schedule.rotation import Rotation
    from mailbearer.schedule.upkeep import Upkeep
    from mailbearer.submission import Submission
    from mailbearer.submission.batch import Batch
    from mailbearer.submission.door import Door
    from mailbearer.submission.merging import Merging
    from mailbearer.submission.reading import Reader
    from mailbearer.submission.recording import Intake
    from mailbearer.submission.together import Together
    from mailbearer.suppressing import Suppressions
    from mailbearer.templating.filling import TemplateFilling
    from mailbearer.templating.keeping import TemplateKeeping
    from mailbearer.uploading import Uploads

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


_AT_ONCE = 8
"""Messages of one request that are recorded and queued at the same time; a client keeps ten connections."""


class Wiring(Adapters):
    """Everything a process needs, made when it is first asked for and kept for its warm life."""

    @cached_property
    def submission(self) -> Submission:
        """Give the acceptance of messages."""
        from mailbearer.mime import compose
        from mailbearer.submission import Submission

        return Submission(reader=self.reader, intake=self.intake, queue=self.queue, compose=compose)

    @cached_property
    def reader(self) -> Reader:
        """Give the reading of messages."""
        from mailbearer.mime import read_raw
        from mailbearer.submission.reading import Reader

        return Reader(
            accounts=self.accounts,
            raw=read_raw,
            templates=lambda: self.templating,
            uploads=lambda: self.uploading,
        )

    @cached_property
    def intake(self) -> Intake:
        """Give the recording of messages, and putting them on their road."""
        from mailbearer.submission.recording import Intake

        return Intake(
            messages=self.messages,
            comeback=self.comeback,
            uploads=lambda: self.uploading,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def together(self) -> Together:
        """Give the doing of many things at once."""
        from mailbearer.submission.together import Together

        return Together(lambda: self._threads)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="submission")

    @cached_property
    def door(self) -> Door:
        """Give the front door that is a queue."""
        from mailbearer.submission.door import Door

        return Door(submission=self.submission, pointed=lambda: self.pointed)

    @cached_property
    def batch(self) -> Batch:
        """Give the acceptance of batches."""
        from mailbearer.submission.batch import Batch

        return Batch(submission=self.submission, together=self.together)

    @cached_property
    def merging(self) -> Merging:
        """Give the acceptance of one message for many."""
        from mailbearer.submission.merging import Merging

        return Merging(
            reader=self.reader, intake=self.intake, messages=self.messages, together=self.together, clock=self.clock
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
            schedules=self.schedules,
            comeback=self.comeback,
            trail=self.trail,
            clock=self.clock,
        )

    @cached_property
    def uploading(self) -> Uploads:
        """Give what is done with uploads."""
        from mailbearer.submission import QUEUE_CALLER
        from mailbearer.uploading import Uploads

        return Uploads(
            store=self.upload_store, clock=self.clock, random_bytes=self.random_bytes, queue_caller=QUEUE_CALLER
        )

    @cached_property
    def templating(self) -> TemplateFilling:
        """Give the filling in of templates for messages."""
        from mailbearer.templating.filling import TemplateFilling

        return TemplateFilling(store=self.template_store, engine=self.template_engine, clock=self.clock)

    @cached_property
    def template_keeping(self) -> TemplateKeeping:
        """Give the keeping of templates."""
        from mailbearer.templating.keeping import TemplateKeeping

        return TemplateKeeping(
            store=self.template_store, engine=self.template_engine, trail=self.trail, clock=self.clock
        )

    @cached_property
    def suppressing(self) -> Suppressions:
        """Give the lists of who is not written to."""
        from mailbearer.suppressing import Suppressions

        return Suppressions(store=self.suppression_store, accounts=self.accounts, trail=self.trail, clock=self.clock)

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
        from mailbearer.delivery.concluding import Concluding
        from mailbearer.delivery.delivering import Delivery
        from mailbearer.delivery.looking import Looking
        from mailbearer.delivery.scales import Scales
        from mailbearer.delivery.settling import Settling
        from mailbearer.standing import Standing

        looking = Looking(
            preparation=self.preparation,
            recorder=self.recorder,
            comeback=self.comeback,
            trail=self.trail,
            clock=self.clock,
        )
        return Delivery(
            messages=self.messages,
            accounts=self.accounts,
            settling=Settling(
                accounts=self.accounts,
                recorder=self.recorder,
                comeback=self.comeback,
                looking=looking,
                trail=self.trail,
                clock=self.clock,
            ),
            preparation=self.preparation,
            concluding=Concluding(
                recorder=self.recorder,
                looking=looking,
                lifecycle=self.lifecycle,
                circuit=self.circuit,
                standing=Standing(accounts=self.accounts, events=self.events, trail=self.trail),
                clock=self.clock,
                random_bytes=self.random_bytes,
            ),
            recorder=self.recorder,
            comeback=self.comeback,
            looking=looking,
            quota=self.quota,
            scales=Scales(),
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def comeback(self) -> Comeback:
        """Give what brings messages back at a later moment."""
        from mailbearer.comeback import Comeback

        return Comeback(
            queue=self.queue, schedules=self.schedules, content=self.content, trail=self.trail, clock=self.clock
        )

    @cached_property
    def recorder(self) -> Recorder:
        """Give the writing down of what became of messages."""
        from mailbearer.delivery.recording import Recorder

        return Recorder(
            messages=self.messages, comeback=self.comeback, events=self.events, trail=self.trail, clock=self.clock
        )

    @cached_property
    def preparation(self) -> Preparation:
        """Give what a message needs before its call."""
        from mailbearer.delivery.preparing import Preparation
        from mailbearer.mime import compose
        from mailbearer.registration_cache import RegistrationCache

        return Preparation(
            accounts=self.accounts,
            registrations=RegistrationCache(self.registrations, self.clock),
            definitions=_definition_of,
            lifecycle=self.lifecycle,
            transport=self.transport,
            compose=compose,
            suppressed=self.suppressing.among,
            attach=lambda message: self.uploading.fill(message),  # noqa: PLW0108 - few messages need it made
            quota=self.quota,
            circuit=self.circuit,
            clock=self.clock,
        )

    @cached_property
    def draining(self) -> Draining:
        """Give the sending of what was held."""
        from mailbearer.delivery.draining import Draining

        return Draining(
            messages=self.messages,
            accounts=self.accounts,
            delivery=self.delivery,
            queue=self.queue,
            trail=self.trail,
            clock=self.clock,
        )

    @cached_property
    def quota(self) -> Quota:
        """Give the keeping of mailboxes within their limits."""
        from mailbearer.ledger_book import LedgerBook
        from mailbearer.mailbox_slots import MailboxSlots
        from mailbearer.quota import Quota

        book = LedgerBook(ledgers=self.ledgers, trail=self.trail, clock=self.clock, random_bytes=self.random_bytes)
        workers = self.settings.workers
        slots = MailboxSlots(book=book, clock=self.clock, worker=self.random_bytes(4).hex(), crowd=max(1, workers // 2))
        return Quota(book=book, slots=slots, clock=self.clock, workers=workers)

    @cached_property
    def circuit(self) -> Circuit:
        """Give the leaving alone of mailboxes whose mail side is ill."""
        from mailbearer.circuit import Circuit

        return Circuit(accounts=self.accounts, trail=self.trail, clock=self.clock, random_bytes=self.random_bytes)

    def limits_of(self, account: Account, registration: Registration) -> Limits:
        """Give a mailbox's limits."""
        from mailbearer.ledger import limits_of

        return limits_of(account, registration, _definition_of(registration.kind))

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
            drain=self.resubmission.drain,
            invite=self.invitations.send,
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
    def tokenless(self) -> TokenlessFlow:
        """Give the connecting of a mailbox that needs no token."""
        from mailbearer.connecting.tokenless import TokenlessFlow

        return TokenlessFlow(accounts=self.accounts, events=self.events, trail=self.trail, clock=self.clock)

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
