"""Bodies for the queue that their senders put into the content bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.aws.failures import calling

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LIMIT = 10_000_000
"""Bytes of the largest body that is read: ten of them at once have to fit into a worker. Larger mail uses uploads."""

_PREFIX = "inbox/"
_LONGEST_KEY = 1024  # bytes, S3's own limit


class S3PointedContent:
    """What lies in our own bucket under `inbox/`; a pointer to anything else is not followed."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def read(self, bucket: str, key: str) -> str | None:
        """Read one; None if it is gone, none of ours to read, larger than `LIMIT`, or no text in UTF-8."""
        if bucket != self._bucket or not _may_be_read(key):
            return None
        with calling("s3:GetObject"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
            except self._client.exceptions.NoSuchKey:
                return None
            with answer["Body"] as body:
                if answer["ContentLength"] > LIMIT:
                    return None
                content = body.read()
        try:
            return content.decode()
        except UnicodeDecodeError:
            return None


def _may_be_read(key: str) -> bool:
    """Tell whether a key lies below the prefix whoever reads the path, and S3 would take it."""
    return (
        key.startswith(_PREFIX)
        and key.isprintable()
        and len(key.encode()) <= _LONGEST_KEY
        and not {".", ".."} & set(key.split("/"))
    )
