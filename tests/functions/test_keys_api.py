"""API keys over HTTP: made, shown once, changed, replaced, stopped; and what a bound admin may of that."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.caller import ApiKey, hash_secret
from mailbearer.ids import derived_id, rfc3339
from tests.functions.stack import Answer, event

if TYPE_CHECKING:
    from tests.functions.stack import Stack

NOBODY = {"isAuthorized": True, "context": {"key_id": ""}}
DAY = 86_400


def ask(stack: Stack, method: str, path: str, body: Any = None, **changes: Any) -> Answer:
    return stack.admin("keys-post", method=method, path=path, body=body, **changes)


def make(stack: Stack, **fields: Any) -> dict[str, Any]:
    made = ask(stack, "POST", "/v1/keys", {"name": "shop", "scopes": ["messages:send"]} | fields)
    assert made.status == 201, made.text
    given: dict[str, Any] = made.json
    assert made.headers["location"] == f"/v1/keys/{given['id']}"
    return given


def context_of(stack: Stack, key: str) -> dict[str, Any]:
    sent = event("authorizer-valid")
    sent["headers"]["authorization"] = f"Bearer {key}"
    given: dict[str, Any] = stack.invoke("authorizer", sent)["context"]
    return given


def bound(stack: Stack, *accounts: str) -> dict[str, str]:
    """Put an admin's key that is bound to accounts into its table, and give its caller as the authorizer does."""
    key = ApiKey(
        id=derived_id("key_", "bound", *accounts),
        name="bound",
        secret_hash=hash_secret("s"),
        scopes=frozenset({"admin"}),
        accounts=frozenset(accounts),
        created_at=1,
    )
    stack.wiring.keys.create(key)
    return {"key_id": key.id, "scopes": "admin", "accounts": " ".join(accounts)}


def test_a_made_key_opens_the_door_and_its_secret_is_kept_nowhere(stack: Stack) -> None:
    ann = stack.mailbox()
    made = make(stack, accounts=[ann.address], expires_at=rfc3339(time.time() + DAY))
    assert context_of(stack, made["key"]) == {"key_id": made["id"], "scopes": "messages:send", "accounts": ann.id}
    secret = made["key"].rpartition("_")[2]
    assert len(bytes.fromhex(secret)) == 32
    shown = ask(stack, "GET", f"/v1/keys/{made['id']}")
    assert shown.json == {name: value for name, value in made.items() if name not in {"key", "last_used_at"}} | {
        "last_used_at": shown.json["last_used_at"]
    }
    assert shown.json["last_used_at"]
    assert secret not in stack.everything()
    assert hash_secret(secret) not in shown.text + ask(stack, "GET", "/v1/keys").text
    assert stack.actions() == ["key.create intended", "key.created created"]


def test_a_disabled_key_is_refused_and_an_enabled_one_let_in_again(stack: Stack) -> None:
    made = make(stack)
    disabled = ask(stack, "POST", f"/v1/keys/{made['id']}/disable")
    assert (disabled.json["status"], disabled.json["reason"]) == ("disabled", "requested")
    assert context_of(stack, made["key"]) == NOBODY["context"]
    assert ask(stack, "POST", f"/v1/keys/{made['id']}/enable").json["status"] == "active"
    assert context_of(stack, made["key"])["key_id"] == made["id"]


def test_both_secrets_of_a_rotation_are_one_caller_until_the_overlap_is_called_off(stack: Stack) -> None:
    made = make(stack)
    sent = event("keys-post")
    sent["requestContext"]["http"]["path"] = sent["rawPath"] = f"/v1/keys/{made['id']}/rotate"
    del sent["body"]
    rotated = Answer(stack.invoke("admin_api", sent))
    assert rotated.status == 200
    assert context_of(stack, made["key"]) == context_of(stack, rotated.json["key"])
    assert rotated.json["replaced_until"] > rfc3339(time.time() + DAY - 60)
    last = ask(stack, "POST", f"/v1/keys/{made['id']}/rotate", {"overlap": 0}).json
    assert last["replaced_until"] is None
    doors = [context_of(stack, key)["key_id"] for key in (made["key"], rotated.json["key"], last["key"])]
    assert doors == ["", "", made["id"]]


def test_a_key_is_changed_and_at_last_deleted(stack: Stack) -> None:
    made = make(stack, expires_at=rfc3339(time.time() + DAY))
    path = f"/v1/keys/{made['id']}"
    changed = ask(stack, "PATCH", path, {"name": "till", "scopes": ["accounts:read"], "expires_at": None})
    assert (changed.json["name"], changed.json["expires_at"]) == ("till", None)
    assert context_of(stack, made["key"])["scopes"] == "accounts:read"
    assert ask(stack, "DELETE", path).status == 409
    ask(stack, "POST", f"{path}/disable")
    assert ask(stack, "DELETE", path).status == 204
    assert ask(stack, "GET", path).status == 404
    assert context_of(stack, made["key"]) == NOBODY["context"]


def test_all_faults_come_at_once_with_their_places(stack: Stack) -> None:
    body = {"name": "", "scopes": ["all"], "accounts": ["x"], "expires_at": "soon", "id": "key_mine"}
    refused = ask(stack, "POST", "/v1/keys", body)
    assert refused.status == 422
    pointers = {fault["pointer"] for fault in refused.json["errors"]}
    assert pointers == {"/name", "/scopes/0", "/accounts/0", "/expires_at", "/id"}


@pytest.mark.parametrize("body", [None, "", "[", "[]", "{}", '{"scopes": {}}', '"x"', "1" * 5000])
def test_a_hostile_body_makes_no_key_and_no_error(stack: Stack, body: str | None) -> None:
    sent = event("keys-post")
    sent["body"] = body
    assert Answer(stack.invoke("admin_api", sent)).status in {400, 422}
    sent["requestContext"]["http"]["path"] = sent["rawPath"] = f"/v1/keys/{make(stack)['id']}/rotate"
    sent["body"] = body
    assert Answer(stack.invoke("admin_api", sent)).status in {200, 400, 422}


def test_a_list_goes_on_until_all_keys_are_shown(stack: Stack) -> None:
    ann = stack.mailbox()
    caller = bound(stack, ann.id)
    made = [make(stack, accounts=[ann.id])["id"] for _ in range(3)]
    found, cursor = [], ""
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = ask(stack, "GET", "/v1/keys", query=query, caller=caller).json
        found += [each["id"] for each in page["data"]]
        if not (cursor := page["next_cursor"]):
            break
    assert sorted(found) == sorted([*made, caller["key_id"]])
    assert ask(stack, "GET", "/v1/keys", query={"cursor": "what?"}).status == 422


def test_a_key_disabled_a_moment_ago_makes_no_other_though_the_gateway_remembers_it(stack: Stack) -> None:
    admin = make(stack, scopes=["admin"])
    remembered = context_of(stack, admin["key"])
    ask(stack, "POST", f"/v1/keys/{admin['id']}/disable")
    for method, path in (("POST", "/v1/keys"), ("GET", "/v1/keys"), ("POST", f"/v1/keys/{admin['id']}/enable")):
        refused = ask(stack, method, path, {"name": "back door", "scopes": ["admin"]}, caller=remembered)
        assert refused.status == 401


def test_without_the_audit_log_no_key_is_made_and_one_can_be_disabled(stack: Stack) -> None:
    made = make(stack)
    group = stack.names["AuditLogGroup"]
    stack.clients.logs.delete_log_group(logGroupName=group)
    stack.restart()
    try:
        refused = ask(stack, "POST", "/v1/keys", {"name": "shop", "scopes": ["messages:send"]})
        assert (refused.status, refused.json["code"]) == (503, "audit_unavailable")
        assert ask(stack, "POST", f"/v1/keys/{made['id']}/disable").json["status"] == "disabled"
    finally:
        stack.clients.logs.create_log_group(logGroupName=group)
        stack.restart()
    assert re.search(r'"key\.disabled?"', stack.everything())


def test_the_functions_print_no_secret(stack: Stack) -> None:
    made = make(stack)
    rotated = ask(stack, "POST", f"/v1/keys/{made['id']}/rotate", {}).json
    for key in (made["key"], rotated["key"]):
        assert key.rpartition("_")[2] not in stack.output + json.dumps(stack.audit())
