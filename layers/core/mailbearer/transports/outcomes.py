"""How an outcome is put into words, the same for every transport."""

from __future__ import annotations

import re

from mailbearer.message import Outcome, Remedy, Verdict

_TEXT_LIMIT = 200
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f]+")
_VISIBLE = re.compile(r"[!-~]+")


def refused(code: str, detail: str, remedy: Remedy, retry_after: float | None = None) -> Outcome:
    """Say that the provider has certainly not taken the message."""
    return Outcome(verdict=Verdict.NOT_ACCEPTED, code=code, detail=detail, remedy=remedy, retry_after=retry_after)


def unknown(code: str, detail: str) -> Outcome:
    """Say that nobody can tell whether the provider took the message."""
    return Outcome(verdict=Verdict.UNKNOWN, code=code, detail=detail)


def words(provider_code: str, text: str, *, secret: str) -> str:
    """Join a provider's code and 200 characters of its text on one line, without `secret` should they quote it."""
    if secret:
        text = text.replace(secret, "[token]")
    text = _BLANKS.sub(" ", text).strip()[:_TEXT_LIMIT]
    return f"{provider_code}: {text}" if provider_code and text else provider_code or text


def is_writable(token: str) -> bool:
    """Tell whether a token has the form of RFC 6749 appendix A.12, so that it cannot break out of its line."""
    return _VISIBLE.fullmatch(token) is not None


MALFORMED_TOKEN = refused(
    "token_malformed", "The access token holds characters that RFC 6749 does not allow.", Remedy.REFRESH
)
