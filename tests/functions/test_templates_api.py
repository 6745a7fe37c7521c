"""Templates, through the real handler."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.functions.deployment import KEY_ID
from tests.functions.stack import event

if TYPE_CHECKING:
    from tests.functions.stack import Answer, Stack

pytestmark = pytest.mark.slow
NAME = "order-shipped"
PATH = f"/v1/templates/{NAME}"
ROUTES = [
    ("GET", "/v1/templates", "templates:read"),
    ("POST", "/v1/templates", "templates:write"),
    ("GET", PATH, "templates:read"),
    ("PUT", PATH, "templates:write"),
    ("DELETE", PATH, "templates:write"),
    ("GET", f"{PATH}/versions", "templates:read"),
    ("GET", f"{PATH}/versions/1", "templates:read"),
    ("POST", f"{PATH}/publish", "templates:write"),
    ("POST", f"{PATH}/preview", "templates:read"),
]


def caller(scopes: str) -> dict[str, str]:
    return {"key_id": KEY_ID, "scopes": scopes, "accounts": ""}


def faults(answer: Answer, status: int = 422) -> list[tuple[str, str]]:
    assert answer.status == status, answer.text
    return [(fault["pointer"], fault["code"]) for fault in answer.json["errors"]]


def message(**template: Any) -> dict[str, Any]:
    return {"account": "ann@tenant.example", "to": "carla@customer.example", "template": template}


def test_a_template_is_made_changed_published_shown_and_forgotten(stack: Stack) -> None:
    made = stack.messages("templates-post")
    assert made.status == 201, made.text
    assert made.headers["location"] == PATH
    assert (made.json["published_version"], made.json["latest_version"]) == (1, 1)
    assert made.json["latest"]["variables"] == ["name", "order.id", "order.lines"]
    assert made.json["published"]["subject"] == "Your order {{ order.id }}"
    again = stack.messages("templates-post")
    assert (again.status, again.json["code"]) == (409, "conflict")
    changed = stack.messages("templates-put")
    assert (changed.status, changed.json["published_version"], changed.json["latest_version"]) == (200, 1, 2)
    assert (changed.json["latest"]["html"], changed.json["published"]["version"]) == (None, 1)
    assert stack.messages("templates-put").json["latest_version"] == 2
    published = stack.messages("templates-publish")
    assert (published.status, published.json["published_version"]) == (200, 2)
    shown = stack.messages("templates-get").json
    assert shown["latest"] == shown["published"]
    listed = stack.messages("templates-versions").json
    assert [(each["version"], each["published"], "subject" in each) for each in listed["data"]] == [
        (2, True, False),
        (1, False, False),
    ]
    assert stack.messages("templates-version").json["html"].startswith("<p>Dear")
    (only,) = stack.messages("templates-list").json["data"]
    assert only == {name: value for name, value in shown.items() if name not in {"latest", "published"}}
    assert stack.messages("templates-delete").status == 204
    for name in ("templates-get", "templates-delete", "templates-versions", "templates-version", "templates-preview"):
        assert stack.messages(name).json["code"] == "not_found"
    assert stack.messages("templates-list").json == {"data": [], "next_cursor": None}
    assert stack.actions() == [
        "template.drafted drafted",
        "template.published published",
        "template.drafted drafted",
        "template.published published",
        "template.deleted deleted",
    ]


def test_a_preview_shows_what_a_message_would_say(stack: Stack) -> None:
    stack.messages("templates-post")
    seen = stack.messages("templates-preview").json
    assert seen["subject"] == "Your order 1017"
    assert seen["text"] == "Dear Carla <3,\n\n- 1 book\n- 2 cups & saucers\n"
    assert seen["html"] == "<p>Dear Carla &lt;3,</p><ul><li>1 book</li><li>2 cups &amp; saucers</li></ul>"
    assert (seen["version"], seen["variables"]) == (1, ["name", "order.id", "order.lines"])


def test_a_preview_names_every_variable_that_is_missing(stack: Stack) -> None:
    stack.messages("templates-post")
    found = faults(stack.messages("templates-preview", body={"variables": {"order": {"lines": []}}}))
    assert found == [("/variables/order/id", "variable_missing"), ("/variables/name", "variable_missing")]


def test_all_faults_of_a_draft_come_at_once_with_their_lines(stack: Stack) -> None:
    body = {"name": "Bad Name", "subject": "{% include 'x' %}", "text": "a\n{{ x|nope }}", "html": "{% if %}", "k": 1}
    answer = stack.messages("templates-post", body=body)
    assert faults(answer) == [
        ("/name", "invalid_template_name"),
        ("/k", "unknown_field"),
        ("/subject", "template_forbidden"),
        ("/text", "template_forbidden"),
        ("/html", "template_syntax"),
    ]
    assert "Line 2" in answer.text
    assert stack.actions() == []


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_a_route_needs_its_scope(stack: Stack, method: str, path: str, scope: str) -> None:
    stack.messages("templates-post")
    body = event("templates-put")["body"]
    other = {"templates:read": "templates:write", "templates:write": "templates:read"}[scope]
    refused = stack.messages(
        "templates-put", method=method, path=path, body=json.loads(body), caller=caller(f"messages:send {other}")
    )
    assert (refused.status, refused.json["code"]) == (403, "forbidden")


@pytest.mark.parametrize("name", ["UPPER", "a" * 65, "x" * 4000, "%F0%9F%93%A8", "-a", "0" * 200])
def test_a_name_that_no_template_has_is_404(stack: Stack, name: str) -> None:
    assert stack.messages("templates-get", path=f"/v1/templates/{name}").status == 404
    for number in ("0", "2", "-1", "x", "9" * 30, "²"):
        assert stack.messages("templates-version", path=f"{PATH}/versions/{number}").status == 404


def test_a_message_is_filled_in_from_the_published_version(stack: Stack) -> None:
    stack.mailbox()
    stack.messages("templates-post")
    stack.messages("templates-put")
    body = message(name=NAME, variables={"name": "Carla", "order": {"id": 1017, "lines": []}})
    sent = stack.messages("messages-post", body=body)
    assert sent.status == 202, sent.text
    (queued,) = stack.on(stack.names["MessageQueue"])
    assert json.loads(queued["Body"])["message"]["subject"] == "Your order 1017"
    assert "Dear Carla" in json.loads(queued["Body"])["message"]["html"]
    of_version = body | {"template": body["template"] | {"version": 2}}
    later = stack.messages("messages-post", body=of_version, headers={"idempotency-key": "another"})
    (queued,) = stack.on(stack.names["MessageQueue"])
    assert later.status == 202
    assert json.loads(queued["Body"])["message"]["subject"] == "Order 1017 is on its way"


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ({"name": "none"}, [("/template/name", "unknown_template")]),
        ({"name": "Bad/Name"}, [("/template/name", "unknown_template")]),
        ({"name": NAME, "version": 9}, [("/template/version", "unknown_version")]),
        ({"name": NAME, "version": "1"}, [("/template/version", "unknown_version")]),
        ({"name": NAME, "variables": []}, [("/template/variables", "not_an_object")]),
        ({"name": NAME, "colour": 1}, [("/template/colour", "unknown_field")]),
        (
            {"name": NAME, "variables": {"order": {"id": "1\n2", "lines": 5}, "name": None}},
            [
                ("/template/subject", "unsafe_character"),
                ("/template/variables/name", "variable_missing"),
                ("/template/text", "template_failed"),
                ("/template/html", "template_failed"),
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_messages_template_is_a_fault_of_the_message(
    stack: Stack, template: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    stack.mailbox()
    stack.messages("templates-post")
    assert faults(stack.messages("messages-post", body=message(**template))) == found


def test_a_template_of_which_nothing_is_published_is_not_sent_until_something_is(stack: Stack) -> None:
    stack.mailbox()
    draft = json.loads(event("templates-post")["body"]) | {"publish": False, "subject": "Draft", "html": None}
    stack.messages("templates-post", body=draft | {"text": "Plain", "subject": "Plain"})
    stack.restart()  # what the process remembers of the test before
    assert faults(stack.messages("messages-post", body=message(name=NAME))) == [
        ("/template/name", "template_unpublished")
    ]
    stack.messages("templates-publish", body={})
    assert stack.messages("messages-post", body=message(name=NAME)).status == 202


def test_a_message_dropped_on_the_queue_may_name_a_template(stack: Stack) -> None:
    account = stack.connect()
    stack.messages("templates-post")
    body = message(name=NAME, variables={"name": "Carla", "order": {"id": 7, "lines": ["1 book"]}})
    stack.clients.sqs.send_message(
        QueueUrl=stack.names["MessageQueue"], MessageBody=json.dumps(body | {"account": account.id})
    )
    stack.deliver()
    (mail,) = stack.world.control.mail()
    assert mail["headers"]["subject"] == "Your order 7"
