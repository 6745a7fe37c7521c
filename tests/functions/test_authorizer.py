"""API keys and tokens to callers: a good one gives its caller, any other an empty one."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.caller import ApiKey, hash_secret
from mailbearer.ids import derived_id
from tests.functions.deployment import KEY_ID, KEY_SECRET, ROOT
from tests.functions.stack import event
from tests.integration.oauth.issuers import AUDIENCE, Issuer, claims_of, signing_key

if TYPE_CHECKING:
    from collections.abc import Iterator

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


# --- when a key was used ----------------------------------------------------------------------------------------------


def used(stack: Stack) -> float:
    key = stack.wiring.keys.get(KEY_ID)
    assert key
    return key.last_used_at


def test_the_use_of_a_good_key_is_written_down_and_soon_after_no_more(stack: Stack) -> None:
    stack.invoke("authorizer", event("authorizer-wrong-secret"))
    before = used(stack)
    stack.invoke("authorizer", event("authorizer-valid"))
    first = used(stack)
    assert first >= before
    assert time.time() - first < 900
    stack.invoke("authorizer", event("authorizer-valid"))
    assert used(stack) == first


# --- tokens of an issuer ----------------------------------------------------------------------------------------------


@pytest.fixture
def issuer(stack: Stack) -> Iterator[Issuer]:
    with Issuer().running() as running:
        stack.parameters |= {"JwtIssuer": running.url, "JwtAudience": AUDIENCE}
        stack.restart()
        try:
            yield running
        finally:
            stack.parameters.clear()
            stack.restart()


def admitted(stack: Stack, bearer: str) -> dict[str, str]:
    sent = event("authorizer-valid")
    sent["headers"]["authorization"] = f"Bearer {bearer}"
    given = stack.invoke("authorizer", sent)
    assert given["isAuthorized"] is True
    context: dict[str, str] = given["context"]
    return context


def test_a_token_gives_its_caller_beside_keys(stack: Stack, issuer: Issuer) -> None:
    ann = stack.mailbox()
    token = issuer.sign(claims_of(issuer, time.time(), scope="messages:send openid", mailbearer_accounts=[ann.id]))
    context = admitted(stack, token)
    assert context == {
        "key_id": derived_id("jwt_", issuer.url, "shop"),
        "scopes": "messages:send",
        "accounts": ann.id,
    }
    assert admitted(stack, f"mb_{KEY_ID}_{KEY_SECRET}")["key_id"] == KEY_ID
    assert stack.output == ""


def test_the_caller_behind_a_token_sends_and_its_keys_of_idempotency_hold_for_its_next_token(
    stack: Stack, issuer: Issuer
) -> None:
    ann = stack.mailbox()
    body = {"account": ann.id, "to": "carla@customer.example", "subject": "Hello", "text": "Hello."}
    ids = []
    for seconds in (300, 600):
        token = issuer.sign(claims_of(issuer, time.time(), scope="messages:send", exp=int(time.time()) + seconds))
        caller = admitted(stack, token)
        sent = stack.messages("messages-post", body=body, caller=caller, headers={"idempotency-key": "order-1017"})
        assert sent.status == 202
        ids.append(sent.json["id"])
    assert len(set(ids)) == 1


def test_why_a_token_is_refused_is_for_the_access_log_and_not_for_the_caller(stack: Stack, issuer: Issuer) -> None:
    now = time.time()
    refusals = set()
    for token in (
        issuer.sign(claims_of(issuer, now, aud="other")),
        issuer.sign(claims_of(issuer, now, exp=int(now) - 1)),
        issuer.sign(claims_of(issuer, now), key=signing_key("two"), header={"kid": "one"}),
        issuer.sign(claims_of(issuer, now, mailbearer_accounts=[])),
        "a.b.c",
    ):
        context = admitted(stack, token)
        assert set(context) == {"key_id", "refusal"}
        assert context["key_id"] == ""
        refusals.add(context["refusal"])
        answer = stack.messages("messages-get", caller=context)
        assert answer.status == 401
        assert context["refusal"] not in answer.text
    assert len(refusals) == 5


def test_where_no_issuer_is_trusted_a_token_is_nothing(stack: Stack) -> None:
    lonely = Issuer()
    try:
        assert admitted(stack, lonely.sign(claims_of(lonely, time.time()))) == {"key_id": ""}
    finally:
        lonely.server_close()


def test_keys_do_not_pay_for_tokens(stack: Stack) -> None:
    program = """
import sys
from functions.authorizer import app
assert app.lambda_handler({"headers": {"authorization": "Bearer mb_x_y"}}, None)["context"] == {"key_id": ""}
heavy = {"authlib", "aws_lambda_powertools.logging", "cryptography", "joserfc", "requests"} & set(sys.modules)
assert not heavy, heavy
"""
    environment = stack.environment("authorizer") | {"JWT_ISSUER": "https://id.example", "JWT_AUDIENCE": "x"}
    region = {"AWS_DEFAULT_REGION": "eu-central-1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | region,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
