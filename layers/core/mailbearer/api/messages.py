"""Messages over HTTP: accept, show, cancel, try again."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailbearer.addresses import escape_pointer
from mailbearer.errors import Fault, InvalidInput, MailbearerError, NotFound
from mailbearer.http import Request, Response, Route, problem_response
from mailbearer.ids import is_id
from mailbearer.message import MessageRecord, Status
from mailbearer.observability import count
from mailbearer.resources import message_resource
from mailbearer.wire import read_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbearer.submission import Accepted
    from mailbearer.wiring import Wiring


_LARGEST_SHOWN = 4_400_000
"""Bytes of MIME that a dry run shows, and of a page of messages: Lambda gives back up to 6 MB, and base64 takes a third
more, or the escapes in JSON that stands in JSON."""


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
            Route("POST", "/v1/messages/merge", "messages:send", self.merge),
            Route("GET", "/v1/messages/{id}", "messages:read", self.show),
            Route("PATCH", "/v1/messages/{id}", "messages:send", self.reschedule),
            Route("POST", "/v1/messages/{id}/cancel", "messages:send", self.cancel),
            Route("POST", "/v1/messages/{id}/retry", "messages:send", self.retry),
        )

    def send(self, request: Request) -> Response:
        """Accept one message, or show what it would become."""
        caller = request.known_caller
        if _dry_run(request):
            preview = self.wiring.submission.preview(request.json(), caller)
            if len(preview.mime) > _LARGEST_SHOWN:
                detail = f"It has {len(preview.mime)} bytes; a dry run shows up to {_LARGEST_SHOWN}."
                raise InvalidInput((Fault("", "message_too_large", detail),))
            mime = base64.b64encode(preview.mime).decode()
            return Response(200, {"mime": mime, "size": len(preview.mime), "warnings": list(preview.warnings)})
        accepted = self.wiring.submission.accept(request.json(), caller, _key(request))
        headers = {"location": f"/v1/messages/{accepted.record.id}"}
        if accepted.replayed:
            headers["idempotent-replayed"] = "true"
        else:
            count(accepted=1)
        return Response(202, message_resource(accepted.record), headers)

    def send_batch(self, request: Request) -> Response:
        """Accept up to 100 messages, each with its own result in its own place."""
        _check_for_real(request)
        return _each(self.wiring.batch.accept(request.json(), request.known_caller, _key(request)))

    def merge(self, request: Request) -> Response:
        """Accept one message for up to 1000 recipients, each with its own result in its own place."""
        _check_for_real(request)
        return _each(self.wiring.merging.accept(request.json(), request.known_caller, _key(request)))

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
        limit, since = request.limit(), _since(request.query.get("since", ""))
        while True:
            page = self.wiring.messages.by_account(
                account.id, since=since, limit=limit, cursor=request.query.get("cursor", "")
            )
            records = self.wiring.messages.get_many(page.ids)
            shown = [
                message_resource(record)
                for record in (records.get(message_id) for message_id in page.ids)
                if record is not None and (not status or record.status == status) and (not tag or tag in record.tags)
            ]
            # One message has at most about 200 kB: metadata, and recipients who refused.
            if limit == 1 or len(json.dumps(shown)) <= _LARGEST_SHOWN:
                break
            limit = max(1, limit // 4)
        return Response(200, {"data": shown, "next_cursor": page.cursor or None})

    def reschedule(self, request: Request) -> Response:
        """Move a scheduled message to another time, or send it now."""
        record = self._visible(request)
        send_at = _read_move(request.json(), self.wiring.clock(), record.created_at)
        moved = self.wiring.resubmission.reschedule(record, send_at)
        actor = request.known_caller.key_id
        self.wiring.trail.note("message.rescheduled", moved.id, moved.status, actor=actor, account=moved.account)
        return Response(200, message_resource(moved))

    def cancel(self, request: Request) -> Response:
        """Cancel a message that has not begun to be sent."""
        canceled = self.wiring.resubmission.cancel(self._visible(request))
        actor = request.known_caller.key_id
        self.wiring.trail.note("message.canceled", canceled.id, "canceled", actor=actor, account=canceled.account)
        self.wiring.message_news.note(canceled)
        self.wiring.message_news.publish()
        return Response(200, message_resource(canceled))

    def retry(self, request: Request) -> Response:
        """Queue a failed, unknown or held message again."""
        again = self.wiring.resubmission.retry(self._visible(request))
        actor = request.known_caller.key_id
        self.wiring.trail.note("message.retried", again.id, "queued", actor=actor, account=again.account)
        return Response(202, message_resource(again))

    def _visible(self, request: Request) -> MessageRecord:
        """Read the message in the path; another caller's looks exactly like one that does not exist."""
        message_id = request.params["id"]
        record = self.wiring.messages.get(message_id) if is_id("msg_", message_id) else None
        if record is None or not request.known_caller.may_use(record.account):
            msg = "There is no such message."
            raise NotFound(msg)
        return record


def _dry_run(request: Request) -> bool:
    """Tell whether a message is only to be shown: no other word for it may send mail. Raises `InvalidInput`."""
    asked = request.query.get("dry_run", "false")
    if asked not in {"true", "false"}:
        raise InvalidInput((Fault("/dry_run", "invalid_choice", "dry_run is one of: true, false."),))
    return asked == "true"


def _check_for_real(request: Request) -> None:
    """Refuse a dry run where there is none, rather than send. Raises `InvalidInput`."""
    if _dry_run(request):
        detail = "Only POST /v1/messages has a dry run: show one of the messages there."
        raise InvalidInput((Fault("/dry_run", "invalid_choice", detail),))


def _key(request: Request) -> str:
    """Give the idempotency key in the header, empty if there is no such field. Raises `InvalidInput`."""
    from mailbearer.submission import checked_key  # noqa: PLC0415 - whoever reads messages needs none

    key = request.headers.get("idempotency-key")
    return "" if key is None else checked_key(key, own=True)


def _each(results: Sequence[Accepted | MailbearerError]) -> Response:
    """Show what became of each of several messages."""
    shown: list[dict[str, Any]] = []
    fresh = 0
    for result in results:
        if isinstance(result, MailbearerError):
            answer = problem_response(result)
            shown.append({"status": answer.status, "problem": answer.body})
        else:
            fresh += not result.replayed
            shown.append({"status": 202, "message": message_resource(result.record)})
    count(accepted=fresh)
    return Response(200, {"results": shown})


def _read_move(body: object, now: float, accepted_at: float) -> float:
    """Read the time that a message is moved to; 0 = now. Raises `InvalidInput`."""
    from mailbearer.submission.reading import check_moment  # noqa: PLC0415 - few requests move a message

    faults: list[Fault] = []
    if not isinstance(body, dict) or "send_at" not in body:
        detail = 'Write {"send_at": "2026-11-22T09:30:00Z"}, or {"send_at": null} to send now.'
        raise InvalidInput((Fault("/send_at", "invalid_time", detail),))
    faults.extend(
        Fault(f"/{escape_pointer(name)}", "unknown_field", "Of a message only send_at can be changed.")
        for name in body
        if name != "send_at"
    )
    send_at = read_moment(body["send_at"], "/send_at", faults) if body["send_at"] is not None else 0
    check_moment(send_at, now, faults, since=accepted_at)
    if faults:
        raise InvalidInput(tuple(faults))
    return send_at


def _since(text: str) -> float:
    faults: list[Fault] = []
    since = read_moment(text, "/since", faults) if text else 0
    if faults:
        raise InvalidInput(tuple(faults))
    return since
