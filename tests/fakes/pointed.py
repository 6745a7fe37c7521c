"""What senders put into the bucket for the queue, in memory."""

from __future__ import annotations

from tests.fakes.faults import Faults


class FakePointedContent:
    """Bodies by key; `limit` is the largest that is read, in bytes."""

    def __init__(self, bucket: str = "content", *, limit: int = 10_000_000) -> None:
        self.faults = Faults()
        self.bodies: dict[str, bytes] = {}
        self._bucket = bucket
        self._limit = limit

    def read(self, bucket: str, key: str) -> str | None:
        if bucket != self._bucket or not key.startswith("inbox/") or not key.isprintable() or ".." in key:
            return None
        with self.faults.around("read"):
            content = self.bodies.get(key)
        if content is None or len(content) > self._limit:
            return None
        try:
            return content.decode()
        except UnicodeDecodeError:
            return None
