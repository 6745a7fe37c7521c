"""Gmail's `users.messages.send`, plain and by upload."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request
from werkzeug.http import parse_options_header

from sandbox.identity.tenants import GMAIL_METADATA, GMAIL_MODIFY, GMAIL_READONLY, GMAIL_SEND, GOOGLE_MAIL
from sandbox.mail_hosts.capture import Submission
from sandbox.mail_hosts.header_fields import author, recipients, with_author, without
from sandbox.mail_hosts.wording import MailRefusedError, gmail_refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.control.playing import FaultPlayer
    from sandbox.identity.directory import Directory
    from sandbox.identity.records import Mailbox, Token
    from sandbox.identity.store import TokenStore
    from sandbox.mail_hosts.capture import MailStore

TENANT = "google"
SENDING = frozenset({GMAIL_SEND, GMAIL_MODIFY, GOOGLE_MAIL})
READING = frozenset({GMAIL_METADATA, GMAIL_READONLY, GMAIL_MODIFY, GOOGLE_MAIL})


class Gmail:
    """The Gmail API's send methods for the tenant `google`."""

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
        routes = Blueprint("gmail", __name__)
        path = "/gmail/v1/users/<user>/messages/send"
        routes.add_url_rule(f"/{TENANT}{path}", view_func=self.send, methods=["POST"])
        routes.add_url_rule(f"/{TENANT}/upload{path}", view_func=self.upload, methods=["POST"])
        routes.add_url_rule(f"/{TENANT}/gmail/v1/users/<user>/messages", view_func=self.search, methods=["GET"])
        return routes

    def send(self, user: str) -> Response:
        """Accept `{"raw": base64url}`."""
        return self._play("send", lambda token: self._accept(user, token, self._raw_of_json))

    def upload(self, user: str) -> Response:
        """Accept a message as `uploadType=media` or `multipart`."""
        return self._play("send", lambda token: self._accept(user, token, self._raw_of_upload))

    def search(self, user: str) -> Response:
        """Search what the mailbox has sent, as far as `rfc822msgid:` and `in:sent` go."""
        return self._play("list", lambda token: self._found(user, token))

    def _play(self, operation: str, work: Callable[[Token], Response]) -> Response:
        token = self._tokens.find(_bearer(), tenant=TENANT, kind="access_token")

        def answer() -> Response:
            try:
                if not _bearer():
                    raise gmail_refusal(401, "Login Required.", "required", "UNAUTHENTICATED")
                if token is None or token.is_expired() or token.is_revoked():
                    raise gmail_refusal(401, "Invalid Credentials", "authError", "UNAUTHENTICATED")
                return work(token)
            except MailRefusedError as refusal:
                return refusal.response()

        facts = {"mailbox": token.grant.mailbox if token else None, "operation": operation}
        return self._player.play(answer, endpoint="gmail", tenant=TENANT, facts=facts)

    def _found(self, user: str, token: Token) -> Response:
        mailbox = self._mailbox(user, token, READING)
        query = request.args.get("q", "")
        if query and not token.scopes & (READING - {GMAIL_METADATA}):
            message = "Metadata scope does not support 'q' parameter"
            raise gmail_refusal(403, message, "forbidden", "PERMISSION_DENIED")
        terms = query.split()
        wanted = next((term.partition(":")[2].strip("<>") for term in terms if term.startswith("rfc822msgid:")), None)
        if wanted is None or set(terms) - {f"rfc822msgid:{wanted}", f"rfc822msgid:<{wanted}>", "in:sent"}:
            message = "The sandbox searches by rfc822msgid: and in:sent only."
            raise gmail_refusal(400, message, "invalidArgument", "INVALID_ARGUMENT")
        found = [
            {"id": mail.submission.provider_id, "threadId": mail.submission.provider_id}
            for mail in self._mails.sent_as(wanted, via="gmail", mailbox=mailbox.address)
        ]
        # Gmail leaves an empty list out.
        body = {"messages": found} if found else {}
        return Response(json.dumps(body | {"resultSizeEstimate": len(found)}), mimetype="application/json")

    def _accept(self, user: str, token: Token, read: Callable[[], tuple[bytes, dict[str, Any]]]) -> Response:
        mailbox = self._mailbox(user, token, SENDING)
        raw, metadata = read()
        to = recipients(raw)
        if not to:
            raise gmail_refusal(400, "Recipient address required", "invalidArgument", "INVALID_ARGUMENT")
        if not mailbox.may_send_as(author(raw)):
            # Gmail puts the mailbox's own address there, silently.
            raw = with_author(raw, mailbox.name, mailbox.address)
        provider_id = self._random_id()
        self._mails.add(
            Submission(
                via="gmail",
                token=token,
                mailbox=mailbox.address,
                mail_from=mailbox.address,
                rcpt_to=to,
                source=without(raw, "bcc"),
                provider_id=provider_id,
                details=(("format", request.args.get("uploadType", "json")),),
            )
        )
        body = {"id": provider_id, "threadId": metadata.get("threadId") or provider_id, "labelIds": ["SENT"]}
        return Response(json.dumps(body), mimetype="application/json")

    def _mailbox(self, user: str, token: Token, scopes: frozenset[str]) -> Mailbox:
        if not token.scopes & scopes:
            message = "Request had insufficient authentication scopes."
            details = [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                    "domain": "googleapis.com",
                }
            ]
            raise gmail_refusal(403, message, "insufficientPermissions", "PERMISSION_DENIED", details=details)
        mailbox = self._directory.mailbox(TENANT, token.grant.mailbox)
        if mailbox is None:
            raise gmail_refusal(400, "Mail service not enabled", "failedPrecondition", "FAILED_PRECONDITION")
        if user != "me" and user.casefold() != mailbox.address.casefold():
            raise gmail_refusal(403, f"Delegation denied for {mailbox.address}", "forbidden", "PERMISSION_DENIED")
        return mailbox

    def _raw_of_json(self) -> tuple[bytes, dict[str, Any]]:
        self._check_size(self._directory.settings(TENANT).request_limit)
        body = request.get_json(silent=True, force=True)
        raw = body.get("raw") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(raw, str) or not raw:
            message = "'raw' RFC822 payload message string or uploading message via /upload/* URL required"
            raise gmail_refusal(400, message, "invalidArgument", "INVALID_ARGUMENT")
        # Google takes both alphabets, with and without padding.
        text = raw.replace("+", "-").replace("/", "_").rstrip("=")
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True), body
        except ValueError as error:
            message = "Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed"
            raise gmail_refusal(400, message, "invalidArgument", "INVALID_ARGUMENT") from error

    def _raw_of_upload(self) -> tuple[bytes, dict[str, Any]]:
        self._check_size(self._directory.settings(TENANT).upload_limit)
        kind = request.args.get("uploadType", "media")
        content_type, options = parse_options_header(request.headers.get("Content-Type", ""))
        if kind == "media" and content_type == "message/rfc822":
            return request.get_data(), {}
        if kind == "multipart" and content_type == "multipart/related" and options.get("boundary"):
            return _related(request.get_data(), options["boundary"].encode())
        message = f"Media type '{content_type}' is not supported. Valid media types: [message/rfc822]"
        raise gmail_refusal(400, message, "badRequest", "INVALID_ARGUMENT")

    def _check_size(self, limit: int) -> None:
        if len(request.get_data()) > limit:
            message = "Request payload size exceeds the limit."
            raise gmail_refusal(413, message, "uploadTooLarge", "INVALID_ARGUMENT")


def _related(body: bytes, boundary: bytes) -> tuple[bytes, dict[str, Any]]:
    """Split Google's multipart/related upload: JSON metadata first, then the message, byte for byte."""
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary)
    parts = [piece.partition(b"\r\n\r\n")[2] for piece in pieces[1:-1]]
    if len(parts) == 2:  # noqa: PLR2004 - the protocol's two parts
        try:
            metadata = json.loads(parts[0])
        except ValueError:
            metadata = None
        if isinstance(metadata, dict):
            return parts[1], metadata
    raise gmail_refusal(400, "Malformed multipart body.", "badContent", "INVALID_ARGUMENT")


def _bearer() -> str:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""
