"""Suppressions, through the real handler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.functions.deployment import KEY_ID

if TYPE_CHECKING:
    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow
CARLA = "carla@customer.example"


def caller(scopes: str, accounts: str = "") -> dict[str, str]:
    return {"key_id": KEY_ID, "scopes": scopes, "accounts": accounts}


def test_an_address_is_suppressed_shown_and_freed_again(stack: Stack) -> None:
    added = stack.messages("suppressions-post")
    assert added.status == 201, added.text
    assert added.headers["location"] == f"/v1/suppressions/{CARLA}"
    assert added.json | {"created_at": ""} == {
        "address": CARLA,
        "account": None,
        "reason": "bounced",
        "created_at": "",
        "created_by": KEY_ID,
    }
    again = stack.messages("suppressions-post")
    assert (again.status, again.json) == (200, added.json)
    shown = stack.messages("suppressions-get")
    assert (shown.status, shown.json) == (200, added.json)
    removed = stack.messages("suppressions-delete")
    assert (removed.status, removed.text) == (204, "")
    assert stack.messages("suppressions-get").status == 404
    assert stack.messages("suppressions-delete").status == 404
    assert stack.actions() == ["suppression.added added", "suppression.removed removed"]
    assert CARLA not in str(stack.audit())
    assert CARLA not in stack.output.lower()


def test_a_mailbox_has_a_list_of_its_own(stack: Stack) -> None:
    account = stack.mailbox()
    added = stack.messages("suppressions-post", body={"address": "a/b+c@customer.example", "account": account.address})
    assert added.json["account"] == account.id
    assert added.headers["location"] == f"/v1/suppressions/a%252Fb%2Bc@customer.example?account={account.id}"
    # As API Gateway hands it on: it decodes all but %25.
    path = "/v1/suppressions/a%252Fb+c@customer.example"
    assert stack.messages("suppressions-get", path=path).status == 404
    assert stack.messages("suppressions-get", path=path, query={"account": account.id}).status == 200
    assert stack.messages("suppressions-delete", path=path, query={"account": account.id}).status == 204


def test_many_are_added_at_once_with_a_result_for_each(stack: Stack) -> None:
    stack.mailbox()
    answer = stack.messages("suppressions-batch")
    assert answer.status == 200, answer.text
    results = answer.json["results"]
    assert [result["status"] for result in results] == [201, 422, 201]
    assert results[0]["suppression"]["address"] == CARLA
    assert results[1]["problem"]["errors"][0]["pointer"] == "/address"
    again = stack.messages("suppressions-batch").json["results"]
    assert [result["status"] for result in again] == [200, 422, 200]


@pytest.mark.parametrize("body", [{"suppressions": []}, {"suppressions": "x"}, {"suppressions": [{}] * 501}])
def test_a_batch_has_its_bounds(stack: Stack, body: object) -> None:
    answer = stack.messages("suppressions-batch", body=body)
    assert (answer.status, answer.json["errors"][0]["code"]) == (422, "invalid_batch")


def test_a_list_is_given_page_after_page(stack: Stack) -> None:
    for name in "cab":
        stack.messages("suppressions-post", body={"address": f"{name}@customer.example"})
    first = stack.messages("suppressions-list").json
    assert [one["address"] for one in first["data"]] == ["a@customer.example", "b@customer.example"]
    second = stack.messages("suppressions-list", query={"limit": "2", "cursor": first["next_cursor"]}).json
    assert ([one["address"] for one in second["data"]], second["next_cursor"]) == (["c@customer.example"], None)
    assert stack.messages("suppressions-list", query={"cursor": "garbage"}).status == 422


def test_reading_needs_one_scope_and_changing_another(stack: Stack) -> None:
    stack.messages("suppressions-post")
    reader, sender = caller("messages:read"), caller("messages:send")
    for name, scoped, refused in (
        ("suppressions-list", reader, sender),
        ("suppressions-get", reader, sender),
        ("suppressions-post", sender, reader),
        ("suppressions-delete", sender, reader),
    ):
        assert stack.messages(name, caller=refused).status == 403, name
        assert stack.messages(name, caller={"key_id": ""}).status == 401, name
        assert stack.messages(name, caller=scoped).status < 300, name


def test_a_bound_key_reaches_its_accounts_lists_only(stack: Stack) -> None:
    mine, other = stack.mailbox(), stack.mailbox("ben@tenant.example")
    bound = caller("messages:send messages:read", mine.id)
    own = {"address": CARLA, "account": mine.id}
    assert stack.messages("suppressions-post", body=own, caller=bound).status == 201
    assert stack.messages("suppressions-list", query={"account": mine.id}, caller=bound).json["data"]
    assert stack.messages("suppressions-post", caller=bound).status == 403
    assert stack.messages("suppressions-list", query={}, caller=bound).status == 403
    foreign = {"address": CARLA, "account": other.id}
    assert stack.messages("suppressions-post", body=foreign, caller=bound).status == 404
    assert stack.messages("suppressions-get", query={"account": other.id}, caller=bound).status == 404


def test_the_worker_looks_at_the_lists_with_its_own_role(stack: Stack) -> None:
    account = stack.mailbox()
    stack.messages("suppressions-post")
    stack.messages("suppressions-post", body={"address": "d@customer.example", "account": account.id})
    with stack.started("delivery_worker") as app:
        found = app.wiring().suppressing.among(account.id, [CARLA, "d@customer.example", "e@customer.example"])
    assert found == {CARLA, "d@customer.example"}
