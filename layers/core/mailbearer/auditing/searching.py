"""Looking for events in the audit log."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from mailbearer.auditing.entries import Entry, place, read_entry
from mailbearer.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailbearer.audit import AuditLine
    from mailbearer.ports.proof import AuditReader

_LATEST = 253_402_300_799_999  # the year 9999, epoch milliseconds
_LONGEST = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events are wanted; what is empty does not matter, and `*` in an action stands for anything.

    `account` is the subject of an event, or the account whose message it is about. Of `accounts` one has to be that,
    unless there are none.
    """

    action: str = ""
    subject: str = ""
    actor: str = ""
    outcome: str = ""
    account: str = ""
    accounts: frozenset[str] = frozenset()

    def matches(self, entry: Entry) -> bool:
        """Tell whether it is one of them."""
        event = entry.event
        about = {str(event["subject"]), str(event.get("facts", {}).get("account", ""))}
        return (
            (not self.action or fnmatchcase(str(event["action"]), self.action))
            and all(
                not wanted or wanted == event[name]
                for name, wanted in (("subject", self.subject), ("actor", self.actor), ("outcome", self.outcome))
            )
            and (not self.account or self.account in about)
            and (not self.accounts or bool(self.accounts & about))
        )


def search(reader: AuditReader, wanted: Wanted, *, since: int, until: int) -> Iterator[Entry]:
    """Give events filed from `since` until before `until` (epoch milliseconds), by time. Raises `Unavailable`."""
    for line in reader.lines(since=since, until=until):
        entry = read_entry(line)
        if entry is not None and wanted.matches(entry):
            yield entry


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a search goes on: at a page of the reader's, behind one of its lines, or at its beginning."""

    since: int
    until: int
    cursor: str = ""
    after: tuple[int, str, int] = (0, "", 0)

    def write(self) -> str:
        text = json.dumps([self.since, self.until, self.cursor, *self.after], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Searches a little at a time: `seconds` is when a call ends though it has found less than was asked for."""

    reader: AuditReader
    monotonic: Callable[[], float]
    seconds: float = 3.0

    def page(self, wanted: Wanted, *, since: int, until: int, limit: int, cursor: str = "") -> tuple[list[Entry], str]:
        """Give up to `limit` events by time, and where to go on, empty if everything was looked at.

        A page may be empty and yet not the last. With a cursor, `since` and `until` are those of the first call. Raises
        `InvalidInput` for a cursor that was not given here, `Unavailable`.
        """
        position = _read(cursor) if cursor else _Position(since, until)
        give_up = self.monotonic() + self.seconds
        found: list[Entry] = []
        while True:
            lines, following = self.reader.page(since=position.since, until=position.until, cursor=position.cursor)
            for line, entry in _in_order(lines):
                # Within a page what was looked at is known by its place: the same cursor gives the same page.
                if place(line, entry)[:3] <= position.after:
                    continue
                if entry is not None and wanted.matches(entry):
                    found.append(entry)
                    if len(found) == limit:
                        after = place(line, entry)[:3]
                        return found, _Position(position.since, position.until, position.cursor, after).write()
            if not following:
                return found, ""
            position = _Position(position.since, position.until, following)
            if self.monotonic() >= give_up:
                return found, position.write()


def _in_order(lines: list[AuditLine]) -> list[tuple[AuditLine, Entry | None]]:
    return sorted(((line, read_entry(line)) for line in lines), key=lambda pair: place(*pair))


def _read(cursor: str) -> _Position:
    try:
        parts: Any = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error) as error:
        raise _bad_cursor() from error
    if not isinstance(parts, list) or [type(part) for part in parts] != [int, int, str, int, str, int]:
        raise _bad_cursor()
    since, until, text, timestamp, stream, seq = parts
    if not (0 <= since <= until <= _LATEST and text.isascii() and text.isprintable() and len(text) <= _LONGEST):
        raise _bad_cursor()
    return _Position(since, until, text, (timestamp, stream, seq))


def _bad_cursor() -> InvalidInput:
    return InvalidInput((Fault("/cursor", "invalid_cursor", "Use next_cursor of the same list as it was given."),))
