"""Bringing a message's copy back at a later moment: by the queue's own delay, or by a schedule beyond that."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.envelope import QUEUE_LIMIT, Job, read_content, write_content, write_job
from mailbearer.errors import Unavailable

if TYPE_CHECKING:
    from mailbearer.message import Message, MessageRecord
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import ContentStore, MessageQueue, Schedules
    from mailbearer.trail import Trail

MAX_QUEUE_DELAY = 900
"""The longest delay that SQS knows, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comeback:
    """Queue copies for later, and keep the content of those that wait long."""

    queue: MessageQueue
    schedules: Schedules
    content: ContentStore
    trail: Trail
    clock: Clock

    def put(self, job: Job, *, at: float) -> None:
        """Let a copy come at `at` (epoch seconds), at once if that is past.

        What waits longer than the queue can hold it back has to be parked. Raises `Unavailable`.
        """
        job = job if job.correlation else replace(job, correlation=self.trail.correlation)
        wait = at - self.clock()
        if wait > MAX_QUEUE_DELAY:
            far = replace(job, message=None, record=None)
            try:
                self.schedules.put(job.id, at=at, body=write_job(far), group=job.account)
            except Unavailable as error:
                # The copy that comes back too early asks for a schedule again.
                self.trail.note("message.unscheduled", job.id, "queued", reason=error.code, account=job.account)
            else:
                return
        self._queue(job, wait)

    def park(self, record: MessageRecord, message: Message) -> None:
        """Keep the content of a message that waits. Raises `Unavailable`."""
        self.content.put(record.id, write_content(message), scheduled=bool(record.send_at))

    def fetch(self, record: MessageRecord) -> Message | None:
        """Read the content of a parked message; None if it is not kept any more. Raises `Unavailable`."""
        text = self.content.get(record.id, scheduled=bool(record.send_at))
        return read_content(text) if text is not None else None

    def forget(self, record: MessageRecord) -> None:
        """Remove parked content; the bucket's lifecycle does it if this fails."""
        try:
            self.content.delete(record.id, scheduled=bool(record.send_at))
        except Unavailable as error:
            self.trail.note("message.content_kept", record.id, "kept", reason=error.code, account=record.account)

    def _queue(self, job: Job, delay: float) -> None:
        """Queue a copy, its content through the bucket if it is big."""
        text = write_job(job)
        if job.message is not None and len(text.encode()) > QUEUE_LIMIT:
            self.content.put(job.id, write_content(job.message), scheduled=bool(job.message.send_at))
            text = write_job(replace(job, message=None, record=None))
        # Rounded up: a copy that comes a moment too early would only be put back again.
        self.queue.send(text, group=job.account, delay=min(MAX_QUEUE_DELAY, max(0, math.ceil(delay))))
