"""API keys on a deployed stack: replaced without a gap, stopped, and kept to their own accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.local_stack import message, until

if TYPE_CHECKING:
    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_a_secret_is_replaced_without_a_gap_and_a_retry_across_it_is_one_message(local_stack: LocalStack) -> None:
    before = local_stack.key("messages:send")
    key_id = before.removeprefix("mb_").rpartition("_")[0]
    once = {"Idempotency-Key": "across-a-rotation"}
    body = message("orders@acme.example")
    first = local_stack.call("POST", "/v1/messages", body, key=before, headers=once)
    rotated = local_stack.call("POST", f"/v1/keys/{key_id}/rotate")
    assert rotated.status_code == 200, rotated.text
    after = rotated.json()["key"]
    again = local_stack.call("POST", "/v1/messages", body, key=after, headers=once)
    assert (first.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (202, 202, "true")
    assert first.json()["id"] == again.json()["id"]
    assert local_stack.call("POST", "/v1/messages", message("orders@acme.example"), key=before).status_code == 202
    local_stack.audited("key.rotated", key_id)
    assert local_stack.get(f"/v1/keys/{key_id}")["last_used_at"]


def test_a_disabled_key_is_refused_within_a_minute(local_stack: LocalStack) -> None:
    key = local_stack.key("messages:read")
    key_id = key.removeprefix("mb_").rpartition("_")[0]
    path = "/v1/messages/msg_00000000000000000000000000"
    assert local_stack.call("GET", path, key=key).status_code == 404
    local_stack.operate("keys", "disable", key_id)
    until("the key is refused", lambda: local_stack.call("GET", path, key=key).status_code == 401 or None)
    local_stack.operate("keys", "delete", key_id)
    assert local_stack.call("GET", f"/v1/keys/{key_id}").status_code == 404
    local_stack.audited("key.disabled", key_id)


def test_a_bound_admin_manages_the_keys_of_its_own_accounts_alone(local_stack: LocalStack) -> None:
    own = local_stack.operate("accounts", "show", "orders@acme.example")["id"]
    admin, other = local_stack.key("admin", accounts=(own,)), local_stack.key("messages:send")
    other_id = other.removeprefix("mb_").rpartition("_")[0]
    made = local_stack.call(
        "POST", "/v1/keys", {"name": "mine", "scopes": ["messages:send"], "accounts": [own]}, key=admin
    )
    assert made.status_code == 201, made.text
    wider = local_stack.call("POST", "/v1/keys", {"name": "all", "scopes": ["messages:send"]}, key=admin)
    assert wider.status_code == 422
    nobodys = local_stack.call("GET", "/v1/keys/key_00000000000000000000000000", key=admin)
    theirs = local_stack.call("GET", f"/v1/keys/{other_id}", key=admin)
    assert (theirs.status_code, theirs.text) == (nobodys.status_code, nobodys.text)
    shown = local_stack.call("GET", "/v1/keys?limit=100", key=admin).json()["data"]
    assert made.json()["id"] in {each["id"] for each in shown}
    assert all(each["accounts"] == [own] for each in shown)
