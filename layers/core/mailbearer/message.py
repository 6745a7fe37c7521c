"""A message, what becomes of it, and the record that says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """Where a message stands (api.md)."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    DEFERRED = "deferred"
    HELD = "held"
    SENT = "sent"
    UNKNOWN = "unknown"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def terminal(self) -> bool:
        """Tell whether nothing more happens by itself."""
        return self in {Status.SENT, Status.UNKNOWN, Status.FAILED, Status.CANCELED}


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox address (RFC 5322 section 3.4.1), already checked; the domain is in ASCII form."""

    email: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One attached or inline part; `content` is canonical base64 without line breaks, `size` the decoded bytes.

    With an `upload_id` the bytes lie in the content bucket until the moment of sending, and `content` is empty.
    """

    filename: str
    content: str = field(default="", repr=False)
    size: int
    upload_id: str = ""
    content_type: str = ""
    content_id: str = ""
    disposition: str = "attachment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """RFC 2369 and RFC 8058: where a reader gets off the list."""

    url: str = ""
    mailto: str = ""
    one_click: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it was authorised; exactly these recipients go into RCPT TO.

    `raw` holds a whole RFC 5322 message in base64 and excludes the content fields. `date` and `send_at` are epoch
    seconds; `send_at` 0 = at once.
    """

    account: str
    sender: Address
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = field(default="", repr=False)
    text: str | None = field(default=None, repr=False)
    html: str | None = field(default=None, repr=False)
    attachments: tuple[Attachment, ...] = field(default=(), repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    raw: str | None = field(default=None, repr=False)
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    unsubscribe: Unsubscribe | None = None
    on_unknown: str = "hold"
    tags: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    message_id: str = ""
    date: float = 0
    send_at: float = 0

    @property
    def recipients(self) -> tuple[str, ...]:
        """Give every address once, in order: what goes into RCPT TO."""
        return tuple(dict.fromkeys(address.email for address in (*self.to, *self.cc, *self.bcc)))


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRecipient:
    """A recipient that the message did not go to, and why; with `again` it is worth another try."""

    recipient: str
    code: str
    detail: str = ""
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at a provider; `retry_at` is epoch seconds, 0 = none."""

    at: float
    outcome: str
    code: str = ""
    detail: str = ""
    retry_at: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """The status of a message: what the table holds, never content. Times are epoch seconds, 0 = none.

    `attempt` counts provider calls begun; a queue copy carries the number it is for, so that a stale one is recognised.
    `parked` says that the content lies in the content bucket. `held_at` is since when it waits for its mailbox, without
    a break. `turn` is the moment that the mailbox's ledger gave it, if that is far
    off. `remaining` are the
    recipients that are still to be had when others have been (empty = all of them), `refused` those that will not be.
    """

    id: str
    account: str
    caller: str
    status: Status
    message_id: str
    request_hash: str
    created_at: float
    updated_at: float
    send_at: float = 0
    sent_at: float = 0
    attempt: int = 0
    owner: str = ""
    lease_until: float = 0
    retry_at: float = 0
    provider_id: str = ""
    on_unknown: str = "hold"
    attempts: tuple[Attempt, ...] = ()
    problem_code: str = ""
    problem_detail: str = ""
    tags: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    parked: bool = False
    held_at: float = 0
    turn: float = 0
    remaining: tuple[str, ...] = ()
    refused: tuple[RefusedRecipient, ...] = ()
    expires_at: float = 0

    @property
    def waits_for_mailbox(self) -> bool:
        """Tell whether it is held until its mailbox can send again; what is held for a quota has a `retry_at`."""
        return self.status is Status.HELD and not self.retry_at

    @property
    def is_drained(self) -> bool:
        """Tell whether draining has to look at it: it waits for its mailbox, or is in the hand of whoever drained it.

        Such a message has no copy on the queue that would settle it if its worker died.
        """
        return self.waits_for_mailbox or (self.status is Status.SENDING and self.held_at > 0)


class Verdict(StrEnum):
    """How certain the fate of one provider call is (semantics.md, Sending, 5)."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not_accepted"
    UNKNOWN = "unknown"


class Remedy(StrEnum):
    """What helps against a refusal that is certain."""

    NONE = "none"
    """Nothing: the message itself is refused."""
    RETRY = "retry"
    """The same again later."""
    REFRESH = "refresh"
    """A fresh token, once, then the same again."""
    HOLD = "hold"
    """Somebody has to mend the mailbox first; the mail waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one provider call came to.

    `code` is ours and stable, `detail` is the provider's code and words, shortened. `retry_after` is in seconds, None
    if unsaid. `refused` names the recipients that were not taken where the others were: with `ACCEPTED` all others
    have it.
    """

    verdict: Verdict
    code: str = ""
    detail: str = ""
    provider_id: str = ""
    remedy: Remedy = Remedy.NONE
    retry_after: float | None = None
    refused: tuple[RefusedRecipient, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message ready for a transport: its MIME bytes (CRLF, 7bit-clean) and its envelope (RFC 5321).

    `message` is what the bytes were written from, for a transport that has to say it in another form; the bytes of its
    uploads are in it. None where only the bytes are known. `correlation` is the id of the request that all this comes
    of, for a provider that takes one.
    """

    mail_from: str
    rcpt_to: tuple[str, ...]
    mime: bytes = field(repr=False)
    message: Message | None = field(default=None, repr=False)
    correlation: str = ""
