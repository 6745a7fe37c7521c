"""Microsoft Graph's `sendMail`, JSON and MIME, and `me`."""

from __future__ import annotations

import base64
import binascii
import json
import re
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from sandbox.identity.tenants import GRAPH
from sandbox.mail_hosts.capture import Submission
from sandbox.mail_hosts.header_fields import author, recipients, with_author, without
from sandbox.mail_hosts.wording import MailRefusedError, graph_refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.control.playing import FaultPlayer
    from sandbox.identity.directory import Directory
    from sandbox.identity.records import Mailbox, Token
    from sandbox.identity.store import TokenStore
    from sandbox.mail_hosts.capture import MailStore

TENANT = "microsoft"
_CUSTOM_HEADER = re.compile(r"[Xx]-[!-9;-~]+")


class Graph:
    """The part of Graph that sends mail, for the tenant `microsoft`."""

    def __init__(
        self,
        *,
        directory: Directory,
        tokens: TokenStore,
        mails: MailStore,
        player: FaultPlayer,
        random_id: Callable[[], str],
    ) -> None:
        self._directory = directory
        self._tokens = tokens
        self._mails = mails
        self._player = player
        self._random_id = random_id

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("graph", __name__)
        base = f"/{TENANT}/v1.0"
        routes.add_url_rule(f"{base}/me", view_func=self.me)
        routes.add_url_rule(f"{base}/me/sendMail", view_func=self.send_mail, methods=["POST"])
        routes.add_url_rule(f"{base}/users/<user>/sendMail", view_func=self.send_mail, methods=["POST"])
        return routes

    def me(self) -> Response:
        """Return the signed-in person."""
        return self._play(self._describe)

    def send_mail(self, user: str | None = None) -> Response:
        """Accept a message for sending; 202 without a body."""
        return self._play(lambda token: self._accept(user, token))

    def _play(self, work: Callable[[Token], Response]) -> Response:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        token = self._tokens.find(value.strip(), tenant=TENANT, kind="access_token")

        def answer() -> Response:
            try:
                if scheme.lower() != "bearer" or not value.strip():
                    raise graph_refusal(401, "InvalidAuthenticationToken", "Access token is empty.")
                if token is None or token.is_revoked():
                    raise graph_refusal(401, "InvalidAuthenticationToken", "Access token validation failure.")
                if token.is_expired():
                    message = "Lifetime validation failed, the token is expired."
                    raise graph_refusal(401, "InvalidAuthenticationToken", message)
                response = work(token)
            except MailRefusedError as refusal:
                response = refusal.response()
            response.headers["request-id"] = self._random_id()
            return response

        facts = {"mailbox": token.grant.mailbox if token else None}
        return self._player.play(answer, endpoint="graph", tenant=TENANT, facts=facts)

    def _describe(self, token: Token) -> Response:
        if not _graph_scopes(token) & {"User.Read", "openid"}:
            raise graph_refusal(
                403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."
            )
        mailbox = self._mailbox(None, token)
        person = {
            "id": mailbox.subject,
            "displayName": mailbox.name,
            "mail": mailbox.address,
            "userPrincipalName": mailbox.address,
        }
        return Response(json.dumps(person), mimetype="application/json")

    def _mailbox(self, user: str | None, token: Token) -> Mailbox:
        if token.grant.mailbox is None and user is None:
            raise graph_refusal(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
        mailbox = self._directory.mailbox(TENANT, token.grant.mailbox if user is None else user)
        if mailbox is None:
            mailbox = next((box for box in self._directory.mailboxes(TENANT) if box.subject == user), None)
        if mailbox is None:
            raise graph_refusal(404, "ErrorInvalidUser", f"The requested user '{user}' is invalid.")
        if token.grant.mailbox is not None and token.grant.mailbox.casefold() != mailbox.address.casefold():
            raise graph_refusal(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        return mailbox

    def _accept(self, user: str | None, token: Token) -> Response:
        app_only = token.grant.mailbox is None
        if not _graph_scopes(token) & ({".default"} if app_only else {"Mail.Send"}):
            raise graph_refusal(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        mailbox = self._mailbox(user, token)
        if len(request.get_data()) > self._directory.settings(TENANT).request_limit:
            raise graph_refusal(413, "BadRequest", "Maximum request length exceeded.")
        if request.mimetype == "text/plain":
            raw, details = _raw_of_mime(mailbox)
        else:
            raw, details = _raw_of_json(mailbox)
        to = recipients(raw)
        if not to:
            message = "At least one recipient is not valid., A message can't be sent because it contains no recipients."
            raise graph_refusal(400, "ErrorInvalidRecipients", message)
        self._mails.add(
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
        return Response(status=202)


def _graph_scopes(token: Token) -> frozenset[str]:
    return frozenset(name.removeprefix(GRAPH) for name in token.scopes)


_Details = tuple[tuple[str, str], ...]


def _raw_of_mime(mailbox: Mailbox) -> tuple[bytes, _Details]:
    try:
        raw = base64.b64decode(b"".join(request.get_data().split()), validate=True)
    except binascii.Error as error:
        message = "Invalid base64 string for MIME content."
        raise graph_refusal(400, "ErrorMimeContentInvalidBase64String", message) from error
    # Exchange ignores the From of a MIME submission in favour of the mailbox.
    if not mailbox.may_send_as(author(raw)):
        raw = with_author(raw, mailbox.name, mailbox.address)
    return raw, (("format", "mime"),)


def _raw_of_json(mailbox: Mailbox) -> tuple[bytes, _Details]:
    body = request.get_json(silent=True)
    content = body.get("message") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(content, dict):
        raise graph_refusal(400, "BadRequest", "Unable to read JSON request payload.")
    try:
        message = _message(content, mailbox)
    except (LookupError, TypeError, AttributeError, ValueError, HeaderParseError) as error:
        raise graph_refusal(400, "RequestBodyRead", "The message could not be read.") from error
    if not mailbox.may_send_as(author(message)):
        text = "The user account which was used to submit this request does not have the right to send mail"
        raise graph_refusal(403, "ErrorSendAsDenied", f"{text} on behalf of the specified sending account.")
    save = str(body.get("saveToSentItems", True)).lower()
    return message, (("format", "json"), ("saveToSentItems", save))


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
    for item in content.get("internetMessageHeaders") or []:
        if not _CUSTOM_HEADER.fullmatch(item["name"]):
            text = "The internet message header name should start with 'x-' or 'X-'."
            raise graph_refusal(400, "InvalidInternetMessageHeader", text)
        message[item["name"]] = item["value"]
    body = content.get("body") or {}
    subtype = "html" if str(body.get("contentType", "text")).lower() == "html" else "plain"
    message.set_content(str(body.get("content") or ""), subtype=subtype)
    for item in content.get("attachments") or []:
        maintype, _, kind = str(item.get("contentType") or "application/octet-stream").partition("/")
        message.add_attachment(
            base64.b64decode(item["contentBytes"], validate=True),
            maintype=maintype,
            subtype=kind or "octet-stream",
            filename=item["name"],
            disposition="inline" if item.get("isInline") else "attachment",
            cid=f"<{item['contentId']}>" if item.get("contentId") else None,
        )
    return message.as_bytes()


def _address(item: dict[str, Any]) -> Address:
    email = item["emailAddress"]
    return Address(email.get("name") or "", addr_spec=email["address"])
