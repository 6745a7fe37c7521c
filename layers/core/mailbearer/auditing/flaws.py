"""What can be wrong with an audit log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Ways in which a log, its digests or an export of both are not as they were written."""

    CHANGED = "changed"
    REMOVED = "removed"
    REORDERED = "reordered"
    FORKED = "forked"
    CUT = "cut"
    ADDED = "added"
    UNREADABLE = "unreadable"
    DIGEST_MISSING = "digest_missing"
    DIGEST_CHANGED = "digest_changed"
    EXPORT_CHANGED = "export_changed"

    @property
    def meaning(self) -> str:
        """Say it to a person."""
        return _MEANINGS[self]


_MEANINGS = {
    Kind.CHANGED: "the event is not as it was written",
    Kind.REMOVED: "the event is gone, and later ones of its stream are there",
    Kind.REORDERED: "the event does not stand where it was written",
    Kind.FORKED: "another event stands under the same number",
    Kind.CUT: "a signed digest saw the event, and it is gone with all that came after it",
    Kind.ADDED: "the event came into the log after that time had been signed",
    Kind.UNREADABLE: "the line is no event",
    Kind.DIGEST_MISSING: "the digest is gone",
    Kind.DIGEST_CHANGED: "the digest is not as it was signed",
    Kind.EXPORT_CHANGED: "the file is not as it was written",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing wrong: its kind, where (`seq` 0 if no number is known), and what is known of the event.

    `timestamp` (epoch milliseconds) is CloudWatch's time of the event, or of the first line that shows the flaw.
    A flaw of a digest has its name for a stream and its number as `seq`.
    """

    kind: Kind
    stream: str
    seq: int = 0
    event: str = ""
    timestamp: int = 0
    detail: str = ""

    @property
    def brief(self) -> str:
        """Give kind and place as one word each, as digests hold it."""
        return f"{self.kind} {self.stream} {self.seq}"
