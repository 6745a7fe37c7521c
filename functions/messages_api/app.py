"""POST and GET messages. This function has no way to any token."""

from __future__ import annotations

import base64
import os
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from mailbearer.config import read_settings
from mailbearer.errors import Fault, InvalidInput, MailbearerError, NotFound, Unavailable
from mailbearer.http import Request, Response, Route, problem_response, respond
from mailbearer.ids import is_id
from mailbearer.message import MessageRecord, Status
from mailbearer.observability import count, logger
from mailbearer.resources import message_resource
from mailbearer.wiring import Wiring

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_BATCH = 100
_NEEDS = ("messages_table", "accounts_table", "queue_url", "content_bucket", "audit_log_group")


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, *_NEEDS))


def health(_request: Request) -> Response:
    """Say that the API answers; looks at nothing."""
    return Response(200, {"status": "ok"})


def send(request: Request) -> Response:
    """Accept one message, or show what it would become."""
    caller = request.known_caller
    if request.query.get("dry_run") == "true":
        preview = wiring().submission.preview(request.json(), caller)
        mime = base64.b64encode(preview.mime).decode()
        return Response(200, {"mime": mime, "size": len(preview.mime), "warnings": list(preview.warnings)})
    accepted = wiring().submission.accept(request.json(), caller, request.headers.get("idempotency-key", ""))
    headers = {"location": f"/v1/messages/{accepted.record.id}"}
    if accepted.replayed:
        headers["idempotent-replayed"] = "true"
    else:
        count(accepted=1)
    return Response(202, message_resource(accepted.record), headers)


def send_batch(request: Request) -> Response:
    """Accept up to 100 messages, each with its own result in its own place."""
    caller, body = request.known_caller, request.json()
    messages = body.get("messages") if isinstance(body, dict) else None
    if not isinstance(messages, list) or not 1 <= len(messages) <= _MAX_BATCH:
        detail = f"messages is a list of 1 to {_MAX_BATCH} messages."
        raise InvalidInput((Fault("/messages", "invalid_batch", detail),))
    results, fresh = [], 0
    for message in messages:
        try:
            accepted = wiring().submission.accept(message, caller)
            fresh += not accepted.replayed
            results.append({"status": 202, "message": message_resource(accepted.record)})
        except MailbearerError as error:
            answer = problem_response(error)
            results.append({"status": answer.status, "problem": answer.body})
    count(accepted=fresh)
    return Response(200, {"results": results})


def show(request: Request) -> Response:
    """Show one message's status."""
    return Response(200, message_resource(_visible(request)))


def list_messages(request: Request) -> Response:
    """List an account's messages, newest first, filtered by status and tag."""
    named = request.query.get("account", "")
    if not named:
        bound = request.known_caller.accounts
        if len(bound) != 1:
            raise InvalidInput(
                (Fault("/account", "account_missing", "Name the account: ?account=acc_... or its address."),)
            )
        named = next(iter(bound))
    account = wiring().submission.account_of(request.known_caller, named)
    status, tag = request.query.get("status", ""), request.query.get("tag", "")
    if status and status not in set(Status):
        detail = f"status is one of: {', '.join(Status)}."
        raise InvalidInput((Fault("/status", "invalid_choice", detail),))
    page = wiring().messages.by_account(
        account.id,
        since=_moment(request.query.get("since", "")),
        limit=request.limit(),
        cursor=request.query.get("cursor", ""),
    )
    records = wiring().messages.get_many(page.ids)
    shown = [
        message_resource(record)
        for record in (records.get(message_id) for message_id in page.ids)
        if record is not None and (not status or record.status == status) and (not tag or tag in record.tags)
    ]
    return Response(200, {"data": shown, "next_cursor": page.cursor or None})


def cancel(request: Request) -> Response:
    """Cancel a message that has not begun to be sent."""
    canceled = wiring().resubmission.cancel(_visible(request))
    wiring().trail.note("message.canceled", canceled.id, "canceled", actor=request.known_caller.key_id)
    return Response(200, message_resource(canceled))


def retry(request: Request) -> Response:
    """Queue a failed, unknown or held message again."""
    again = wiring().resubmission.retry(_visible(request))
    wiring().trail.note("message.retried", again.id, "queued", actor=request.known_caller.key_id)
    return Response(202, message_resource(again))


ROUTES = (
    Route("GET", "/health", "", health),
    Route("POST", "/v1/messages", "messages:send", send),
    Route("GET", "/v1/messages", "messages:read", list_messages),
    Route("POST", "/v1/messages/batch", "messages:send", send_batch),
    Route("GET", "/v1/messages/{id}", "messages:read", show),
    Route("POST", "/v1/messages/{id}/cancel", "messages:send", cancel),
    Route("POST", "/v1/messages/{id}/retry", "messages:send", retry),
)


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one API Gateway request (payload format 2.0)."""
    if event.get("rawPath") == "/health":
        return respond(event, ROUTES, unexpected=_log_unexpected(event))
    wiring().trail.request_id = event["requestContext"].get("requestId", "")
    answer = respond(event, ROUTES, unexpected=_log_unexpected(event))
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


def _visible(request: Request) -> MessageRecord:
    """Read the message in the path; another caller's looks exactly like one that does not exist."""
    message_id = request.params["id"]
    record = wiring().messages.get(message_id) if is_id("msg_", message_id) else None
    if record is None or not request.known_caller.may_use(record.account):
        msg = "There is no such message."
        raise NotFound(msg)
    return record


def _moment(text: str) -> float:
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        detail = "since is an RFC 3339 time, like 2026-11-22T09:30:00Z."
        raise InvalidInput((Fault("/since", "invalid_time", detail),))
    return moment.timestamp()
