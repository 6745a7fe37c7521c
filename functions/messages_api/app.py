"""POST and GET messages. This function has no way to any token."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from mailbearer.api.description import Description
from mailbearer.api.messages import Messages
from mailbearer.api.suppressions import Suppressions
from mailbearer.api.templates import Templates
from mailbearer.api.uploads import Uploads
from mailbearer.config import read_settings
from mailbearer.errors import Unavailable
from mailbearer.http import Request, Response, Route, respond
from mailbearer.observability import logger
from mailbearer.wiring import Wiring

if TYPE_CHECKING:
    from collections.abc import Callable

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
        return respond(event, OPEN, unexpected=_log_unexpected(event))
    wiring().trail.request_id = event["requestContext"].get("requestId", "")
    answer = respond(event, routes_of(wiring()), unexpected=_log_unexpected(event))
    _flush()
    return answer


def _flush() -> None:
    """Write the audit events.

    They are kept for the next request if nothing takes them now: a 202 that was earned stands.
    """
    try:
        wiring().trail.flush()
    except Unavailable as error:
        logger().error("audit events wait in memory", extra={"reason": error.detail})


def _log_unexpected(event: dict[str, Any]) -> Callable[[], None]:
    def log() -> None:
        request_id = event["requestContext"].get("requestId", "")
        logger().exception("request failed", extra={"request_id": request_id, "route": event.get("routeKey", "")})

    return log
