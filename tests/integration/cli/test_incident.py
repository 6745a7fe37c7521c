from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import Account, AccountState
from mailbearer.aws.accounts import DynamoDBAccountStore
from mailbearer.aws.incidents import DynamoDBIncidentStore
from tests.integration.cli import stacks

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Operator

pytestmark = [pytest.mark.slow, pytest.mark.once]
ADDRESS = "box@example.org"
DECLARE = ("incident", "declare", "--reason", "A laptop is gone.")


def store() -> DynamoDBAccountStore:
    return DynamoDBAccountStore(stacks.client("dynamodb"), stacks.ACCOUNTS)


def boxed(address: str = ADDRESS, number: int = 1, **changes: Any) -> str:
    """Put a mailbox of the sandbox."""
    values: dict[str, Any] = {
        "id": f"acc_{number:0>26}",
        "provider": "sandbox",
        "address": address,
        "transport": "sandbox",
        "state": AccountState.ACTIVE,
        "created_at": 1,
        "updated_at": 1,
    }
    account = Account(**(values | changes))
    assert store().create(account)
    return account.id


def stands(account_id: str) -> Account:
    account = store().get(account_id)
    assert account is not None
    return account


def test_declaring_shuts_says_so_and_leaves_intent_and_outcome_in_the_log(deployed: Operator) -> None:
    account = boxed()
    shown = deployed.json(*DECLARE, "--account", ADDRESS)
    assert (shown["incident"]["state"], shown["containment"]["shut"]) == ("contained", 1)
    assert stands(account).is_shut
    actions = [(event["action"], event["outcome"]) for event in stacks.audit_events()]
    assert actions.index(("incident.declare", "intended")) < actions.index(("incident.contained", "contained"))
    assert ("account.revoke", "intended") in actions


def test_nothing_or_two_things_to_shut_are_a_mistake_of_writing(deployed: Operator) -> None:
    for options in ((), ("--all", "--account", ADDRESS)):
        result = deployed(*DECLARE, *options)
        assert result.exit_code == 2
        assert "one of --account, --provider and --all" in result.stderr


def test_an_unknown_mailbox_or_provider_is_said_before_anything_is_done(deployed: Operator) -> None:
    assert "There is no account nobody@example.org" in deployed(*DECLARE, "--account", "nobody@example.org").stderr
    assert "There is no registration" in deployed(*DECLARE, "--provider", "none").stderr
    assert deployed.json("incident", "list") == []


def test_on_a_terminal_it_asks_first(deployed: Operator) -> None:
    account = boxed()
    result = deployed.on_a_terminal()(*DECLARE, "--all", stdin="n\n")
    assert result.exit_code == 1
    assert "Shut all mailboxes on stage prod?" in result.output
    assert stands(account).state is AccountState.ACTIVE


def test_the_report_is_written_for_people_as_json_and_as_lines(deployed: Operator) -> None:
    boxed()
    page = deployed.surroundings.directory / "incident.md"
    result = deployed(*DECLARE, "--all", "--report", str(page))
    assert result.exit_code == 0, result.output
    assert "everything it covers is shut" in result.stdout
    assert ADDRESS in page.read_text()
    assert json.loads(page.with_suffix(".json").read_text())["summary"]["shut"] == 1
    assert page.with_suffix(".jsonl").read_text() == ""
    assert page.stat().st_mode & 0o077 == 0


def test_a_report_that_cannot_be_written_is_said_before_anything_is_done(deployed: Operator) -> None:
    account = boxed()
    result = deployed(*DECLARE, "--all", "--report", "/nowhere/incident.md")
    assert result.exit_code == 2
    assert stands(account).state is AccountState.ACTIVE


def test_resolving_brings_back_what_may_and_listing_and_showing_tell_of_it(deployed: Operator) -> None:
    account = boxed()
    attended = boxed("ann@example.org", 2, provider="google", transport="gmail")
    incident = deployed.json(*DECLARE, "--all")["incident"]["id"]
    result = deployed("incident", "resolve", incident)
    assert result.exit_code == 0, result.output
    assert "1 send again" in result.stdout
    assert "1 wait for their owners" in result.stdout
    assert stands(account).state is AccountState.ACTIVE
    assert stands(attended).state is AccountState.CONSENT_REQUIRED
    assert [one["state"] for one in deployed.json("incident", "list")] == ["resolved"]
    assert deployed.json("incident", "show", incident)["reason"] == "A laptop is gone."
    assert incident in deployed("incident", "list").stdout


def test_an_incident_that_is_not_there_is_said_to_be_so(deployed: Operator) -> None:
    for verb in ("show", "report", "resolve"):
        result = deployed("incident", verb, "inc_none")
        assert result.exit_code == 1
        assert "There is no incident" in result.stderr


def test_a_report_can_be_made_anew(deployed: Operator) -> None:
    boxed()
    incident = deployed.json(*DECLARE, "--all")["incident"]["id"]
    assert deployed.json("incident", "report", incident)["summary"]["accounts"] == 1
    assert len(DynamoDBIncidentStore(stacks.client("dynamodb"), stacks.INCIDENTS).listing()) == 1
