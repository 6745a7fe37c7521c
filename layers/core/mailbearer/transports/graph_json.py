"""A message as Graph's JSON: the resources `message` and `fileAttachment`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailbearer.message import Address, Attachment, Message


def written(value: dict[str, Any]) -> bytes:
    """Write a JSON object as a request's body."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def message_resource(message: Message, *, attachments: bool) -> dict[str, Any]:
    """Give a message as Graph's resource, with or without its attachments.

    What the resource has no place for is left out: `carriage.unfit` names it, and whoever sends refuses such a message.
    """
    html = message.html is not None
    resource: dict[str, Any] = {
        "subject": message.subject,
        "from": _person(message.sender),
        "body": {"contentType": "html" if html else "text", "content": message.html if html else message.text or ""},
        "internetMessageId": message.message_id,
    }
    people = {
        "toRecipients": message.to,
        "ccRecipients": message.cc,
        "bccRecipients": message.bcc,
        "replyTo": message.reply_to,
    }
    resource |= {name: _people(addresses) for name, addresses in people.items() if addresses}
    if message.headers:
        resource["internetMessageHeaders"] = [{"name": name, "value": value} for name, value in message.headers]
    if attachments and message.attachments:
        resource["attachments"] = [attachment_resource(part, html=html) for part in message.attachments]
    return resource


def attachment_resource(part: Attachment, *, html: bool) -> dict[str, Any]:
    """Give an attachment with its content; `html` says that there is a text that may show it."""
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        **_described(part, html=html),
        "contentBytes": part.content,
    }


def upload_request(part: Attachment, *, html: bool) -> dict[str, Any]:
    """Ask for an upload session for an attachment."""
    return {"AttachmentItem": {"attachmentType": "file", "size": part.size, **_described(part, html=html)}}


def _described(part: Attachment, *, html: bool) -> dict[str, Any]:
    described: dict[str, Any] = {"name": part.filename or part.content_id or "attachment"}
    if part.content_type:
        described["contentType"] = part.content_type
    if part.disposition == "inline" or (part.content_id and html):
        described["isInline"] = True
    if part.content_id:
        described["contentId"] = part.content_id.strip("<>")
    return described


def _person(address: Address) -> dict[str, Any]:
    named = {"name": address.name} if address.name else {}
    return {"emailAddress": {"address": address.email, **named}}


def _people(addresses: Iterable[Address]) -> list[dict[str, Any]]:
    return [_person(address) for address in addresses]
