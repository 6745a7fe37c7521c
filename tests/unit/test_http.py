from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.caller import Caller
from mailbearer.errors import (
    AuditUnavailable,
    Conflict,
    ConsentRefused,
    Fault,
    Forbidden,
    IdempotencyConflict,
    InvalidInput,
    MailbearerError,
    MalformedBody,
    MethodNotAllowed,
    NotFound,
    SecretMissing,
    Unauthenticated,
    Unavailable,
    UnknownAccount,
)
from mailbearer.http import (
    GUARD,
    PROBLEM_BASE,
    Request,
    Response,
    Route,
    problem_response,
    read_caller,
    read_request,
    respond,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def event(method: str = "GET", path: str = "/v1/things", *, scopes: str | None = "things:read", **more: Any) -> Any:
    """Give an event of payload format 2.0; no scopes means no valid key."""
    authorizer = {"key_id": "" if scopes is None else "key_1", "scopes": scopes or "", "accounts": "acc_1 acc_2"}
    return {
        "version": "2.0",
        "routeKey": "ANY /v1/{proxy+}",
        "rawPath": path,
        "headers": {"Idempotency-Key": "k"},
        "requestContext": {
            "stage": "$default",
            "requestId": "req-1",
            "http": {"method": method, "path": path},
            "authorizer": {"lambda": authorizer},
        },
        "isBase64Encoded": False,
    } | more


def echo(request: Request) -> Response:
    return Response(200, {"path": request.path, "params": dict(request.params), "key": request.known_caller.key_id})


def raising(error: Exception) -> Callable[[Request], Response]:
    def handler(_: Request) -> Response:
        raise error

    return handler


ROUTES = (
    Route("GET", "/open", "", lambda _: Response(200, {"open": True})),
    Route("GET", "/v1/things", "things:read", echo),
    Route("POST", "/v1/things", "things:write", echo),
    Route("GET", "/v1/things/{id}", "things:read", echo),
    Route("POST", "/v1/things/{id}/{verb}", "things:read", echo),
)


def answer(given: Any, routes: tuple[Route, ...] = ROUTES) -> tuple[int, Any, dict[str, str]]:
    def unexpected() -> None:
        msg = "an error that was none of ours"
        raise AssertionError(msg)

    response = respond(given, routes, unexpected=unexpected)
    assert response.keys() == {"statusCode", "headers", "body", "isBase64Encoded"}
    json.dumps(response, ensure_ascii=False).encode()  # as the Lambda runtime does
    body = json.loads(response["body"]) if response["body"] else None
    return response["statusCode"], body, response["headers"]


# --- routing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [
        ("GET", "/v1/things", {}),
        ("GET", "/v1/things/", {}),
        ("GET", "/v1/things/thing_1", {"id": "thing_1"}),
        ("GET", "/v1/things/a%2Fb", {"id": "a%2Fb"}),
        ("POST", "/v1/things/1/poke", {"id": "1", "verb": "poke"}),
    ],
)
def test_a_request_reaches_its_route(method: str, path: str, params: dict[str, str]) -> None:
    status, body, headers = answer(event(method, path))
    assert (status, body["params"], body["key"]) == (200, params, "key_1")
    assert headers == {**GUARD, "content-type": "application/json", "x-request-id": "req-1"}


@pytest.mark.parametrize(
    ("method", "path", "scopes", "status", "code"),
    [
        ("GET", "/v1/things", None, 401, "unauthenticated"),
        ("GET", "/v1/things", "", 403, "forbidden"),
        ("GET", "/v1/things", "things:write", 403, "forbidden"),
        ("POST", "/v1/things", "things:read", 403, "forbidden"),
        ("GET", "/v1/things", "admin", 200, None),
        ("GET", "/v1/nothing", "things:read", 404, "not_found"),
        ("GET", "/v1/nothing", None, 401, "unauthenticated"),
        ("GET", "/v1/things/1/2/3", "admin", 404, "not_found"),
        ("GET", "/v1/thingsX", "admin", 404, "not_found"),
        ("GET", "/x/v1/things", "admin", 404, "not_found"),
        ("DELETE", "/v1/things", "admin", 405, "method_not_allowed"),
        ("DELETE", "/v1/things", None, 401, "unauthenticated"),
        ("GET", "/open", None, 200, None),
        ("POST", "/open", None, 405, "method_not_allowed"),
        ("GET", "", None, 401, "unauthenticated"),
    ],
)
def test_what_is_not_allowed_is_said(method: str, path: str, scopes: str | None, status: int, code: str | None) -> None:
    found, body, headers = answer(event(method, path, scopes=scopes))
    assert (found, body.get("code")) == (status, code)
    if status == 401:
        assert headers["www-authenticate"] == 'Bearer realm="mailbearer"'
    if status == 405:
        assert headers["allow"] == ("GET" if path == "/open" else "GET, POST")


def test_the_name_of_the_stage_is_taken_off_the_path() -> None:
    staged = event(path="/prod/v1/things/prod")
    staged["requestContext"]["stage"] = "prod"
    assert answer(staged)[1]["path"] == "/v1/things/prod"
    staged["rawPath"] = "/production/v1/things"
    assert answer(staged)[0] == 404


# --- reading --------------------------------------------------------------------------------------------------------


def test_a_request_is_read_from_the_event() -> None:
    request = read_request(event(body="Größe", queryStringParameters={"limit": "5"}))
    assert (request.method, request.path, request.request_id) == ("GET", "/v1/things", "req-1")
    assert (request.headers, request.query, request.body) == (
        {"idempotency-key": "k"},
        {"limit": "5"},
        "Größe".encode(),
    )
    assert request.caller == Caller(
        key_id="key_1", scopes=frozenset({"things:read"}), accounts=frozenset({"acc_1", "acc_2"})
    )
    assert "Größe" not in repr(request)
    assert "idempotency" not in repr(request)


@pytest.mark.parametrize("authorizer", [None, {}, {"lambda": None}, {"lambda": {}}, {"lambda": {"key_id": ""}}])
def test_without_a_key_there_is_no_caller(authorizer: Any) -> None:
    given = event()
    given["requestContext"]["authorizer"] = authorizer
    assert read_request(given).caller is None
    assert answer(given)[0] == 401


def test_an_unbound_key_has_no_accounts() -> None:
    caller = read_caller({"key_id": "key_1", "scopes": "a b", "accounts": ""})
    assert caller is not None
    assert (caller.scopes, caller.accounts) == (frozenset({"a", "b"}), frozenset())


def test_a_body_in_base64_is_decoded() -> None:
    body = base64.b64encode(b'{"a": "\xc3\xbc"}').decode()
    assert read_request(event(body=body, isBase64Encoded=True)).json() == {"a": "ü"}


@pytest.mark.parametrize("body", ["QQ", "Q!==", "ÄÄ==", "\ud800"])
def test_a_body_that_is_no_base64_is_malformed(body: str) -> None:
    assert answer(event(body=body, isBase64Encoded=True))[:1] == (400,)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe\xfd", b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b"-" + b"9" * 5000]
)
def test_a_body_that_is_no_json_is_malformed(body: bytes) -> None:
    routes = (Route("GET", "/v1/things", "", lambda request: Response(200, request.json())),)
    status, problem, _ = answer(event(body=base64.b64encode(body).decode(), isBase64Encoded=True), routes)
    assert (status, problem["code"]) == (400, "malformed_body")


@pytest.mark.parametrize(("text", "limit"), [(None, 50), ("1", 1), ("100", 100), ("007", 7)])
def test_a_limit_is_a_number_up_to_a_hundred(text: str | None, limit: int) -> None:
    query = {} if text is None else {"limit": text}
    assert read_request(event(queryStringParameters=query)).limit() == limit


@pytest.mark.parametrize(
    "text", ["", "0", "101", "-1", "1.5", "x", "٣", "²", "000000001999", "9" * 5000, "1\n", " 1", "1_0"]
)
def test_any_other_limit_is_a_fault(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_request(event(queryStringParameters={"limit": text})).limit()
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/limit", "invalid_limit")]


# --- problems -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (MalformedBody("x"), 400, "malformed_body"),
        (Unauthenticated("x"), 401, "unauthenticated"),
        (Forbidden("x"), 403, "forbidden"),
        (NotFound("x"), 404, "not_found"),
        (MethodNotAllowed(("GET",)), 405, "method_not_allowed"),
        (Conflict("x"), 409, "conflict"),
        (IdempotencyConflict("x"), 409, "idempotency_conflict"),
        (UnknownAccount("x"), 409, "unknown_account"),
        (InvalidInput((Fault("/to", "c", "d"),)), 422, "invalid_request"),
        (Unavailable("x"), 503, "temporarily_unavailable"),
        (AuditUnavailable("x"), 503, "audit_unavailable"),
        (ConsentRefused("x", reason="late", status=410), 410, "consent_refused"),
        (SecretMissing("x"), 500, "secret_missing"),
    ],
)
def test_every_error_of_ours_has_its_status_and_is_a_problem_document(
    error: MailbearerError, status: int, code: str
) -> None:
    found, body, headers = answer(event(), (Route("GET", "/v1/things", "", raising(error)),))
    assert found == status
    more: dict[str, object] = {}
    if isinstance(error, InvalidInput):
        more = {"errors": [{"pointer": "/to", "code": "c", "detail": "d"}]}
    if isinstance(error, ConsentRefused):
        more = {"reason": "late"}
    assert (
        body
        == {
            "type": PROBLEM_BASE + code,
            "title": error.title,
            "status": status,
            "detail": error.detail,
            "code": code,
        }
        | more
    )
    assert headers["content-type"] == "application/problem+json"
    assert ("retry-after" in headers) == (status == 503)


def test_a_problem_says_when_to_come_again() -> None:
    assert problem_response(Unavailable("x", retry_after=17)).headers["retry-after"] == "17"


def test_a_problem_may_quote_what_cannot_be_written_as_utf_8() -> None:
    error = InvalidInput((Fault("/\ud800", "unknown_field", "x"),))
    _, body, _ = answer(event(), (Route("GET", "/v1/things", "", raising(error)),))
    assert body["errors"][0]["pointer"] == "/\ud800"


def test_an_error_that_is_none_of_ours_is_logged_and_says_nothing() -> None:
    logged: list[str] = []
    routes = (Route("GET", "/v1/things", "", raising(ValueError("secret"))),)
    response = respond(event(), routes, unexpected=lambda: logged.append("traceback"))
    assert logged == ["traceback"]
    assert response["statusCode"] == 500
    assert "secret" not in response["body"]
    assert json.loads(response["body"])["code"] == "internal_error"


@pytest.mark.parametrize("error", [NotFound("gone"), Unauthenticated("who?"), Unavailable("later"), ValueError("bug")])
def test_every_answer_is_guarded_also_an_error(error: Exception) -> None:
    routes = (Route("GET", "/v1/things", "", raising(error)),)
    given = respond(event(), routes, unexpected=lambda: None)
    assert given["headers"].items() >= GUARD.items()


def test_what_guards_an_answer_lets_no_browser_keep_frame_run_or_tell_of_it() -> None:
    policy = dict(part.strip().split(" ", 1) for part in GUARD["content-security-policy"].split(";"))
    assert policy == {"default-src": "'none'", "frame-ancestors": "'none'"}
    wanted = {
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
    assert wanted.items() <= GUARD.items()
    assert int(GUARD["strict-transport-security"].removeprefix("max-age=")) >= 365 * 24 * 3600


def test_an_answer_without_a_body_has_none() -> None:
    assert Response(204).as_event() == {
        "statusCode": 204,
        "headers": {**GUARD},
        "body": "",
        "isBase64Encoded": False,
    }


def test_a_page_is_written_as_it_is_with_its_own_headers() -> None:
    page = Response(200, "<p>ü</p>", {"content-type": "text/html", "cache-control": "private"}).as_event()
    assert page["body"] == "<p>ü</p>"
    assert (page["headers"]["content-type"], page["headers"]["cache-control"]) == ("text/html", "private")


def test_bytes_are_written_in_base64() -> None:
    answer = Response(200, b"\x1f\x8b\x00").as_event()
    assert (answer["body"], answer["isBase64Encoded"]) == ("H4sA", True)
    assert "content-type" not in answer["headers"]
