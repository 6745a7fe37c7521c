"""The wire form of a message (api.md): read it whole, name every fault at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.addresses import MAX_ADDRESSES, read_address, read_addresses
from mailbearer.errors import Fault
from mailbearer.message import Address, Message
from mailbearer.wire.attachments import is_content_type, read_attachments, read_filename
from mailbearer.wire.headers import MAX_HEADERS, read_headers, read_message_ids, read_unsubscribe
from mailbearer.wire.labels import read_metadata, read_tags
from mailbearer.wire.values import check_fields, read_base64, read_choice, read_line, read_moment, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FIELDS",
    "MAX_HEADERS",
    "MAX_RECIPIENTS",
    "check_recipients",
    "is_content_type",
    "read_filename",
    "read_message",
    "read_moment",
]

MAX_RECIPIENTS = MAX_ADDRESSES
_MAX_REFERENCES = 100
_MAX_ACCOUNT = 320

FIELDS = frozenset(
    {
        "account",
        "from",
        "to",
        "cc",
        "bcc",
        "reply_to",
        "subject",
        "text",
        "html",
        "template",
        "attachments",
        "headers",
        "raw",
        "in_reply_to",
        "references",
        "unsubscribe",
        "send_at",
        "tags",
        "metadata",
        "on_unknown",
        "idempotency_key",
    }
)
_FROM_TEMPLATE = ("subject", "text", "html")
_CONTENT = (*_FROM_TEMPLATE, "attachments", "headers", "in_reply_to", "references", "unsubscribe", "reply_to")


def read_message(body: Mapping[str, Any], faults: list[Fault]) -> Message:
    """Read a message, adding every fault to `faults`; what is given back is only of use if none was added.

    `sender` is empty if `from` was left out, and `account` if `account` was. What a template gives, and what uploads
    are, has still to be filled in.
    """
    check_fields(body, FIELDS, "", faults)
    message = read_fields(body, faults)
    check_content(body, faults)
    if message.raw is None and body.get("raw") is None and not any(body.get(name) for name in ("to", "cc", "bcc")):
        faults.append(Fault("/to", "recipient_missing", "Give at least one recipient in to, cc or bcc."))
    check_recipients(message, "/to", faults)
    return message


def read_fields(body: Mapping[str, Any], faults: list[Fault]) -> Message:
    """Read each field that is there by itself."""
    sender = read_address(body["from"], "/from", faults) if body.get("from") is not None else None
    send_at = body.get("send_at")
    return Message(
        account=read_line(body.get("account"), "/account", faults, limit=_MAX_ACCOUNT),
        sender=sender or Address(""),
        to=read_addresses(body.get("to"), "/to", faults),
        cc=read_addresses(body.get("cc"), "/cc", faults),
        bcc=read_addresses(body.get("bcc"), "/bcc", faults),
        reply_to=read_addresses(body.get("reply_to"), "/reply_to", faults),
        subject=read_line(body.get("subject"), "/subject", faults),
        text=read_text(body.get("text"), "/text", faults),
        html=read_text(body.get("html"), "/html", faults),
        attachments=read_attachments(body.get("attachments"), faults),
        headers=read_headers(body.get("headers"), faults),
        raw=_read_raw(body.get("raw"), faults),
        in_reply_to=(read_message_ids(body.get("in_reply_to"), "in_reply_to", faults, most=1) or ("",))[0],
        references=read_message_ids(body.get("references"), "references", faults, most=_MAX_REFERENCES),
        unsubscribe=read_unsubscribe(body.get("unsubscribe"), faults),
        on_unknown=read_choice(body.get("on_unknown"), ("hold", "resend"), "/on_unknown", faults),
        tags=read_tags(body.get("tags"), "/tags", faults),
        metadata=read_metadata(body.get("metadata"), "/metadata", faults),
        send_at=read_moment(send_at, "/send_at", faults) if send_at is not None else 0,
    )


def check_content(body: Mapping[str, Any], faults: list[Fault]) -> None:
    """Check that the content comes from one place: the fields, a template, or a raw message."""
    if body.get("raw") is not None:
        faults.extend(
            Fault(f"/{name}", "excluded_by_raw", "A raw message brings its own content; leave this field out.")
            for name in (*_CONTENT, "template")
            if body.get(name) is not None
        )
    elif body.get("template") is not None:
        faults.extend(
            Fault(f"/{name}", "excluded_by_template", "The template brings subject, text and html; leave this out.")
            for name in _FROM_TEMPLATE
            if body.get(name) is not None
        )
    elif body.get("text") is None and body.get("html") is None:
        faults.append(Fault("", "content_missing", "Give text, html or both (or template, or raw)."))
    attachments = body.get("attachments")
    parts = attachments if isinstance(attachments, list) else []
    content_ids = [str(part["content_id"]) for part in parts if isinstance(part, dict) and part.get("content_id")]
    bare = [content_id.removeprefix("<").removesuffix(">") for content_id in content_ids]
    if len(bare) != len(set(bare)):
        faults.append(Fault("/attachments", "duplicate_content_id", "Each content_id may stand once."))


def check_recipients(message: Message, pointer: str, faults: list[Fault]) -> None:
    """Check that a message does not go to too many."""
    if len(message.recipients) > MAX_RECIPIENTS:
        detail = f"A message has at most {MAX_RECIPIENTS} recipients in all."
        faults.append(Fault(pointer, "too_many_recipients", detail))


def _read_raw(value: object, faults: list[Fault]) -> str | None:
    if value is None:
        return None
    read = read_base64(value, "/raw", faults)
    if read is not None and not read[1]:
        faults.append(Fault("/raw", "content_missing", "The raw message is empty."))
    return read[0] if read else None
