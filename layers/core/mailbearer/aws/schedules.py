"""One-time schedules that bring bodies onto the message queue."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mailbearer.aws.failures import calling

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

    from mailbearer.ports import Clock

_SOONEST = 10
"""Seconds from now at the least: a moment that has gone by when the request arrives may be refused."""

_TRIES = 3
_RETRIES = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}  # the most of both; then the dead letters


class EventBridgeSchedules:
    """Schedules of one group, each gone once it has brought its body, and kept on the dead-letter queue if it cannot.

    Scheduler's own role does the sending. The account is not given as the body's message group: Scheduler documents
    `SqsParameters` for FIFO queues alone, so what comes from a schedule belongs to no group.
    """

    def __init__(
        self,
        client: EventBridgeSchedulerClient,
        clock: Clock,
        *,
        group: str,
        role_arn: str,
        queue_arn: str,
        dead_letter_queue_arn: str,
    ) -> None:
        self._client = client
        self._clock = clock
        self._group = group
        self._role_arn = role_arn
        self._queue_arn = queue_arn
        self._dead_letter_queue_arn = dead_letter_queue_arn

    def put(self, name: str, *, at: float, body: str, group: str) -> None:  # noqa: ARG002 - see the class
        """Let `body` come onto the queue at `at` (epoch seconds); the same name again moves it. Raises `Unavailable`.

        It comes up to a minute late, and a moment that is past means in a few seconds.
        """
        schedule: dict[str, Any] = {
            "Name": name,
            "GroupName": self._group,
            "ScheduleExpression": f"at({_utc(math.ceil(max(at, self._clock() + _SOONEST)))})",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": self._queue_arn,
                "RoleArn": self._role_arn,
                "Input": body,
                "RetryPolicy": _RETRIES,
                "DeadLetterConfig": {"Arn": self._dead_letter_queue_arn},
            },
        }
        # The SDK gives each call a ClientToken, which its own repetitions share. One derived from the content would
        # make Scheduler take a schedule that is put again after it was deleted for a repetition, and make none.
        errors = self._client.exceptions
        with calling("scheduler:CreateSchedule"):
            for _ in range(_TRIES):
                try:
                    self._client.create_schedule(**schedule)
                except errors.ConflictException as conflict:
                    found = conflict
                else:
                    return
                try:
                    self._client.update_schedule(**schedule)
                except errors.ResourceNotFoundException as gone:
                    # It came, or was deleted, between the two calls.
                    found = gone
                else:
                    return
            raise found

    def delete(self, name: str) -> None:
        """Let it not come; no error if there is none (any more). Raises `Unavailable`."""
        with calling("scheduler:DeleteSchedule"):
            try:
                self._client.delete_schedule(Name=name, GroupName=self._group)
            except self._client.exceptions.ResourceNotFoundException:
                return


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
