"""Sign what the audit log holds, and check the fifteen practices, by schedule."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from mailbearer.config import read_settings
from mailbearer.observability import count, level, logger
from mailbearer.wiring import Wiring

if TYPE_CHECKING:
    from mailbearer.auditing.digesting import Signing

_NEEDS = ("archive_bucket", "signing_key_arn", "content_bucket", "audit_log_group")
_NEEDS_OF_PRACTICES = (
    "api_url",
    "accounts_table",
    "registrations_table",
    "ledgers_table",
    "incidents_table",
    "queue_url",
    "dead_letter_queue_url",
    "rotation_queue_url",
    "notification_queue_url",
    "notification_dead_letter_queue_url",
    "secrets_prefix",
)


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, *_NEEDS, *_NEEDS_OF_PRACTICES))


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do the task that the schedule names: `digest` or `practices`."""
    wiring().trail.request_id = context.aws_request_id
    if event["task"] == "practices":
        return _practices()
    return _digest(wiring().clock() + context.get_remaining_time_in_millis() / 1000)


def _digest(deadline: float) -> dict[str, Any]:
    """Sign what was filed since the last digest; gives the counts of what was done, which `--invoke` shows."""
    try:
        done = wiring().digester.run(deadline=deadline, progress=_tell_progress)
    finally:
        wiring().trail.flush()
    count(digests_signed=done.digests)
    if done.behind:
        logger().warning("more was left to sign than time; the next run goes on", extra=done.counts())
    if done.overtaken:
        logger().warning("another run signed at the same time", extra=done.counts())
    return done.counts() | {"behind": done.behind}


def _tell_progress(done: Signing) -> None:
    logger().info("digest signed", extra=done.counts())


def _practices() -> dict[str, Any]:
    """Check the fifteen practices, keep the report, and give it."""
    try:
        report = wiring().practices.report()
    finally:
        wiring().trail.flush()
    said = report.as_dict()
    level(practices_failed=said["failed"], practices_warned=said["warned"])
    return said
