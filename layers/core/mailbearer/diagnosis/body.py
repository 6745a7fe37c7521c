"""Reading a body of any kind: JSON, the query of a callback, a page, or text that holds one of them."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mailbearer.diagnosis.refusal import Refusal, read_refusal

_LONGEST = 1_048_576
_MOST_PLACES = 40
_LONGEST_LITERAL = 20_000
_MOST_PARAMETERS = 100
_KNOWN = frozenset({"error", "errors", "active", "error_description", "errorCode", "data", "reason", "message", "code"})
_URL = re.compile(r"https?://[^\s\"'<>]+")
_PARAMETER = re.compile(r"(?:^|[?&#])(?:error|admin_consent|code|state|error_description)=", re.MULTILINE)
_PAGE_ERROR = re.compile(r"\bError (\d{3}):\s*([a-z_]{3,40})\b", re.IGNORECASE)
_AADSTS = re.compile(r"(?:AADSTS|\bError Code:\s{0,4})(\d{5,8})\b", re.IGNORECASE)
_SAID = re.compile(r"(?<![\w.-])([a-z]{3,20}(?:_[a-z]{2,20}){1,4})(?:[:'\"),]|\s|$)\s*([^\r\n]{0,300})")
_OBJECT = re.compile(r"[{\[](?=\s{0,200}[\"'{])")
_HTML = re.compile(r"\s*<(?:!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a body is: a `json` object, a `query` (names in lower case), markup, or text."""

    json: dict[str, Any] | None = field(default=None, repr=False)
    query: dict[str, str] = field(default_factory=dict, repr=False)
    markup: bool = False
    text: str = field(default="", repr=False)


def read_body(text: str) -> Body:
    """Take a body apart; never raises."""
    text = text[:_LONGEST]
    value = _json(text)
    if value is not None:
        return Body(json=value, text=text)
    if _HTML.match(text):
        return Body(markup=True, text=text)
    value = _inside(text)
    if (value is None or "error" not in value) and _PARAMETER.search(text[:4096]) and (query := _query(text)):
        return Body(query=query, text=text)
    if value is not None:
        return Body(json=value, text=text)
    return Body(text=text)


def from_query(query: dict[str, str]) -> Refusal:
    """Read a callback's parameters."""
    names = ("error", "error_description", "error_uri", "error_subcode")
    return read_refusal({name: query[name] for name in names if name in query})


def from_text(text: str) -> Refusal:
    """Read a page or an exception's text: the provider's number or word wherever it stands."""
    number = _AADSTS.search(text)
    page = _PAGE_ERROR.search(text)
    if page:
        name, description, status = page[2].lower(), text[page.end() :].strip(), int(page[1])
    else:
        name, description, status = "", text.strip(), 0
        if said := _word(text):
            name, description = said
    return Refusal(
        names=(name,) if name else (),
        numbers=(int(number[1]),) if number else (),
        description=description[:2000],
        status=status,
    )


def is_page_error(text: str) -> bool:
    """Tell whether a text is Google's error page."""
    return _PAGE_ERROR.search(text) is not None


def _word(text: str) -> tuple[str, str] | None:
    from mailbearer.diagnosis.callback_codes import WORDS as ON_PAGES  # noqa: PLC0415 - only for text that is nothing else
    from mailbearer.diagnosis.token_codes import SUBTYPES, WORDS  # noqa: PLC0415 - the same

    for found in _SAID.finditer(text[:_LONGEST_LITERAL]):
        if found[1] in WORDS or found[1] in ON_PAGES or found[1] in SUBTYPES:
            return found[1], found[2]
    return None


def _json(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, list) and value and isinstance(value[0], dict):
        # Google's batch form: the answer in an array.
        value = value[0]
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        return _json(value)
    return value if isinstance(value, dict) else None


def _inside(text: str) -> dict[str, Any] | None:
    """Find an object in a log line or an exception's text, as JSON or as Python writes it."""
    decoder = json.JSONDecoder()
    best: dict[str, Any] | None = None
    for place in _places(text):
        value: Any = None
        try:
            value, _ = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            value = _literal(text, place)
        if isinstance(value, list):
            # The Google client quotes error.errors or error.details alone.
            value = {"error": {"details": value}} if value and isinstance(value[0], dict) else None
        if not isinstance(value, dict) or not _KNOWN & value.keys():
            continue
        if "error" in value:
            return value
        best = best or value
    return best


def _places(text: str) -> list[int]:
    return [found.start() for found in islice(_OBJECT.finditer(text), _MOST_PLACES)]


def _literal(text: str, place: int) -> Any:
    """Read an object as Python prints it, up to the bracket that closes it."""
    opening = text[place]
    closing = {"{": "}", "[": "]"}[opening]
    depth = 0
    for at in range(place, min(len(text), place + _LONGEST_LITERAL)):
        depth += (text[at] == opening) - (text[at] == closing)
        if not depth:
            try:
                return ast.literal_eval(text[place : at + 1])
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                return None
    return None


def _query(text: str) -> dict[str, str]:
    line = next((found[0] for found in _URL.finditer(text) if _PARAMETER.search(found[0])), text.strip())
    try:
        parts = urlsplit(line)
        source = "&".join(filter(None, (parts.query, parts.fragment))) if parts.scheme or parts.query else line
        pairs = parse_qsl(source.lstrip("?#/").rstrip("#"), max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        return {}
    return {name.strip().lower(): value for name, value in pairs}
