"""The schedule's function: work the accounts that are due, those that a run put on its queue among them."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from mailbearer.config import read_settings
from mailbearer.observability import count, count_noted, logger
from mailbearer.wiring import Wiring

if TYPE_CHECKING:
    from mailbearer.schedule.rotation import Summary

_NEEDS = (
    "accounts_table",
    "registrations_table",
    "incidents_table",
    "keys_table",
    "secrets_prefix",
    "content_bucket",
    "rotation_queue_url",
    "audit_log_group",
    "event_bus",
    "api_url",
    "consents_table",
    "queue_url",
)


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, *_NEEDS))


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work the accounts that are due, or those of a batch from the queue.

    Gives the counts of what was done, which `--invoke` shows, or the records that stay on the queue
    (ReportBatchItemFailures). Raises, when all else is done, what was a mistake of ours: for a batch that means that
    it comes again, and then nothing in it is due any more.
    """
    wiring().trail.request_id = context.aws_request_id
    deadline = wiring().clock() + context.get_remaining_time_in_millis() / 1000
    if "Records" in event:
        return _take(event["Records"], deadline)
    summary = wiring().rotation.run(deadline=deadline, progress=_tell_progress)
    _tell(summary, runs=1)
    return summary.counts() | {"left": summary.left, "problems": summary.problems}


def _take(records: list[dict[str, Any]], deadline: float) -> dict[str, Any]:
    accounts = {record["messageId"]: _account_of(record) for record in records}
    summary = wiring().rotation.take(filter(None, accounts.values()), deadline=deadline)
    _tell(summary)
    back = [message_id for message_id, account in accounts.items() if account in summary.not_begun]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in back]}


def _account_of(record: dict[str, Any]) -> str:
    """Read whom a message names; empty if it names nobody, as none of ours does."""
    try:
        account = json.loads(record["body"])["account"]
    except (ValueError, TypeError, LookupError):
        account = None
    if isinstance(account, str) and account:
        return account
    logger().error("a message on the rotation queue names no account", extra={"sqs_message_id": record["messageId"]})
    return ""


def _tell(summary: Summary, *, runs: int = 0) -> None:
    """Write what was done as metrics; `runs` counts the schedule's own runs, so that its silence is noticed."""
    count_noted(wiring().trail.take_noted())
    count(
        rotation_runs=runs,
        refreshed=summary.refreshed,
        refresh_failed=summary.failed,
        tokens_probed=summary.probed,
        tokens_invalid=summary.invalid,
        revocations_finished=summary.revocations_finished,
        due_queued=summary.queued,
        due_left=int(summary.left),
    )
    if summary.problems:
        logger().warning("accounts not refreshed", extra={"problems": summary.problems})
    summary.raise_defect()


def _tell_progress(summary: Summary) -> None:
    logger().info("rotation under way", extra=summary.counts())
