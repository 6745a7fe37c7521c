from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import Account, AccountState
from mailbearer.aws.accounts import DynamoDBAccountStore
from mailbearer.aws.keys import DynamoDBKeyStore
from mailbearer.caller import split_bearer
from tests.integration.cli import stacks

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Operator

pytestmark = [pytest.mark.slow, pytest.mark.once]  # each command makes its boto3 clients anew, and moto is no racer

CREATE = ("keys", "create", "shop", "--scope", "messages:send")


def keys() -> DynamoDBKeyStore:
    return DynamoDBKeyStore(stacks.client("dynamodb"), stacks.KEYS)


def add_account(account_id: str, address: str, state: AccountState = AccountState.ACTIVE) -> str:
    store = DynamoDBAccountStore(stacks.client("dynamodb"), stacks.ACCOUNTS)
    account = Account(
        id=f"acc_{account_id:0>26}",
        provider="google",
        address=address,
        transport="gmail",
        state=state,
        created_at=1,
        updated_at=1,
    )
    assert store.create(account)
    return account.id


def test_the_shown_key_proves_itself_against_the_stored_hash(deployed: Operator) -> None:
    shown = deployed.json(*CREATE, "--scope", "messages:read", "--expires-in", "90d")
    parts = split_bearer(f"Bearer {shown['key']}")
    assert parts
    key_id, secret = parts
    stored = keys().get(key_id)
    assert stored
    assert key_id == shown["id"]
    assert stored.scopes == {"messages:send", "messages:read"}
    assert stored.proves(secret, deployed.clock.now + 89 * 86400)
    assert not stored.proves(secret, deployed.clock.now + 91 * 86400)
    assert not stored.proves("another", deployed.clock.now)


def test_the_secret_stands_in_no_table_and_no_log(deployed: Operator) -> None:
    secret = deployed.json(*CREATE)["key"].rpartition("_")[2]
    table = stacks.client("dynamodb").scan(TableName=stacks.KEYS)
    assert secret not in str(table)
    assert secret not in str(stacks.audit_events())


def test_the_intent_is_in_the_log_before_the_outcome(deployed: Operator) -> None:
    key_id = deployed.json(*CREATE)["id"]
    events = stacks.audit_events()
    assert [(event["action"], event["outcome"], event["seq"]) for event in events] == [
        ("key.create", "intended", 1),
        ("key.created", "created", 2),
    ]
    assert {event["subject"] for event in events} == {key_id}
    assert all(event["actor"].startswith("arn:aws:") for event in events)
    assert events[0]["facts"] == {"name": "shop", "scopes": "messages:send"}


def test_without_a_log_there_is_no_key(deployed: Operator) -> None:
    stacks.client("logs").delete_log_group(logGroupName=stacks.AUDIT_GROUP)
    result = deployed(*CREATE, "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "CreateLogStream" in result.stderr
    table = stacks.client("dynamodb").scan(TableName=stacks.KEYS)
    assert table["Count"] == 0


def test_a_person_sees_the_key_on_a_line_of_its_own(deployed: Operator) -> None:
    lines = deployed(*CREATE).stdout.splitlines()
    assert len([line for line in lines if line.startswith("mb_key_")]) == 1


def test_a_key_is_bound_to_accounts_by_id_or_address(deployed: Operator) -> None:
    ann, bob = add_account("A1", "ann@example.org"), add_account("B1", "bob@example.org")
    shown = deployed.json(*CREATE, "--account", "ANN@example.org", "--account", bob)
    assert shown["accounts"] == [ann, bob]
    stored = keys().get(shown["id"])
    assert stored
    assert stored.accounts == {ann, bob}


@pytest.mark.parametrize("reference", ["nobody@example.org", "acc_" + "0" * 26, "acc_x", "gone@example.org"])
def test_a_key_is_not_bound_to_an_account_that_is_not_there(deployed: Operator, reference: str) -> None:
    add_account("G1", "gone@example.org", AccountState.REVOKED)
    result = deployed(*CREATE, "--account", reference)
    assert result.exit_code == 1
    assert f"There is no account {reference}." in result.stderr
    assert stacks.audit_events() == []


def test_an_address_of_two_accounts_is_refused_with_their_ids(deployed: Operator) -> None:
    first, second = add_account("A1", "ann@example.org"), add_account("A2", "ann@example.org")
    result = deployed(*CREATE, "--account", "ann@example.org")
    assert result.exit_code == 1
    assert first in result.stderr
    assert second in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("shop",),
        ("shop", "--scope", "everything"),
        ("shop", "--scope", "messages:send", "--expires-in", "soon"),
        ("shop", "--scope", "messages:send", "--expires-in", "0d"),
        ("", "--scope", "messages:send"),
        ("two\nlines", "--scope", "messages:send"),
    ],
)
def test_a_command_that_is_written_wrong_exits_2(operator: Operator, words: tuple[Any, ...]) -> None:
    result = operator("keys", "create", *words)
    assert result.exit_code == 2
    assert result.stdout == ""


# --- after it is made -------------------------------------------------------------------------------------------------


def proves(shown: dict[str, Any], now: float) -> bool:
    parts = split_bearer(f"Bearer {shown['key']}")
    assert parts
    stored = keys().get(parts[0])
    assert stored
    return stored.proves(parts[1], now)


def test_keys_are_listed_and_shown_without_their_secrets(deployed: Operator) -> None:
    assert "no API keys" in deployed("keys", "list").stdout
    made = deployed.json(*CREATE)
    (listed,) = deployed.json("keys", "list")
    assert listed == deployed.json("keys", "show", made["id"])
    assert listed == {name: value for name, value in made.items() if name != "key"}
    for command in (("list",), ("show", made["id"])):
        told = deployed("keys", *command).stdout
        assert "shop" in told
        assert made["key"].rpartition("_")[2] not in told


def test_a_key_is_disabled_enabled_and_at_last_deleted(deployed: Operator) -> None:
    made = deployed.json(*CREATE)
    assert deployed("keys", "delete", made["id"]).exit_code == 1
    disabled = deployed.json("keys", "disable", made["id"], "--reason", "stood in a log")
    assert (disabled["status"], disabled["reason"]) == ("disabled", "stood in a log")
    assert not proves(made, deployed.clock.now)
    assert deployed.json("keys", "enable", made["id"])["status"] == "active"
    assert proves(made, deployed.clock.now)
    deployed.json("keys", "disable", made["id"])
    assert deployed.json("keys", "delete", made["id"]) == {"deleted": made["id"]}
    assert deployed.json("keys", "list") == []
    told = [event["action"] for event in stacks.audit_events()]
    assert sorted(told) == sorted(
        [
            *("key.create", "key.created"),
            *("key.disable", "key.disabled") * 2,
            *("key.enable", "key.enabled"),
            "key.deleted",
        ]
    )


def test_a_rotated_key_has_two_secrets_for_the_overlap_and_one_without(deployed: Operator) -> None:
    made = deployed.json(*CREATE)
    second = deployed.json("keys", "rotate", made["id"], "--overlap", "1h")
    assert second["id"] == made["id"]
    assert [proves(made, deployed.clock.now), proves(made, deployed.clock.now + 3600)] == [True, False]
    third = deployed.json("keys", "rotate", made["id"], "--overlap", "0")
    assert [proves(each, deployed.clock.now) for each in (made, second, third)] == [False, False, True]


def test_a_key_can_be_disabled_without_a_log_and_not_be_rotated(deployed: Operator) -> None:
    made = deployed.json(*CREATE)
    stacks.client("logs").delete_log_group(logGroupName=stacks.AUDIT_GROUP)
    assert deployed("keys", "rotate", made["id"]).exit_code == 1
    assert proves(made, deployed.clock.now)
    assert deployed.json("keys", "disable", made["id"])["status"] == "disabled"
    assert stacks.client("s3").list_objects_v2(Bucket=stacks.BUCKET)["KeyCount"] >= 1


def test_a_key_that_is_not_there_is_said_to_be(deployed: Operator) -> None:
    for command in ("show", "disable", "enable", "rotate", "delete"):
        result = deployed("keys", command, "key_" + "0" * 26)
        assert result.exit_code == 1
        assert "There is no such key. [not_found]" in result.stderr


@pytest.mark.parametrize(
    "words",
    [("rotate", "k", "--overlap", "soon"), ("disable", "k", "--reason", ""), ("disable", "k", "--reason", "a\nb")],
)
def test_a_change_that_is_written_wrong_exits_2(operator: Operator, words: tuple[Any, ...]) -> None:
    assert operator("keys", *words).exit_code == 2
