"""Writes messages as MIME: CRLF, 7bit clean, byte for byte the same each time.

Only an address that cannot be written otherwise makes its header UTF-8 (RFC 6532).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.addresses import needs_smtputf8
from mailbearer.mime.headers import address_field, date_field, text_field, token_field
from mailbearer.mime.parts import Part, attachment_part, multipart, text_part
from mailbearer.mime.raw import compose_raw, read_raw

if TYPE_CHECKING:
    from mailbearer.message import Message, Unsubscribe

__all__ = ["compose", "read_raw"]


def compose(message: Message, *, bcc_header: bool) -> bytes:
    """Give the RFC 5322 bytes of a message.

    `bcc_header` names the blind recipients too, for providers that read them there. A raw message keeps the encoding of
    its body. Raises `InvalidInput` for what the parser at the door should have refused.
    """
    if message.raw is not None:
        return compose_raw(message, bcc_header=bcc_header)
    part = _content(message)
    head = f"{_header(message, bcc_header=bcc_header)}MIME-Version: 1.0\r\n{part.fields}\r\n"
    end = b"" if part.body[-1].endswith(b"\r\n") else b"\r\n"
    return b"".join((head.encode("utf-8" if needs_smtputf8(message) else "ascii"), *part.body, end))


def _header(message: Message, *, bcc_header: bool) -> str:
    fields = date_field(message.date) + address_field("From", (message.sender,))
    if message.to:
        fields += address_field("To", message.to)
    if message.cc:
        fields += address_field("Cc", message.cc)
    if bcc_header and message.bcc:
        fields += address_field("Bcc", message.bcc)
    if message.reply_to:
        fields += address_field("Reply-To", message.reply_to)
    fields += text_field("Subject", message.subject) + token_field("Message-ID", (message.message_id,))
    if message.in_reply_to:
        fields += token_field("In-Reply-To", (message.in_reply_to,))
    if message.references:
        fields += token_field("References", message.references)
    if message.unsubscribe is not None:
        fields += _unsubscribe(message.unsubscribe)
    return fields + "".join(text_field(name, value) for name, value in message.headers)


def _unsubscribe(unsubscribe: Unsubscribe) -> str:
    targets = [f"<{unsubscribe.url}>"] if unsubscribe.url else []
    if unsubscribe.mailto:
        targets.append(f"<mailto:{unsubscribe.mailto.removeprefix('mailto:')}>")
    if not targets:
        return ""
    fields = token_field("List-Unsubscribe", [f"{target}," for target in targets[:-1]] + targets[-1:])
    if unsubscribe.one_click:
        fields += "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return fields


def _text_of(html: str) -> str | None:
    """Give the text for a message that came without; a part that says nothing is better left out."""
    # `html` alone takes milliseconds to import.
    from mailbearer.mime.plain_text import plain_text  # noqa: PLC0415 - many messages bring a text of their own

    return plain_text(html) or None


def _content(message: Message) -> Part:
    """Nest the parts: mixed(alternative(text, related(html, images)), attachments), each layer only where needed."""
    seed = message.message_id
    # A Content-ID is worth something only beside the HTML that names it.
    text = message.text if message.text is not None or message.html is None else _text_of(message.html)
    related = [item for item in message.attachments if item.content_id] if message.html is not None else []
    others = [item for item in message.attachments if not (item.content_id and related)]
    bodies: list[Part] = []
    if text is not None:
        bodies.append(text_part(text, "plain"))
    if message.html is not None:
        html = text_part(message.html, "html")
        if related:
            images = [attachment_part(item, inline=True) for item in related]
            html = multipart("related", (html, *images), seed=seed, parameters=' type="text/html";')
        bodies.append(html)
    if len(bodies) > 1:
        bodies = [multipart("alternative", bodies, seed=seed)]
    if others:
        return multipart("mixed", (*bodies, *(attachment_part(item, inline=False) for item in others)), seed=seed)
    return bodies[0] if bodies else text_part("", "plain")
