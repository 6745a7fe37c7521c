"""Microsoft Graph's `sendMail`, JSON and MIME."""

from __future__ import annotations

import base64
import binascii
import re
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING, Any, TypeAlias

from flask import Blueprint, Response, request

from sandbox.mail_hosts.capture import Submission
from sandbox.mail_hosts.graph_access import BASE, TENANT
from sandbox.mail_hosts.header_fields import author, recipients, with_author, without
from sandbox.mail_hosts.wording import graph_refusal

if TYPE_CHECKING:
    from sandbox.identity.records import Mailbox, Token
    from sandbox.mail_hosts.capture import MailStore
    from sandbox.mail_hosts.graph_access import GraphAccess

MOST_HEADERS = 5
_CUSTOM_HEADER = re.compile(r"[Xx]-[!-9;-~]+")


class Graph:
    """The part of Graph that sends mail in one call, for the tenant `microsoft`."""

    def __init__(self, *, access: GraphAccess, mails: MailStore) -> None:
        self._access = access
        self._mails = mails

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("graph", __name__)
        routes.add_url_rule(f"{BASE}/me/sendMail", view_func=self.send_mail, methods=["POST"])
        routes.add_url_rule(f"{BASE}/users/<user>/sendMail", view_func=self.send_mail, methods=["POST"])
        return routes

    def send_mail(self, user: str | None = None) -> Response:
        """Accept a message for sending; 202 without a body."""
        return self._access.play(lambda token: self._accept(user, token), operation="sendMail")

    def _accept(self, user: str | None, token: Token) -> Response:
        mailbox = self._access.sending_mailbox(user, token)
        if len(request.get_data()) > self._access.directory.settings(TENANT).request_limit:
            raise graph_refusal(413, "BadRequest", "Maximum request length exceeded.")
        if request.mimetype == "text/plain":
            raw = message_in_mime(mailbox)
            details: Details = (("format", "mime"),)
        else:
            raw, details = _raw_of_json(mailbox)
        submit(self._mails, raw, token=token, mailbox=mailbox, details=details)
        return Response(status=202)


Details: TypeAlias = tuple[tuple[str, str], ...]
"""How a message was submitted."""


def submit(mails: MailStore, raw: bytes, *, token: Token, mailbox: Mailbox, details: Details) -> None:
    """Send a message, or refuse it for having nobody to go to."""
    to = recipients(raw)
    if not to:
        message = "At least one recipient is not valid., A message can't be sent because it contains no recipients."
        raise graph_refusal(400, "ErrorInvalidRecipients", message)
    if mark := request.headers.get("client-request-id"):
        details = (*details, ("client_request_id", mark))
    mails.add(
        Submission(
            via="graph",
            token=token,
            mailbox=mailbox.address,
            mail_from=author(raw),
            rcpt_to=to,
            source=without(raw, "bcc"),
            details=details,
        )
    )


def message_in_mime(mailbox: Mailbox) -> bytes:
    """Read the message of a request with MIME in base64."""
    try:
        raw = base64.b64decode(b"".join(request.get_data().split()), validate=True)
    except binascii.Error as error:
        message = "Invalid base64 string for MIME content."
        raise graph_refusal(400, "ErrorMimeContentInvalidBase64String", message) from error
    # Exchange ignores the From of a MIME submission in favour of the mailbox.
    if not mailbox.may_send_as(author(raw)):
        raw = with_author(raw, mailbox.name, mailbox.address)
    return raw


def _raw_of_json(mailbox: Mailbox) -> tuple[bytes, Details]:
    body = json_body()
    save = str(body.get("saveToSentItems", True)).lower()
    return message_in_json(body.get("message"), mailbox), (("format", "json"), ("saveToSentItems", save))


def json_body() -> dict[str, Any]:
    """Read the request's JSON object."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise graph_refusal(400, "BadRequest", "Unable to read JSON request payload.")
    return body


def message_in_json(content: object, mailbox: Mailbox) -> bytes:
    """Write Graph's message resource as Exchange would."""
    if not isinstance(content, dict):
        raise graph_refusal(400, "BadRequest", "Unable to read JSON request payload.")
    try:
        message = _message(content, mailbox)
    except (LookupError, TypeError, AttributeError, ValueError, HeaderParseError) as error:
        raise graph_refusal(400, "RequestBodyRead", "The message could not be read.") from error
    if not mailbox.may_send_as(author(message)):
        text = "The user account which was used to submit this request does not have the right to send mail"
        raise graph_refusal(403, "ErrorSendAsDenied", f"{text} on behalf of the specified sending account.")
    return message


def _message(content: dict[str, Any], mailbox: Mailbox) -> bytes:
    """Build the RFC 5322 message that Exchange would make of a Graph message resource."""
    message = EmailMessage(policy=SMTP)
    sender = content.get("from")
    message["From"] = _address(sender) if sender else Address(mailbox.name, addr_spec=mailbox.address)
    for name, key in (
        ("To", "toRecipients"),
        ("Cc", "ccRecipients"),
        ("Bcc", "bccRecipients"),
        ("Reply-To", "replyTo"),
    ):
        if content.get(key):
            message[name] = [_address(item) for item in content[key]]
    message["Subject"] = content.get("subject") or ""
    if content.get("internetMessageId"):
        message["Message-ID"] = content["internetMessageId"]
    headers = content.get("internetMessageHeaders") or []
    if len(headers) > MOST_HEADERS:
        text = f"Maximum number of headers in one message should be less than or equal to {MOST_HEADERS}."
        raise graph_refusal(400, "InvalidInternetMessageHeaderCollection", text)
    for item in headers:
        if not _CUSTOM_HEADER.fullmatch(item["name"]):
            text = "The internet message header name should start with 'x-' or 'X-'."
            raise graph_refusal(400, "InvalidInternetMessageHeader", text)
        message[item["name"]] = item["value"]
    body = content.get("body") or {}
    subtype = "html" if str(body.get("contentType", "text")).lower() == "html" else "plain"
    message.set_content(str(body.get("content") or ""), subtype=subtype)
    for item in content.get("attachments") or []:
        attach(message, item)
    return message.as_bytes()


def attach(message: EmailMessage, item: dict[str, Any]) -> None:
    """Add Graph's attachment resource, whose content is base64, to a message."""
    attach_bytes(message, item, base64.b64decode(item["contentBytes"], validate=True))


def attach_bytes(message: EmailMessage, item: dict[str, Any], content: bytes) -> None:
    """Add content that `item` describes to a message."""
    maintype, _, kind = str(item.get("contentType") or "application/octet-stream").partition("/")
    message.add_attachment(
        content,
        maintype=maintype,
        subtype=kind.partition(";")[0] or "octet-stream",
        filename=item["name"],
        disposition="inline" if item.get("isInline") else "attachment",
        cid=f"<{item['contentId']}>" if item.get("contentId") else None,
    )


def _address(item: dict[str, Any]) -> Address:
    email = item["emailAddress"]
    return Address(email.get("name") or "", addr_spec=email["address"])
