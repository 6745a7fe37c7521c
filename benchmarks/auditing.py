"""Signing and verifying an audit log of many events; log and archive are in memory, so AWS's answers come on top."""

from __future__ import annotations

import time
import tracemalloc
from typing import TYPE_CHECKING

from benchmarks.figures import Row, Series
from mailbearer.audit import AuditEvent, AuditLine, Link
from mailbearer.auditing.digesting import Digester
from mailbearer.auditing.evidence import Gathering
from mailbearer.auditing.signatures import checker
from mailbearer.auditing.verification import judge
from mailbearer.ids import rfc3339
from mailbearer.trail import BufferedTrail
from tests.fakes import FakeArchive, FakeAuditLog, FakeAuditSpool, FakeSigner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.effort import Effort

STREAMS = 20
_BEGIN = 1_800_000_000.0
_NOW = _BEGIN + 3600
_GROUP = "bench"


class Log:
    """A log of one hour, in which each of some streams has a chain of its own; read as often as somebody wants."""

    def __init__(self, events: int) -> None:
        ends = [Link()] * STREAMS
        self.filed: list[AuditLine] = []
        for number in range(events):
            at = _BEGIN + 3000 * number / events
            event = AuditEvent(
                id=f"evt_{number:026d}",
                at=rfc3339(at),
                actor="delivery-worker",
                action="message.sent",
                subject=f"msg_{number:026d}",
                outcome="sent",
                reason="",
                request_id="00000000-1111-4222-8333-444444444444",
                facts=(("account", "acc_0123456789ABCDEFGHJKMNPQRS"), ("provider", "google")),
            )
            stream = number % STREAMS
            text, ends[stream] = ends[stream].extend(event)
            self.filed.append(AuditLine(f"worker/{stream}", int(at * 1000), text))

    def lines(self, *, since: int, until: int) -> Iterator[AuditLine]:
        """Give the lines of a time."""
        return (line for line in self.filed if since <= line.timestamp < until)

    def page(self, *, since: int, until: int, cursor: str) -> tuple[list[AuditLine], str]:
        """Give all of them at once."""
        del cursor
        return list(self.lines(since=since, until=until)), ""


def measure(effort: Effort) -> list[Row]:
    """Measure a digest, a verification, and what each has in memory beyond the log itself."""
    log, events = Log(effort.audit_events), effort.audit_events
    archive, signer = FakeArchive(), FakeSigner()
    signing = _timed(lambda: _sign(log, archive, signer, events))
    verifying = _timed(lambda: _verify(log, archive, signer, events))
    signing_bytes = _peak(lambda: _sign(log, FakeArchive(), signer, events))
    verifying_bytes = _peak(lambda: _verify(log, archive, signer, events))
    return [
        Row(
            measure="audit",
            name=f"{name} {events:,} events, {events / seconds:,.0f}/s, {peak / 1e6:.1f} MB",
            figure=Series((seconds,)),
            details={"events": events, "events_per_second": events / seconds, "peak_bytes": peak},
        )
        for name, seconds, peak in (("sign", signing, signing_bytes), ("verify", verifying, verifying_bytes))
    ]


def _sign(log: Log, archive: FakeArchive, signer: FakeSigner, events: int) -> None:
    trail = BufferedTrail(FakeAuditLog(), FakeAuditSpool(), lambda: _NOW, bytes, actor="auditor")
    digester = Digester(
        reader=log,
        archive=archive,
        signer=signer,
        trail=trail,
        clock=lambda: _NOW,
        tell=lambda _flaws: None,
        stage="bench",
        log_group=_GROUP,
    )
    done = digester.run(deadline=_NOW + 600)
    if (done.events, done.flaws) != (events, 0):
        raise RuntimeError(str(done))


def _verify(log: Log, archive: FakeArchive, signer: FakeSigner, events: int) -> None:
    gathering = Gathering(reader=log, archive=archive, stage="bench", log_group=_GROUP)
    report = judge(gathering.gather(since=0, until=int(_NOW * 1000)), checker(signer.public_key()))
    if not report.good or report.events != events:
        raise RuntimeError(str(report)[:500])


def _timed(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _peak(work: Callable[[], None]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
