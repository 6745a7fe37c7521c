"""Single values of the wire form: lines, texts, base64, choices, times."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailbearer.addresses import escape_pointer, unsafe_in_header
from mailbearer.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MAX_LINE = 2000
"""The most characters of a header field's value."""

MAX_WORD = 900
"""The longest run without blanks: it cannot be folded, and a line has at most 998 octets (RFC 5322 section 2.1.1)."""

BODY_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")
"""What may not stand even in a text."""

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")


def check_fields(body: Mapping[str, object], known: Collection[str], where: str, faults: list[Fault]) -> None:
    """Add a fault for every field that is not known: a misspelled one is never ignored."""
    faults.extend(
        Fault(f"{where}/{escape_pointer(name)}", "unknown_field", "There is no such field; take it out.")
        for name in body
        if name not in known
    )


def read_line(value: object, pointer: str, faults: list[Fault], *, limit: int = MAX_LINE) -> str:
    """Read what has to fit into one header field."""
    name = pointer.rpartition("/")[2]
    if value is None:
        return ""
    if not isinstance(value, str):
        faults.append(Fault(pointer, "not_a_string", f"{name} has to be a string."))
    elif unsafe_in_header(value):
        faults.append(
            Fault(pointer, "unsafe_character", f"Line breaks and control characters may not stand in {name}.")
        )
    elif len(value) > limit or longest_word(value) > MAX_WORD:
        detail = f"{name} has at most {limit} characters, {MAX_WORD} without a blank."
        faults.append(Fault(pointer, "too_long", detail))
    else:
        return value
    return ""


def read_text(value: object, pointer: str, faults: list[Fault]) -> str | None:
    """Read a text of any length."""
    name = pointer.rpartition("/")[2]
    if value is None:
        return None
    if not isinstance(value, str):
        faults.append(Fault(pointer, "not_a_string", f"{name} has to be a string."))
        return None
    if BODY_FORBIDDEN.search(value):
        faults.append(Fault(pointer, "unsafe_character", f"NUL and lone surrogates may not stand in {name}."))
        return None
    return value


def read_base64(value: object, pointer: str, faults: list[Fault]) -> tuple[str, int] | None:
    """Read base64 (RFC 4648 section 4) into its canonical form and the number of bytes it stands for."""
    if not isinstance(value, str):
        faults.append(Fault(pointer, "not_a_string", "This has to be a string of base64."))
        return None
    try:
        compact = value.encode("ascii").translate(None, b"\r\n\t ")
        decoded = binascii.a2b_base64(compact, strict_mode=True)
    except (UnicodeEncodeError, binascii.Error):
        faults.append(Fault(pointer, "invalid_base64", "This is not base64 (RFC 4648 section 4, with padding)."))
        return None
    return base64.b64encode(decoded).decode(), len(decoded)


def read_choice(value: object, choices: tuple[str, ...], pointer: str, faults: list[Fault]) -> str:
    """Read one word of several; the first stands for a value that was left out."""
    if value is None:
        return choices[0]
    if value not in choices:
        name = pointer.rpartition("/")[2]
        faults.append(Fault(pointer, "invalid_choice", f"{name} is one of: {', '.join(choices)}."))
        return choices[0]
    return str(value)


def read_moment(value: object, pointer: str, faults: list[Fault]) -> float:
    """Read a time (RFC 3339, with its zone) as epoch seconds; 0, with a fault, if it is none."""
    text = value.upper() if isinstance(value, str) else ""
    try:
        if _MOMENT.fullmatch(text):
            # 0 stands for no time; one second makes no difference in 1970.
            return datetime.fromisoformat(text).astimezone(UTC).timestamp() or 1.0
    except (OverflowError, ValueError):
        pass  # a 30th of February, or a time that is in no year in UTC: told below, like every other that is no time
    name = pointer.rpartition("/")[2]
    faults.append(Fault(pointer, "invalid_time", f"{name} is an RFC 3339 time with its zone: 2026-11-22T09:30:00Z."))
    return 0


def longest_word(text: str) -> int:
    """Give the length of the longest run without blanks; text beyond ASCII is encoded, and can be folded anywhere."""
    return max((len(word) for word in text.split(" ")), default=0) if text.isascii() else 0
