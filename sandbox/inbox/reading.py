"""Taking a message apart for the eye; every message is assumed to be hostile."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import compat32
from typing import TYPE_CHECKING

from sandbox.mail_hosts.header_fields import decoded, raw_fields

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

MOST_PARTS = 200
MOST_HEADERS = 500
MOST_TEXT = 400_000
"""Characters of text or source sent to the page; the whole is there for download."""
INLINE_IMAGE = re.compile(r"image/(?:png|jpeg|gif|webp|bmp)")
"""Types that may be put into the HTML view; SVG is left out, for it can hold scripts."""
_CID = re.compile(r"""cid:([^"'\s)>]+)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One part that is neither the text nor the HTML."""

    filename: str
    content_type: str
    content_id: str
    inline: bool
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A message's headers and parts."""

    headers: tuple[tuple[str, str], ...]
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    problem: str | None = None
    """Why not everything could be shown."""


def read_mail(source: bytes) -> Reading:
    """Take the message apart; what cannot be read is named in `problem`."""
    fields = raw_fields(source)
    headers = tuple((name, decoded(value)) for name, value in fields[:MOST_HEADERS])
    try:
        message = BytesParser(policy=compat32).parsebytes(source)
        leaves = list(_leaves(message))
    except RecursionError:
        return Reading(headers=headers, problem="nested too deeply to be taken apart; see the source")
    problem = None
    if len(leaves) > MOST_PARTS or len(fields) > MOST_HEADERS:
        problem = f"only the first {MOST_HEADERS} headers and {MOST_PARTS} parts are shown; see the source"
        leaves = leaves[:MOST_PARTS]
    text: str | None = None
    html: str | None = None
    attachments: list[Attachment] = []
    for part in leaves:
        kind = part.get_content_type()
        named = part.get_filename() is not None or part.get_content_disposition() == "attachment"
        if kind == "text/plain" and text is None and not named:
            text = _text(part)
        elif kind == "text/html" and html is None and not named:
            html = _text(part)
        else:
            attachments.append(_attachment(part, len(attachments) + 1))
    return Reading(headers=headers, text=text, html=html, attachments=tuple(attachments), problem=problem)


def with_inline_images(html: str, attachments: tuple[Attachment, ...]) -> str:
    """Put the pictures that the HTML names by `cid:` into it, so that it needs no other request."""
    images = {
        item.content_id: f"data:{item.content_type};base64,{base64.b64encode(item.payload).decode()}"
        for item in attachments
        if item.content_id and INLINE_IMAGE.fullmatch(item.content_type)
    }
    return _CID.sub(lambda found: images.get(found[1], "about:blank"), html)


def _leaves(message: Message) -> Iterator[Message]:
    for part in message.walk():
        if not part.is_multipart():
            yield part


def _text(part: Message) -> str:
    payload = _payload(part)
    charset = part.get_content_charset("utf-8")
    try:
        return payload.decode(charset, "replace")
    except (LookupError, ValueError):
        return payload.decode("utf-8", "replace")


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _attachment(part: Message, number: int) -> Attachment:
    return Attachment(
        filename=decoded(part.get_filename() or f"part-{number}"),
        content_type=part.get_content_type(),
        content_id=str(part.get("Content-ID", "")).strip().strip("<>"),
        inline=part.get_content_disposition() == "inline",
        payload=_payload(part),
    )
