"""What the sandbox transport took, in the content bucket."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mailbearer.aws.failures import calling
from mailbearer.capture import Capture

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LONGEST_NAME = 200


class S3CaptureStore:
    """A message as `captured/<account>/<Message-ID>.eml`, with its envelope in a `.json` beside it.

    The `.json` is written last: what has one is whole. The bucket lets both expire after 30 days.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, capture: Capture, mime: bytes) -> str:
        """Keep a captured message; the same again takes its place. Gives its name. Raises `Unavailable`."""
        key = _key(capture.account, capture.message_id)
        self._write(f"{key}.eml", mime, "message/rfc822")
        self._write(f"{key}.json", json.dumps(asdict(capture)).encode(), "application/json")
        return key

    def find(self, account_id: str, message_id: str) -> Capture | None:
        """Read the envelope of a captured message; None if there is none. Raises `Unavailable`."""
        return self._capture(f"{_key(account_id, message_id)}.json")

    def read(self, account_id: str, message_id: str) -> bytes | None:
        """Read the MIME of a captured message; None if there is none. Raises `Unavailable`."""
        return self._read(f"{_key(account_id, message_id)}.eml")

    def listing(self, account_id: str, *, limit: int) -> list[Capture]:
        """List what was captured for an account, the newest first. Raises `Unavailable`."""
        found: list[tuple[Any, str]] = []
        start: dict[str, Any] = {}
        while True:
            with calling("s3:ListBucket"):
                answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"captured/{account_id}/", **start)
            entries = answer.get("Contents", [])
            found += [(one["LastModified"], one["Key"]) for one in entries if one["Key"].endswith(".json")]
            if not answer.get("NextContinuationToken"):
                break
            start = {"ContinuationToken": answer["NextContinuationToken"]}
        newest = sorted(found, reverse=True)[:limit]
        captures = [capture for _, key in newest if (capture := self._capture(key)) is not None]
        # S3 tells the time in whole seconds.
        return sorted(captures, key=lambda capture: capture.at, reverse=True)

    def count_try(self, account_id: str, message_id: str) -> int:
        """Count one more try at a message; gives how many there have been. Raises `Unavailable`.

        The intent lets one worker at a time try a message, so that reading and writing are not overtaken.
        """
        key = f"{_key(account_id, message_id)}.tries"
        tries = int(self._read(key) or b"0") + 1
        self._write(key, str(tries).encode(), "text/plain")
        return tries

    def _capture(self, key: str) -> Capture | None:
        text = self._read(key)
        if text is None:
            return None
        values = json.loads(text)
        for name in ("rcpt_to", "refused"):
            values[name] = tuple(values[name])
        return Capture(**values | {"headers": tuple((name, value) for name, value in values["headers"])})

    def _read(self, key: str) -> bytes | None:
        with calling("s3:GetObject"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
            except self._client.exceptions.NoSuchKey:
                return None
            with answer["Body"] as body:
                return bytes(body.read())

    def _write(self, key: str, content: bytes, content_type: str) -> None:
        with calling("s3:PutObject"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=content_type)


def _key(account_id: str, message_id: str) -> str:
    """Give the key without its ending; a Message-ID too long for one stands there as its hash."""
    name = quote(message_id.strip("<>"), safe="@")
    if len(name) > _LONGEST_NAME:
        name = hashlib.sha256(message_id.encode()).hexdigest()
    return f"captured/{account_id}/{name}"
