"""Messages over HTTP: accept, show, cancel, try again."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from mailbearer.errors import Fault, InvalidInput, MailbearerError, NotFound
from mailbearer.http import Request, Response, Route, problem_response
from mailbearer.ids import is_id
from mailbearer.message import MessageRecord, Status
from mailbearer.observability import count
from mailbearer.resources import message_resource

if TYPE_CHECKING:
    from mailbearer.wiring import Wiring

_MAX_BATCH = 100


@dataclass(frozen=True, slots=True)
class Messages:
    """The routes below `/v1/messages`."""

    wiring: Wiring

    def routes(self) -> tuple[Route, ...]:
        """Give the routes."""
        return (
            Route("POST", "/v1/messages", "messages:send", self.send),
            Route("GET", "/v1/messages", "messages:read", self.list_messages),
            Route("POST", "/v1/messages/batch", "messages:send", self.send_batch),
            Route("GET", "/v1/messages/{id}", "messages:read", self.show),
            Route("POST", "/v1/messages/{id}/cancel", "messages:send", self.cancel),
            Route("POST", "/v1/messages/{id}/retry", "messages:send", self.retry),
        )

    def send(self, request: Request) -> Response:
        """Accept one message, or show what it would become."""
        caller = request.known_caller
        if request.query.get("dry_run") == "true":
            preview = self.wiring.submission.preview(request.json(), caller)
            mime = base64.b64encode(preview.mime).decode()
            return Response(200, {"mime": mime, "size": len(preview.mime), "warnings": list(preview.warnings)})
        accepted = self.wiring.submission.accept(request.json(), caller, request.headers.get("idempotency-key", ""))
        headers = {"location": f"/v1/messages/{accepted.record.id}"}
        if accepted.replayed:
            headers["idempotent-replayed"] = "true"
        else:
            count(accepted=1)
        return Response(202, message_resource(accepted.record), headers)

    def send_batch(self, request: Request) -> Response:
        """Accept up to 100 messages, each with its own result in its own place."""
        caller, body = request.known_caller, request.json()
        messages = body.get("messages") if isinstance(body, dict) else None
        if not isinstance(messages, list) or not 1 <= len(messages) <= _MAX_BATCH:
            detail = f"messages is a list of 1 to {_MAX_BATCH} messages."
            raise InvalidInput((Fault("/messages", "invalid_batch", detail),))
        results, fresh = [], 0
        for message in messages:
            try:
                accepted = self.wiring.submission.accept(message, caller)
                fresh += not accepted.replayed
                results.append({"status": 202, "message": message_resource(accepted.record)})
            except MailbearerError as error:
                answer = problem_response(error)
                results.append({"status": answer.status, "problem": answer.body})
        count(accepted=fresh)
        return Response(200, {"results": results})

    def show(self, request: Request) -> Response:
        """Show one message's status."""
        return Response(200, message_resource(self._visible(request)))

    def list_messages(self, request: Request) -> Response:
        """List an account's messages, newest first, filtered by status and tag."""
        named = request.query.get("account", "")
        if not named:
            bound = request.known_caller.accounts
            if len(bound) != 1:
                raise InvalidInput(
                    (Fault("/account", "account_missing", "Name the account: ?account=acc_... or its address."),)
                )
            named = next(iter(bound))
        account = self.wiring.submission.account_of(request.known_caller, named)
        status, tag = request.query.get("status", ""), request.query.get("tag", "")
        if status and status not in set(Status):
            detail = f"status is one of: {', '.join(Status)}."
            raise InvalidInput((Fault("/status", "invalid_choice", detail),))
        page = self.wiring.messages.by_account(
            account.id,
            since=_moment(request.query.get("since", "")),
            limit=request.limit(),
            cursor=request.query.get("cursor", ""),
        )
        records = self.wiring.messages.get_many(page.ids)
        shown = [
            message_resource(record)
            for record in (records.get(message_id) for message_id in page.ids)
            if record is not None and (not status or record.status == status) and (not tag or tag in record.tags)
        ]
        return Response(200, {"data": shown, "next_cursor": page.cursor or None})

    def cancel(self, request: Request) -> Response:
        """Cancel a message that has not begun to be sent."""
        canceled = self.wiring.resubmission.cancel(self._visible(request))
        self.wiring.trail.note("message.canceled", canceled.id, "canceled", actor=request.known_caller.key_id)
        return Response(200, message_resource(canceled))

    def retry(self, request: Request) -> Response:
        """Queue a failed, unknown or held message again."""
        again = self.wiring.resubmission.retry(self._visible(request))
        self.wiring.trail.note("message.retried", again.id, "queued", actor=request.known_caller.key_id)
        return Response(202, message_resource(again))

    def _visible(self, request: Request) -> MessageRecord:
        """Read the message in the path; another caller's looks exactly like one that does not exist."""
        message_id = request.params["id"]
        record = self.wiring.messages.get(message_id) if is_id("msg_", message_id) else None
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
