"""The API's description and the page to try it, and every example of the description, through the real handlers."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from functions.accounts_api import app as accounts_api
from functions.admin_api import app as admin_api
from mailbearer.account import AccountState
from mailbearer.api.description import described
from mailbearer.config import Settings
from mailbearer.credential import Credential
from mailbearer.wiring import Wiring
from tests.docs.openapi import Operation, operations
from tests.functions.deployment import API_URL, CLIENT_SECRET, REGISTRATION
from tests.functions.described import check
from tests.functions.stack import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from tests.functions.stack import Answer, Stack

pytestmark = pytest.mark.slow
ADDRESS = "orders@acme.example"
OF_BROWSERS = {"show_consent_page", "finish_consent"}
"""The pages of a consent: whoever consents in a test walks them."""
OF_ACCOUNTS = {(route.method, route.path) for route in accounts_api.routes_of(Wiring(Settings()))}
OF_ADMIN = {(route.method, route.path) for route in admin_api.routes_of(Wiring(Settings()))}
OTHERWISE = {("import_token", "token"): 409, ("add_suppressions", "list"): 200}
"""What comes of the examples that are not answered with the first status declared: nobody has that token."""
SHOWN = {each.said["operationId"]: each.examples for each in operations()}


def test_the_description_is_the_document_with_the_address_of_the_stack(stack: Stack) -> None:
    answer = stack.messages("openapi")
    assert answer.status == 200
    assert answer.json == described() | {"servers": [{"url": API_URL}]}
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (
        "application/json",
        "public, max-age=300",
    )


def test_the_page_is_one_file_that_may_run_its_own_script_and_nothing_else(stack: Stack) -> None:
    answer = stack.messages("docs")
    assert (answer.status, answer.raw["isBase64Encoded"]) == (200, True)
    assert (answer.headers["content-type"], answer.headers["content-encoding"]) == ("text/html; charset=utf-8", "gzip")
    page = gzip.decompress(base64.b64decode(answer.text)).decode()
    (script,), (style,) = (
        re.findall("<script>(.*?)</script>", page, re.DOTALL),
        re.findall("<style>(.*?)</style>", page, re.DOTALL),
    )
    assert page.endswith(f"<script>{script}</script></body></html>\n")
    assert "//" not in page.replace(script, "").replace(style, ""), "it names another place"
    policy = answer.headers["content-security-policy"]
    for text in (script, style):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; ")
    assert policy.endswith("connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
    assert (answer.headers["x-frame-options"], answer.headers["referrer-policy"]) == ("DENY", "no-referrer")
    assert len(answer.text) < 1_000_000, "Lambda gives back 6 MB at most"


def test_the_description_needs_nothing_of_the_stack(stack: Stack) -> None:
    stack.restart()
    for name in ("openapi", "docs", "health"):
        assert stack.messages(name).status == 200
    assert stack.app("messages_api").wiring.cache_info().currsize == 0


@pytest.mark.parametrize(
    ("status", "changes", "complaint"),
    [
        (202, {"mood": "good"}, "mood"),
        (202, {"status": "gone"}, "gone"),
        (202, {"created_at": "yesterday"}, "yesterday"),
        (418, {}, "418"),
        (409, {"code": "conflict"}, "is not one of"),
    ],
)
def test_an_answer_that_the_document_does_not_describe_is_noticed(
    stack: Stack, status: int, changes: dict[str, str], complaint: str
) -> None:
    stack.mailbox(ADDRESS)
    sent = request("messages-post", body=SHOWN["send_message"]["small"])
    given = stack.invoke("messages_api", sent)
    answers = next(each for each in operations() if str(each) == "POST /v1/messages").answers
    if status == 409:
        problems = answers["409"]["content"]["application/problem+json"]["examples"]
        given["headers"] = {name: given["headers"][name] for name in ("content-type", "x-request-id")}
        given["headers"]["content-type"] = "application/problem+json"
        given["body"] = json.dumps(next(iter(problems.values()))["value"])
    given |= {"statusCode": status, "body": json.dumps(json.loads(given["body"]) | changes)}
    with pytest.raises(AssertionError, match=f"openapi.json.*{complaint}"):
        check(sent, given)


def test_an_answer_that_does_not_name_its_request_is_noticed(stack: Stack) -> None:
    stack.mailbox(ADDRESS)
    sent = request("messages-post", body=SHOWN["send_message"]["small"])
    given = stack.invoke("messages_api", sent)
    del given["headers"]["x-request-id"]
    with pytest.raises(AssertionError, match="name its request"):
        check(sent, given)


# --- every operation, and every example -------------------------------------------------------------------------------


def asked(stack: Stack, operation: Operation, parameters: dict[str, str], body: object = None) -> Answer:
    """Carry an operation out."""
    route = operation.method, operation.path
    ask, name = stack.messages, "messages-get"
    if route in OF_ACCOUNTS:
        ask, name = stack.accounts, "accounts-get"
    elif route in OF_ADMIN:
        ask, name = stack.admin, "webhooks-list"
    changes: dict[str, Any] = {} if body is None else {"body": body}
    if operation.said["operationId"] == "list_messages":
        changes["query"] = {"account": ADDRESS}
    return ask(name, method=operation.method, path=operation.path.format(**parameters), **changes)


def made(stack: Stack, operation_id: str, body: object) -> Any:
    """Carry an operation out that makes what another needs."""
    operation = next(each for each in operations() if each.said["operationId"] == operation_id)
    answer = asked(stack, operation, {}, body)
    assert answer.status in {200, 201, 202}, answer.text
    return answer.json


def message(stack: Stack, _account: Account) -> dict[str, str]:
    return {"id": made(stack, "send_message", SHOWN["send_message"]["small"])["id"]}


def scheduled_message(stack: Stack, _account: Account) -> dict[str, str]:
    return {"id": made(stack, "send_message", in_future(SHOWN["send_message"]["scheduled"]))["id"]}


def held_message(stack: Stack, account: Account) -> dict[str, str]:
    held = message(stack, account)
    paused = stack.change(account, state=AccountState.PAUSED)
    stack.deliver()
    stack.change(paused, state=AccountState.ACTIVE)
    return held


def paused_account(stack: Stack, account: Account) -> dict[str, str]:
    return {"id": stack.change(account, state=AccountState.PAUSED).id}


def suppressed(stack: Stack, _account: Account) -> dict[str, str]:
    return {"address": made(stack, "add_suppressions", SHOWN["add_suppressions"]["one"])["address"]}


def template(stack: Stack, _account: Account) -> dict[str, str]:
    body = SHOWN["create_template"]["order"]
    made(stack, "create_template", body)
    return {"name": body["name"], "version": "1"}


def key(stack: Stack, _account: Account) -> dict[str, str]:
    return {"id": made(stack, "create_key", SHOWN["create_key"]["operator"])["id"]}


def disabled_key(stack: Stack, account: Account) -> dict[str, str]:
    parameters = key(stack, account)
    operation = next(each for each in operations() if each.said["operationId"] == "disable_key")
    assert asked(stack, operation, parameters, None).status == 200
    return parameters


def webhook(stack: Stack, _account: Account) -> dict[str, str]:
    return {"id": made(stack, "create_webhook", SHOWN["create_webhook"]["some"])["id"]}


NEEDS: dict[str, Callable[[Stack, Account], dict[str, str]]] = {
    "reschedule_message": scheduled_message,
    "retry_message": held_message,
    "resume_account": paused_account,
    "delete_key": disabled_key,
    "show_suppression": suppressed,
    "remove_suppression": suppressed,
}
"""What has to be there before an operation, where it is not a message or an account."""


def prepared(stack: Stack, operation: Operation) -> dict[str, str]:
    """Make what an operation is about, and give the parameters of its path."""
    about_accounts = operation.path.startswith("/v1/accounts/")
    account = stack.connect(ADDRESS) if about_accounts else stack.mailbox(ADDRESS)
    if need := NEEDS.get(operation.said["operationId"]):
        return need(stack, account)
    if "{name}" in operation.path:
        return template(stack, account)
    if operation.path.startswith("/v1/messages/{id}"):
        return message(stack, account)
    if operation.path.startswith("/v1/webhooks/{id}"):
        return webhook(stack, account)
    if operation.path.startswith("/v1/keys/{id}"):
        return key(stack, account)
    return {"id": account.id}


def in_future(body: dict[str, Any]) -> dict[str, Any]:
    """Give an example with its time, if it has one, an hour from now."""
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    return body | ({"send_at": soon} if body.get("send_at") else {})


def with_upload(stack: Stack, body: dict[str, Any]) -> dict[str, Any]:
    """Give an example with an upload that is there in the place of the one that it names."""
    if not any("upload_id" in part for part in body.get("attachments", ())):
        return body
    begun = made(stack, "begin_upload", {"filename": "a.txt", "content_type": "text/plain", "size": 2})
    requests.put(begun["url"], data=b"Hi", headers=begun["headers"], timeout=5).raise_for_status()
    return body | {"attachments": [{"upload_id": begun["upload_id"]}]}


@pytest.fixture
def registered(stack: Stack) -> None:
    """Register the provider that the examples name."""
    known = stack.wiring.registrations.get(REGISTRATION)
    assert known is not None
    stack.wiring.registrations.create(replace(known, name="google-workspace"))
    stack.wiring.credentials.create("google-workspace", Credential(client_secret=CLIENT_SECRET))


def cases() -> list[Any]:
    """Give every operation, with each of its examples if it takes a body."""
    return [
        pytest.param(each, name, id=f"{each.said['operationId']}-{name}" if name else each.said["operationId"])
        for each in operations()
        if each.said["operationId"] not in OF_BROWSERS
        for name in (each.examples or [""])
    ]


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(("operation", "name"), cases())
def test_an_operation_does_what_its_example_says(stack: Stack, operation: Operation, name: str) -> None:
    parameters = prepared(stack, operation)
    body = with_upload(stack, in_future(operation.examples[name])) if name else None
    if "template" in (body or {}):
        template(stack, stack.account(ADDRESS))
    answer = asked(stack, operation, parameters, body)
    expected = OTHERWISE.get((operation.said["operationId"], name), int(next(iter(operation.answers))))
    assert answer.status == expected, answer.text
