"""Reading and changing header fields of a raw message, leaving every other byte as it was."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.policy import compat32
from email.utils import formataddr, getaddresses, parseaddr

SHOWN = ("from", "to", "cc", "reply-to", "subject", "date", "message-id")
RECIPIENT_FIELDS = ("to", "cc", "bcc")
_END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
_FIELD = re.compile(rb"[^\r\n]+(?:\r?\n[ \t][^\r\n]*)*(?:\r?\n|\Z)")


def raw_fields(source: bytes) -> list[tuple[str, str]]:
    """Return every header field, undecoded but for UTF-8 bytes; any bytes are accepted."""
    message = BytesHeaderParser(policy=compat32).parsebytes(source)
    return [
        (name, str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        for name, value in message.raw_items()
    ]


def shown_headers(source: bytes) -> dict[str, str]:
    """Return the headers a reader looks for, decoded, by lower-case name; the first of several."""
    found: dict[str, str] = {}
    for name, value in raw_fields(source):
        if name.lower() in SHOWN:
            found.setdefault(name.lower(), decoded(value))
    return found


def decoded(value: str) -> str:
    """Decode RFC 2047 words; what cannot be decoded is returned as it came."""
    flat = _unfolded(value)
    try:
        text = str(make_header(decode_header(flat)))
    except (LookupError, ValueError, HeaderParseError):
        text = flat
    return text.encode("utf-8", "replace").decode()


def recipients(source: bytes) -> tuple[str, ...]:
    """Return the addresses in To, Cc and Bcc, each once, in order."""
    values = [_unfolded(value) for name, value in raw_fields(source) if name.lower() in RECIPIENT_FIELDS]
    return tuple(dict.fromkeys(address for _, address in getaddresses(values) if "@" in address))


def author(source: bytes) -> str:
    """Return the address in From, or nothing."""
    values = [_unfolded(value) for name, value in raw_fields(source) if name.lower() == "from"]
    return parseaddr(values[0])[1] if values else ""


def without(source: bytes, name: str) -> bytes:
    """Return the message without any header field of this name."""
    head, rest = _split(source)
    prefix = f"{name}:".lower().encode()
    kept = [line for line in _FIELD.findall(head) if line[: len(prefix)].lower() != prefix]
    return b"".join(kept) + rest


def with_author(source: bytes, name: str, address: str) -> bytes:
    """Return the message with From replaced."""
    return f"From: {formataddr((name, address))}\r\n".encode() + without(source, "from")


def _unfolded(value: str) -> str:
    return re.sub(r"[\r\n]+[ \t]*", " ", value)


def _split(source: bytes) -> tuple[bytes, bytes]:
    """Split after the last header field's line end; the empty line belongs to the rest."""
    end = _END_OF_HEADER.search(source)
    if end is None:
        return source, b""
    first_line_end = end.start() + (2 if source[end.start()] == ord("\r") else 1)
    return source[:first_line_end], source[first_line_end:]
