"""Evidence taken apart: everything in it that a machine can read, whatever surface it came from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.diagnosis import guessing
from mailbearer.diagnosis.body import Body, from_query, from_text, is_page_error, read_body
from mailbearer.diagnosis.refusal import Refusal, read_refusal
from mailbearer.diagnosis.smtp_reply import SmtpReply, looks_like_smtp, read_replies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.diagnosis.evidence import Evidence

_PARAMETER = re.compile(r"([A-Za-z_]{1,32})\s*=\s*(?:\"((?:[^\"\\]|\\.){0,2000})\"|([^\s,\"]{1,200}))")
_WORD = re.compile(r"[A-Za-z_]{1,64}")
_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was read; `status` is the HTTP status or 0, `challenge` the error word of WWW-Authenticate (RFC 6750)."""

    provider: str
    surface: str
    status: int
    body: Body = field(repr=False)
    refusal: Refusal
    reply: SmtpReply | None
    stage: str = ""
    challenge: str = ""
    retry_after: float | None = None
    retry_at: str = ""


def look_at(evidence: Evidence) -> Seen:
    """Take evidence apart and guess what it does not say."""
    headers = {name.strip().lower(): str(value) for name, value in evidence.headers.items()}
    body = read_body(evidence.body)
    refusal = _refusal(body)
    status = evidence.http_status or refusal.status
    named = guessing.surface_named(evidence.surface)
    surface = named or _surface(evidence, body, refusal, status=status, headers=headers)
    retry_after, retry_at = _retry_after(headers)
    return Seen(
        provider=guessing.provider_of(evidence, surface),
        surface=surface,
        status=status,
        body=body,
        refusal=refusal,
        reply=read_replies(evidence.smtp or evidence.body) if surface == guessing.SMTP else None,
        stage=evidence.stage,
        challenge=_challenge(headers),
        retry_after=retry_after,
        retry_at=retry_at or refusal.retry_at,
    )


def _is_reply(evidence: Evidence, body: Body) -> bool:
    return body.json is None and not body.query and not body.markup and looks_like_smtp(evidence.body)


def _refusal(body: Body) -> Refusal:
    if body.json is not None:
        return read_refusal(body.json)
    if body.query:
        return from_query(body.query)
    return from_text(body.text)


def _surface(evidence: Evidence, body: Body, refusal: Refusal, *, status: int, headers: Mapping[str, str]) -> str:
    if evidence.smtp.strip() or _is_reply(evidence, body):
        return guessing.SMTP
    if body.query:
        return guessing.CALLBACK
    if body.json is not None:
        return _surface_of_json(body.json, refusal)
    return _surface_of_page(body, refusal) or _surface_of_headers(headers, status)


def _surface_of_page(body: Body, refusal: Refusal) -> str:
    if is_page_error(body.text) or "admin approval" in body.text.lower() or (refusal.numbers and body.markup):
        return guessing.CALLBACK
    if refusal.names or refusal.numbers:
        return guessing.INTROSPECTION if refusal.word == "invalid_token" else guessing.TOKEN
    return ""


def _surface_of_headers(headers: Mapping[str, str], status: int) -> str:
    if "request-id" in headers or "client-request-id" in headers or "graph" in headers.get("www-authenticate", ""):
        return guessing.GRAPH
    # Of a bare failure nobody can say whether a mail had been handed over; to think so is the safe side.
    return guessing.GMAIL if status or "www-authenticate" in headers else ""


def _surface_of_json(json: Mapping[str, object], refusal: Refusal) -> str:
    if isinstance(json.get("active"), bool):
        return guessing.INTROSPECTION
    if refusal.structured:
        error = json.get("error")
        code = error.get("code") if isinstance(error, dict) else ""
        if {"iam_permission_denied", "invalid_refresh_token"} & {name.lower() for name in refusal.names}:
            # Yahoo's token endpoint, and Google's API that signs for a service account.
            return guessing.TOKEN
        return guessing.GRAPH if isinstance(code, str) and code and not code.isdigit() else guessing.GMAIL
    return guessing.INTROSPECTION if refusal.word == "invalid_token" else guessing.TOKEN


def _challenge(headers: Mapping[str, str]) -> str:
    """Read the error of WWW-Authenticate; Microsoft's comes with claims, and then says more than the body."""
    parameters = {
        found[1].lower(): found[2] or found[3]
        for found in _PARAMETER.finditer(headers.get("www-authenticate", "")[:8192])
    }
    error = parameters.get("error", "")
    if parameters.get("claims") and not error:
        return "insufficient_claims"
    return error.lower() if _WORD.fullmatch(error) else ""


def _retry_after(headers: Mapping[str, str]) -> tuple[float | None, str]:
    """Read Retry-After (RFC 9110 section 10.2.3): seconds, at most a day, or a date as RFC 3339."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), _DAY), ""
    if not value:
        return None, ""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few answers carry a date, and it is slow to import

    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None, ""
    return None, moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
