"""The audit log group: each writer chains a stream of its own."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mailbearer.audit import Link, canonical
from mailbearer.aws.failures import calling
from mailbearer.errors import AuditUnavailable, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mypy_boto3_logs import CloudWatchLogsClient

    from mailbearer.audit import AuditEvent
    from mailbearer.ports import Clock, RandomBytes

# What PutLogEvents takes in one call; each event counts 26 bytes more than its text. The other limit, 10,000 events, is
# out of reach: with two hashes in each line the bytes are used up long before.
_BATCH_BYTES = 1_048_576
_EVENT_OVERHEAD = 26
_LINK_BYTES = 200  # what the chain adds to a line: two hashes, a number, their names


def stream_name(function: str, now: float, random_bytes: RandomBytes) -> str:
    """Name a new stream `<function>/<yyyy>/<mm>/<dd>/<random>`."""
    return f"{function}/{datetime.fromtimestamp(now, UTC):%Y/%m/%d}/{random_bytes(8).hex()}"


class CloudWatchAuditLog:
    """Appends to one stream, made with the first event; safe for several threads.

    After a failed write nobody can tell whether its lines stand, so the next write begins a new stream and a new chain:
    no stream ever holds two different events under one number. The SDK may repeat a write whose answer was lost, so a
    reader passes over a line that is byte for byte the one before with that number.
    A line is filed under the time of writing, which CloudWatch never finds too old; its `at` says when it happened.
    """

    def __init__(
        self, client: CloudWatchLogsClient, group: str, new_stream_name: Callable[[], str], clock: Clock = time.time
    ) -> None:
        self._client = client
        self._group = group
        self._new_stream_name = new_stream_name
        self._clock = clock
        self._lock = threading.Lock()
        self._stream = ""
        self._end = Link()
        self._last_timestamp = 0

    def write(self, events: Iterable[AuditEvent]) -> None:
        """Append events to this writer's chain. Raises `AuditUnavailable`."""
        with self._lock:
            try:
                for batch in _batches(events):
                    self._write_batch(batch)
            except Unavailable as error:
                self._stream = ""
                raise AuditUnavailable(f"The audit log did not take an event. {error.detail}") from error

    def _write_batch(self, batch: list[AuditEvent]) -> None:
        if not self._stream:
            self._stream, self._end = self._make_stream(), Link()
        end = self._end
        lines: list[str] = []
        for event in batch:
            line, end = end.extend(event)
            lines.append(line)
        # CloudWatch demands that time does not run back within a batch, and readers sort by it.
        timestamp = self._last_timestamp = max(self._last_timestamp, int(self._clock() * 1000))
        with calling("logs:PutLogEvents"):
            answer = self._client.put_log_events(
                logGroupName=self._group,
                logStreamName=self._stream,
                logEvents=[{"timestamp": timestamp, "message": line} for line in lines],
            )
        if answer.get("rejectedLogEventsInfo"):
            raise Unavailable("logs:PutLogEvents rejected events for their time.")
        self._end = end

    def _make_stream(self) -> str:
        name = self._new_stream_name()
        with calling("logs:CreateLogStream"):
            try:
                self._client.create_log_stream(logGroupName=self._group, logStreamName=name)
            except self._client.exceptions.ResourceAlreadyExistsException:
                # The name is random, so it was this very call, repeated by the SDK.
                return name
        return name


def _batches(events: Iterable[AuditEvent]) -> Iterator[list[AuditEvent]]:
    """Cut events into lots that one call takes."""
    batch: list[AuditEvent] = []
    size = 0
    for event in events:
        weight = len(canonical(event.as_dict())) + _LINK_BYTES + _EVENT_OVERHEAD
        if batch and size + weight > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += weight
    if batch:
        yield batch
