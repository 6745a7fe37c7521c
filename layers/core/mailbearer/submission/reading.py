"""Reading a message wholly: its wire form, its template, its uploads, its account; every fault at once."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from mailbearer.carriage import unfit
from mailbearer.errors import Fault, Forbidden, InvalidInput
from mailbearer.ids import rfc3339
from mailbearer.lookup import find_account, sender_of
from mailbearer.message import Address, Attachment
from mailbearer.wire import check_recipients, read_message
from mailbearer.wire.values import read_line, read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailbearer.account import Account
    from mailbearer.caller import Caller
    from mailbearer.message import Message
    from mailbearer.ports.mail import RawReader
    from mailbearer.ports.stores import AccountStore
    from mailbearer.template import Rendered
    from mailbearer.upload import Upload

FARTHEST = 366 * 86_400
"""Seconds for which a message may be scheduled ahead: a year, whichever."""


class Templates(Protocol):
    """What fills templates in."""

    def render(self, reference: object, pointer: str, faults: list[Fault]) -> Rendered | None:
        """Fill in a stored template, `{"name", "version"?, "variables"?}`; None if it adds a fault."""

    def fill(  # noqa: PLR0917 - what a template consists of
        self,
        subject: str,
        text: str | None,
        html: str | None,
        variables: Mapping[str, object],
        pointer: str,
        faults: list[Fault],
    ) -> Rendered | None:
        """Fill in what a merge brings as its own template; None if it adds a fault."""


class Uploads(Protocol):
    """What knows the attachments that were put into the bucket."""

    def check(self, upload_id: str, caller: str, pointer: str, faults: list[Fault]) -> Upload | None:
        """Find an upload that `caller` may use; None if it adds a fault. Raises `Unavailable`."""

    def keep(self, message: Message) -> None:
        """See that the message's uploads last until it is due; safe to repeat. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that was read without a fault, and its account; None if nobody knows it and nobody had to."""

    message: Message
    account: Account | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Read messages. Templates and uploads are asked for when a message has some: few have."""

    accounts: AccountStore
    raw: RawReader
    templates: Callable[[], Templates]
    uploads: Callable[[], Uploads]

    def read(
        self, body: Mapping[str, Any], caller: Caller, *, now: float, known_account: bool = True, late: bool = False
    ) -> Draft:
        """Read a message and settle what depends on its account.

        With `known_account` an unknown account is a fault; otherwise the message comes back without one. With `late` a
        `send_at` that is past at `now` (epoch seconds) means at once. Raises `InvalidInput` and `Forbidden`.
        """
        faults: list[Fault] = []
        message = read_message(body, faults)
        if body.get("template") is not None and message.raw is None:
            rendered = self.templates().render(body["template"], "/template", faults)
            message = filled(message, rendered, "/template", faults)
        message = self.attach(message, caller, faults)
        message = in_time(message, now, faults, late=late)
        account = self.account_of(message, caller, faults, needed=known_account)
        if message.raw is not None:
            message = self._read_raw(message, faults)
        if account is not None:
            if message.sender.email and not account.may_send_as(message.sender.email):
                # A no has to hold for the account as it is now.
                account = self.accounts.get(account.id) or account
            message = from_account(message, account, faults)
            if not faults:
                faults.extend(unfit(message, account))
        if faults:
            raise InvalidInput(tuple(faults))
        return Draft(message, account)

    def attach(self, message: Message, caller: Caller, faults: list[Fault]) -> Message:
        """Give uploads their size, and what else the message does not say of them itself."""
        if not any(part.upload_id for part in message.attachments):
            return message
        parts = tuple(
            self._uploaded(part, caller, f"/attachments/{index}/upload_id", faults) if part.upload_id else part
            for index, part in enumerate(message.attachments)
        )
        return replace(message, attachments=parts)

    def account_of(
        self, message: Message, caller: Caller, faults: list[Fault], *, needed: bool = True
    ) -> Account | None:
        """Find the account that a message names. Raises `Forbidden` if it is not the caller's."""
        named = message.account
        if not named:
            if any(fault.pointer == "/account" for fault in faults):
                return None
            if len(caller.accounts) != 1:
                faults.append(Fault("/account", "account_missing", "Name the account by its id or its address."))
                return None
            named = next(iter(caller.accounts))
        found = find_account(self.accounts, named, caller, as_it_is=False)
        if found is None and caller.accounts:
            msg = "This key is bound to other accounts."
            raise Forbidden(msg)
        if found is None and needed:
            faults.append(Fault("/account", "unknown_account", f"There is no account {named!r}; see GET /v1/accounts."))
        return found

    def _uploaded(self, part: Attachment, caller: Caller, pointer: str, faults: list[Fault]) -> Attachment:
        upload = self.uploads().check(part.upload_id, caller.key_id, pointer, faults)
        if upload is None:
            return part
        return replace(
            part,
            filename=part.filename or upload.filename,
            content_type=part.content_type or upload.content_type,
            size=upload.size,
        )

    def _read_raw(self, message: Message, faults: list[Fault]) -> Message:
        """Take sender and recipients of a raw message from its header; recipients in the request are its envelope."""
        read = self.raw(base64.b64decode(message.raw or ""))
        faults.extend(read.faults)
        named = (*message.to, *message.cc, *message.bcc)
        wanted = {address.email for address in named}
        if named and not {address.email for address in (*read.to, *read.cc)} <= wanted:
            detail = (
                "to, cc and bcc are the envelope: every address in the raw message's To and Cc has to be among them."
            )
            faults.append(Fault("/to", "recipients_differ", detail))
        shown = {address.email for address in (*read.to, *read.cc)}
        hidden = tuple(address for address in named if address.email not in shown) if named else read.bcc
        whole = replace(
            message,
            sender=(*read.sender, Address(""))[0],
            to=read.to,
            cc=read.cc,
            bcc=hidden,
            message_id=read.message_id,
        )
        if not whole.recipients and not read.faults:
            faults.append(Fault("/raw", "recipient_missing", "The raw message names no recipient."))
        check_recipients(whole, "/raw", faults)
        return whole


def filled(message: Message, rendered: Rendered | None, pointer: str, faults: list[Fault]) -> Message:
    """Give the message with what a template gave, held to the same rules as if it had been written so."""
    if rendered is None:
        return message
    return replace(
        message,
        subject=read_line(rendered.subject, f"{pointer}/subject", faults),
        text=read_text(rendered.text, f"{pointer}/text", faults),
        html=read_text(rendered.html, f"{pointer}/html", faults),
    )


def in_time(message: Message, now: float, faults: list[Fault], *, late: bool = False) -> Message:
    """Check that a message is scheduled for a time between `now` (epoch seconds) and a year from then."""
    if late and message.send_at and message.send_at <= now:
        return replace(message, send_at=0)
    check_moment(message.send_at, now, faults, since=now)
    return message


def check_moment(send_at: float, now: float, faults: list[Fault], *, since: float) -> None:
    """Add a fault for a `send_at` (epoch seconds, 0 = none) that is past, or more than a year after `since`.

    That is when the message was accepted: what it needs is kept for so long.
    """
    if send_at and send_at <= now:
        detail = f"send_at is past: it is {rfc3339(now)} here. Leave it out to send at once."
        faults.append(Fault("/send_at", "send_at_past", detail))
    elif send_at > since + FARTHEST:
        detail = f"send_at may be a year after the message was accepted at most: {rfc3339(since + FARTHEST)}."
        faults.append(Fault("/send_at", "send_at_too_far", detail))


def from_account(message: Message, account: Account, faults: list[Fault]) -> Message:
    """Give the message with its account's id and its sender, if it may send as that."""
    message = replace(message, account=account.id)
    if not message.sender.email:
        return replace(message, sender=sender_of(account))
    if not account.may_send_as(message.sender.email):
        where = "/raw" if message.raw is not None else "/from"
        detail = f"This mailbox may not send as {message.sender.email}; add it to the account's aliases."
        faults.append(Fault(where, "sender_not_allowed", detail))
    return message
