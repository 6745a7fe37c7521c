"""What a verdict on the audit log is based on: its lines, and the digests that were signed of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from mailbearer.auditing import digests

if TYPE_CHECKING:
    from mailbearer.audit import AuditLine
    from mailbearer.digest import Digest
    from mailbearer.ports.proof import Archive, AuditReader

Progress: TypeAlias = Callable[[int, int], object]
"""Hears from time to time how many lines were read, and the time (epoch milliseconds) of the last."""

_DAY = 86_400_000
_TELL_EVERY = 10_000  # lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Lines from `since` until before `until` (epoch milliseconds) by time, and the digests from `first` to `last`.

    A digest is given by its number with its document, None if it is gone. `complete` says that nothing was filed
    before `since`. `replaced` names digests that do not stand alone in the archive: another version of them lies there,
    or they were hidden by a delete marker.
    """

    stage: str
    log_group: str
    since: int
    until: int
    complete: bool
    first: int
    last: int
    digests: Iterable[tuple[int, str | None]]
    lines: Iterable[AuditLine]
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathering:
    """Gathers evidence from the log and the archive, both read as they are asked for."""

    reader: AuditReader
    archive: Archive
    stage: str
    log_group: str

    def gather(self, *, since: int, until: int, kept_since: int = 0, progress: Progress | None = None) -> Evidence:
        """Gather all of at least `since` until before `until` (epoch milliseconds); it begins where a digest does.

        What was filed before `kept_since` the log's retention has removed, or is about to. Raises `Unavailable`.
        """
        newest = digests.last_number(self.archive)
        # A digest covers some hours, also the first, which begins with the first line: one that ends a day after the
        # moment from which on events are kept holds none that has expired.
        start = max(since, kept_since + _DAY if kept_since > 0 else 0)
        first = digests.first_after(self.archive, start, newest)
        opening = self._digest(first)
        if opening is not None:
            start = opening.since
        last = min(newest, digests.first_after(self.archive, until - 1, newest))
        closing = self._digest(last) if last >= first else None
        if closing is not None:
            until = max(until, closing.until)
        replaced = self.archive.replaced(digests.PREFIX, after=digests.name_of(first - 1))
        return Evidence(
            stage=self.stage,
            log_group=self.log_group,
            since=start,
            until=until,
            complete=start == 0,
            first=first,
            last=last,
            digests=((number, self.archive.get(digests.name_of(number))) for number in range(first, last + 1)),
            lines=_telling(self.reader.lines(since=start, until=until), progress),
            # What lies beyond the newest digest was hidden, and concerns nobody who asked for an earlier time.
            replaced=tuple(name for name in replaced if last == newest or digests.number_of(name) <= last),
        )

    def _digest(self, number: int) -> Digest | None:
        document = self.archive.get(digests.name_of(number))
        try:
            return digests.read(digests.unpack(document or "").text)
        except ValueError:
            return None  # the verdict will say so


def _telling(lines: Iterator[AuditLine], progress: Progress | None) -> Iterator[AuditLine]:
    for count, line in enumerate(lines, start=1):
        if progress is not None and count % _TELL_EVERY == 0:
            progress(count, line.timestamp)
        yield line
