"""POST and GET messages. This function has no way to any token."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from mailbearer.api.answering import answer, answer_openly
from mailbearer.api.description import Description
from mailbearer.api.messages import Messages
from mailbearer.api.suppressions import Suppressions
from mailbearer.api.templates import Templates
from mailbearer.api.uploads import Uploads
from mailbearer.config import read_settings
from mailbearer.http import Request, Response, Route
from mailbearer.wiring import Wiring

_NEEDS = (
    "api_url",
    "messages_table",
    "accounts_table",
    "suppressions_table",
    "templates_table",
    "queue_url",
    "queue_arn",
    "dead_letter_queue_arn",
    "schedule_group",
    "schedule_role_arn",
    "content_bucket",
    "audit_log_group",
    "event_bus",
)


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, *_NEEDS))


def health(_request: Request) -> Response:
    """Say that the API answers; looks at nothing."""
    return Response(200, {"status": "ok"})


def api_url() -> str:
    """Give the address at which the API is reached."""
    return read_settings(os.environ, "api_url").api_url


OPEN = (Route("GET", "/health", "", health), *Description(api_url).routes())
"""The routes that need no key and nothing of the stack."""


def routes_of(joined: Wiring) -> tuple[Route, ...]:
    """Give all routes of this function."""
    return (
        *OPEN,
        *Messages(joined).routes(),
        *Uploads(joined).routes(),
        *Suppressions(joined).routes(),
        *Templates(joined).routes(),
    )


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one API Gateway request (payload format 2.0)."""
    if any(route.path == event.get("rawPath") for route in OPEN):
        return answer_openly(event, OPEN)
    return answer(event, wiring(), routes_of(wiring()))
