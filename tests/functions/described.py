"""Holds every answer that the functions give in a test against the OpenAPI document."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.docs.openapi import expanded, operation_of, strict, validator, wrong

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jsonschema import Draft202012Validator

    from tests.docs.openapi import Operation

OF_NO_OPERATION = {401, 404, 405}
"""What is answered where there is no operation."""
DECLARED_HEADERS = {"location", "idempotent-replayed", "retry-after", "www-authenticate", "x-request-id"}
"""Header fields that say something of their own; the others belong to every answer."""
ITEM_BY_ITEM = frozenset({"messages", "suppressions"})
"""Lists in bodies whose items are answered one by one."""
_REFUSED = 400


def check(sent: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """See that an answer has a status, header fields, a type and a body that the document declares for its request."""
    method, path = sent["requestContext"]["http"]["method"], str(sent["rawPath"]).rstrip("/")
    operation = operation_of(method, path)
    status, headers = str(given["statusCode"]), given["headers"]
    assert headers.get("x-request-id") == sent["requestContext"]["requestId"], "the answer does not name its request"
    if operation is None:
        assert given["statusCode"] in OF_NO_OPERATION, f"openapi.json has no {method} {path}, which answered {status}"
        _check_body(_problem(), given, f"{method} {path}")
        return
    assert status in operation.answers, f"openapi.json: {operation} says nothing of {status}: {given['body'][:300]}"
    answer = operation.answers[status]
    undeclared = (headers.keys() & DECLARED_HEADERS) - {name.lower() for name in answer.get("headers", {})}
    assert not undeclared, f"openapi.json: {operation} {status} says nothing of the header {undeclared}"
    if "content" not in answer:
        assert given["body"] == "", f"openapi.json: {operation} {status} has no body"
        return
    kind = headers["content-type"].partition(";")[0]
    assert kind in answer["content"], f"openapi.json: {operation} {status} is never {kind}"
    if kind != "text/html":
        _check_body(_answered(operation, status, kind), given, f"{operation} {status}")
    if status.startswith("2"):
        _check_request(operation, sent, given)


def _check_request(operation: Operation, sent: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """See that the document takes what the code took; of a batch, the messages that it took."""
    if operation.request is None or not sent.get("body") or sent.get("isBase64Encoded"):
        return
    body, answered = json.loads(sent["body"]), json.loads(given["body"] or "null")
    for name in ITEM_BY_ITEM & body.keys():
        # What is wrong with one item is answered in its place, and no matter of the others'.
        results = zip(body[name], answered["results"], strict=True)
        body[name] = [each for each, result in results if result["status"] < _REFUSED]
        if not body[name]:
            return
    faults = wrong(_asked(operation), body)
    assert not faults, f"openapi.json refuses a body that {operation} took: {faults}"


def _check_body(against: Draft202012Validator, given: Mapping[str, Any], where: str) -> None:
    faults = wrong(against, json.loads(given["body"]))
    assert not faults, f"openapi.json does not describe the answer of {where}: {faults}\n{given['body'][:1000]}"


@cache
def _problem() -> Draft202012Validator:
    return validator(strict(expanded({"$ref": "#/components/schemas/Problem"})))


@cache
def _answered(operation: Operation, status: str, kind: str) -> Draft202012Validator:
    return validator(strict(operation.answers[status]["content"][kind]["schema"]))


@cache
def _asked(operation: Operation) -> Draft202012Validator:
    assert operation.request is not None
    return validator(operation.request["schema"])
