"""What each transport can carry, and what is wrong with a message that it cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from mailbearer.addresses import escape_pointer
from mailbearer.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.account import Account
    from mailbearer.message import Message
    from mailbearer.registration import Registration

GMAIL_LIMIT = 35_000_000
"""Bytes of a message that Gmail's upload endpoint takes."""

SMTP_LIMIT = 35_000_000
"""Bytes of a message that goes over SMTP; most servers announce a smaller limit of their own."""

GRAPH_LIMIT = 150_000_000
"""Bytes of the largest message that Graph sends from a draft; most mailboxes' own limit is 35 MB."""

GRAPH_CALL_LIMIT = 2_200_000
"""Bytes of a message that Graph takes in one call: larger ones have been answered with a 200 that meant nothing."""

GRAPH_ATTACHMENT_LIMIT = 3_000_000
"""Bytes of an attachment that Graph takes in one call; larger ones need an upload session, which takes no smaller."""

DRAFT_SCOPE = "Mail.ReadWrite"
"""What it takes to make a draft at Graph."""

_LIMITS = {"gmail": GMAIL_LIMIT, "graph": GRAPH_LIMIT}
_READING = frozenset({"mail.read", "mail.readbasic", "mail.readwrite"})
_GMAIL_READING = frozenset(
    {
        "https://mail.google.com/",
        # Not gmail.metadata: with that scope Gmail refuses to search.
        "https://www.googleapis.com/auth/gmail.modify",
        "https://www.googleapis.com/auth/gmail.readonly",
    }
)
# Microsoft names the scope of an application's token so, and does not say what an administrator has granted.
_WHATEVER_WAS_GRANTED = ".default"
_WITHOUT_UPLOAD_SESSIONS = frozenset({"usgov", "dod"})
_MOST_GRAPH_HEADERS = 5
_FIXED = 1_500
_PER_PART = 350


class GraphForm(NamedTuple):
    """How Graph is told a message: as `json`, else as MIME; by way of a `draft`, else in one call.

    MIME says everything but a From other than the mailbox's own address, in whose place Exchange puts that one.
    """

    json: bool
    draft: bool


def unfit(
    message: Message, account: Account, registration: Registration | None = None, *, size: int | None = None
) -> tuple[Fault, ...]:
    """Give everything of a message that the account's transport cannot carry; empty if it can.

    Without a registration only what the account says counts. `size` is that of the MIME bytes where they are written
    already; else it is estimated.
    """
    faults: list[Fault] = []
    if account.transport in {"gmail", "graph"}:
        faults.extend(_beyond_ascii(message))
    size = size_of(message) if size is None else size
    limit = _LIMITS.get(account.transport, SMTP_LIMIT)
    if size > limit:
        faults.append(_too_large(_heaviest(message), size, limit, "Make it smaller, or send a link."))
    if account.transport == "graph":
        form = graph_form(message, account, size)
        if form.json:
            faults.extend(_beyond_json(message, account))
        if form.draft and size <= limit:
            faults.extend(_beyond_draft(message, account, registration, size))
    return tuple(faults)


def graph_form(message: Message, account: Account, size: int) -> GraphForm:
    """Decide how Graph is told a message of `size` bytes."""
    return GraphForm(
        json=message.sender.email.lower() != account.address.lower(),
        draft=size > GRAPH_CALL_LIMIT,
    )


def goes_in_parts(message: Message, account: Account) -> bool:
    """Tell whether the transport hands a message over in parts, so that nobody has to write it whole as MIME.

    Written whole, the largest would not fit into a worker's memory.
    """
    return account.transport == "graph" and graph_form(message, account, size_of(message)).draft


def size_of(message: Message) -> int:
    """Estimate the bytes of a message as MIME, without writing it; attachments need only know their size."""
    if message.raw is not None:
        return len(message.raw) * 3 // 4 + _FIXED
    size = _FIXED + _text_size(message.text) + _text_size(message.html) + _text_size(message.subject)
    people = (message.sender, *message.to, *message.cc, *message.bcc, *message.reply_to)
    size += sum(len(address.email) + 2 * len(address.name) + 8 for address in people)
    size += sum(len(name) + len(value) + 4 for name, value in message.headers)
    size += sum(len(reference) + 3 for reference in message.references)
    return size + sum(
        _base64_size(part.size) + 3 * len(part.filename) + len(part.content_id) + _PER_PART
        for part in message.attachments
    )


def granted(account: Account, registration: Registration | None) -> frozenset[str]:
    """Give the scopes that the account's tokens have; where nobody consents they are those that are asked for."""
    scopes = account.scopes_granted
    if not scopes and registration is not None and registration.flow.unattended:
        scopes = registration.scopes
    return frozenset(scopes)


def may_search_gmail(account: Account, registration: Registration | None) -> bool:
    """Tell whether the granted scopes let the mailbox be searched at Gmail."""
    return not _GMAIL_READING.isdisjoint(granted(account, registration))


def may_search_graph(account: Account, registration: Registration | None) -> bool:
    """Tell whether the granted scopes let the mailbox be searched at Graph, as far as they can be known."""
    return not (_READING | {_WHATEVER_WAS_GRANTED}).isdisjoint(_graph_permissions(account, registration))


def may_look_up(account: Account, registration: Registration | None) -> bool:
    """Tell whether a message can be looked for among what the mailbox has sent."""
    match account.transport:
        case "gmail":
            return may_search_gmail(account, registration)
        case "graph":
            return may_search_graph(account, registration)
        case transport:
            return transport == "sandbox"


def may_draft(account: Account, registration: Registration | None) -> bool:
    """Tell whether the granted scopes let a draft be made at Graph, as far as they can be known."""
    permissions = _graph_permissions(account, registration)
    return DRAFT_SCOPE.lower() in permissions or _WHATEVER_WAS_GRANTED in permissions


def draft_scope_missing(size: int) -> str:
    """Say what a message that needs a draft at Graph lacks."""
    return (
        f"The message has about {size} bytes; without the scope {DRAFT_SCOPE} Graph takes {GRAPH_CALL_LIMIT}. Make it "
        f"smaller, send a link, or register the provider with {DRAFT_SCOPE} and connect the mailbox again."
    )


def _graph_permissions(account: Account, registration: Registration | None) -> frozenset[str]:
    """Give what the scopes permit at Graph, without the cloud's host and without whose mail it is about."""
    names = (scope.rpartition("/")[2].lower() for scope in granted(account, registration))
    return frozenset(name.removesuffix(".shared").removesuffix(".all") for name in names)


def _beyond_ascii(message: Message) -> Iterator[Fault]:
    for name in ("to", "cc", "bcc", "reply_to"):
        for index, address in enumerate(getattr(message, name)):
            if not address.email.isascii():
                where = "/raw" if message.raw is not None else f"/{name}/{index}"
                yield Fault(where, "smtputf8_needed", _SMTPUTF8.format(address.email))
    if not message.sender.email.isascii():
        where = "/raw" if message.raw is not None else "/from"
        yield Fault(where, "smtputf8_needed", _SMTPUTF8.format(message.sender.email))


_SMTPUTF8 = (
    "{} has letters beyond ASCII before the @, and this mailbox's API does not carry such addresses (RFC 6531). Use "
    "another address, or send through a mailbox that goes by SMTP."
)


def _beyond_json(message: Message, account: Account) -> Iterator[Fault]:
    """Name what Graph's JSON has no place for; it is needed for a From other than the mailbox's own address."""
    if message.raw is not None:
        yield _not_expressible("/raw", "a raw message", account)
    if message.text is not None and message.html is not None:
        yield _not_expressible("/text", "text beside html", account)
    if message.in_reply_to:
        yield _not_expressible("/in_reply_to", "In-Reply-To", account)
    if message.references:
        yield _not_expressible("/references", "References", account)
    if message.unsubscribe is not None:
        yield _not_expressible("/unsubscribe", "List-Unsubscribe", account)
    for name, _ in message.headers:
        if not name.lower().startswith("x-"):
            yield _not_expressible(f"/headers/{escape_pointer(name)}", "a header whose name does not begin x-", account)
    if len(message.headers) > _MOST_GRAPH_HEADERS:
        yield _not_expressible("/headers", f"more than {_MOST_GRAPH_HEADERS} headers", account)


def _not_expressible(pointer: str, what: str, account: Account) -> Fault:
    detail = (
        f"Graph cannot send {what} from another address than the mailbox's own. Leave it out, send from "
        f"{account.address}, or connect the other address as an account of its own."
    )
    return Fault(pointer, "not_expressible", detail)


def _beyond_draft(message: Message, account: Account, registration: Registration | None, size: int) -> Iterator[Fault]:
    """Name what keeps a message that is too large for one call of Graph's from being sent from a draft."""
    if message.raw is not None:
        advice = "Give a large message as fields instead of raw: attachments can be handed over one by one."
        yield _too_large("/raw", size, GRAPH_CALL_LIMIT, advice)
        return
    bare = size_of(replace(message, attachments=()))
    if bare > GRAPH_CALL_LIMIT:
        advice = "Text and html are too large without the attachments already; attach them as a file."
        yield _too_large("/html" if message.html is not None else "/text", bare, GRAPH_CALL_LIMIT, advice)
    if not may_draft(account, registration):
        yield Fault(_heaviest(message), "message_too_large", draft_scope_missing(size))
    if registration is not None and registration.cloud in _WITHOUT_UPLOAD_SESSIONS:
        for index, part in enumerate(message.attachments):
            if part.size > GRAPH_ATTACHMENT_LIMIT:
                advice = "This cloud has no upload sessions; send a link instead."
                yield _too_large(f"/attachments/{index}", part.size, GRAPH_ATTACHMENT_LIMIT, advice)


def _heaviest(message: Message) -> str:
    return "/raw" if message.raw is not None else "/attachments" if message.attachments else ""


def _too_large(pointer: str, size: int, limit: int, advice: str) -> Fault:
    return Fault(pointer, "message_too_large", f"About {size} bytes, where {limit} is the limit. {advice}")


def _base64_size(size: int) -> int:
    """Give the bytes of `size` bytes in base64, in lines of 76."""
    encoded = -(-size // 3) * 4
    return encoded + -(-encoded // 76) * 2


def _text_size(text: str | None) -> int:
    """Give about the bytes of a text, in the encoding that it will travel in."""
    if text is None:
        return 0
    if text.isascii():
        return len(text) + text.count("\n")
    octets = len(text.encode("utf-8", "replace"))
    beyond = octets - len(text.encode("ascii", "ignore"))
    size = octets + text.count("\n")
    # Quoted-printable, or base64 where that is shorter.
    return min(size + 2 * beyond + size // 15, _base64_size(size))
