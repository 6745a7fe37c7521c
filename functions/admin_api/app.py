"""API keys, webhooks and the audit log. This function sends nothing and has no way to any token."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from mailbearer.api.answering import answer
from mailbearer.api.audit import Audit
from mailbearer.api.keys import Keys
from mailbearer.api.webhooks import Webhooks
from mailbearer.config import read_settings
from mailbearer.wiring import Wiring

if TYPE_CHECKING:
    from mailbearer.http import Route

_NEEDS = (
    "accounts_table",
    "keys_table",
    "webhooks_table",
    "notification_queue_url",
    "notification_dead_letter_queue_url",
    "content_bucket",
    "secrets_prefix",
    "audit_log_group",
)


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, *_NEEDS))


def routes_of(joined: Wiring) -> tuple[Route, ...]:
    """Give all routes of this function."""
    return (*Keys(joined).routes(), *Webhooks(joined).routes(), *Audit(joined).routes())


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one API Gateway request (payload format 2.0)."""
    return answer(event, wiring(), routes_of(wiring()))
