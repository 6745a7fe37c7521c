"""Identifiers: ULIDs in Crockford's alphabet behind a prefix, random or derived."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26


def new_id(prefix: str, now: float, random_bytes: Callable[[int], bytes]) -> str:
    """Mint a ULID: 48 bits of milliseconds, 80 random bits."""
    number = int(now * 1000) << 80 | int.from_bytes(random_bytes(10), "big")
    return prefix + _encode(number)


def derived_id(prefix: str, *parts: str) -> str:
    """Derive the same id from the same parts; no two lists of parts run into each other."""
    digest = hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode(errors="surrogatepass")).digest()
    return prefix + _encode(int.from_bytes(digest[:16], "big"))


def is_id(prefix: str, text: str) -> bool:
    """Tell whether `text` has the form of an id with this prefix."""
    body = text.removeprefix(prefix)
    return body != text and len(body) == _LENGTH and all(char in _ALPHABET for char in body)


def rfc3339(moment: float) -> str:
    """Write epoch seconds as RFC 3339 UTC with milliseconds."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encode(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))
