"""Messages that come whole (RFC 5322 bytes): what they say in their header, and how they are sent on."""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING

from mailbearer.addresses import check_email, unsafe_in_header
from mailbearer.errors import Fault
from mailbearer.message import Address, Message
from mailbearer.mime.headers import LINE_LIMIT, address_field, date_field, token_field
from mailbearer.mime.parts import crlf
from mailbearer.ports.mail import RawHeaders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(?:[^\r\n]*\r\n)(?:[ \t][^\r\n]*\r\n)*")
_WELL_FORMED_HEADER = re.compile(rb"(?:[!-9;-~]+:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)+")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n)){2}")
_LONGEST_HEADER = 128 * 1024
_MESSAGE_ID = re.compile(r"[!-~]{1,900}")
_PARSER_DEFECTS = (ArithmeticError, AttributeError, LookupError, NameError, RecursionError, TypeError, ValueError)
"""What the standard library's parser raises at fields it does not foresee, such as `Cc: foo@`."""

_OF_THE_WAY = frozenset({"return-path", "apparently-to"})
_BLIND = {b"bcc", b"resent-bcc"}
_ONCE = ("from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject", "date")


def read_raw(data: bytes) -> RawHeaders:
    """Read the header of a raw message strictly: what two parsers could read in two ways is a fault."""
    # Only raw messages need the standard library's parser, which takes 20 ms to import.
    from email.errors import MessageError  # noqa: PLC0415
    from email.parser import HeaderParser  # noqa: PLC0415
    from email.policy import default  # noqa: PLC0415

    whole = crlf(data)
    head, _ = _split(whole)
    if len(head) > _LONGEST_HEADER:
        return RawHeaders(faults=(_fault("raw_malformed", f"The header has at most {_LONGEST_HEADER} octets."),))
    # What is not UTF-8 becomes lone surrogates, which cannot stand in a header.
    text = head.decode("utf-8", "surrogateescape")
    if problem := _misshapen(data, whole, head, text):
        return RawHeaders(faults=(_fault("raw_malformed", problem),))
    faults: list[Fault] = []
    parsed = HeaderParser(policy=default).parsestr(text)
    names = [name.lower() for name in parsed]
    faults += _unwanted(names)
    found: dict[str, tuple[Address, ...]] = {}
    for name in ("from", "sender", "to", "cc", "bcc"):
        try:
            found[name] = _addresses(parsed[name], name, faults) if names.count(name) == 1 else ()
        except (*_PARSER_DEFECTS, MessageError):
            found[name] = ()
            faults.append(_fault("raw_address_invalid", f"{name} is not a list of addresses after RFC 5322."))
    if "from" not in names:
        faults.append(_fault("raw_no_from", "The message has no From field."))
    elif not faults:
        faults += _wrong_origin(found)
    message_id = next((str(value).strip() for name, value in parsed.raw_items() if name.lower() == "message-id"), "")
    if "message-id" in names and not _MESSAGE_ID.fullmatch(message_id):
        faults.append(
            _fault("raw_message_id_invalid", "Message-ID is one word of up to 900 printable ASCII characters.")
        )
    return RawHeaders(
        sender=found["from"],
        to=found["to"],
        cc=found["cc"],
        bcc=found["bcc"],
        message_id=message_id,
        faults=tuple(faults),
    )


def _unwanted(names: list[str]) -> Iterator[Fault]:
    """Name what may not stand in the header, or not twice."""
    yield from (_fault("raw_repeated", f"{name} may stand only once.") for name in _ONCE if names.count(name) > 1)
    if any(name.startswith("resent-") for name in names):
        yield _fault("raw_resent", "Resent fields are not supported; send the message as a new one.")
    if not _OF_THE_WAY.isdisjoint(names):
        yield _fault("raw_of_the_way", "Return-Path and Apparently-To are written on the way; take them out.")


def _wrong_origin(found: Mapping[str, tuple[Address, ...]]) -> Iterator[Fault]:
    """Say what is wrong with those from whom the message is."""
    if len(found["from"]) != 1:
        yield _fault("raw_from_not_one", "From has to name exactly one address.")
    if found["sender"] and [one.email for one in found["sender"]] != [one.email for one in found["from"]]:
        # Programs show it beside From, or instead of it, and nobody has authorised it.
        yield _fault("raw_sender_differs", "Sender may name nobody but who stands in From; take it out.")


def compose_raw(message: Message, *, bcc_header: bool) -> bytes:
    """Give the raw message with CRLF line ends, without its own Bcc, with Message-ID and Date."""
    head, body = _split(crlf(binascii.a2b_base64(message.raw or "")))
    fields = [(match[1].lower(), match[0]) for match in _FIELD.finditer(head)]
    names = {name for name, _ in fields}
    kept = [field for name, field in fields if name not in _BLIND]
    added = ""
    if b"date" not in names:
        added += date_field(message.date)
    if b"message-id" not in names:
        added += token_field("Message-ID", [message.message_id])
    if bcc_header and message.bcc:
        added += address_field("Bcc", message.bcc)
    return b"".join((added.encode(), *kept, b"\r\n", body))


def _split(data: bytes) -> tuple[bytes, bytes]:
    """Part header and body; the header keeps the CRLF of its last field."""
    head, blank, body = data.partition(b"\r\n\r\n")
    if blank:
        return head + b"\r\n", body
    return (data if data.endswith(b"\r\n") else data + b"\r\n"), b""


def _misshapen(data: bytes, whole: bytes, head: bytes, text: str) -> str:
    """Say why a message cannot be read in one way only, or nothing.

    `whole` is `data` with CRLF, `head` its header and `text` that header decoded.
    """
    blank = _BLANK_LINE.search(data)
    line_ends = set(_LINE_END.findall(data, 0, blank.end() if blank else len(data)))
    unsafe = unsafe_in_header(text.replace("\r\n", "").replace("\t", ""))
    longest = max(map(len, whole.split(b"\r\n")))
    checks = (
        (b"\0" in data, "NUL cannot stand in a message (RFC 5322 section 2.3)."),
        (longest > LINE_LIMIT, f"A line has at most {LINE_LIMIT} octets (RFC 5322 section 2.1.1)."),
        (len(line_ends) > 1, "The header mixes line ends; write CRLF throughout."),
        (not _WELL_FORMED_HEADER.fullmatch(head), "The header is not a list of header fields (RFC 5322)."),
        (unsafe, "The header holds control characters, other line breaks, or what is not UTF-8 (RFC 6532)."),
    )
    return next((words for wrong, words in checks if wrong), "")


def _addresses(header: object, name: str, faults: list[Fault]) -> tuple[Address, ...]:
    """Take the addresses of a parsed field; groups give their members (none for `undisclosed-recipients:;`)."""
    # The one defect that is none since RFC 6532.
    from email.errors import NonASCIILocalPartDefect  # noqa: PLC0415 - see above

    addresses: list[Address] = []
    defects = [found for found in getattr(header, "defects", ()) if not isinstance(found, NonASCIILocalPartDefect)]
    for address in getattr(header, "addresses", ()):
        email = f"{address.username}@{address.domain}"
        if not address.username or not address.domain:
            faults.append(_fault("raw_address_invalid", f"{name} holds something that is no address."))
        elif email.isascii():
            addresses.append(Address(address.addr_spec, address.display_name))
        else:
            problem, checked = check_email(email)
            if problem:
                faults.append(_fault("raw_address_invalid", f"{name}: {problem}"))
            else:
                addresses.append(Address(checked, address.display_name))
    if defects and not any(fault.code == "raw_address_invalid" for fault in faults):
        faults.append(_fault("raw_address_invalid", f"{name} is not a list of addresses after RFC 5322."))
    return tuple(addresses)


def _fault(code: str, detail: str) -> Fault:
    return Fault("/raw", code, detail)
