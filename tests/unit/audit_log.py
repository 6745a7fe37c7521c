"""A log with signed digests, as three writers and the auditor leave it, and an export of it to tamper with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

from mailbearer.audit import AuditEvent, AuditLine, Link
from mailbearer.auditing import digests
from mailbearer.auditing.digesting import Digester, Signing
from mailbearer.auditing.evidence import Evidence, Gathering
from mailbearer.auditing.exporting import read, write
from mailbearer.auditing.signatures import checker, to_pem
from mailbearer.auditing.verification import Report, judge, judge_export
from mailbearer.trail import BufferedTrail
from tests.fakes import CountedBytes, FakeArchive, FakeAuditLog, FakeAuditReader, FakeAuditSpool, FakeClock, FakeSigner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOUR = 3600.0
GROUP = "/mailbearer/test/audit"
API, WORKER, ROTATOR = "api/1", "worker/1", "rotator/1"
Records = list[dict[str, Any]]


def event(number: int, **changes: Any) -> AuditEvent:
    """Give an event."""
    values: dict[str, Any] = {
        "id": f"evt_{number}",
        "at": f"2025-06-15T15:06:{number % 60:02d}.000Z",
        "actor": "worker",
        "action": "message.sent",
        "subject": f"msg_{number}",
        "outcome": "sent",
        "facts": (("account", "acc_1"),),
    }
    return AuditEvent(**values | changes)


@dataclass
class Audited:
    """The log, what signs it, and the time."""

    clock: FakeClock = field(default_factory=FakeClock)
    reader: FakeAuditReader = field(default_factory=FakeAuditReader)
    archive: FakeArchive = field(default_factory=FakeArchive)
    signer: FakeSigner = field(default_factory=FakeSigner)
    log: FakeAuditLog = field(default_factory=FakeAuditLog)
    told: list[int] = field(default_factory=list)
    count: int = 0

    @property
    def now(self) -> int:
        return int(self.clock() * 1000)

    def write(self, stream: str, number: int = 1, **changes: Any) -> None:
        """Let a writer write so many events now, in one call."""
        events = [event(self.count + each, **changes) for each in range(1, number + 1)]
        self.count += number
        self.reader.file(stream, self.now, *events)

    def digester(self, **changes: Any) -> Digester:
        trail = BufferedTrail(self.log, FakeAuditSpool(), self.clock, CountedBytes(), actor="auditor")
        given: dict[str, Any] = {
            "reader": self.reader,
            "archive": self.archive,
            "signer": self.signer,
            "trail": trail,
            "clock": self.clock,
            "tell": self.told.append,
            "stage": "test",
            "log_group": GROUP,
        }
        return Digester(**given | changes)

    def sign(self) -> Signing:
        """Let the schedule run when all that was written has settled."""
        self.clock.advance(600)
        return self.digester().run(deadline=self.clock() + 290)

    def history(self) -> None:
        """Let some hours pass: three writers, three digests, and some events after."""
        self.write(API, 3)
        self.clock.advance(1)
        self.write(WORKER, 4)
        self.sign()
        self.write(API, 2)
        self.clock.advance(1)
        self.write(API, 2)
        self.sign()
        self.clock.advance(HOUR)
        self.write(ROTATOR, 3)
        self.write(API, 1)
        self.sign()
        self.clock.advance(60)
        self.write(ROTATOR, 2)
        self.clock.advance(60)

    def gather(self, *, since: int = 0, kept_since: int = 0) -> Evidence:
        gathering = Gathering(reader=self.reader, archive=self.archive, stage="test", log_group=GROUP)
        return gathering.gather(since=since, until=self.now, kept_since=kept_since)

    def judge(self, *, since: int = 0, kept_since: int = 0, signer: FakeSigner | None = None) -> Report:
        fits = checker((signer or self.signer).public_key())
        return judge(self.gather(since=since, kept_since=kept_since), fits)

    def export(self, *, since: int = 0) -> bytes:
        out = BytesIO()
        pem = to_pem(self.signer.public_key())
        write(self.gather(since=since), pem=pem, made_at="2025-06-15T18:00:00.000Z", out=out)
        return out.getvalue()

    def at(self, stream: str, seq: int) -> int:
        """Find where a line lies in the log."""
        places = [
            place
            for place, line in enumerate(self.reader.held)
            if line.stream == stream and json.loads(line.text)["seq"] == seq
        ]
        return places[0]


def records(export: bytes) -> Records:
    """Read an export's records."""
    return [json.loads(line) for line in export.splitlines()]


def sealed(given: Records) -> bytes:
    """Write records with an end that fits them, as somebody does who knows the format."""
    body = b"".join(_line(record) for record in given if record["kind"] != "end")
    count = sum(record["kind"] != "end" for record in given)
    return body + _line({"kind": "end", "records": count, "sha256": hashlib.sha256(body).hexdigest()})


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def judged(path: Path, export: bytes, signer: FakeSigner) -> Report:
    """Judge an export, as a file, with the key of this signer."""
    path.write_bytes(export)
    return judge_export(read(path), checker(signer.public_key()))


def find(given: Records, stream: str, seq: int) -> int:
    """Find where a line stands in an export."""
    (place,) = [
        place
        for place, record in enumerate(given)
        if record["kind"] == "line" and record["stream"] == stream and json.loads(record["text"])["seq"] == seq
    ]
    return place


def rewritten(lines: list[AuditLine], change: Callable[[dict[str, Any]], None]) -> list[AuditLine]:
    """Change the first of consecutive lines of a stream, and write all their hashes anew."""
    first = json.loads(lines[0].text)
    end = Link(first["seq"] - 1, first["prev"])
    found = []
    for number, line in enumerate(lines):
        body = json.loads(line.text)
        if number == 0:
            change(body)
        facts = tuple(body.get("facts", {}).items())
        known = {name: value for name, value in body.items() if name not in {"seq", "prev", "hash"}}
        text, end = end.extend(AuditEvent(**known | {"facts": facts}))
        found.append(AuditLine(line.stream, line.timestamp, text))
    return found


def digest_of(archive: FakeArchive, number: int) -> Any:
    """Read a digest out of the archive."""
    return digests.read(digests.unpack(archive.versions[digests.name_of(number)][-1]).text)
