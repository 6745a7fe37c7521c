"""Audit events that wait in the content bucket while the audit log cannot be written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailbearer.audit import AuditEvent
from mailbearer.aws.failures import calling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_s3 import S3Client

_PREFIX = "audit-spool/"


class S3AuditSpool:
    """Lots of events under `audit-spool/<time>-<id of the first event>`, so that names sort by age."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def keep(self, events: Sequence[AuditEvent]) -> None:
        """Keep events durably. Raises `Unavailable`."""
        if not events:
            return
        name = f"{_PREFIX}{events[0].at}-{events[0].id}"
        body = json.dumps([event.as_dict() for event in events]).encode()
        with calling("s3:PutObject"):
            self._client.put_object(Bucket=self._bucket, Key=name, Body=body, ContentType="application/json")

    def waiting(self, limit: int) -> list[tuple[str, list[AuditEvent]]]:
        """Give up to `limit` kept lots, oldest first, each with the name to remove it by."""
        with calling("s3:ListBucket"):
            answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=_PREFIX, MaxKeys=limit)
        lots = []
        for entry in answer.get("Contents", []):
            with calling("s3:GetObject"):
                try:
                    kept = self._client.get_object(Bucket=self._bucket, Key=entry["Key"])
                except self._client.exceptions.NoSuchKey:
                    # Another run has written and removed it.
                    continue
                with kept["Body"] as body:
                    lots.append((entry["Key"], [_event(values) for values in json.loads(body.read())]))
        return lots

    def remove(self, name: str) -> None:
        """Remove a lot that has been written."""
        with calling("s3:DeleteObject"):
            self._client.delete_object(Bucket=self._bucket, Key=name)


def _event(values: dict[str, Any]) -> AuditEvent:
    return AuditEvent(**values | {"facts": tuple(values.get("facts", {}).items())})
