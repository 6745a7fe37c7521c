"""What became of one copy from the queue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MAX_ATTEMPTS = 20
"""Provider calls for one message before it fails; with full-jitter backoff they spread over about a day."""


class Verb(StrEnum):
    """What became of one queue copy."""

    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DEFERRED = "deferred"
    HELD = "held"
    DONE_BEFORE = "done_before"
    PUT_BACK = "put_back"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a copy, and the code that says why."""

    verb: Verb
    code: str = ""
