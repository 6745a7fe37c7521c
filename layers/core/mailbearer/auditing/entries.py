"""Lines of the audit log, read as events that stand as their writer wrote them, or do not."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from mailbearer.audit import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mailbearer.audit import AuditLine

_TEXTS = ("id", "at", "actor", "action", "subject", "outcome", "prev", "hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line that holds an event; `timestamp` is CloudWatch's, in epoch milliseconds.

    `intact` says that its hash fits, to the byte.
    """

    stream: str
    timestamp: int
    event: Mapping[str, Any]
    intact: bool

    @property
    def seq(self) -> int:
        """Give its number within its stream."""
        return int(self.event["seq"])

    @property
    def prev(self) -> str:
        """Give the hash that it says the event before has."""
        return str(self.event["prev"])

    @property
    def hash(self) -> str:
        """Give the hash that it says it has."""
        return str(self.event["hash"])


def read_entry(line: AuditLine) -> Entry | None:
    """Read a line; None if it holds no event."""
    try:
        event = json.loads(line.text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not all(isinstance(event.get(name), str) for name in _TEXTS):
        return None
    if type(event.get("seq")) is not int or event["seq"] < 1 or not isinstance(event.get("facts", {}), dict):
        return None
    unhashed = {name: value for name, value in event.items() if name != "hash"}
    # Parsing forgives blanks, escapes and doubled names. Whoever wrote the line wrote it in one way only.
    intact = (
        # What is no UTF-8 stood in no log; it must not pass for the `?` that `canonical` writes in its place.
        canonical(event) == line.text.encode(errors="surrogatepass")
        and hashlib.sha256(canonical(unhashed)).hexdigest() == event["hash"]
    )
    return Entry(stream=line.stream, timestamp=line.timestamp, event=event, intact=intact)


def in_order(lines: Iterable[AuditLine]) -> Iterator[tuple[AuditLine, Entry | None]]:
    """Read lines that come by time; those of one time in the order of stream and number, which the log leaves open."""
    for _, together in groupby(lines, key=lambda line: line.timestamp):
        read = [(line, read_entry(line)) for line in together]
        yield from sorted(read, key=lambda pair: place(*pair)) if len(read) > 1 else read


def place(line: AuditLine, entry: Entry | None) -> tuple[int, str, int, str]:
    """Give what orders lines the same way each time."""
    return line.timestamp, line.stream, entry.seq if entry is not None else 0, line.text
