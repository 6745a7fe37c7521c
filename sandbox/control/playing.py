"""Playing a fault on an HTTP endpoint."""

from __future__ import annotations

import json
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Response, request

from sandbox.identity.refusals import Reason, refusal
from sandbox.mail_hosts.wording import throttled, unavailable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from sandbox.control.counters import Counters
    from sandbox.control.faults import Fault, FaultBoard

HTML = (
    "<!DOCTYPE html>\n<html lang=en>\n  <title>Error 502 (Server Error)!!1</title>\n"
    "  <p><b>502.</b> The server encountered a temporary error.\n"
)
MISSING = "missing"
_FIELD_OF = {
    "no_access_token": "access_token",
    "no_refresh_token": "refresh_token",
    "narrowed_scope": "scope",
    "expires_in": "expires_in",
    "token_type": "token_type",
}
_VALUE_OF = {
    "no_access_token": MISSING,
    "no_refresh_token": MISSING,
    "narrowed_scope": "openid",
    "expires_in": MISSING,
    "token_type": "mac",
}
"""What the field becomes unless the fault's params say otherwise."""
TOO_LARGE = 70_000
"""Octets added to an answer; Mailbearer's own limit is 64 KiB."""


class FaultPlayer:
    """Answers a request, or misbehaves as planned; counts both."""

    def __init__(self, *, board: FaultBoard, counters: Counters, stopping: threading.Event) -> None:
        self._board = board
        self._counters = counters
        self._stopping = stopping

    def play(
        self,
        answer: Callable[[], Response],
        *,
        endpoint: str,
        tenant: str,
        facts: Mapping[str, str | None] | None = None,
    ) -> Response:
        """Return `answer()` or what the fault makes of it; `facts` are what a fault may be matched on."""
        request.get_data()  # Read all of it first: a connection cut with unread data is reset, not closed.
        fault = self._board.take(endpoint, tenant=tenant, facts=facts)

        def count(outcome: str) -> None:
            grant_type = (facts or {}).get("grant_type")
            self._counters.count(tenant=tenant, endpoint=endpoint, grant_type=grant_type, outcome=outcome)

        if fault is not None:
            # Counted first: whoever sees the connection cut may look at the counters at once.
            count(f"fault:{fault.kind}")
            return self._misbehave(fault, tenant, answer)
        response = answer()
        count(_outcome(response))
        return response

    def _misbehave(self, fault: Fault, tenant: str, answer: Callable[[], Response]) -> Response:
        if fault.kind == "cut_before":
            return _cut()
        if fault.kind == "answer_lost":
            answer()
            return _cut()
        if fault.kind == "hang":
            stopped = self._stopping.wait(float(fault.params["seconds"]))
            return _cut() if stopped else answer()
        if fault.kind == "delay_then_answer":
            response = answer()
            return _cut() if self._stopping.wait(float(fault.params["seconds"])) else response
        return _instead(fault, tenant) or _changed(fault, answer())


def _instead(fault: Fault, tenant: str) -> Response | None:
    """Return the answer that is given without doing the work, or None."""
    params = fault.params
    response: Response | None = None
    match fault.kind:
        case "html":
            response = Response(HTML, int(params.get("status", 502)), mimetype="text/html")
        case "status":
            response = _canned(int(params["status"]), params.get("headers", {}), params.get("body", ""))
        case "503":
            response = _canned(503, _retry_after(params), unavailable(fault.endpoint))
        case "429" | "throttle":
            response = _canned(429, {"Retry-After": "1"} | _retry_after(params), throttled(fault.endpoint))
        case "invalid_grant" | "invalid_client":
            status, body = refusal(tenant, Reason[fault.kind.upper()])
            response = _canned(status, {}, body | dict(params.get("body", {})))
    return response


def _retry_after(params: Mapping[str, Any]) -> dict[str, str]:
    return {"Retry-After": str(params["retry_after"])} if "retry_after" in params else {}


def _canned(status: int, headers: Mapping[str, Any], body: Any) -> Response:
    text = body if isinstance(body, str) else json.dumps(body)
    response = Response(text, status, mimetype="text/plain" if isinstance(body, str) else "application/json")
    for name, value in headers.items():
        response.headers[name] = str(value)
    return response


def _cut() -> Response:
    """End the connection without a byte of answer."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    return Response(status=500)


def _truncated(response: Response, *, honest: bool) -> Response:
    whole = response.get_data()
    response.set_data(whole[: len(whole) // 2])
    if not honest:
        response.headers["Content-Length"] = str(len(whole))
    return response


def _changed(fault: Fault, response: Response) -> Response:
    """Spoil an answer after the work was done; a token endpoint's refusals stay as they are."""
    if fault.kind == "truncated":
        return _truncated(response, honest=bool(fault.params.get("honest_length")))
    if fault.kind == "too_large":
        # Blanks after the JSON: a client that read on would find nothing wrong with it.
        response.set_data(response.get_data() + b" " * int(fault.params.get("octets", TOO_LARGE)))
        return response
    body = response.get_json(silent=True)
    if response.status_code != HTTPStatus.OK or not isinstance(body, dict):
        return response
    name = _FIELD_OF[fault.kind]
    value = fault.params.get("value", _VALUE_OF[fault.kind])
    if fault.kind == "narrowed_scope":
        value = str(fault.params.get("scope", value))
    if value == MISSING:
        body.pop(name, None)
    else:
        body[name] = value
    response.set_data(json.dumps(body))
    return response


def _outcome(response: Response) -> str:
    if response.status_code < HTTPStatus.BAD_REQUEST:
        return "ok"
    body = response.get_json(silent=True)
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, str) else str(response.status_code)
