"""Making evidence of what somebody pastes: an HTTP answer, a capture of curl, an exception, a dialogue, an address."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from mailbearer.diagnosis.cleaning import secrets_in
from mailbearer.diagnosis.evidence import Evidence
from mailbearer.diagnosis.guessing import SMTP

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATUS_LINE = re.compile(r"^[< \t]*HTTP/\d(?:\.\d)?\s+(\d{3})\b[^\n]*\n?", re.MULTILINE)
_HEADER = re.compile(r"([A-Za-z0-9-]{1,64}):\s?(.*)")
# How libraries put the status into an exception's text.
_STATUS = re.compile(
    r"\b(?:HttpError|HTTP Error|HTTP|status(?:[ _]?code)?)[\"']?\s*[:=]?\s*([2-5]\d\d)\b|\b([45]\d\d) "
    "(?:Client|Server) Error\b",
    re.IGNORECASE,
)
_NAMES = ("provider", "surface", "http_status", "headers", "body", "smtp")
_LOOKED_AT = 4096


class NotEvidence(ValueError):
    """A line of input does not have the form of evidence; the text says what is wrong with it."""


def from_paste(text: str, *, provider: str = "", surface: str = "") -> Evidence:
    """Make evidence of a text as somebody copied it."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\0", "")
    if surface == SMTP:
        return Evidence(provider=provider, surface=surface, smtp=text)
    answers = list(_STATUS_LINE.finditer(text))
    if not answers:
        status = _STATUS.search(text[:_LOOKED_AT])
        number = int(status[1] or status[2]) if status else 0
        return Evidence(provider=provider, surface=surface, http_status=number, body=text)
    # Of several answers the last is the one that counts; what stands before it, the request too, is left out.
    headers, body = _parts(text[answers[-1].end() :])
    return Evidence(
        provider=provider,
        surface=surface,
        http_status=int(answers[-1][1]),
        headers=headers,
        body=body.strip(),
        # The request before the answer held them, and the answer may quote it.
        secrets=secrets_in(text),
    )


def _parts(text: str) -> tuple[dict[str, str], str]:
    headers: dict[str, str] = {}
    lines = text.split("\n")
    at = 0
    for at, line in enumerate(lines):  # noqa: B007 - where the body begins is needed afterwards
        bare = line.strip() if line.startswith((" ", "\t")) else line.removeprefix("<").strip()
        found = _HEADER.fullmatch(bare)
        if not found:
            break
        headers[found[1].lower()] = found[2]
    # curl marks what it says itself and what it sent.
    rest = [line for line in lines[at:] if not line.startswith(("* ", "> ", "} [", "{ [")) and line.strip() != "<"]
    return headers, "\n".join(rest)


def from_line(line: str, *, provider: str = "", surface: str = "") -> Evidence:
    """Make evidence of one JSON object; `provider` and `surface` are for one that names none. Raises `NotEvidence`."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise NotEvidence("This line is not JSON.") from error
    if not isinstance(value, dict):
        raise NotEvidence("This line is not a JSON object.")
    if not any(value.get(name) for name in _NAMES[2:]):
        raise NotEvidence("This line holds none of http_status, headers, body and smtp.")
    return Evidence(
        provider=_string(value, "provider") or provider,
        surface=_string(value, "surface") or surface,
        http_status=_status(value.get("http_status")),
        headers=_headers(value.get("headers")),
        body=_body(value.get("body")),
        smtp=_lines(value.get("smtp")),
    )


def _string(value: Mapping[str, Any], name: str) -> str:
    given = value.get(name)
    if given is not None and not isinstance(given, str):
        raise NotEvidence(f"{name} has to be a string.")
    return given or ""


def _status(given: Any) -> int:
    if given in (None, ""):
        return 0
    number = int(given) if isinstance(given, str) and re.fullmatch("[0-9]{3}", given) else given
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= 999:  # noqa: PLR2004 - three digits
        raise NotEvidence("http_status has to be a number of three digits.")
    return number


def _headers(given: Any) -> dict[str, str]:
    pairs = given if isinstance(given, list) else list(given.items()) if isinstance(given, dict) else []
    if given and (not pairs or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs)):  # noqa: PLR2004 - name and value
        raise NotEvidence("headers has to be an object of names and values.")
    return {str(name): ", ".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in pairs}


def _body(given: Any) -> str:
    return given if isinstance(given, str) else "" if given is None else json.dumps(given)


def _lines(given: Any) -> str:
    if isinstance(given, list):
        return "\r\n".join(map(str, given))
    if given is not None and not isinstance(given, str):
        raise NotEvidence("smtp has to be a string.")
    return given or ""
