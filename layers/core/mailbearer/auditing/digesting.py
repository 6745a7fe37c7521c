"""Signing what the audit log holds, by schedule: a digest for each stretch of time, chained to the one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.audit import GENESIS, Link
from mailbearer.auditing import digests
from mailbearer.auditing.chains import REMEMBERED, Chains
from mailbearer.auditing.entries import in_order
from mailbearer.digest import Digest, SignedDigest
from mailbearer.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.auditing.entries import Entry
    from mailbearer.auditing.flaws import Flaw
    from mailbearer.ports import Clock
    from mailbearer.ports.proof import Archive, AuditReader, Signer
    from mailbearer.trail import Trail

SETTLED = 300.0
"""Seconds after which no line comes in any more: writers file under the time of writing, and their clocks are set."""

LONGEST = 6 * 3_600_000
"""Milliseconds that one digest covers at most; what is more takes several."""

SHORTEST = 60_000
"""Milliseconds that have to be there to be worth a digest; a second run within a minute has nothing to do."""

MARGIN = 60.0
"""No digest is begun so near the deadline (seconds)."""

_NAMED = 100
"""So many flaws a digest and the log name; all are counted."""


@dataclass(slots=True)
class Signing:
    """What a run did; `behind` says that there was more to sign than time, `overtaken` that another run was at it."""

    digests: int = 0
    events: int = 0
    flaws: int = 0
    last: int = 0
    behind: bool = False
    overtaken: bool = False

    def counts(self) -> dict[str, int]:
        """Give the counts by name."""
        return {"digests": self.digests, "events": self.events, "flaws": self.flaws, "last": self.last}


@dataclass(frozen=True, slots=True)
class _Last:
    """The newest digest, as far as the next one needs it; number 0 if there is none."""

    number: int = 0
    until: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True, kw_only=True)
class Digester:
    """Reads what was filed since the last digest, checks its chains, and signs how they stand.

    `tell` hears how many flaws were found, before the digest is kept. `settled` are the seconds that lines have to be
    old.
    """

    reader: AuditReader
    archive: Archive
    signer: Signer
    trail: Trail
    clock: Clock
    tell: Callable[[int], object]
    stage: str
    log_group: str
    settled: float = SETTLED

    def run(self, *, deadline: float, progress: Callable[[Signing], object] | None = None) -> Signing:
        """Sign until nothing is left, or `deadline` (epoch seconds) is near. Raises `Unavailable`.

        Two runs at once do no harm: the archive takes one digest of each number, and whoever comes second stops.
        """
        done = Signing()
        last = self._last()
        done.last = last.number
        chains = Chains(_Heads(self.archive, last.number).before)
        limit = int((self.clock() - self.settled) * 1000)
        while limit - last.until >= SHORTEST:
            if self.clock() >= deadline - MARGIN:
                done.behind = True
                break
            made = self._make(last, self._until(last, limit), chains, done)
            if made is None:
                done.overtaken = True
                break
            last, done.last = made, made.number
            if progress is not None:
                progress(done)
        self.trail.flush()
        return done

    def _make(self, last: _Last, until: int, chains: Chains, done: Signing) -> _Last | None:
        """Make, sign and keep the next digest; None if another run was first."""
        events = 0
        for line, entry in in_order(self.reader.lines(since=last.until, until=until)):
            if entry is None:
                chains.take_unreadable(line.stream, line.timestamp)
            else:
                events += chains.take(entry)
        heads, flaws = chains.close(until)
        number = last.number + 1
        self._alarm(flaws, number)
        text = digests.write(
            Digest(
                number=number,
                stage=self.stage,
                log_group=self.log_group,
                since=last.until,
                until=until,
                previous=last.hash,
                heads=tuple(sorted(heads.values(), key=lambda head: head.stream)),
                events=events,
                faults=tuple(flaw.brief for flaw in flaws[:_NAMED]),
            )
        )
        signed = SignedDigest(text=text, signature=self.signer.sign(text.encode()), key_id=self.signer.key_id)
        name, own = digests.name_of(number), digests.hash_of(text)
        if not self.archive.create(name, digests.pack(signed)):
            return None
        self.trail.note("audit.signed", name, "signed", events=str(events), digest=own)
        done.digests, done.events, done.flaws = done.digests + 1, done.events + events, done.flaws + len(flaws)
        return _Last(number, until, own)

    def _alarm(self, flaws: list[Flaw], number: int) -> None:
        """Tell of flaws before the digest is kept: a run that dies then tells of them again, and never not at all."""
        if not flaws:
            return
        self.tell(len(flaws))
        for flaw in flaws[:_NAMED]:
            facts = {"seq": str(flaw.seq), "event": flaw.event, "detail": flaw.detail, "digest": str(number)}
            self.trail.note("audit.gap", flaw.stream, flaw.kind, **facts)
        self.trail.flush()

    def _until(self, last: _Last, limit: int) -> int:
        """Tell how far the next digest goes."""
        begins = last.until
        if not last.number:
            # The first covers whatever was there before it, however long ago that began.
            line = next(iter(self.reader.lines(since=0, until=limit)), None)
            begins = line.timestamp if line is not None else limit
        return min(limit, begins + LONGEST)

    def _last(self) -> _Last:
        number = digests.last_number(self.archive)
        hidden = self.archive.replaced(digests.PREFIX, after=digests.name_of(number))
        if hidden:
            # Their names are free. To sign under them anew is what somebody waits for who has rewritten the log.
            msg = f"{hidden[0]} was signed and is hidden by a delete marker; see the runbook digest-late."
            raise Unavailable(msg)
        if not number:
            return _Last()
        signed, digest = _read(self.archive, number)
        return _Last(number, digest.until, digests.hash_of(signed.text))


class _Heads:
    """Where streams stood before this run: the digests are read backwards, and only as far as somebody asks."""

    def __init__(self, archive: Archive, number: int) -> None:
        self._archive = archive
        self._number = number
        self._known: dict[str, Link] = {}

    def before(self, entry: Entry) -> Link:
        """Find where a stream stood that goes on: in the newest digest that knows it, else nowhere."""
        while entry.stream not in self._known and self._number:
            _, digest = _read(self._archive, self._number)
            if digest.until < entry.timestamp - REMEMBERED:
                break
            for head in digest.heads:
                self._known.setdefault(head.stream, Link(head.last, head.hash))
            self._number -= 1
        return self._known.get(entry.stream, Link())


def _read(archive: Archive, number: int) -> tuple[SignedDigest, Digest]:
    """Read a digest. Raises `Unavailable` if it is gone or none: on that nothing can be built."""
    document = archive.get(digests.name_of(number))
    try:
        signed = digests.unpack(document or "")
        return signed, digests.read(signed.text)
    except ValueError as error:
        msg = f"{digests.name_of(number)} cannot be read; see the runbook digest-late."
        raise Unavailable(msg) from error
