"""Evidence as a file that can be judged anywhere, without AWS: one JSON object for each line."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any

from mailbearer.audit import AuditLine
from mailbearer.auditing import digests
from mailbearer.auditing.entries import in_order, place, read_entry
from mailbearer.auditing.evidence import Evidence
from mailbearer.auditing.flaws import Flaw, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = 1

_MOST_DIGESTS = 1_000_000  # a hundred years of them

_HEADER = {
    "stage": str,
    "log_group": str,
    "since": int,
    "until": int,
    "complete": bool,
    "first_digest": int,
    "last_digest": int,
    "replaced": list,
}
_LONGEST = 1 << 24
"""Bytes of the longest record that is read; the digest of the busiest six hours is far below."""

_FIELDS: dict[str, dict[str, type]] = {
    "export": {"version": int, "made_at": str, **_HEADER},
    "key": {"pem": str},
    "digest": {"number": int, "document": str},
    "line": {"stream": str, "timestamp": int, "text": str},
}


def write(evidence: Evidence, *, pem: str, made_at: str, out: IO[bytes]) -> int:
    """Write evidence and the public key (PEM) to a file; gives the number of events in it.

    Header, key, digests and lines, and at the end how much that was and its hash: a file that was cut off shows it.
    """
    total, events, records = hashlib.sha256(), 0, 0

    def put(kind: str, **values: object) -> None:
        nonlocal records
        line = _dump({"kind": kind, **values})
        total.update(line)
        records += 1
        out.write(line)

    put(
        "export",
        version=VERSION,
        made_at=made_at,
        stage=evidence.stage,
        log_group=evidence.log_group,
        since=evidence.since,
        until=evidence.until,
        complete=evidence.complete,
        first_digest=evidence.first,
        last_digest=evidence.last,
        replaced=evidence.replaced,
    )
    put("key", pem=pem)
    for number, document in evidence.digests:
        if document is not None:
            put("digest", number=number, document=document)
    for line, entry in in_order(evidence.lines):
        events += entry is not None
        put("line", stream=line.stream, timestamp=line.timestamp, text=line.text)
    put("end", records=records, sha256=total.hexdigest())
    return events


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export, read: what it holds, and the key that it brings.

    `out_of_order` are records that do not stand where they were written, `broken` says why the file as such is not what
    was written; empty if it is.
    """

    evidence: Evidence
    pem: str
    out_of_order: tuple[Flaw, ...]
    broken: str


def read(path: Path) -> Export:
    """Read an export. Raises `ValueError` if the file is none, `OSError`.

    It is read three times, and never held in memory: for itself, for its digests, and for its lines.
    """
    header, pem = _opening(path)
    return Export(
        evidence=Evidence(
            stage=header["stage"],
            log_group=header["log_group"],
            since=header["since"],
            until=header["until"],
            complete=header["complete"],
            first=header["first_digest"],
            last=header["last_digest"],
            digests=_digests(path, header["first_digest"], header["last_digest"]),
            lines=_lines(path),
            replaced=tuple(str(name) for name in header["replaced"]),
        ),
        pem=pem,
        out_of_order=tuple(_out_of_order(path)),
        broken=_broken(path),
    )


def _opening(path: Path) -> tuple[dict[str, Any], str]:
    records = _records(path)
    _, header = next(records, (0, None))
    _, key = next(records, (0, None))
    if header is None or header.get("kind") != "export" or key is None or not _is_key(key):
        raise ValueError("The file is no export of the audit log; `mailbearer audit export` makes one.")
    typed = all(type(header.get(name)) is kind for name, kind in _HEADER.items())
    if header.get("version") != VERSION or not typed or header["last_digest"] - header["first_digest"] > _MOST_DIGESTS:
        raise ValueError(f"The export is not of version {VERSION}, or its first line was changed.")
    return header, key["pem"]


def _is_key(record: dict[str, Any]) -> bool:
    return record.get("kind") == "key" and isinstance(record.get("pem"), str)


def _broken(path: Path) -> str:
    """Say why the file as such is not what was written; empty if it is."""
    total, count, whole, ended = hashlib.sha256(), 0, True, False
    for raw, record in _records(path):
        if record is not None and record.get("kind") == "end":
            fits = record.get("records") == count and record.get("sha256") == total.hexdigest()
            whole = whole and not ended and fits and raw.endswith(b"\n")
            ended = True
            continue
        # What is not judged must not stand in a file that is called good.
        whole = whole and not ended and _is_ours(raw, record, place=count)
        count += 1
        total.update(raw)
    if not ended:
        return "its end is missing"
    return "" if whole else "its last line tells of another file, or a record is none of ours"


def _is_ours(raw: bytes, record: dict[str, Any] | None, *, place: int) -> bool:
    """Tell whether a record is written as `write` does, to the byte, and one that may stand in this place."""
    if record is None or _dump(record) != raw:
        return False
    kind = record.get("kind")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    in_place = kind == ("export", "key")[place] if place < 2 else kind in {"digest", "line"}  # noqa: PLR2004
    return (
        fields is not None
        and in_place
        and record.keys() == {"kind", *fields}
        and all(type(record[name]) is wanted for name, wanted in fields.items())
    )


def _out_of_order(path: Path) -> Iterator[Flaw]:
    for (greater, _), (number, _) in pairwise(_documents(path)):
        if number < greater:
            name = digests.name_of(number)
            yield Flaw(kind=Kind.REORDERED, stream=name, seq=number, detail=f"it stands after number {greater}")
    for (before, last), (line, entry) in pairwise((line, read_entry(line)) for line in _lines(path)):
        # Of lines that are not as they were written the number says nothing.
        known = last is not None and entry is not None and last.intact and entry.intact
        if place(line, entry) < place(before, last) if known else line.timestamp < before.timestamp:
            seq, event = (entry.seq, str(entry.event["id"])) if entry is not None else (0, "")
            detail = "in the file it stands after what came later"
            yield Flaw(
                kind=Kind.REORDERED,
                stream=line.stream,
                seq=seq,
                event=event,
                timestamp=line.timestamp,
                detail=detail,
            )


def _digests(path: Path, first: int, last: int) -> Iterator[tuple[int, str | None]]:
    """Give the digests that should be there, and then what is too much."""
    expected = first
    for number, document in _documents(path):
        # A file that lies about a number must not keep us busy.
        for missing in range(expected, min(number, last + 1)):
            yield missing, None
        yield number, document
        expected = max(expected, number + 1)
    for missing in range(expected, last + 1):
        yield missing, None


def _documents(path: Path) -> Iterator[tuple[int, str]]:
    for _, record in _records(path):
        if record is not None and record.get("kind") == "digest":
            number, document = record.get("number"), record.get("document")
            if type(number) is int and isinstance(document, str):
                yield number, document


def _lines(path: Path) -> Iterator[AuditLine]:
    for _, record in _records(path):
        if record is not None and record.get("kind") == "line":
            stream, timestamp, text = record.get("stream"), record.get("timestamp"), record.get("text")
            if isinstance(stream, str) and type(timestamp) is int and isinstance(text, str):
                yield AuditLine(stream, timestamp, text)


def _records(path: Path) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    """Give each line of the file with what it holds, None if that is no JSON object."""
    with path.open("rb") as lines:
        # A line without an end must not fill the memory; what it is cut into is no record.
        for raw in iter(lambda: lines.readline(_LONGEST), b""):
            try:
                record = json.loads(raw) if raw.endswith(b"\n") else None
            except (ValueError, RecursionError):
                record = None
            yield raw, record if isinstance(record, dict) else None


def _dump(record: dict[str, Any]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
