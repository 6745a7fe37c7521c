"""The queue as time passes: copies come when they are due, and again after their worker died."""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from proofs.functions import DUE

if TYPE_CHECKING:
    from proofs.ground import Clock

VISIBILITY = 720.0
"""Seconds after which a copy comes again whose worker did not acknowledge it, as in template.yaml."""
RECEIVES = 5
"""How often a copy comes before it is a dead letter, as in template.yaml."""

_PAGE = 10
_HIDDEN = 43_200
_AT = re.compile(r"at\((.*)\)")


@dataclass(order=True, slots=True)
class Copy:
    """One body on the queue, due at a moment (epoch seconds)."""

    due: float
    number: int
    body: str = field(compare=False)
    id: str = field(compare=False)
    received: int = field(default=0, compare=False)

    def event(self) -> dict[str, Any]:
        """Give it as Lambda hands it over, in a batch of its own."""
        record = {
            "messageId": self.id,
            "receiptHandle": self.id,
            "body": self.body,
            "attributes": {"ApproximateReceiveCount": str(self.received)},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:proof",
            "awsRegion": "us-east-1",
        }
        return {"Records": [record]}


@dataclass(slots=True, kw_only=True)
class Arrivals:
    """What lies on a queue of ours, and what a schedule will put there; both are the engine's own."""

    sqs: Any
    scheduler: Any
    queue_url: str
    schedule_group: str
    clock: Clock
    dead: int = 0
    _copies: list[Copy] = field(default_factory=list)
    _arrived: int = 0

    def next(self, name: str, *, horizon: float) -> Copy | None:
        """Take the copy that comes next, time passing until then; None if none comes within `horizon` seconds.

        `name` is that of the one schedule that is looked at.
        """
        self._collect()
        if not self._copies or self._copies[0].due > self.clock():
            self._look_at_schedule(name, horizon)
        if not self._copies:
            return None
        copy = heapq.heappop(self._copies)
        self.clock.advance(max(0.0, copy.due - self.clock()))
        copy.received += 1
        return copy

    def again(self, copy: Copy) -> None:
        """Let a copy come again that nobody acknowledged."""
        if copy.received >= RECEIVES:
            self.dead += 1
            return
        copy.due = self.clock() + VISIBILITY
        heapq.heappush(self._copies, copy)

    def put(self, body: str) -> None:
        """Put a body straight on the queue, as whoever IAM lets."""
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def forget(self, name: str) -> None:
        """Take away what a message left."""
        self._collect()
        self._copies.clear()
        self.dead = 0
        self._unschedule(name)

    def _collect(self) -> None:
        for each in self._received():
            due = each.get("MessageAttributes", {}).get(DUE, {}).get("StringValue")
            self._arrive(each["Body"], each["MessageId"], float(due) if due else self.clock())

    def _received(self) -> list[Any]:
        # What is taken stays hidden for longer than all of this takes.
        answer = self.sqs.receive_message(
            QueueUrl=self.queue_url,
            MaxNumberOfMessages=_PAGE,
            MessageAttributeNames=[DUE],
            VisibilityTimeout=_HIDDEN,
            WaitTimeSeconds=0,
        )
        return list(answer.get("Messages", []))

    def _look_at_schedule(self, name: str, horizon: float) -> None:
        try:
            schedule = self.scheduler.get_schedule(Name=name, GroupName=self.schedule_group)
        except self.scheduler.exceptions.ResourceNotFoundException:
            return
        (moment,) = _AT.findall(schedule["ScheduleExpression"])
        due = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
        if due <= self.clock() + horizon and (not self._copies or due <= self._copies[0].due):
            # It has done its work and is gone once the body is on the queue.
            self._unschedule(name)
            self._arrive(schedule["Target"]["Input"], f"scheduled-{name}-{self._arrived}", due)

    def _unschedule(self, name: str) -> None:
        try:
            self.scheduler.delete_schedule(Name=name, GroupName=self.schedule_group)
        except self.scheduler.exceptions.ResourceNotFoundException:
            return

    def _arrive(self, body: str, sqs_message_id: str, due: float) -> None:
        self._arrived += 1
        heapq.heappush(self._copies, Copy(due, self._arrived, body, sqs_message_id))
