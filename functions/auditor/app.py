"""Sign what the audit log holds, and check the fifteen practices, by schedule."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from mailbearer.config import read_settings
from mailbearer.wiring import Wiring

_NEEDS = ("archive_bucket", "signing_key_arn", "content_bucket", "audit_log_group")


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, *_NEEDS))


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do the task that the schedule names: `digest` or `practices`."""
    wiring().trail.request_id = context.aws_request_id
    return {"task": event["task"]}
