"""How Gmail and Graph word a refusal."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Response

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class MailRefusedError(Exception):
    """A mail API's refusal: status, body and headers."""

    status: int
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Return it as an HTTP response."""
        return Response(json.dumps(self.body), self.status, headers=dict(self.headers), mimetype="application/json")


def gmail_error(code: int, message: str, reason: str, status: str, **more: Any) -> dict[str, Any]:
    """Return an error object of the Gmail API; `more` goes beside the message."""
    return {
        "error": {
            "code": code,
            "message": message,
            "errors": [{"message": message, "domain": "global", "reason": reason}],
            "status": status,
            **more,
        }
    }


def graph_error(code: str, message: str) -> dict[str, Any]:
    """Return an error object of Microsoft Graph."""
    return {"error": {"code": code, "message": message}}


def gmail_refusal(code: int, message: str, reason: str, status: str, **more: Any) -> MailRefusedError:
    """Return a refusal of the Gmail API."""
    headers = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/", error="invalid_token"'}
    return MailRefusedError(
        code,
        gmail_error(code, message, reason, status, **more),
        headers if code == HTTPStatus.UNAUTHORIZED else {},
    )


def graph_refusal(status: int, code: str, message: str) -> MailRefusedError:
    """Return a refusal of Microsoft Graph."""
    return MailRefusedError(status, graph_error(code, message))


def unavailable(endpoint: str) -> dict[str, Any]:
    """Return the body of a 503 as this endpoint's provider words it."""
    if endpoint == "gmail":
        return gmail_error(503, "The service is currently unavailable.", "backendError", "UNAVAILABLE")
    if endpoint in {"graph", "applications"}:
        return graph_error("ErrorServerBusy", "The server cannot service this request right now. Try again later.")
    return {"error": "temporarily_unavailable"}


def throttled(endpoint: str) -> dict[str, Any]:
    """Return the body of a 429 as this endpoint's provider words it."""
    if endpoint == "gmail":
        message = "Resource has been exhausted (e.g. check quota)."
        return gmail_error(429, message, "rateLimitExceeded", "RESOURCE_EXHAUSTED")
    if endpoint in {"graph", "applications"}:
        return graph_error("ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
    return {"error": "temporarily_unavailable", "error_description": "Too many requests"}
