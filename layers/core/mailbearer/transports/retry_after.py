"""When a provider wants to be asked again, in all the forms in which providers say it."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

LONGEST = 86_400.0
"""Seconds to which a pause is clamped: the widest quota is a day's, and what asks for more is a mistake."""

# Gmail has no header for it: the moment stands in the text, and only there (providers move it with every call).
_IN_TEXT = re.compile(r"retry after (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))", re.IGNORECASE)


def asked_pause(header: str, body: str, now: float) -> float | None:
    """Give the seconds to wait, by Retry-After (RFC 9110 section 10.2.3) or by the body; None if neither says any."""
    pauses = [pause for pause in (_by_header(header.strip(), now), _by_text(body, now)) if pause is not None]
    return min(max(*pauses, 0.0), LONGEST) if pauses else None


def _by_header(value: str, now: float) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - takes 20 ms to import, and few answers need it

    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        seconds = _seconds_until(moment, now)
    return seconds if math.isfinite(seconds) else None


def _by_text(body: str, now: float) -> float | None:
    found = _IN_TEXT.search(body)
    if found is None:
        return None
    try:
        return _seconds_until(datetime.fromisoformat(found[1]), now)
    except (ValueError, OverflowError):
        return None


def _seconds_until(moment: datetime, now: float) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
