"""The inbox page and what it asks for."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, render_template, request, send_file

from sandbox.inbox.reading import MOST_TEXT, read_mail, with_inline_images

if TYPE_CHECKING:
    from sandbox.identity.store import TokenStore
    from sandbox.inbox.mailbearer import MailbearerAccounts
    from sandbox.mail_hosts.capture import CapturedMail, MailStore

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
MAIL_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""For the HTML of a mail, which nobody has checked: no script, no request, no form, an origin of its own."""
MOST_LISTED = 5_000
MOST_GRANTS = 50


class InboxViews:
    """Captured mail for the eye; nothing here changes anything."""

    def __init__(self, *, mails: MailStore, tokens: TokenStore, mailbearer: MailbearerAccounts) -> None:
        self._mails = mails
        self._tokens = tokens
        self._mailbearer = mailbearer

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint(
            "inbox", __name__, template_folder="templates", static_folder="assets", static_url_path="/assets/inbox"
        )
        routes.add_url_rule("/", view_func=self.page)
        routes.add_url_rule("/inbox/state", view_func=self.state)
        routes.add_url_rule("/inbox/mail/<int:mail_id>", view_func=self.mail)
        routes.add_url_rule("/inbox/mail/<int:mail_id>/html", view_func=self.html)
        routes.add_url_rule("/inbox/mail/<int:mail_id>/source", view_func=self.source)
        routes.add_url_rule("/inbox/mail/<int:mail_id>/attachments/<int:number>", view_func=self.attachment)
        return routes

    def page(self) -> Response:
        """Return the page; all it shows it fetches from `state`."""
        response = Response(render_template("inbox.html"), mimetype="text/html")
        response.headers["Content-Security-Policy"] = PAGE_POLICY
        return response

    def state(self) -> Response:
        """Return lists of mail, tokens and accounts, or 204 if `?seen=` names the present state."""
        limit = max(0, min(request.args.get("limit", 100, type=int), MOST_LISTED))
        grants = self._tokens.state()
        body: dict[str, Any] = {
            "counts": self._mails.counts(),
            "mails": [_summary(mail) for mail in self._mails.newest(limit)],
            "grants": [_without_countdown(grant) for grant in grants[:MOST_GRANTS]],
            "grant_count": len(grants),
            "mailbearer": self._mailbearer.state(),
        }
        text = json.dumps(body)
        version = hashlib.sha256(text.encode()).hexdigest()[:16]
        if request.args.get("seen") == version:
            return Response(status=204)
        return Response(json.dumps(body | {"version": version}), mimetype="application/json")

    def mail(self, mail_id: int) -> Response:
        """Return one mail taken apart."""
        mail = self._find(mail_id)
        reading = read_mail(mail.submission.source)
        source = mail.submission.source.decode("utf-8", "replace")
        body = mail.as_json() | {
            "all_headers": reading.headers,
            "text": None if reading.text is None else reading.text[:MOST_TEXT],
            "has_html": reading.html is not None,
            "attachments": [
                {name: value for name, value in asdict(item).items() if name != "payload"} | {"size": len(item.payload)}
                for item in reading.attachments
            ],
            "source": source[:MOST_TEXT],
            "cut": len(source) > MOST_TEXT,
            "problem": reading.problem,
        }
        return Response(json.dumps(body), mimetype="application/json")

    def html(self, mail_id: int) -> Response:
        """Return the mail's HTML for a sandboxed frame."""
        reading = read_mail(self._find(mail_id).submission.source)
        if reading.html is None:
            abort(404)
        response = Response(with_inline_images(reading.html, reading.attachments), mimetype="text/html")
        response.headers["Content-Security-Policy"] = MAIL_POLICY
        return response

    def source(self, mail_id: int) -> Response:
        """Return the message as it came, as a download."""
        return _download(self._find(mail_id).submission.source, f"mail-{mail_id}.eml")

    def attachment(self, mail_id: int, number: int) -> Response:
        """Return one attachment as a download, never as something to show."""
        attachments = read_mail(self._find(mail_id).submission.source).attachments
        if number >= len(attachments):
            abort(404)
        return _download(attachments[number].payload, attachments[number].filename)

    def _find(self, mail_id: int) -> CapturedMail:
        mail = self._mails.get(mail_id)
        if mail is None:
            abort(404)
        return mail


def _summary(mail: CapturedMail) -> dict[str, Any]:
    sent = mail.submission
    return {
        "id": mail.id,
        "received_at": mail.received_at,
        "via": sent.via,
        "from": mail.headers.get("from") or sent.mail_from,
        "to": list(sent.rcpt_to[:5]),
        "more": max(0, len(sent.rcpt_to) - 5),
        "subject": mail.headers.get("subject", ""),
        "size": len(sent.source),
    }


def _without_countdown(grant: dict[str, Any]) -> dict[str, Any]:
    """Leave out what changes by the second; the page counts down from the moments of expiry by itself."""
    return {name: value for name, value in grant.items() if not name.endswith("_expires_in")}


def _download(content: bytes, filename: str) -> Response:
    response = send_file(
        io.BytesIO(content), mimetype="application/octet-stream", as_attachment=True, download_name=_plain(filename)
    )
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def _plain(filename: str) -> str:
    """Return the name without path separators, control characters or overlong tails."""
    kept = "".join(char for char in filename if char.isprintable() and char not in '/\\:"')
    return kept.strip(". ")[-120:] or "attachment"
