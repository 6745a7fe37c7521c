"""Where a fake's list goes on, as a word that means nothing to its reader."""

from __future__ import annotations

import base64
import json

from mailbearer.errors import Fault, InvalidInput


def write_cursor(*parts: str) -> str:
    """Write a cursor."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def read_cursor(cursor: str, length: int) -> list[str]:
    """Read a cursor of so many parts. Raises `InvalidInput` for what was not written here."""
    try:
        parts = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except ValueError as error:
        raise bad_cursor() from error
    if not isinstance(parts, list) or len(parts) != length or not all(isinstance(part, str) for part in parts):
        raise bad_cursor()
    return parts


def bad_cursor() -> InvalidInput:
    """Make the error for a cursor that is not ours, or belongs to another list."""
    return InvalidInput((Fault("/cursor", "invalid_cursor", "Use next_cursor of the same list as it was given."),))
