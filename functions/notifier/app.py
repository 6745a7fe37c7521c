"""Bring what happened to webhooks, to the owners' topic and to the owners of mailboxes."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from mailbearer.config import read_settings
from mailbearer.notifying.told import Told, Verb
from mailbearer.observability import count, logger
from mailbearer.wiring import Wiring

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

_AT_ONCE = 10
_NEEDS = (
    "accounts_table",
    "webhooks_table",
    "notification_queue_url",
    "notification_dead_letter_queue_url",
    "queue_url",
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
    """Give the threads of this function's warm life: one for each record of a batch."""
    return ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="notifier")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Take one SQS batch; gives the records that stay on the queue (ReportBatchItemFailures)."""
    notifier, trail = wiring().notifier, wiring().trail
    trail.request_id = context.aws_request_id
    deadline = wiring().clock() + context.get_remaining_time_in_millis() / 1000
    # All at once, so that a slow endpoint holds up no other.
    under_way: dict[str, Future[Told]] = {
        record["messageId"]: pool().submit(notifier.take, record["body"], deadline=deadline)
        for record in event["Records"]
    }
    results: list[Told] = []

    def collect(record: SQSRecord) -> None:
        try:
            results.append(under_way[record.message_id].result())
        except Exception:
            logger().exception("notice stays on the queue", extra={"sqs_message_id": record.message_id})
            raise

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    answer = process_partial_response(event=event, record_handler=collect, processor=processor, context=context)
    # Acknowledge last: what happened is in the audit log before SQS forgets the notices.
    trail.flush()
    _tell(results)
    return dict(answer)


def _tell(results: list[Told]) -> None:
    for told in results:
        if told.code:
            logger().warning(
                "webhook not told",
                extra={
                    "outcome": told.verb,
                    "webhook": told.webhook,
                    "notice": told.notice,
                    "event_type": told.kind,
                    "attempt": told.attempt,
                    "reason": told.code,
                    "answer": told.said,
                },
            )
    verbs = [told.verb for told in results]
    count(
        webhooks_delivered=verbs.count(Verb.DELIVERED),
        webhooks_retried=verbs.count(Verb.RETRIED),
        webhooks_gave_up=verbs.count(Verb.GAVE_UP),
        webhooks_disabled=sum(told.disabled for told in results),
    )
