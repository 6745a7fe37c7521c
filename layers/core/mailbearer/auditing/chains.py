"""Every writer's chain, checked as its lines go by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from mailbearer.audit import Link
from mailbearer.auditing.flaws import Flaw, Kind
from mailbearer.digest import StreamHead

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.auditing.entries import Entry

REMEMBERED = 14 * 86_400_000
"""Milliseconds for which an idle stream is remembered: no process that writes one lives so long."""

_MARK = 8  # bytes that stand for an event's hash

Before: TypeAlias = Callable[["Entry"], Link | None]
"""Gives where a stream stood before its first line that is read, with a number above 1; None if nothing says so."""


@dataclass(slots=True)
class _Gap:
    """Numbers that have not been seen, `after` is the line that showed it."""

    first: int
    last: int
    after: Entry


@dataclass(slots=True)
class _Stream:
    """How far one stream has come; `first` is its first number in this window, 0 if none."""

    end: Link
    timestamp: int = 0
    event: str = ""
    sound: bool = True  # whether the last line can be held against the next one
    first: int = 0
    marks: bytearray = field(default_factory=bytearray)
    gaps: list[_Gap] = field(default_factory=list)


class Chains:
    """Checks lines window by window, and remembers of each stream its end and eight bytes for each line of the window.

    A line that is repeated byte for byte is no flaw: the SDK does that. `repeated` counts them.
    """

    def __init__(self, before: Before) -> None:
        self._before = before
        self._streams: dict[str, _Stream] = {}
        self._flaws: list[Flaw] = []
        self.repeated = 0
        self.seen = 0

    def take(self, entry: Entry) -> bool:
        """Check one line; tells whether it is one more event."""
        stream = self._streams.get(entry.stream) or self._met(entry)
        if not entry.intact:
            self._flaw(Kind.CHANGED, entry)
            if entry.prev == stream.end.hash:
                # It is the next one, whatever it says its number is.
                self._advance(stream, entry, stream.end.seq + 1)
            return True
        if entry.seq <= stream.end.seq:
            return self._late(stream, entry)
        if entry.seq > stream.end.seq + 1:
            self._skip(stream, entry)
        elif entry.prev != stream.end.hash and stream.sound:
            detail = f"number {entry.seq} remembers another hash than it has"
            if stream.end.seq:
                self._flaws.append(
                    Flaw(
                        kind=Kind.CHANGED,
                        stream=entry.stream,
                        seq=stream.end.seq,
                        event=stream.event,
                        timestamp=stream.timestamp,
                        detail=detail,
                    )
                )
            else:
                self._flaw(Kind.CHANGED, entry, "as the first of its stream it names one before")
        self._advance(stream, entry, entry.seq)
        return True

    def take_unreadable(self, stream: str, timestamp: int) -> None:
        """Note a line that is no event."""
        self._flaws.append(Flaw(kind=Kind.UNREADABLE, stream=stream, timestamp=timestamp))

    def close(self, until: int) -> tuple[dict[str, StreamHead], list[Flaw]]:
        """End a window at `until` (epoch milliseconds); gives its streams' heads and its flaws, in their order."""
        heads: dict[str, StreamHead] = {}
        for name, stream in list(self._streams.items()):
            self._flaws += [
                Flaw(
                    kind=Kind.REMOVED,
                    stream=name,
                    seq=gap.first,
                    timestamp=gap.after.timestamp,
                    detail=f"up to number {gap.last}" if gap.last > gap.first else "",
                )
                for gap in stream.gaps
            ]
            if stream.first:
                heads[name] = StreamHead(stream=name, first=stream.first, last=stream.end.seq, hash=stream.end.hash)
            stream.first, stream.marks, stream.gaps = 0, bytearray(), []
            if stream.timestamp < until - REMEMBERED:
                del self._streams[name]
        flaws, self._flaws = sorted(self._flaws, key=lambda flaw: (flaw.timestamp, flaw.stream, flaw.seq)), []
        return heads, flaws

    def settle(self, head: StreamHead, until: int) -> None:
        """Go on with a stream from where a digest says it stood."""
        self._streams[head.stream] = _Stream(Link(head.last, head.hash), timestamp=until)

    def _met(self, entry: Entry) -> _Stream:
        end = Link() if entry.seq == 1 else self._before(entry)
        if end is None:
            # Nothing says where it stood, so it may begin here.
            end = Link(entry.seq - 1, entry.prev)
        self.seen += 1
        self._streams[entry.stream] = stream = _Stream(end)
        return stream

    def _skip(self, stream: _Stream, entry: Entry) -> None:
        stream.gaps.append(_Gap(stream.end.seq + 1, entry.seq - 1, entry))

    def _advance(self, stream: _Stream, entry: Entry, seq: int) -> None:
        if not stream.first:
            stream.first = seq
            stream.marks = bytearray()
        # Numbers that were skipped have no mark; there may be any number of them.
        stream.marks += _mark(seq, entry.hash)
        stream.end, stream.sound = Link(seq, entry.hash), entry.intact
        stream.timestamp, stream.event = entry.timestamp, str(entry.event["id"])

    def _late(self, stream: _Stream, entry: Entry) -> bool:
        """Judge a line whose number is behind its stream's end."""
        for gap in stream.gaps:
            if gap.first <= entry.seq <= gap.last:
                self._flaw(Kind.REORDERED, entry, f"it stands after number {gap.last + 1}")
                stream.gaps.remove(gap)
                if gap.first < entry.seq:
                    stream.gaps.append(_Gap(gap.first, entry.seq - 1, gap.after))
                if entry.seq < gap.last:
                    stream.gaps.append(_Gap(entry.seq + 1, gap.last, gap.after))
                return True
        if not stream.first or entry.seq < stream.first:
            self._flaw(Kind.REORDERED, entry, f"it stands after number {stream.end.seq}")
            return True
        if _stands(stream.marks, _mark(entry.seq, entry.hash)):
            self.repeated += 1
            return False
        self._flaw(Kind.FORKED, entry)
        stream.sound = stream.sound and entry.seq < stream.end.seq
        return True

    def _flaw(self, kind: Kind, entry: Entry, detail: str = "") -> None:
        self._flaws.append(
            Flaw(
                kind=kind,
                stream=entry.stream,
                seq=entry.seq,
                event=str(entry.event["id"]),
                timestamp=entry.timestamp,
                detail=detail,
            )
        )


def _mark(seq: int, digest: str) -> bytes:
    return hashlib.sha256(f"{seq} {digest}".encode(errors="replace")).digest()[:_MARK]


def _stands(marks: bytearray, mark: bytes) -> bool:
    """Look for a mark, from the end: what is repeated was written just before."""
    at = len(marks)
    while (at := marks.rfind(mark, 0, at)) >= 0:
        if at % _MARK == 0:
            return True
        at += _MARK - 1
    return False


def compare(said: tuple[StreamHead, ...], found: dict[str, StreamHead], until: int) -> Iterator[Flaw]:
    """Hold what a digest says of its window against what the log holds of it."""
    for head in said:
        have = found.get(head.stream)
        if have is None:
            detail = f"numbers {head.first} to {head.last}: nothing is left of them"
            yield Flaw(kind=Kind.CUT, stream=head.stream, seq=head.first, timestamp=until, detail=detail)
        else:
            yield from _compare(head, have, until)
    signed = {head.stream for head in said}
    for name, head in found.items():
        if name not in signed:
            detail = f"a stream that was not there: numbers {head.first} to {head.last}"
            yield Flaw(kind=Kind.ADDED, stream=name, seq=head.first, timestamp=until, detail=detail)


def _compare(said: StreamHead, found: StreamHead, until: int) -> Iterator[Flaw]:
    def flaw(kind: Kind, seq: int, detail: str) -> Flaw:
        return Flaw(kind=kind, stream=said.stream, seq=seq, timestamp=until, detail=detail)

    if found.first > said.first:
        yield flaw(Kind.REMOVED, said.first, f"up to number {found.first - 1}")
    if found.first < said.first:
        yield flaw(Kind.ADDED, found.first, f"up to number {said.first - 1}")
    if found.last < said.last:
        yield flaw(Kind.CUT, found.last + 1, f"up to number {said.last}")
    elif found.last > said.last:
        yield flaw(Kind.ADDED, said.last + 1, f"up to number {found.last}")
    elif found.hash != said.hash:
        # What was written anew with all that follows fits within itself; only the end tells.
        yield flaw(Kind.CHANGED, said.first, f"one or more of the numbers {said.first} to {said.last}")
