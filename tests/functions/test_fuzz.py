"""The API fuzzed from its own document: whatever is asked, the document declares the answer, and it is never a 5xx.

Every answer is held against the document by the stack itself, see `tests.functions.described`. `make fuzz` asks longer.
"""

from __future__ import annotations

import base64
import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from requests import Request

from mailbearer.api.description import described
from sandbox.deploy import load_template
from tests.docs.openapi import operations
from tests.functions.deployment import API_URL, KEY_ID, ROOT
from tests.functions.stack import request

if TYPE_CHECKING:
    from schemathesis import Case

    from tests.docs.openapi import Operation
    from tests.functions.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(600)]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "8"))
"""How many requests of an operation, good ones and bad ones each."""
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    # The tests ask the same each time; `make fuzz` does not.
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    # Making a failing request smaller takes minutes, and says no more.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
ADDRESS = "orders@acme.example"
ADMIN = {"key_id": KEY_ID, "scopes": "admin", "accounts": ""}
FOLDERS = {"Messages": "messages_api", "Accounts": "accounts_api", "Admin": "admin_api"}


@cache
def routes() -> dict[str, str]:
    """Give the function behind each path of a route, a variable part as `{...}`."""
    found = {}
    for resource in load_template(ROOT / "template.yaml")["Resources"].values():
        if resource["Type"] == "AWS::ApiGatewayV2::Route":
            target = resource["Properties"]["Target"]["Fn::Sub"].partition("${")[2].removesuffix("Integration}")
            found[resource["Properties"]["RouteKey"].partition(" ")[2]] = FOLDERS[target]
    return found


def folder_of(operation: Operation) -> str:
    """Name the function that answers an operation: that of the longest route that leads to it."""
    exact = [path for path in routes() if path == operation.path]
    greedy = [
        path for path in routes() if operation.path.startswith(path.removesuffix("{proxy+}")) and "{proxy" in path
    ]
    return routes()[max(exact or greedy, key=len)]


def event_of(case: Case[Any], known: dict[str, str], *, of_us: bool) -> dict[str, Any]:
    """Write a generated request as API Gateway does (payload format 2.0); `of_us`: about something that there is."""
    asked = case.as_transport_kwargs(base_url=API_URL)
    asked = {name: asked[name] for name in ("method", "url", "params", "json", "data", "headers") if name in asked}
    prepared = Request(**asked).prepare()
    parts = urlsplit(str(prepared.url))
    path = unquote(parts.path, errors="replace")
    if of_us:
        for name, value in (case.path_parameters or {}).items():
            path = path.replace(f"/{value}", f"/{known.get(name, value)}", 1)
    body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body or b""
    if of_us and isinstance(case.body, dict) and "account" in case.body:
        body = json.dumps(case.body | {"account": ADDRESS}).encode()
    try:
        written, in_base64 = body.decode(), False
    except UnicodeDecodeError:
        written, in_base64 = base64.b64encode(body).decode(), True
    event = request("messages-get", path=path, method=str(prepared.method), caller=ADMIN)
    event["headers"] |= {name.lower(): str(value) for name, value in (case.headers or {}).items()}
    query = parse_qsl(parts.query, keep_blank_values=True, errors="replace")
    return event | {
        "body": written,
        "isBase64Encoded": in_base64,
        "rawQueryString": parts.query,
        # API Gateway puts the values of a repeated name together with commas.
        "queryStringParameters": {name: ",".join(v for n, v in query if n == name) for name, _ in query},
    }


def known_things(stack: Stack) -> dict[str, str]:
    """Make one of each thing, and give the path parameters that lead there."""
    account = stack.mailbox(ADDRESS)
    sent = stack.messages(
        "messages-post", body={"account": ADDRESS, "to": "x@y.example", "text": "Hi.", "subject": "Hi"}
    )
    stack.messages("templates-post", body={"name": "welcome", "subject": "Hi", "text": "Hi."})
    return {"id": sent.json["id"], "account_id": account.id, "name": "welcome", "version": "1"}


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_every_answer_to_anything_is_declared_and_none_is_a_failure_of_ours(stack: Stack, operation: Operation) -> None:
    import schemathesis  # noqa: PLC0415 - it takes half a second, and only these tests need it

    parsed = schemathesis.openapi.from_dict(dict(described()))[operation.path][operation.method]
    known = known_things(stack)
    if operation.path.startswith("/v1/accounts"):
        known["id"] = known["account_id"]

    def ask(case: Case[Any], of_us: bool) -> None:
        event = event_of(case, known, of_us=of_us)
        answered = stack.invoke(folder_of(operation), event)
        assert answered["statusCode"] < 500, f"{operation} answered {answered} to {event}"

    for kind in kinds(operation):
        cases = parsed.as_strategy(generation_mode=schemathesis.GenerationMode[kind])
        SETTINGS(given(case=cases, of_us=st.booleans())(ask))()


def kinds(operation: Operation) -> tuple[str, ...]:
    """Name the kinds of requests there are: one that holds nothing cannot be wrong."""
    bare = not operation.said.get("parameters") and operation.request is None
    return ("POSITIVE",) if bare else ("POSITIVE", "NEGATIVE")
