"""What the pages for people have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, render_template

from sandbox.identity.tenants import GRAPH

if TYPE_CHECKING:
    from collections.abc import Iterable

MEANING = {
    "openid": "know who you are",
    "email": "see your e-mail address",
    "profile": "see your name",
    "offline_access": "keep this access when you are away",
    "User.Read": "read your profile",
    "Mail.Send": "send mail as you",
    "smtp": "send mail as you (SMTP)",
    "https://outlook.office.com/SMTP.Send": "send mail as you (SMTP)",
    "https://www.googleapis.com/auth/gmail.send": "send mail as you, and nothing else",
    "https://mail.google.com/": "read, write, send and delete all your mail",
}


def with_meaning(scopes: Iterable[str]) -> list[tuple[str, str]]:
    """Return each scope with what it means to a person, empty where that is not known."""
    return [(name, MEANING.get(name.removeprefix(GRAPH), "")) for name in scopes]


def page(html: str, status: int = 200) -> Response:
    """Return a page that runs no script and that no other page may frame."""
    response = Response(html, status, mimetype="text/html")
    # No form-action: a browser would hold the redirect back to the client against it.
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def refused_page(error: str) -> Response:
    """Return the page that says what cannot be done."""
    return page(render_template("refused.html", error=error), 400)
