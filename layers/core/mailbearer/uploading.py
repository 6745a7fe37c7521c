"""Attachments too large for a request: a place to put them, a look at what was put, and their bytes at last."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mailbearer.addresses import escape_pointer
from mailbearer.errors import Fault, InvalidInput
from mailbearer.ids import is_id, new_id
from mailbearer.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.caller import Caller
    from mailbearer.message import Message
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.channels import UploadStore

MAX_SIZE = 150_000_000
"""Bytes of the largest upload: the most that any transport takes is Graph's 150 MB for an attachment."""

URL_LIFE = 900
"""Seconds within which the putting has to begin."""

_FIELDS = frozenset({"filename", "content_type", "size"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An upload that may be put, with `headers`, to `url` until `expires_at` (epoch seconds)."""

    upload: Upload
    url: str = field(repr=False)
    headers: Mapping[str, str]
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """Take uploads in and give them to messages; `queue_caller` may use every one, the others their own."""

    store: UploadStore
    clock: Clock
    random_bytes: RandomBytes
    queue_caller: str

    def begin(self, body: object, caller: Caller) -> Begun:
        """Make a place for an upload. Raises `InvalidInput` with all faults."""
        from mailbearer.wire.attachments import (  # noqa: PLC0415 - the worker begins none
            is_content_type,
            read_filename,
        )

        if not isinstance(body, dict):
            detail = "An upload is a JSON object with filename, content_type and size."
            raise InvalidInput((Fault("", "not_an_object", detail),))
        faults = [
            Fault(f"/{escape_pointer(name)}", "unknown_field", "There is no such field; take it out.")
            for name in body
            if name not in _FIELDS
        ]
        filename = read_filename(body.get("filename"), "/filename", faults)
        content_type = body.get("content_type")
        if not is_content_type(content_type):
            detail = 'Write it like "application/pdf" (RFC 2045); multipart types cannot be attached.'
            faults.append(Fault("/content_type", "invalid_content_type", detail))
        size = _read_size(body, faults)
        if faults:
            raise InvalidInput(tuple(faults))
        now = self.clock()
        upload = Upload(
            id=new_id("upl_", now, self.random_bytes),
            caller=caller.key_id,
            filename=filename,
            content_type=str(content_type),
            size=size,
        )
        url, headers = self.store.presign(upload, seconds=URL_LIFE)
        return Begun(upload=upload, url=url, headers=headers, expires_at=now + URL_LIFE)

    def check(self, upload_id: str, caller: str, pointer: str, faults: list[Fault]) -> Upload | None:
        """Find an upload that `caller` may use; otherwise None, with one and the same fault whatever the cause.

        Raises `Unavailable`.
        """
        upload = self.store.find(upload_id) if is_id("upl_", upload_id) else None
        if upload is None or caller not in (upload.caller, self.queue_caller):
            detail = "There is no such upload: begin it with POST /v1/uploads and put the file to its URL first."
            faults.append(Fault(pointer, "unknown_upload", detail))
            return None
        return upload

    def fill(self, message: Message) -> Message | None:
        """Give the message with the bytes of its uploads in it, None if one is gone. Raises `Unavailable`.

        Takes four thirds of their size in memory, and for a moment seven thirds of the largest on top.
        """
        contents: dict[str, tuple[str, int]] = {}
        for part in message.attachments:
            if part.upload_id and part.upload_id not in contents:
                content = self.store.read(part.upload_id)
                if content is None:
                    return None
                contents[part.upload_id] = (base64.b64encode(content).decode("ascii"), len(content))
        if not contents:
            return message
        filled = (
            replace(part, content=contents[part.upload_id][0], size=contents[part.upload_id][1])
            if part.upload_id
            else part
            for part in message.attachments
        )
        return replace(message, attachments=tuple(filled))

    def keep(self, message: Message) -> None:
        """See that the message's uploads last until it is due; safe to repeat. Raises `Unavailable`."""
        for upload_id in dict.fromkeys(part.upload_id for part in message.attachments if part.upload_id):
            self.store.keep(upload_id)


def _read_size(body: Mapping[str, Any], faults: list[Fault]) -> int:
    size = body.get("size")
    # A bool is an int in Python, and no number in JSON.
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_SIZE:
        detail = f"size is the file's length in bytes, a whole number from 1 to {MAX_SIZE}."
        faults.append(Fault("/size", "invalid_size", detail))
        return 0
    return size
