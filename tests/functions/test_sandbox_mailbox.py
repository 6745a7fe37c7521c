"""A mailbox of the built-in sandbox, through the real handlers: added, sent through, seen, cut off."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.functions.deployment import REGISTRATION

if TYPE_CHECKING:
    from tests.functions.stack import Answer, Stack

pytestmark = pytest.mark.slow
ADDRESS = "try@example.org"


def added(stack: Stack, expected: int = 201) -> dict[str, Any]:
    answer = stack.accounts("accounts-post", body={"provider": "sandbox", "address": ADDRESS})
    assert answer.status == expected, answer.text
    body: dict[str, Any] = answer.json
    return body


def sent(stack: Stack, *to: str) -> dict[str, Any]:
    """Send a message and deliver what is on the queue; gives the message as it then stands."""
    body = {"account": ADDRESS, "to": list(to), "subject": "Try", "text": "hello"}
    accepted = stack.messages("messages-post", body=body, headers={"idempotency-key": to[0]})
    assert accepted.status == 202, accepted.text
    stack.deliver()
    path = f"/v1/messages/{accepted.json['id']}"
    resource: dict[str, Any] = stack.messages("messages-get", path=path).json
    return resource


def ask(stack: Stack, verb: str, account: str) -> Answer:
    return stack.accounts(f"accounts-{verb}", path=f"/v1/accounts/{account}/{verb}")


def captured(stack: Stack) -> list[dict[str, Any]]:
    bucket = stack.names["ContentBucket"]
    found = stack.clients.s3.list_objects_v2(Bucket=bucket, Prefix="captured/").get("Contents", [])
    keys = [each["Key"] for each in found if each["Key"].endswith(".json")]
    return [json.loads(stack.clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]


def test_a_sandbox_mailbox_needs_nothing_and_captures_what_is_sent_through_it(stack: Stack) -> None:
    account = added(stack)
    assert (account["status"], account["transport"]) == ("active", "sandbox")
    assert "consent_url" not in account
    message = sent(stack, "bob@y.example", "bounce@sandbox")
    assert message["status"] == "sent", message
    (capture,) = captured(stack)
    assert (capture["rcpt_to"], capture["refused"]) == (["bob@y.example"], ["bounce@sandbox"])
    assert capture["message_id"] == message["message_id"]
    assert message["provider_id"].startswith(f"captured/{account['id']}/")


@pytest.mark.parametrize(
    ("recipient", "status", "captures"),
    [
        ("reject@sandbox", "failed", 0),
        ("throttle@sandbox", "deferred", 0),
        ("unknown@sandbox", "sent", 1),  # it is looked for, and found
        ("lost@sandbox", "unknown", 0),
    ],
)
def test_an_outcome_is_played_by_its_recipient(stack: Stack, recipient: str, status: str, captures: int) -> None:
    added(stack)
    assert sent(stack, recipient)["status"] == status
    assert len(captured(stack)) == captures


def test_every_route_of_an_account_knows_what_to_do_without_a_token(stack: Stack) -> None:
    account = added(stack)["id"]
    health = stack.accounts("accounts-health", path=f"/v1/accounts/{account}/health").json
    assert (health["state"], health["diagnosis"]) == ("active", None)
    for verb in ("rotate", "validate", "consent", "import"):
        refused = ask(stack, verb, account)
        assert (refused.status, refused.json["code"]) == (409, "conflict"), verb
    assert ask(stack, "pause", account).json["status"] == "paused"
    assert ask(stack, "resume", account).json["status"] == "active"
    revoked = ask(stack, "revoke", account).json
    assert (revoked["status"], revoked["provider_told"], revoked["secret_retired"]) == ("revoked", True, True)
    assert added(stack, 200)["id"] == account
    assert stack.accounts("accounts-delete", path=f"/v1/accounts/{account}").status == 204


def test_the_schedule_leaves_a_sandbox_mailbox_alone(stack: Stack) -> None:
    added(stack)
    before = stack.account(ADDRESS)
    stack.invoke("token_rotator", {"source": "schedule"})
    assert stack.account(ADDRESS) == before


def test_the_sandbox_is_listed_among_the_providers(stack: Stack) -> None:
    found = {one["name"]: one for one in stack.accounts("providers-get").json["data"]}
    assert set(found) == {"sandbox", REGISTRATION}
    assert (found["sandbox"]["flow"], found["sandbox"]["created_at"]) == ("none", None)
