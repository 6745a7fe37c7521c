"""Delivering messages: the verbs, joined."""

from __future__ import annotations

# ruff: noqa: PLC0415 - see the comment in `adapters`
from functools import cached_property
from typing import TYPE_CHECKING

from mailbearer.wiring.accepting import Accepting
from mailbearer.wiring.tokens import Tokens, definition_of

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.circuit import Circuit
    from mailbearer.delivery.delivering import Delivery
    from mailbearer.delivery.draining import Draining
    from mailbearer.delivery.preparing import Preparation
    from mailbearer.delivery.recording import Recorder
    from mailbearer.ledger import Limits
    from mailbearer.quota import Quota
    from mailbearer.registration import Registration


class Delivering(Accepting, Tokens):
    """What messages pass on their way from the queue."""

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
                standing=Standing(accounts=self.accounts, events=self.events, trail=self.trail, clock=self.clock),
                clock=self.clock,
                random_bytes=self.random_bytes,
            ),
            recorder=self.recorder,
            comeback=self.comeback,
            looking=looking,
            quota=self.quota,
            scales=Scales(),
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def recorder(self) -> Recorder:
        """Give the writing down of what became of messages."""
        from mailbearer.delivery.recording import Recorder

        return Recorder(
            messages=self.messages, comeback=self.comeback, news=self.message_news, trail=self.trail, clock=self.clock
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
            definitions=definition_of,
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
            tell=self.tell,
        )

    def tell(self) -> None:
        """Bring what was noted onto the bus and into the audit log. Raises `Unavailable`: then it is noted still."""
        self.message_news.publish()
        self.trail.flush()

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

        return limits_of(account, registration, definition_of(registration.kind))
