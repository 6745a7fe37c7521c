"""What the audit log's own check comes to, for as much of the last day as can be looked at in a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.auditing import digests
from mailbearer.auditing.signatures import checker
from mailbearer.auditing.verification import judge
from mailbearer.practices.day import MOST_LINES
from mailbearer.practices.picture import Proof, plural

if TYPE_CHECKING:
    from mailbearer.auditing.evidence import Gathering
    from mailbearer.digest import Digest
    from mailbearer.ports import Clock
    from mailbearer.ports.proof import Archive, Signer

_DAY = 86_400_000
_MOST_DIGESTS = 48  # two days of hourly ones
_NAMED = 5


def prove(gathering: Gathering, signer: Signer, clock: Clock) -> Proof:
    """Verify the newest digests and what they signed, back for a day or for 100,000 events. Raises `Unavailable`."""
    now = int(clock() * 1000)
    newest = digests.last_number(gathering.archive)
    if not newest:
        return Proof()
    first, since, until = _reach(gathering.archive, newest, now)
    report = judge(gathering.gather(since=since, until=now), checker(signer.public_key()))
    return Proof(
        digest=newest,
        until=until / 1000,
        faults=tuple(flaw.brief for flaw in report.flaws[:_NAMED]),
        checked=f"Digests {first} to {newest} and {plural(report.events, 'event')}",
    )


def _reach(archive: Archive, newest: int, now: int) -> tuple[int, int, int]:
    """Give the digest with which to begin, its time, and until when the newest one reaches (epoch milliseconds).

    One that cannot be read ends the reach, and the verdict says what is wrong with it.
    """
    first, since, until, events = newest, now, 0, 0
    for number in range(newest, max(0, newest - _MOST_DIGESTS), -1):
        digest = _read(archive, number)
        if digest is None or (events + digest.events > MOST_LINES and number != newest):
            break
        first, since, events = number, digest.since, events + digest.events
        until = until or digest.until
        if since <= now - _DAY:
            break
    return first, since, until


def _read(archive: Archive, number: int) -> Digest | None:
    try:
        return digests.read(digests.unpack(archive.get(digests.name_of(number)) or "").text)
    except ValueError:
        return None
