"""The auditor is killed at every call of a digest, before and after its effect; the next run goes on."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mailbearer.auditing import digests
from mailbearer.auditing.evidence import Gathering
from mailbearer.auditing.signatures import checker
from mailbearer.auditing.verification import judge
from mailbearer.aws.audit_log import CloudWatchAuditLog, stream_name
from mailbearer.errors import Unavailable
from proofs.calls import Calls, Point
from proofs.ground import Clock, Ground
from proofs.processes import ProcessError, fork, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.digest import Digest
    from mailbearer.wiring import Wiring
    from proofs.processes import Say

SECONDS = 240.0
LANES = 2

_EVENTS = 3
_BETWEEN = 120.0
"""Seconds that pass between two runs: a digest is made of a minute at least."""
_TIME = 290.0
"""Seconds that a run has, as in template.yaml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """How the log stands after a run that was killed and another one.

    `found` are the digests that the dead run had made, `made` those that both made together, `numbers` whether all are
    there from 1 on without a gap, `twice` those of one number, `events` those that the digests know. `good` is the
    verdict of a verification.
    """

    found: int
    made: int
    numbers: bool
    twice: int
    events: int
    good: bool

    @property
    def told(self) -> str:
        """Give it in a few words."""
        return "verified" if self.good and self.numbers and not self.twice else f"NOT verified: {self}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One crash point, and what was seen."""

    number: int
    answered: bool
    call: str
    written: int
    seen: Signed

    @property
    def holds(self) -> bool:
        """Tell whether the chain goes on, with no number twice and with every event that was written."""
        seen = self.seen
        goes_on = seen.numbers and not seen.twice and seen.made == seen.found + 1
        return goes_on and seen.good and seen.events == self.written

    def as_json(self) -> dict[str, Any]:
        """Give it for a file."""
        return asdict(self) | {"holds": self.holds}


def prove(ground: Ground) -> Iterator[Row]:
    """Kill an auditor at every point of its second digest, and give a row for each as it is seen."""
    lanes = [fork(partial(_lane, ground, number)) for number in range(LANES)]
    for _, row in told(lanes, seconds=SECONDS):
        yield Row(**row | {"seen": Signed(**row["seen"])})


def _lane(parents: Ground, number: int, say: Say) -> None:
    """Go through the points whose turn it is; which there are is learnt from a digest that nobody disturbs."""
    ground = parents.forked()
    undisturbed = _Log(ground, f"proofs-{os.getpid()}")
    undisturbed.sign()
    calls = undisturbed.sign()
    for call in range(number, len(calls), LANES):
        for answered in (False, True):
            log = _Log(ground, f"proofs-{os.getpid()}-{call}-{answered}".lower())
            log.sign()
            log.sign(Point(call, answered))
            found = log.numbers() - 1
            log.sign()
            seen = log.seen(found)
            row = Row(number=call, answered=answered, call=calls[call], written=log.written(), seen=seen)
            say(asdict(row))


class _Log:
    """An audit log and an archive of their own, in which time is ours."""

    def __init__(self, ground: Ground, name: str) -> None:
        engine = ground.world.engine
        engine.client("logs").create_log_group(logGroupName=f"/{name}/audit")
        engine.client("s3").create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
        settings = replace(ground.settings, audit_log_group=f"/{name}/audit", archive_bucket=name)
        self._ground = replace(ground, settings=settings)
        self._clock = Clock()

    def sign(self, end: Point | None = None) -> list[str]:
        """Write some events, let time pass, and let an auditor sign; gives its calls, none if it was killed."""
        self._write()
        self._clock.advance(_BETWEEN)

        def sign(say: Say) -> None:
            calls = Calls(self._ground.settings, end)
            wiring = self._in_our_time(self._ground.forked().watched(calls, self._clock))
            with suppress(Unavailable):
                wiring.digester.run(deadline=self._clock() + _TIME)
            say(calls.seen)

        seen = [calls for _, calls in told([fork(sign)], seconds=SECONDS)]
        if end is not None and seen:
            raise ProcessError(f"the auditor was not killed at {end}")
        return seen[0] if seen else []

    def _write(self) -> None:
        wiring = self._wiring()
        for _ in range(_EVENTS):
            wiring.trail.note("message.sent", "msg_proof", "sent")
        wiring.trail.flush()

    def written(self) -> int:
        """Count the events that the digests have to know: all that was filed before the last one's end."""
        wiring = self._wiring()
        return sum(1 for _ in wiring.audit_reader.lines(since=0, until=self._digests(wiring)[-1].until))

    def numbers(self) -> int:
        """Give the newest digest's number."""
        return digests.last_number(self._wiring().archive)

    def seen(self, found: int) -> Signed:
        """Look at the archive, and verify; `found` are the digests that the dead auditor had made."""
        wiring = self._wiring()
        archive, settings, made = wiring.archive, wiring.settings, self._digests(wiring)
        gathering = Gathering(
            reader=wiring.audit_reader, archive=archive, stage=settings.stage, log_group=settings.audit_log_group
        )
        report = judge(gathering.gather(since=0, until=int(self._clock() * 1000)), checker(wiring.signer.public_key()))
        return Signed(
            found=found,
            made=len(made) - 1,
            numbers=[digest.number for digest in made] == list(range(1, len(made) + 1)),
            twice=len(archive.replaced(digests.PREFIX)),
            events=sum(digest.events for digest in made),
            good=report.good,
        )

    def _digests(self, wiring: Wiring) -> list[Digest]:
        archive = wiring.archive
        return [digests.read(digests.unpack(archive.get(name) or "").text) for name in archive.names(digests.PREFIX)]

    def _wiring(self) -> Wiring:
        return self._in_our_time(self._ground.wiring(self._clock))

    def _in_our_time(self, wiring: Wiring) -> Wiring:
        """Let lines be filed under the time that is ours; elsewhere that is nobody's but the log's."""
        wiring.audit_log = CloudWatchAuditLog(
            wiring.clients.logs,
            wiring.settings.audit_log_group,
            lambda: stream_name("proof", self._clock(), os.urandom),
            self._clock,
        )
        return wiring
