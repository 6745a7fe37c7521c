"""The verdict on an audit log: whether every event is there, as it was written, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from mailbearer.audit import Link
from mailbearer.auditing import digests
from mailbearer.auditing.chains import REMEMBERED, Chains, compare
from mailbearer.auditing.entries import Entry, in_order
from mailbearer.auditing.flaws import Flaw, Kind
from mailbearer.auditing.intents import Intents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.audit import AuditLine
    from mailbearer.auditing.evidence import Evidence
    from mailbearer.auditing.exporting import Export
    from mailbearer.auditing.signatures import Fits
    from mailbearer.digest import Digest, SignedDigest

MOST = 1000
"""So many flaws are named; all are counted."""

LATE = 3 * 3_600_000
"""Milliseconds after which something should have been signed."""

_SIGNING = 300_000
"""Milliseconds that may pass between what the log says of a digest and what the archive shows."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What was looked at and found; times are epoch milliseconds, `flaws` begin with the first.

    `repeated` are lines that were written twice, and events that stand twice because a write was repeated after a
    crash: both are no flaw. `unsigned` events no digest knows yet: the hashes fit, but could have been written anew.
    """

    since: int
    until: int
    flaws: list[Flaw] = field(default_factory=list)
    flaw_count: int = 0
    events: int = 0
    streams: int = 0
    digests: int = 0
    repeated: int = 0
    signed_until: int = 0
    unsigned: int = 0
    unsigned_since: int = 0
    unfinished: list[Entry] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Tell whether nothing is wrong, and all of it is proved that should be by now."""
        return not self.flaw_count and not self.late

    @property
    def late(self) -> bool:
        """Tell whether a digest is due and not there: not signed, or taken from the end, where nothing misses it."""
        proved = self.signed_until or self.unsigned_since
        return proved > 0 and self.until - proved > LATE

    def add(self, flaws: list[Flaw]) -> None:
        """Add flaws in their order."""
        self.flaw_count += len(flaws)
        self.flaws += flaws[: MOST - len(self.flaws)]


def judge(evidence: Evidence, fits: Fits) -> Report:
    """Check chains, digests, and each against the other. Raises what reading the evidence does."""
    return _Judgement(evidence, fits).report()


def judge_export(export: Export, fits: Fits) -> Report:
    """Check an export: the evidence in it, and whether the file is as it was written."""
    report = judge(export.evidence, fits)
    known = {(flaw.stream, flaw.seq) for flaw in export.out_of_order}
    others = [flaw for flaw in report.flaws if (flaw.stream, flaw.seq) not in known]
    report.flaw_count -= len(report.flaws) - len(others)
    # What stands in the wrong place also seems to be gone from the right one, so that is told first.
    report.flaws = [*export.out_of_order, *others][:MOST]
    report.flaw_count += len(export.out_of_order)
    if export.broken:
        report.add([Flaw(kind=Kind.EXPORT_CHANGED, stream="export", detail=export.broken)])
    return report


class _Judgement:
    """One pass over the evidence, window by window: the time of each digest, and what lies between and behind."""

    def __init__(self, evidence: Evidence, fits: Fits) -> None:
        self._evidence = evidence
        self._fits = fits
        self._chains = Chains(self._before)
        self._intents = Intents()
        self._lines = in_order(evidence.lines)
        self._report = Report(since=evidence.since, until=evidence.until)
        # Events that stand twice were written a few minutes apart: those of two windows are remembered.
        self._ids: tuple[set[str], set[str]] = (set(), set())
        self._last_hash = ""
        self._read: dict[str, str] = {}  # digests that were looked at, with their hashes; none if something is wrong
        self._signed: dict[str, Entry] = {}  # what the log says of digests

    def report(self) -> Report:
        """Give the verdict."""
        report, position, before = self._report, self._evidence.since, None
        for number, document in self._evidence.digests:
            digest = self._digest(number, document, before)
            before = digest
            if digest is None:
                continue
            if digest.since > position:
                self._unsigned_window(digest, position)
            self._window(digest.until, digest)
            report.digests += 1
            report.signed_until = position = digest.until
        self._window(None, None, unsigned=True)
        self._missing()
        report.streams, report.repeated = self._chains.seen, report.repeated + self._chains.repeated
        report.unfinished = self._intents.unfinished(report.until)
        return report

    def _before(self, entry: Entry) -> Link | None:
        """Tell where a stream stood: at its beginning, unless it may have begun before what is looked at."""
        may_be_older = not self._evidence.complete and entry.timestamp < self._evidence.since + REMEMBERED
        return None if may_be_older else Link()

    def _unsigned_window(self, digest: Digest, begins: int) -> None:
        """Look at what lies before a digest and behind the one before it, which no digest here covers."""
        if begins == self._evidence.since and digest.number == self._evidence.first > 1:
            # Whoever leaves the first digests away has to say that he begins later.
            name = digests.name_of(digest.number - 1)
            detail = "what is looked at begins in its time"
            kind = Kind.DIGEST_MISSING
            self._report.add([Flaw(kind=kind, stream=name, seq=digest.number - 1, timestamp=begins, detail=detail)])
        self._window(digest.since, None)

    def _missing(self) -> None:
        """Tell of digests that are not there though the log or the archive remembers them."""
        for name in self._evidence.replaced:
            if name not in self._read:
                detail = "a delete marker hides it"
                flaw = Flaw(kind=Kind.DIGEST_MISSING, stream=name, seq=digests.number_of(name), detail=detail)
                self._report.add([flaw])
        for name, entry in self._signed.items():
            known, number = self._read.get(name), digests.number_of(name)
            said = str(entry.event.get("facts", {}).get("digest", ""))
            if known in {"", said} or number < self._evidence.first:
                continue
            if known is None and (name in self._evidence.replaced or entry.timestamp > self._report.until - _SIGNING):
                continue
            kind = Kind.DIGEST_MISSING if known is None else Kind.DIGEST_CHANGED
            detail = f"the log says that it was signed as {said[:16]}..."
            at = entry.timestamp
            self._report.add([Flaw(kind=kind, stream=name, seq=number, timestamp=at, detail=detail)])

    def _window(self, until: int | None, digest: Digest | None, *, unsigned: bool = False) -> None:
        """Look at the lines before `until`, at all that are left if it is None."""
        for line, entry in self._until(until):
            if entry is None:
                self._chains.take_unreadable(line.stream, line.timestamp)
            elif self._chains.take(entry):
                self._count(entry, unsigned=unsigned)
        heads, flaws = self._chains.close(self._report.until if until is None else until)
        if digest is not None and until is not None:
            named = {(flaw.stream, flaw.seq) for flaw in flaws}
            changed = {flaw.stream for flaw in flaws if flaw.kind is Kind.CHANGED}
            more = [
                flaw
                for flaw in compare(digest.heads, heads, until)
                if (flaw.stream, flaw.seq) not in named and not (flaw.kind is Kind.CHANGED and flaw.stream in changed)
            ]
            flaws += more
            flaws += _remembered(digest, {flaw.brief for flaw in flaws})
            for head in digest.heads:
                if heads.get(head.stream) != head:
                    self._chains.settle(head, until)
        self._ids = (set(), self._ids[0])
        self._report.add(flaws)

    def _until(self, until: int | None) -> Iterator[tuple[AuditLine, Entry | None]]:
        for line, entry in self._lines:
            # An export may hold more than its first line says.
            self._report.until = max(self._report.until, line.timestamp)
            if until is not None and line.timestamp >= until:
                self._lines = chain([(line, entry)], self._lines)
                return
            yield line, entry

    def _count(self, entry: Entry, *, unsigned: bool) -> None:
        report, event_id = self._report, str(entry.event["id"])
        if event_id in self._ids[0] or event_id in self._ids[1]:
            report.repeated += 1
        self._ids[0].add(event_id)
        self._intents.take(entry)
        if entry.event["action"] == "audit.signed" and entry.intact:
            self._signed[str(entry.event["subject"])] = entry
        report.events += 1
        if unsigned:
            report.unsigned += 1
            report.unsigned_since = report.unsigned_since or entry.timestamp

    def _digest(self, number: int, document: str | None, before: Digest | None) -> Digest | None:
        """Read a digest; None if it cannot be held against the log."""
        name = digests.name_of(number)
        self._read[name] = ""
        if document is None:
            self._report.add([Flaw(kind=Kind.DIGEST_MISSING, stream=name, seq=number)])
            return None
        timestamp = 0
        try:
            signed = digests.unpack(document)
            digest = digests.read(signed.text)
            timestamp = digest.since
            self._check(number, digest, signed, before)
        except ValueError as error:
            kind = Kind.DIGEST_CHANGED
            self._report.add([Flaw(kind=kind, stream=name, seq=number, timestamp=timestamp, detail=str(error))])
            return None
        self._last_hash = digests.hash_of(signed.text)
        if name in self._evidence.replaced:
            detail = "the archive holds another version of it"
            flaw = Flaw(kind=Kind.DIGEST_CHANGED, stream=name, seq=number, timestamp=timestamp, detail=detail)
            self._report.add([flaw])
        else:
            self._read[name] = self._last_hash
        return digest

    def _check(self, number: int, digest: Digest, signed: SignedDigest, before: Digest | None) -> None:
        """Raise `ValueError` if a digest is not the one that was signed under this number."""
        if not self._fits(signed):
            raise ValueError("The signature is not one of this key for this text.")
        evidence = self._evidence
        if (digest.number, digest.stage, digest.log_group) != (number, evidence.stage, evidence.log_group):
            raise ValueError(f"It is number {digest.number} of {digest.log_group} in the stage {digest.stage}.")
        if before is not None and (digest.since != before.until or digest.previous != self._last_hash):
            raise ValueError("It follows upon another digest than the one before it.")


def _remembered(digest: Digest, known: set[str]) -> list[Flaw]:
    """Give the flaws that were found while a digest was made and cannot be seen any more."""
    found = []
    for brief in digest.faults:
        kind, _, rest = brief.partition(" ")
        stream, _, seq = rest.rpartition(" ")
        if brief not in known:
            detail = f"found when digest {digest.number} was made"
            found.append(Flaw(kind=Kind(kind), stream=stream, seq=int(seq), timestamp=digest.until, detail=detail))
    return found
