"""How an outcome is put into words, the same for every transport; what helps against it stands in the diagnosis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailbearer.message import Outcome, Remedy, Verdict

if TYPE_CHECKING:
    from mailbearer.diagnosis import Diagnosis, Evidence

_TEXT_LIMIT = 200
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f]+")
_VISIBLE = re.compile(r"[!-~]+")


def refused(code: str, detail: str, retry_after: float | None = None) -> Outcome:
    """Say that the provider has certainly not taken the message; `code` is a row of the diagnosis."""
    from mailbearer.diagnosis import by_code  # noqa: PLC0415 - an accepted message needs none of it

    return Outcome(
        verdict=Verdict.NOT_ACCEPTED,
        code=code,
        detail=detail,
        remedy=remedy_of(by_code(code)),
        retry_after=retry_after,
    )


def unknown(code: str, detail: str) -> Outcome:
    """Say that nobody can tell whether the provider took the message; `code` is a row of the diagnosis."""
    return Outcome(verdict=Verdict.UNKNOWN, code=code, detail=detail)


def remedy_of(row: Diagnosis) -> Remedy:
    """Say what to do with a message that was refused for this reason (semantics.md, Sending, 5)."""
    from mailbearer.diagnosis import Answer  # noqa: PLC0415 - as above

    match row.answer:
        case Answer.MESSAGE:
            return Remedy.NONE
        # A dead grant is found out where it is refreshed, and nowhere else.
        case Answer.TOKEN | Answer.GRANT:
            return Remedy.REFRESH
        case Answer.LIMIT:
            return Remedy.HOLD
        case _:
            return Remedy.RETRY if row.retry else Remedy.HOLD


def explained(evidence: Evidence, *, secret: str) -> tuple[str, str]:
    """Give the code of a provider's answer, as `mailbearer explain` gives it, and the provider's code and words."""
    from mailbearer.diagnosis import explain  # noqa: PLC0415 - as above

    found = explain(evidence)
    return found.code, words(found.raw, found.said, secret=secret)


def words(provider_code: str, text: str, *, secret: str) -> str:
    """Join a provider's code and 200 characters of its text on one line, without `secret` should they quote it."""
    if secret:
        text = text.replace(secret, "[token]")
    text = _BLANKS.sub(" ", text).strip()[:_TEXT_LIMIT]
    return f"{provider_code}: {text}" if provider_code and text else provider_code or text


def is_writable(token: str) -> bool:
    """Tell whether a token has the form of RFC 6749 appendix A.12, so that it cannot break out of its line."""
    return _VISIBLE.fullmatch(token) is not None


def malformed_token() -> Outcome:
    """Say that a token was not used for what is in it."""
    return refused("token_malformed", "The access token holds characters that RFC 6749 does not allow.")
