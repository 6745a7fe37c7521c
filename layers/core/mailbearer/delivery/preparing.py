"""Having everything that one provider call needs before the intent is written (semantics.md, Sending, 2)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.carriage import goes_in_parts, size_of, unfit
from mailbearer.errors import GrantDead, InvalidInput
from mailbearer.ledger import Limits, limits_of
from mailbearer.message import Message, MessageRecord, Outgoing, RefusedRecipient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailbearer.circuit import Circuit
    from mailbearer.definition import Definitions
    from mailbearer.ports import Clock
    from mailbearer.ports.mail import Composer, Transport
    from mailbearer.ports.stores import AccountStore, RegistrationStore
    from mailbearer.quota import Quota
    from mailbearer.refreshing.lifecycle import Lifecycle
    from mailbearer.registration import Registration

_MOST_PARTS = 10
"""So many calls one message may take because of its recipients' number: each is one of its attempts."""

LEASE_MARGIN = 15.0
"""Seconds that a lease outlives the call it is for."""


@dataclass(frozen=True, slots=True)
class Access:
    """A mailbox that can be used, and how."""

    account: Account
    registration: Registration
    transport: Transport
    access_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A message that can go; `rest` are recipients for the next time, `blocked` the suppressed ones."""

    access: Access
    limits: Limits
    outgoing: Outgoing
    deadline: float
    rest: tuple[str, ...] = ()
    blocked: tuple[RefusedRecipient, ...] = ()


class Held(Exception):
    """The message has to wait for its mailbox."""

    def __init__(self, account: Account, code: str, detail: str) -> None:
        super().__init__(detail)
        self.account, self.code, self.detail = account, code, detail


class Failed(Exception):
    """The message can never leave as it is; `blocked` are recipients to whom nothing is sent."""

    def __init__(self, code: str, detail: str, *, blocked: tuple[RefusedRecipient, ...] = ()) -> None:
        super().__init__(detail)
        self.code, self.detail, self.blocked = code, detail, blocked


class Later(Exception):
    """The message's turn comes at `at` (epoch seconds)."""

    def __init__(self, at: float, code: str) -> None:
        super().__init__(code)
        self.at, self.code = at, code


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Have account, turn, MIME and token, in this order: nothing is done for a message that cannot go."""

    accounts: AccountStore
    registrations: RegistrationStore
    definitions: Definitions
    lifecycle: Lifecycle
    transport: Callable[[str], Transport]
    compose: Composer
    suppressed: Callable[[str, Sequence[str]], frozenset[str]]
    attach: Callable[[Message], Message | None]
    quota: Quota
    circuit: Circuit
    clock: Clock

    def access(self, account_id: str) -> Access:
        """Have the mailbox and its token.

        Raises `Held`, `Failed`, and what the lifecycle raises if there is no token now.
        """
        account, registration, transport = self._mailbox(account_id)
        return Access(account, registration, transport, self._token(account, transport, transport.deadline))

    def kind_of(self, account_id: str) -> str:
        """Give the kind of a mailbox's provider, empty if it or its registration is gone."""
        account = self.accounts.get(account_id, consistent=False)
        registration = self.registrations.get(account.provider) if account is not None else None
        return registration.kind if registration is not None else ""

    def ready(self, record: MessageRecord, message: Message, *, turn: float) -> Ready:
        """Have all that a call needs; `turn` is what the mailbox's ledger has given the message, 0 = nothing yet.

        Raises `Held`, `Failed`, `Later`, and what the lifecycle raises if there is no token now.
        """
        account, registration, transport = self._mailbox(record.account)
        if (opens := self.circuit.open_until(account)) > self.clock():
            raise Later(opens, "circuit_open")
        if not account.may_send_as(message.sender.email):
            # Taken in before its mailbox was known here, or allowed by an alias that was taken away since.
            detail = f"This mailbox may not send as {message.sender.email}; add it to the account's aliases."
            raise Failed("sender_not_allowed", detail)
        message, wanted, blocked = self._unblocked(record, message, transport)
        if faults := unfit(message, account, registration):
            raise Failed(faults[0].code, " ".join(fault.detail for fault in faults))
        limits = limits_of(account, registration, self.definitions(registration.kind))
        recipients, rest = _fitting(wanted, limits, transport)
        granted = self.quota.turn(account, limits, len(recipients), had=turn)
        if granted > self.clock():
            raise Later(granted, "quota")
        whole = self._attached(message)
        mime = b"" if goes_in_parts(whole, account) else self._composed(whole, account, transport)
        deadline = transport.deadline_for(len(mime) or size_of(whole))
        token = self._token(account, transport, deadline)
        outgoing = Outgoing(mail_from=message.sender.email, rcpt_to=recipients, mime=mime, message=whole)
        return Ready(
            access=Access(account, registration, transport, token),
            limits=limits,
            outgoing=outgoing,
            deadline=deadline,
            rest=rest,
            blocked=blocked,
        )

    def _mailbox(self, account_id: str) -> tuple[Account, Registration, Transport]:
        account = self._account(account_id)
        if account is None:
            raise Failed("unknown_account", "The account does not exist any more.")
        if account.is_gone:
            raise Failed("account_revoked", "The mailbox was revoked.")
        if account.is_shut:
            detail = "The mailbox is shut by an incident; the message waits until that is resolved."
            raise Held(account, "incident_declared", detail)
        if account.state is not AccountState.ACTIVE:
            detail = f"The mailbox is {account.state}; the message waits for it."
            raise Held(account, f"account_{account.state}", detail)
        registration = self.registrations.get(account.provider)
        if registration is None:
            raise Held(account, "registration_missing", f"The registration {account.provider} does not exist.")
        return account, registration, self.transport(account.transport)

    def _account(self, account_id: str) -> Account | None:
        """Read the account, a moment old if it can send: that moment is part of the time a revocation answers with.

        A no has to hold for the account as it is now.
        """
        account = self.accounts.get(account_id, consistent=False)
        if account is None or account.state is not AccountState.ACTIVE:
            account = self.accounts.get(account_id)
        return account

    def _unblocked(
        self, record: MessageRecord, message: Message, transport: Transport
    ) -> tuple[Message, tuple[str, ...], tuple[RefusedRecipient, ...]]:
        """Leave out those to whom nothing is sent: from the envelope, and where the provider reads it, the header."""
        wanted = record.remaining or message.recipients
        suppressed = self.suppressed(record.account, wanted)
        if not suppressed:
            return message, wanted, ()
        detail = "The address is on the suppression list."
        blocked = tuple(
            RefusedRecipient(recipient=each, code="recipient_suppressed", detail=detail)
            for each in wanted
            if each in suppressed
        )
        left = tuple(each for each in wanted if each not in suppressed)
        if not left:
            raise Failed("recipient_suppressed", "Every recipient is on the suppression list.", blocked=blocked)
        if not transport.names_recipients_in_headers:
            return message, left, blocked
        if message.raw is not None:
            detail = "A recipient in the raw message's header is on the suppression list; take it out of the header."
            raise Failed("recipient_suppressed", detail, blocked=blocked)
        to, cc, bcc = (
            tuple(address for address in addresses if address.email not in suppressed)
            for addresses in (message.to, message.cc, message.bcc)
        )
        return replace(message, to=to, cc=cc, bcc=bcc), left, blocked

    def _attached(self, message: Message) -> Message:
        """Have the bytes of uploads in the message."""
        if not any(attachment.upload_id for attachment in message.attachments):
            return message
        whole = self.attach(message)
        if whole is None:
            raise Failed("upload_gone", "An upload of this message is not kept any more; upload it again.")
        return whole

    def _composed(self, message: Message, account: Account, transport: Transport) -> bytes:
        try:
            mime = self.compose(message, bcc_header=transport.names_recipients_in_headers)
        except InvalidInput as error:
            raise Failed(error.code, error.detail) from error
        if len(mime) > transport.size_limit:
            detail = f"{len(mime)} bytes; {account.transport} carries at most {transport.size_limit}."
            raise Failed("message_too_large", detail)
        return mime

    def _token(self, account: Account, transport: Transport, deadline: float) -> str:
        if not transport.needs_token:
            return ""
        try:
            return self.lifecycle.usable(account, needed_for=deadline + LEASE_MARGIN)
        except GrantDead as error:
            raise Held(account, error.code, error.detail) from error


def _fitting(wanted: tuple[str, ...], limits: Limits, transport: Transport) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give as many recipients as one call may have, and the rest."""
    most = limits.recipients
    if not most or len(wanted) <= most:
        return wanted, ()
    if transport.names_recipients_in_headers or len(wanted) > most * _MOST_PARTS:
        detail = f"{len(wanted)} recipients; this mailbox takes {most} in one message: send several messages."
        raise Failed("too_many_recipients", detail)
    return wanted[:most], wanted[most:]
