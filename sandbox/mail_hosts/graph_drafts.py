"""Microsoft Graph's drafts: made, given attachments in one call or in pieces, sent, deleted, found."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from email import message_from_bytes
from email.errors import HeaderParseError
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from sandbox.mail_hosts.graph import attach, attach_bytes, json_body, message_in_json, message_in_mime, submit
from sandbox.mail_hosts.graph_access import BASE
from sandbox.mail_hosts.wording import graph_refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.identity.records import Mailbox, Token
    from sandbox.mail_hosts.capture import MailStore
    from sandbox.mail_hosts.graph_access import GraphAccess
    from sandbox.mail_hosts.wording import MailRefusedError

WRITING = frozenset({"Mail.ReadWrite"})
READING = frozenset({"Mail.Read", "Mail.ReadBasic", "Mail.ReadWrite", "Mail.ReadBasic.All"})
SESSION_MINIMUM = 3_000_000
"""Octets; smaller attachments are refused an upload session."""
LARGEST_PIECE = 4 * 1024 * 1024
MOST_DRAFTS = 50
_FILTER = re.compile(r"internetMessageId eq '((?:[^']|'')*)'")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(slots=True)
class Draft:
    """A message that lies in the folder Drafts."""

    mailbox: str
    message: EmailMessage
    form: str
    attachments: int = 0


@dataclass(slots=True)
class Session:
    """An attachment on its way in pieces."""

    draft_id: str
    item: dict[str, Any]
    size: int
    received: bytearray = field(default_factory=bytearray)


class GraphDrafts:
    """The part of Graph that sends what is too large for one call, for the tenant `microsoft`."""

    def __init__(
        self,
        *,
        access: GraphAccess,
        mails: MailStore,
        url: str,
        random_id: Callable[[], str],
        new_key: Callable[[], str],
    ) -> None:
        self._access = access
        self._mails = mails
        self._url = url
        self._random_id = random_id
        self._new_key = new_key
        self._lock = threading.Lock()
        self._drafts: OrderedDict[str, Draft] = OrderedDict()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("graph_drafts", __name__)
        for who in ("me", "users/<user>"):
            path = f"{BASE}/{who}/messages"
            routes.add_url_rule(path, view_func=self.create, methods=["POST"])
            routes.add_url_rule(path, view_func=self.search, methods=["GET"])
            draft = f"{path}/<draft_id>"
            routes.add_url_rule(draft, view_func=self.delete, methods=["DELETE"])
            routes.add_url_rule(f"{draft}/send", view_func=self.send, methods=["POST"])
            routes.add_url_rule(f"{draft}/attachments", view_func=self.add_attachment, methods=["POST"])
            session = f"{draft}/attachments/createUploadSession"
            routes.add_url_rule(session, view_func=self.create_session, methods=["POST"])
        routes.add_url_rule(f"{BASE}/AttachmentSessions/<key>", view_func=self.upload, methods=["PUT"])
        return routes

    def create(self, user: str | None = None) -> Response:
        """Make a draft out of MIME or JSON."""

        def work(token: Token) -> Response:
            mailbox = self._access.own_mailbox(user, token, WRITING)
            self._check_size(token)
            mime = request.mimetype == "text/plain"
            raw = message_in_mime(mailbox) if mime else message_in_json(json_body(), mailbox)
            message = message_from_bytes(raw, _class=EmailMessage, policy=SMTP)
            draft_id = f"AAMk{self._random_id()}="
            with self._lock:
                self._drafts[draft_id] = Draft(mailbox.address, message, "mime" if mime else "json")
                while len(self._drafts) > MOST_DRAFTS:
                    self._drafts.popitem(last=False)
            body = {"id": draft_id, "isDraft": True, "internetMessageId": message["Message-ID"]}
            return _json(201, body)

        return self._access.play(work, operation="createMessage")

    def add_attachment(self, draft_id: str, user: str | None = None) -> Response:
        """Attach a file that comes in one call."""

        def work(token: Token) -> Response:
            _, draft = self._draft(user, token, draft_id)
            self._check_size(token)
            try:
                attach(draft.message, json_body())
            except (LookupError, TypeError, AttributeError, ValueError, HeaderParseError) as error:
                raise graph_refusal(400, "RequestBodyRead", "The attachment could not be read.") from error
            draft.attachments += 1
            return _json(201, {"id": self._random_id()})

        return self._access.play(work, operation="addAttachment")

    def create_session(self, draft_id: str, user: str | None = None) -> Response:
        """Open an upload session for a large file."""

        def work(token: Token) -> Response:
            self._draft(user, token, draft_id)
            item = json_body().get("AttachmentItem")
            size = item.get("size") if isinstance(item, dict) else None
            if not isinstance(item, dict) or not isinstance(size, int) or not item.get("name"):
                raise graph_refusal(400, "ErrorInvalidRequest", "The attachment item could not be read.")
            if size < SESSION_MINIMUM:
                text = "The attachment size is less than the minimum for an upload session."
                raise graph_refusal(400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", text)
            key = self._new_key()
            with self._lock:
                self._sessions[key] = Session(draft_id, item, size)
                while len(self._sessions) > MOST_DRAFTS:
                    self._sessions.popitem(last=False)
            url = f"{self._url}{BASE}/AttachmentSessions/{key}?authtoken={key}"
            return _json(201, {"uploadUrl": url, "nextExpectedRanges": ["0-"]})

        return self._access.play(work, operation="createUploadSession")

    def upload(self, key: str) -> Response:
        """Take the next piece; the address is the key, and whoever brings his token along is refused."""
        return self._access.play_open(lambda: self._take(key), operation="upload")

    def send(self, draft_id: str, user: str | None = None) -> Response:
        """Send a draft; 202 without a body."""

        def work(token: Token) -> Response:
            mailbox = self._access.sending_mailbox(user, token)
            _, draft = self._draft(user, token, draft_id)
            details = (("format", f"draft of {draft.form}"), ("attachments added", str(draft.attachments)))
            submit(self._mails, draft.message.as_bytes(), token=token, mailbox=mailbox, details=details)
            with self._lock:
                self._drafts.pop(draft_id, None)
            return Response(status=202)

        return self._access.play(work, operation="send")

    def delete(self, draft_id: str, user: str | None = None) -> Response:
        """Delete a draft."""

        def work(token: Token) -> Response:
            self._draft(user, token, draft_id)
            with self._lock:
                self._drafts.pop(draft_id, None)
            return Response(status=204)

        return self._access.play(work, operation="delete")

    def search(self, user: str | None = None) -> Response:
        """Find drafts and sent mail by Message-ID."""

        def work(token: Token) -> Response:
            mailbox = self._access.own_mailbox(user, token, READING)
            match = _FILTER.fullmatch(request.args.get("$filter", ""))
            if match is None:
                raise graph_refusal(400, "ErrorInvalidUrlQueryFilter", "The sandbox filters by internetMessageId only.")
            wanted = match[1].replace("''", "'")
            with self._lock:
                drafts = [
                    {"id": draft_id, "isDraft": True}
                    for draft_id, draft in self._drafts.items()
                    if draft.mailbox == mailbox.address and str(draft.message["Message-ID"]) == wanted
                ]
            sent = [
                {"id": f"AAMk{mail.id}=", "isDraft": False}
                for mail in self._mails.sent_as(wanted, via="graph", mailbox=mailbox.address)
                if dict(mail.submission.details).get("saveToSentItems") != "false"
            ]
            return _json(200, {"value": drafts + sent})

        return self._access.play(work, operation="list")

    def count(self) -> int:
        """Return how many drafts lie there."""
        with self._lock:
            return len(self._drafts)

    def _take(self, key: str) -> Response:
        if "Authorization" in request.headers or request.args.get("authtoken") != key:
            raise graph_refusal(401, "InvalidAuthenticationToken", "The upload URL alone is the authorization.")
        piece = request.get_data()
        match = _RANGE.fullmatch(request.headers.get("Content-Range", ""))
        with self._lock:
            session = self._sessions.get(key)
            if session is None:
                raise _gone()
            start, end, total = (int(part) for part in match.groups()) if match else (-1, -1, -1)
            if total != session.size or end - start + 1 != len(piece) or start != len(session.received):
                text = f"The next byte expected is {len(session.received)}."
                raise graph_refusal(416, "ErrorInvalidRange", text)
            if len(piece) > LARGEST_PIECE:
                raise graph_refusal(413, "RequestEntityTooLarge", "The piece is larger than 4 MB.")
            session.received += piece
            if len(session.received) < session.size:
                return _json(200, {"nextExpectedRanges": [str(len(session.received))]})
            del self._sessions[key]
            draft = self._drafts.get(session.draft_id)
        if draft is None:
            raise _gone()
        attach_bytes(draft.message, session.item, bytes(session.received))
        draft.attachments += 1
        response = Response(status=201)
        response.headers["Location"] = f"{self._url}{BASE}/AttachmentSessions/attachment-of-{session.draft_id}"
        return response

    def _draft(self, user: str | None, token: Token, draft_id: str) -> tuple[Mailbox, Draft]:
        mailbox = self._access.own_mailbox(user, token, WRITING | {"Mail.Send"})
        with self._lock:
            draft = self._drafts.get(draft_id)
        if draft is None or draft.mailbox != mailbox.address:
            raise _gone()
        return mailbox, draft

    def _check_size(self, token: Token) -> None:
        if len(request.get_data()) > self._access.directory.settings(token.grant.tenant).request_limit:
            raise graph_refusal(413, "RequestEntityTooLarge", "The request is larger than 4 MB.")


def _gone() -> MailRefusedError:
    return graph_refusal(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def _json(status: int, body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
