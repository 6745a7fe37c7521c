"""From an API Gateway event to its answer, the same for every function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.errors import Unavailable
from mailbearer.http import Route, respond
from mailbearer.observability import count_noted, logger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailbearer.wiring import Wiring


def answer(event: Mapping[str, Any], wiring: Wiring, routes: Sequence[Route]) -> dict[str, Any]:
    """Answer one request (payload format 2.0), and write the audit events of it.

    They are kept for the next request if nothing takes them now: what was done is done, a 202 that was earned stands,
    and an answer that hid the effect would mislead.
    """
    wiring.trail.request_id = event["requestContext"].get("requestId", "")
    given = answer_openly(event, routes)
    try:
        wiring.trail.flush()
    except Unavailable as error:
        logger().error("audit events wait in memory", extra={"reason": error.detail})
    count_noted(wiring.trail.take_noted())
    return given


def answer_openly(event: Mapping[str, Any], routes: Sequence[Route]) -> dict[str, Any]:
    """Answer a request that concerns nothing of the stack's."""

    def log() -> None:
        request_id = event["requestContext"].get("requestId", "")
        logger().exception("request failed", extra={"request_id": request_id, "route": event.get("routeKey", "")})

    return respond(event, routes, unexpected=log)
