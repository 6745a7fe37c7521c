"""Uploads in the content bucket, in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from mailbearer.upload import Upload


class FakeUploadStore:
    """What may be put, what was put, and what is kept for longer."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.begun: dict[str, Upload] = {}
        self.stored: dict[str, tuple[Upload, bytes]] = {}
        self.kept: dict[str, tuple[Upload, bytes]] = {}

    def presign(self, upload: Upload, *, seconds: int) -> tuple[str, dict[str, str]]:
        with self.faults.around("presign"):
            self.begun[upload.id] = upload
            url = f"https://bucket.invalid/uploads/{upload.id}?expires={seconds}"
            return url, {"content-type": upload.content_type, "if-none-match": "*"}

    def find(self, upload_id: str) -> Upload | None:
        with self.faults.around("find"):
            found = self.stored.get(upload_id) or self.kept.get(upload_id)
            return found[0] if found else None

    def read(self, upload_id: str) -> bytes | None:
        with self.faults.around("read"):
            found = self.stored.get(upload_id) or self.kept.get(upload_id)
            return found[1] if found else None

    def keep(self, upload_id: str) -> None:
        with self.faults.around("keep"):
            found = self.stored.get(upload_id) or self.kept.get(upload_id)
            if found:
                self.kept[upload_id] = found

    def put(self, upload: Upload, content: bytes) -> None:
        """Do what somebody does with the URL; give what somebody sees who asks afterwards."""
        assert upload.id not in self.stored
        self.stored[upload.id] = (replace(upload, size=len(content)), content)

    def expire(self) -> None:
        """Let thirty days pass."""
        self.stored.clear()
