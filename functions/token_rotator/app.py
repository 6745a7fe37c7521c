"""The schedule's function: refresh what is due, finish revocations, write audit events that had to wait."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from mailbearer.config import read_settings
from mailbearer.observability import count, logger
from mailbearer.wiring import Wiring

_NEEDS = ("accounts_table", "registrations_table", "secrets_prefix", "content_bucket", "audit_log_group", "event_bus")


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, *_NEEDS))


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Work the accounts that are due; gives the counts of what was done, which `--invoke` shows."""
    wiring().trail.request_id = context.aws_request_id
    deadline = wiring().clock() + context.get_remaining_time_in_millis() / 1000
    summary = wiring().rotation.run(deadline=deadline)
    count(
        refreshed=summary.refreshed,
        refresh_failed=summary.failed,
        revocations_finished=summary.revocations_finished,
        due_left=int(summary.left),
    )
    if summary.problems:
        logger().warning("accounts not refreshed", extra={"problems": summary.problems})
    return {
        "refreshed": summary.refreshed,
        "unneeded": summary.unneeded,
        "failed": summary.failed,
        "revocations_finished": summary.revocations_finished,
        "left": summary.left,
        "problems": summary.problems,
    }
