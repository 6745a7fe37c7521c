"""The archive bucket: versioned and object-locked, so that what was put stays as it was until its time is over."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from mailbearer.aws.failures import calling, code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_TAKEN = "PreconditionFailed"
_MOST = 1000  # names in one answer


class S3Archive:
    """Documents under their own names; the bucket's default retention locks every version.

    A put names its checksum: S3 takes nothing into an object-locked bucket without one.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, name: str, body: str) -> None:
        """Keep a document; under a name that is taken it stands beside the older one. Raises `Unavailable`."""
        with calling("s3:PutObject"):
            self._put(name, body)

    def create(self, name: str, body: str) -> bool:
        """Keep a document unless its name is taken; tells whether it was kept. Raises `Unavailable`.

        Two at once: S3 refuses one of them, or answers 409 (ConditionalRequestConflict), which is `Unavailable`.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415 - loaded with the client long before

        with calling("s3:PutObject"):
            try:
                self._put(name, body, IfNoneMatch="*")
            except ClientError as error:
                if code(error) != _TAKEN:
                    raise
                # The SDK may have repeated a put whose answer was lost: then the document that stands is this one.
                return self.get(name) == body
        return True

    def get(self, name: str) -> str | None:
        """Read the newest document of this name. Raises `Unavailable`."""
        with calling("s3:GetObject"):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=name)
            except self._client.exceptions.NoSuchKey:
                return None
            with answer["Body"] as body:
                return body.read().decode()

    def names(self, prefix: str, *, after: str = "", limit: int = 1000) -> list[str]:
        """Name documents below a prefix in the order of their names, from after `after` on. Raises `Unavailable`."""
        found: list[str] = []
        while len(found) < limit:
            start = found[-1] if found else after
            with calling("s3:ListBucket"):
                answer = self._client.list_objects_v2(
                    Bucket=self._bucket, Prefix=prefix, StartAfter=start, MaxKeys=min(_MOST, limit - len(found))
                )
            found += [entry["Key"] for entry in answer.get("Contents", [])]
            if not answer["IsTruncated"]:
                break
        return found

    def replaced(self, prefix: str, *, after: str = "") -> list[str]:
        """Name those of which more than one version is kept, or that a delete marker hides. Raises `Unavailable`."""
        standing: Counter[str] = Counter()
        more: dict[str, Any] = {"KeyMarker": after} if after else {}
        while True:
            with calling("s3:ListBucketVersions"):
                answer = self._client.list_object_versions(Bucket=self._bucket, Prefix=prefix, **more)
            standing.update(entry["Key"] for entry in answer.get("Versions", []))
            # A marker hides even the only version.
            standing.update({entry["Key"]: 2 for entry in answer.get("DeleteMarkers", [])})
            if not answer["IsTruncated"]:
                return sorted(name for name, count in standing.items() if count > 1)
            more = {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer["NextVersionIdMarker"]}

    def _put(self, name: str, body: str, **conditions: Any) -> None:
        self._client.put_object(
            Bucket=self._bucket,
            Key=name,
            Body=body.encode(),
            ContentType="application/json",
            ChecksumAlgorithm="SHA256",
            **conditions,
        )
