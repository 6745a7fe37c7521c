"""The content bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.aws.failures import calling

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3ContentStore:
    """Content under `content/<message id>`, or `scheduled/<message id>`; the bucket encrypts it and lets it expire.

    Without `s3:ListBucket` on the bucket, S3 answers 403 for an object that is not there, which reads as `Unavailable`.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, message_id: str, body: str, *, scheduled: bool = False) -> None:
        """Keep a message's content. Raises `Unavailable`."""
        with calling("s3:PutObject"):
            self._client.put_object(
                Bucket=self._bucket,
                Key=_key(message_id, scheduled=scheduled),
                Body=body.encode(),
                ContentType="application/json",
            )

    def get(self, message_id: str, *, scheduled: bool = False) -> str | None:
        """Read a message's content; None if it is gone."""
        with calling("s3:GetObject"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=_key(message_id, scheduled=scheduled))
            except self._client.exceptions.NoSuchKey:
                return None
            with answer["Body"] as body:
                return body.read().decode()

    def delete(self, message_id: str, *, scheduled: bool = False) -> None:
        """Remove a message's content; no error if there is none."""
        with calling("s3:DeleteObject"):
            self._client.delete_object(Bucket=self._bucket, Key=_key(message_id, scheduled=scheduled))


def _key(message_id: str, *, scheduled: bool) -> str:
    return f"scheduled/{message_id}" if scheduled else f"content/{message_id}"
