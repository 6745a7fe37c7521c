"""The audit log's reader, the archive and the signing key, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mailbearer.audit import AuditLine, Link
from tests.fakes.cursors import bad_cursor, read_cursor, write_cursor
from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.audit import AuditEvent


class FakeAuditReader:
    """Lines by time; `held` is what the log holds, and tests may change it as an intruder would."""

    def __init__(self, page_size: int = 100) -> None:
        self.faults = Faults()
        self.held: list[AuditLine] = []
        self.page_size = page_size
        self._ends: dict[str, Link] = {}

    def file(self, stream: str, timestamp: int, *events: AuditEvent) -> None:
        """Chain events onto a stream, as its writer does, filed under this time (epoch milliseconds)."""
        for event in events:
            text, self._ends[stream] = self._ends.get(stream, Link()).extend(event)
            self.held.append(AuditLine(stream, timestamp, text))

    def lines(self, *, since: int, until: int) -> Iterator[AuditLine]:
        cursor = ""
        while True:
            found, cursor = self.page(since=since, until=until, cursor=cursor)
            yield from found
            if not cursor:
                return

    def page(self, *, since: int, until: int, cursor: str) -> tuple[list[AuditLine], str]:
        with self.faults.around("page"):
            start = 0
            if cursor:
                (number,) = read_cursor(cursor, 1)
                if not number.isdigit():
                    raise bad_cursor()
                start = int(number)
            within = sorted(
                (line for line in self.held if since <= line.timestamp < until), key=lambda line: line.timestamp
            )
            end = start + self.page_size
            return within[start:end], write_cursor(str(end)) if end < len(within) else ""


class FakeArchive:
    """Every version of every document, the oldest first."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.versions: dict[str, list[str]] = {}
        self.hidden: set[str] = set()

    def put(self, name: str, body: str) -> None:
        with self.faults.around("put"):
            self.versions.setdefault(name, []).append(body)

    def create(self, name: str, body: str) -> bool:
        with self.faults.around("create"):
            if name in self.versions:
                return self.versions[name][-1] == body
            self.versions[name] = [body]
            return True

    def get(self, name: str) -> str | None:
        with self.faults.around("get"):
            return self.versions[name][-1] if name in self.versions else None

    def names(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        with self.faults.around("names"):
            return sorted(name for name in self.versions if name.startswith(prefix) and name > after)[:limit]

    def replaced(self, prefix: str, *, after: str = "") -> list[str]:
        with self.faults.around("replaced"):
            names = self.hidden | {name for name, kept in self.versions.items() if len(kept) > 1}
            return sorted(name for name in names if name.startswith(prefix) and name > after)

    def hide(self, name: str) -> None:
        """Put a delete marker on top, as whoever may take the bucket's policy away can."""
        del self.versions[name]
        self.hidden.add(name)


class FakeSigner:
    """A key of its own; two with the same number are the same key."""

    def __init__(self, number: int = 1) -> None:
        self.faults = Faults()
        self.key_id = f"key-{number}"
        self._key = ec.derive_private_key(number, ec.SECP256R1())

    def sign(self, message: bytes) -> bytes:
        with self.faults.around("sign"):
            return self._key.sign(message, ec.ECDSA(hashes.SHA256()))

    def public_key(self) -> bytes:
        with self.faults.around("public_key"):
            return self._key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
