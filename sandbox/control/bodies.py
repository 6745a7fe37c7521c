"""Reading and writing the JSON of the control API; a ValueError here is a 400 there."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from flask import Response, request

PREFIX = "/_sandbox"


def body_of_request(*known: str) -> dict[str, Any]:
    """Return the request's JSON object; refuse fields that are not `known`, if any are named."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object, sent as application/json")  # noqa: TRY004 - a 400 all the same
    if known and (unknown := sorted(set(body) - set(known))):
        raise ValueError(f"unknown field: {', '.join(unknown)}; known: {', '.join(known)}")
    return body


def text(body: dict[str, Any], name: str, default: str | None = None) -> str:
    """Return a string field; `default` for one left out or null."""
    value = body.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string")  # noqa: TRY004 - a 400 all the same
    return value


def texts(body: dict[str, Any], name: str) -> tuple[str, ...]:
    """Return a field that is a list of strings, empty if left out."""
    value = body.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name} must be a list of strings")
    return tuple(value)


def mapping(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a field that is an object, empty if left out."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object")  # noqa: TRY004 - a 400 all the same
    return value


def answer(body: dict[str, Any], status: int = HTTPStatus.OK) -> Response:
    """Return a JSON object."""
    return Response(json.dumps(body), status, mimetype="application/json")


def rows(items: list[dict[str, Any]]) -> Response:
    """Return a list as `{"data": [...]}`."""
    return answer({"data": items})


def unacceptable(error: ValueError) -> Response:
    """Return the 400 that says why."""
    return answer({"error": str(error)}, HTTPStatus.BAD_REQUEST)
