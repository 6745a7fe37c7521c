"""Reading the machine-readable part of an error body, in every shape that providers give it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Microsoft leaves error_codes out at times; the number then stands at a fixed place before the prose, or in the link.
_AADSTS = re.compile(r"\s*AADSTS(\d{5,8})\b", re.IGNORECASE)
_ERROR_URI = re.compile(r"[?&]code=(\d{5,8})\b")
_WORD = re.compile(r"[a-z_]{1,64}")
_NAME = re.compile(r"[\w .:#/-]{1,64}", re.ASCII)
_SUBTYPE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LINK = re.compile(r"https://console\.(?:developers|cloud)\.google\.com/[\w./?=&%:-]{1,200}")
_RETRY_AFTER = re.compile(r"Retry after\s+(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)", re.IGNORECASE)
# A long run with digits in it: no code known looks so, and tokens do.
_TOKEN_LIKE = re.compile(r"(?=[^ ]*\d[^ ]*\d[^ ]*\d)[^ ]{20,}")
_MOST = 16
_STATUSES = range(100, 600)
_LONGEST_NUMBER = 10**8


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a body says: `names` are the provider's codes as it wrote them, the steadiest first.

    `link` is Google's own page for mending it, `retry_at` (RFC 3339) the time from which it may work again.
    """

    names: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    subtype: str = ""
    description: str = field(default="", repr=False)
    link: str = ""
    retry_at: str = ""
    status: int = 0
    structured: bool = False

    @property
    def word(self) -> str:
        """Give the first code in lower case, or nothing."""
        return self.names[0].strip().lower() if self.names else ""

    @property
    def raw(self) -> str:
        """Give the provider's own codes, joined."""
        parts = (*self.names, *(str(number) for number in self.numbers), self.subtype)
        return "/".join(dict.fromkeys(part for part in parts if part))


def read_refusal(body: Mapping[str, Any]) -> Refusal:
    """Read a JSON object: OAuth's, Google's, Microsoft's, Zoho's, Okta's, a PHP league server's, a problem document."""
    error = body.get("error")
    if isinstance(error, dict):
        return _structured(error)
    if isinstance(body.get("data"), dict) and isinstance(body["data"].get("errorCode"), str):
        return _zoho(body)
    return _oauth(body)


def _oauth(body: Mapping[str, Any]) -> Refusal:
    description = _text(body, "error_description")
    word = _text(body, "error") or _text(body, "errorCode") or _text(body, "code")
    if not word and _WORD.fullmatch(description):
        # Google's internal_failure has been seen here alone.
        word = description
    described = description or " ".join(
        filter(None, (_text(body, name) for name in ("message", "hint", "errorSummary", "title", "detail")))
    )
    subtype = _text(body, "error_subtype") or _text(body, "suberror") or _text(body, "error_subcode")
    return Refusal(
        names=tuple(_names((word,))),
        numbers=_numbers(body.get("error_codes")) or _named(described, _text(body, "error_uri")),
        subtype=subtype if _SUBTYPE.fullmatch(subtype) and not _TOKEN_LIKE.search(subtype) else "",
        description=described,
        retry_at=_moment(described),
        status=_status(body.get("status")),
    )


def _structured(error: Mapping[str, Any]) -> Refusal:
    """Read Google's and Microsoft's error object; reasons in `details` are the steadiest, then those in `errors`."""
    items = [item for name in ("details", "errors") for item in _objects(error.get(name))]
    inner = [each for name in ("innerError", "innererror") for each in _inner(error.get(name))]
    candidates = (
        *(_text(item, "reason") for item in items),
        _text(error, "code"),
        _text(error, "errorId"),
        *(_text(each, "code") for each in inner),
        _text(error, "status"),
    )
    message = (
        _text(error, "message")
        or _text(error, "localizedMessage")
        or next(filter(None, (_text(item, "message") for item in items)), "")
    )
    links = [str(link.get("url", "")) for item in items for link in _objects(item.get("links"))]
    links += [_text(item, "extendedHelp") for item in items] + [message]
    pages = [match[0].rstrip(".") for link in links if (match := _LINK.search(link))]
    return Refusal(
        names=tuple(_names(candidates)),
        description=message,
        link=max(pages, key=len, default=""),
        retry_at=_moment(message),
        status=_status(error.get("code")),
        structured=True,
    )


def _zoho(body: Mapping[str, Any]) -> Refusal:
    status = body.get("status")
    said = status if isinstance(status, dict) else {}
    return Refusal(
        names=tuple(_names((body["data"]["errorCode"],))),
        description=_text(said, "description"),
        status=_status(said.get("code")),
        structured=True,
    )


def _names(candidates: tuple[str, ...]) -> Iterator[str]:
    """Give what looks like a code: a body can hold anything in that place, a token too."""
    # One that is too long is left out as a whole: cut off, a token in it could not be recognised any more.
    for name in dict.fromkeys(name.strip() for name in candidates):
        if _NAME.fullmatch(name) and not _TOKEN_LIKE.search(name):
            yield name


def _inner(value: object, depth: int = 4) -> Iterator[Mapping[str, Any]]:
    while isinstance(value, dict) and depth:
        yield value
        value, depth = value.get("innerError") or value.get("innererror"), depth - 1


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value[:_MOST] if isinstance(item, dict)] if isinstance(value, list) else []


def _numbers(value: object) -> tuple[int, ...]:
    listed = value[:_MOST] if isinstance(value, list) else ()
    numbers = (int(item) if isinstance(item, str) and re.fullmatch("[0-9]{1,8}", item) else item for item in listed)
    return tuple(item for item in numbers if isinstance(item, int) and 0 < item < _LONGEST_NUMBER and item is not True)


def _named(description: str, error_uri: str) -> tuple[int, ...]:
    found = _AADSTS.match(description) or _ERROR_URI.search(error_uri)
    return (int(found[1]),) if found else ()


def _moment(text: str) -> str:
    found = _RETRY_AFTER.search(text)
    return found[1] if found else ""


def _status(value: object) -> int:
    return value if isinstance(value, int) and value in _STATUSES else 0


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
