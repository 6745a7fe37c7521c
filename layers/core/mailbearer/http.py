"""HTTP at the edge: routes, who may use them, and the one table from errors to answers (RFC 9457)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailbearer.caller import Caller
from mailbearer.errors import (
    Conflict,
    ConsentRefused,
    Fault,
    Forbidden,
    InvalidInput,
    MailbearerError,
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    Unauthenticated,
    Unavailable,
)

PROBLEM_BASE = "https://github.com/mailbearer/mailbearer/blob/main/docs/reference/problems.md#"

GUARD: Mapping[str, str] = {
    "cache-control": "no-store",
    # Should a browser ever take an answer for a page: nothing runs, nothing is loaded and nobody frames it.
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""The header fields of every answer, also of those that are errors; a page replaces the policy by its own."""

_STATUS: tuple[tuple[type[MailbearerError], int], ...] = (
    (InvalidInput, 422),
    (MalformedBody, 400),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (MethodNotAllowed, 405),
    (Conflict, 409),
    (Unavailable, 503),
)
_MAX_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request as API Gateway hands it over (payload format 2.0); header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    caller: Caller | None
    request_id: str
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def known_caller(self) -> Caller:
        """Give the caller of a route that has one. Raises `Unauthenticated`."""
        if self.caller is None:
            msg = "Send `Authorization: Bearer mb_<key id>_<secret>`; `mailbearer keys create` makes a key."
            raise Unauthenticated(msg)
        return self.caller

    def json(self) -> Any:
        """Read the body as JSON. Raises `MalformedBody`."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            # ValueError is the decoder's, the parser's, and Python's for numbers of more than 4300 digits.
            msg = "The body is not JSON in UTF-8."
            if isinstance(error, json.JSONDecodeError):
                msg = f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
            raise MalformedBody(msg) from error

    def limit(self) -> int:
        """Read `?limit=`, 1 to 100, default 50. Raises `InvalidInput`."""
        text = self.query.get("limit", "50")
        if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= _MAX_LIMIT:
            detail = f"limit is a number from 1 to {_MAX_LIMIT}."
            raise InvalidInput((Fault("/limit", "invalid_limit", detail),))
        return int(text)


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer; a `body` that is neither string nor bytes is written as JSON."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def as_event(self) -> dict[str, Any]:
        """Give the answer as API Gateway wants it (payload format 2.0)."""
        headers = dict(GUARD)
        if self.body is None:
            text = ""
        elif isinstance(self.body, bytes):
            text = base64.b64encode(self.body).decode()
        elif isinstance(self.body, str):
            text = self.body
        else:
            headers["content-type"] = "application/json"
            # ASCII, because a pointer may quote a lone surrogate, which the Lambda runtime could not write as UTF-8.
            text = json.dumps(self.body, separators=(",", ":"))
        return {
            "statusCode": self.status,
            "headers": headers | dict(self.headers),
            "body": text,
            "isBase64Encoded": isinstance(self.body, bytes),
        }


Handler = Callable[[Request], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path.

    `{name}` stands for one segment, `scope` is what the key needs, empty for the open pages.
    """

    method: str
    path: str
    scope: str
    handler: Handler

    def match(self, path: str) -> Mapping[str, str] | None:
        """Give the path's parameters, or None if it is another path."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, path)
        return found.groupdict() if found else None


def respond(event: Mapping[str, Any], routes: Sequence[Route], *, unexpected: Callable[[], None]) -> dict[str, Any]:
    """Answer one API Gateway event; every error becomes a problem document.

    `unexpected` is called inside the handling of an error that is none of ours, so that it can be logged with its
    traceback. The field `x-request-id` names the request as logs and audit events do.
    """
    try:
        request = read_request(event)
        response = _dispatch(request, routes)
    except MailbearerError as error:
        response = problem_response(error)
    except Exception:  # noqa: BLE001 - the process edge: the caller gets a problem document, the log the traceback
        unexpected()
        response = _problem(500, "internal_error", "Something went wrong", "The error was logged; try again later.")
    answer = response.as_event()
    if request_id := event.get("requestContext", {}).get("requestId"):
        answer["headers"]["x-request-id"] = request_id
    return answer


def read_request(event: Mapping[str, Any]) -> Request:
    """Read an API Gateway event of payload format 2.0. Raises `MalformedBody`."""
    context = event["requestContext"]
    body = event.get("body") or ""
    try:
        raw = base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    except ValueError as error:  # of the alphabet, the padding or a lone surrogate
        msg = "The body could not be decoded."
        raise MalformedBody(msg) from error
    authorizer = (context.get("authorizer") or {}).get("lambda") or {}
    return Request(
        method=context["http"]["method"],
        path=_path(event),
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        query=event.get("queryStringParameters") or {},
        body=raw,
        caller=read_caller(authorizer),
        request_id=context.get("requestId", ""),
    )


def read_caller(context: Mapping[str, Any]) -> Caller | None:
    """Read what the authorizer found out; None if the key was no good."""
    if not context.get("key_id"):
        return None
    return Caller(
        key_id=context["key_id"],
        scopes=frozenset(str(context.get("scopes", "")).split()),
        accounts=frozenset(str(context.get("accounts", "")).split()),
    )


def problem_response(error: MailbearerError) -> Response:
    """Write one of our errors as a problem document."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if isinstance(error, ConsentRefused):
        status = error.status
    response = _problem(status, error.code, error.title, error.detail)
    headers = dict(response.headers)
    if isinstance(error, ConsentRefused):
        response.body["reason"] = error.reason
    if isinstance(error, InvalidInput):
        response.body["errors"] = [{"pointer": f.pointer, "code": f.code, "detail": f.detail} for f in error.faults]
    if isinstance(error, Unavailable):
        headers["retry-after"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = 'Bearer realm="mailbearer"'
    if isinstance(error, MethodNotAllowed):
        headers["allow"] = ", ".join(error.allowed)
    return Response(status, response.body, headers)


def _dispatch(request: Request, routes: Sequence[Route]) -> Response:
    others: list[str] = []
    for route in routes:
        params = route.match(request.path)
        if params is None:
            continue
        if route.method != request.method:
            others.append(route.method)
            continue
        if route.scope and not request.known_caller.may(route.scope):
            msg = f"This needs a key with the scope {route.scope}."
            raise Forbidden(msg)
        return route.handler(_with_params(request, params))
    if others:
        # Whoever has no key learns nothing about what there is.
        if not any(not route.scope and route.match(request.path) is not None for route in routes):
            _ = request.known_caller
        raise MethodNotAllowed(tuple(sorted(set(others))))
    _ = request.known_caller
    msg = "There is nothing at this path."
    raise NotFound(msg)


def _with_params(request: Request, params: Mapping[str, str]) -> Request:
    return Request(
        method=request.method,
        path=request.path,
        headers=request.headers,
        query=request.query,
        body=request.body,
        caller=request.caller,
        request_id=request.request_id,
        params=params,
    )


def _path(event: Mapping[str, Any]) -> str:
    """Give the path without the stage's name in front, which all stages but `$default` put there."""
    path = str(event.get("rawPath") or "/")
    stage = event["requestContext"].get("stage", "$default")
    if stage != "$default" and path.startswith(f"/{stage}/"):
        path = path[len(stage) + 1 :]
    return path.rstrip("/") or "/"


def _problem(status: int, code: str, title: str, detail: str) -> Response:
    body = {"type": PROBLEM_BASE + code, "title": title, "status": status, "detail": detail, "code": code}
    return Response(status, body, {"content-type": "application/problem+json"})
