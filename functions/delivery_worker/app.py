"""Take a batch from the queue and deliver it, all messages at once and each on its own."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from mailbearer.config import read_settings
from mailbearer.envelope import Drain
from mailbearer.message import MessageRecord
from mailbearer.metering import ends
from mailbearer.observability import count, count_noted, logger
from mailbearer.wiring import Wiring

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

_AT_ONCE = 10
_NEEDS = (
    "messages_table",
    "accounts_table",
    "registrations_table",
    "ledgers_table",
    "suppressions_table",
    "templates_table",
    "queue_url",
    "dead_letter_queue_url",
    "queue_arn",
    "dead_letter_queue_arn",
    "schedule_group",
    "schedule_role_arn",
    "content_bucket",
    "secrets_prefix",
    "audit_log_group",
    "event_bus",
)


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, *_NEEDS))


@cache
def pool() -> ThreadPoolExecutor:
    """Give the threads of this worker's warm life."""
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="delivery")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Deliver one SQS batch; gives the records that stay on the queue (ReportBatchItemFailures)."""
    deadline = wiring().clock() + context.get_remaining_time_in_millis() / 1000
    trail = wiring().trail
    trail.request_id = context.aws_request_id
    parts = (wiring().door, wiring().draining)
    del parts  # made here with all that they need, before several threads ask for them
    wiring().quota.expect(Counter(_group(record) for record in event["Records"]))
    # All messages of a batch go out at once: a provider's answer takes far longer than anything we do. The processor
    # then collects the results one by one and makes the partial answer of them.
    under_way: dict[str, Future[None]] = {
        record["messageId"]: pool().submit(_deliver, record["messageId"], record["body"], deadline)
        for record in event["Records"]
    }

    def collect(record: SQSRecord) -> None:
        under_way[record.message_id].result()

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    answer = process_partial_response(event=event, record_handler=collect, processor=processor, context=context)
    wiring().quota.rest()
    # Acknowledge last: what happened is told and in the audit log before SQS forgets the messages.
    wiring().tell()
    noted = trail.take_noted()
    ended = ends(noted)
    # Each means that the schedule came too late.
    refreshed = wiring().lifecycle.refreshed.take()
    count(
        sent=ended["sent"],
        failed=ended["failed"],
        unknown=ended["unknown"],
        deferred=ended["deferred"],
        held=ended["held"],
        refreshed=refreshed,
        refreshed_by_worker=refreshed,
    )
    count_noted(noted)
    return dict(answer)


def _group(record: dict[str, Any]) -> str:
    """Give the mailbox that an SQS record is for, if it says so: what others drop there may name no group."""
    group = record.get("attributes", {}).get("MessageGroupId", "")
    return str(group)


def _deliver(sqs_message_id: str, body: str, deadline: float) -> None:
    """Deliver one SQS message, if there is something to deliver now.

    All that is noted of it carries the id of the request that brought it to the queue; of what others dropped there
    and of old copies it is the SQS message id. Raises whatever keeps it on the queue.
    """
    trail = wiring().trail
    correlation = sqs_message_id
    try:
        with trail.about(correlation_id=correlation):
            taken = wiring().door.take(body, sqs_message_id)
        if isinstance(taken, MessageRecord):
            wiring().message_news.note(taken)
            return
        correlation = taken.correlation or correlation
        with trail.about(correlation_id=correlation):
            if isinstance(taken, Drain):
                wiring().draining.drain(taken, deadline=deadline)
            else:
                wiring().delivery.deliver(taken, deadline=deadline)
    except Exception:
        where = {"sqs_message_id": sqs_message_id, "correlation_id": correlation}
        logger().exception("message stays on the queue", extra=where)
        raise
