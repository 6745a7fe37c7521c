"""Take a batch from the queue and deliver it, all messages at once and each on its own."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from mailbearer.config import read_settings
from mailbearer.delivery import Delivered, Verb
from mailbearer.envelope import Drain, Dropped, Job, read_body
from mailbearer.errors import IdempotencyConflict, InvalidInput, MalformedBody
from mailbearer.observability import count, logger
from mailbearer.wiring import Wiring

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

_AT_ONCE = 10
_NEEDS = (
    "messages_table",
    "accounts_table",
    "registrations_table",
    "queue_url",
    "dead_letter_queue_url",
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
    delivery = wiring().delivery
    del delivery  # made here, before several threads ask for it
    # All messages of a batch go out at once: a provider's answer takes far longer than anything we do. The processor
    # then collects the results one by one and makes the partial answer of them.
    under_way: dict[str, Future[Delivered]] = {
        record["messageId"]: pool().submit(_deliver, record["messageId"], record["body"], deadline)
        for record in event["Records"]
    }
    results: list[Delivered] = []

    def collect(record: SQSRecord) -> None:
        try:
            results.append(under_way[record.message_id].result())
        except Exception:
            logger().exception("message stays on the queue", extra={"sqs_message_id": record.message_id})
            raise

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    answer = process_partial_response(event=event, record_handler=collect, processor=processor, context=context)
    # Acknowledge last: what happened is in the audit log before SQS forgets the messages.
    trail.flush()
    verbs = [result.verb for result in results]
    # Each means that the schedule came too late.
    refreshed = wiring().lifecycle.refreshed.take()
    count(
        sent=verbs.count(Verb.SENT),
        failed=verbs.count(Verb.FAILED),
        unknown=verbs.count(Verb.UNKNOWN),
        deferred=verbs.count(Verb.DEFERRED),
        held=verbs.count(Verb.HELD),
        refreshed=refreshed,
        refreshed_by_worker=refreshed,
    )
    return dict(answer)


def _deliver(sqs_message_id: str, body: str, deadline: float) -> Delivered:
    """Deliver one SQS message; one that can never be sent is recorded and kept on the dead-letter queue."""
    submission = wiring().submission
    key, account = f"sqs:{sqs_message_id}", ""
    try:
        job: Job | Drain | Dropped | None = read_body(body, sqs_message_id)
        if isinstance(job, Dropped):
            key, named = job.key, job.body.get("account")
            account = named if isinstance(named, str) else ""
            job = submission.adopt(job)
    except (MalformedBody, InvalidInput, IdempotencyConflict) as error:
        submission.refuse(body, error, key=key, account=account)
        return Delivered(Verb.FAILED, error.code)
    if job is None:
        return Delivered(Verb.FAILED, "account_unusable")
    if isinstance(job, Drain):
        return Delivered(Verb.DONE_BEFORE, "drain")
    return wiring().delivery.deliver(job, deadline=deadline)
