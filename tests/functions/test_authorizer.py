"""API keys to callers: a good key gives its caller, any other an empty one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.caller import ApiKey, hash_secret
from tests.functions.deployment import KEY_ID, KEY_SECRET
from tests.functions.stack import event

if TYPE_CHECKING:
    from tests.functions.stack import Stack

NOBODY = {"isAuthorized": True, "context": {"key_id": ""}}


def test_a_good_key_gives_its_caller_in_plain_strings(stack: Stack) -> None:
    given = stack.invoke("authorizer", event("authorizer-valid"))
    assert given == {"isAuthorized": True, "context": {"key_id": KEY_ID, "scopes": "admin", "accounts": ""}}


@pytest.mark.parametrize("name", ["authorizer-wrong-secret", "authorizer-unknown-key", "authorizer-malformed"])
def test_any_other_key_gives_nobody(stack: Stack, name: str) -> None:
    assert stack.invoke("authorizer", event(name)) == NOBODY


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer mb__",
        "Bearer mb_" + "x" * 4000 + "_secret",
        "Bearer mb_key_ü_" + KEY_SECRET,
        f"Bearer mb_{KEY_ID}_",
        f"Bearer {KEY_ID}_{KEY_SECRET}",
        f"Bearer mb_{KEY_ID}_{KEY_SECRET}_{KEY_SECRET}",
    ],
)
def test_an_odd_header_gives_nobody_and_no_error(stack: Stack, header: str) -> None:
    sent = event("authorizer-valid")
    sent["headers"] = {"Authorization": header} if header else {}
    assert stack.invoke("authorizer", sent) == NOBODY


def test_the_name_of_the_header_and_the_scheme_are_without_case(stack: Stack) -> None:
    sent = event("authorizer-valid")
    sent["headers"] = {"Authorization": f"bearer mb_{KEY_ID}_{KEY_SECRET}"}
    assert stack.invoke("authorizer", sent)["context"]["key_id"] == KEY_ID


@pytest.mark.parametrize("change", [{"disabled": True}, {"expires_at": time.time() - 2}])
def test_a_key_that_is_not_in_force_gives_nobody(stack: Stack, change: dict[str, Any]) -> None:
    name = next(iter(change))
    key_id = "key_01JD00000000000000000000" + name[:2].upper().replace("I", "1")
    stack.wiring.keys.create(
        ApiKey(id=key_id, name=name, secret_hash=hash_secret("s"), scopes=frozenset({"admin"}), created_at=1, **change)
    )
    sent = event("authorizer-valid")
    sent["headers"]["authorization"] = f"Bearer mb_{key_id}_s"
    assert stack.invoke("authorizer", sent) == NOBODY


def test_a_bound_key_names_its_scopes_and_accounts(stack: Stack) -> None:
    key_id = "key_01JD00000000000000000000B0"
    stack.wiring.keys.create(
        ApiKey(
            id=key_id,
            name="bound",
            secret_hash=hash_secret("s"),
            scopes=frozenset({"messages:send", "messages:read"}),
            accounts=frozenset({"acc_2", "acc_1"}),
            created_at=1,
        )
    )
    sent = event("authorizer-valid")
    sent["headers"]["authorization"] = f"Bearer mb_{key_id}_s"
    assert stack.invoke("authorizer", sent)["context"] == {
        "key_id": key_id,
        "scopes": "messages:read messages:send",
        "accounts": "acc_1 acc_2",
    }


def test_the_authorizer_prints_nothing(stack: Stack) -> None:
    for name in ("authorizer-valid", "authorizer-wrong-secret"):
        stack.invoke("authorizer", event(name))
    assert stack.output == ""
