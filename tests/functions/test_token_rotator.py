"""The schedule, through the real handler."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState, Probe
from mailbearer.schedule.rotation import RUN_TAKES
from tests.functions.stack import event

if TYPE_CHECKING:
    from mailbearer.account import Account
    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow
LATER = 4_000_000_000.0


def counted(stack: Stack) -> dict[str, int]:
    """Give what was counted beside the runs themselves and the hourly look at all mailboxes."""
    return {name: number for name, number in stack.metrics().items() if name not in {"rotation_runs", "grants_waiting"}}


def due(stack: Stack, address: str = "ann@tenant.example") -> Account:
    """Connect a mailbox whose token the schedule has to look at now, and which needs no probe yet."""
    account = stack.connect(address)
    token = {"due_at": account.token.refreshed_at}
    return stack.change(account, token=token, probe=Probe(at=LATER, valid_at=LATER, due_at=LATER))


def queued(stack: Stack, *accounts: Account, body: str = "") -> dict[str, Any]:
    """Give the event with which SQS hands these accounts to the function."""
    sent = event("sqs-rotation")
    sent["Records"] = sent["Records"][: len(accounts)]
    for record, account in zip(sent["Records"], accounts, strict=True):
        record["body"] = body or json.dumps({"account": account.id})
    return stack.invoke("token_rotator", sent)


def run(stack: Stack, **more: Any) -> dict[str, Any]:
    return stack.invoke("token_rotator", event("schedule"), **more)


def test_a_token_that_is_due_is_refreshed_stored_audited_and_counted(stack: Stack) -> None:
    account = due(stack)
    before = stack.wiring.vault.read(account.id)
    summary = run(stack)
    after = stack.wiring.vault.read(account.id)
    assert (summary["refreshed"], summary["failed"], summary["left"]) == (1, 0, False)
    assert before
    assert after
    assert after.tokens.access_token != before.tokens.access_token
    assert stack.account().token.version == after.version
    assert counted(stack) == {"refreshed": 1}
    assert stack.actions()[-2:] == ["token.refresh intended", "token.refreshed refreshed"]


def test_a_token_whose_probe_is_due_is_probed_and_counted(stack: Stack) -> None:
    account = due(stack)
    stack.change(stack.account(), token={"due_at": LATER}, probe=Probe(at=1, due_at=1))
    summary = run(stack)
    assert (summary["refreshed"], summary["probed"], summary["invalid"]) == (0, 1, 0)
    assert stack.account().probe.valid_at > account.created_at
    assert counted(stack) == {"tokens_probed": 1}


def test_nothing_due_is_nothing_done_but_the_run_is_counted(stack: Stack) -> None:
    account = due(stack)
    stack.change(account, token={"due_at": LATER})
    assert not any(run(stack)[name] for name in ("refreshed", "probed", "unneeded", "failed", "queued", "left"))
    assert counted(stack) == {}


def test_what_comes_from_the_queue_is_worked_and_acknowledged(stack: Stack) -> None:
    ann, ben = due(stack), due(stack, "ben@tenant.example")
    assert queued(stack, ann, ben) == {"batchItemFailures": []}
    assert stack.account().token.version != ann.token.version
    assert stack.account(ben.address).token.version != ben.token.version
    assert counted(stack) == {"refreshed": 2}
    assert stack.actions()[-1] == "token.refreshed refreshed"


def test_what_comes_from_the_queue_again_is_acknowledged_and_not_worked(stack: Stack) -> None:
    account = due(stack)
    queued(stack, account)
    stack.output = ""
    assert queued(stack, account) == {"batchItemFailures": []}
    assert stack.output == ""


def test_what_there_is_no_time_for_goes_back_to_the_queue(stack: Stack) -> None:
    sent = event("sqs-rotation")
    names = [record["messageId"] for record in sent["Records"]]
    answer = stack.invoke("token_rotator", sent, remaining=10)
    assert answer == {"batchItemFailures": [{"itemIdentifier": name} for name in names]}
    assert counted(stack) == {"due_left": 1}


@pytest.mark.parametrize("body", ["", "not JSON", "[]", '{"account": 7}', '{"address": "ann@tenant.example"}'])
def test_a_message_that_names_no_account_is_dropped_with_a_word_in_the_log(stack: Stack, body: str) -> None:
    account = due(stack)
    assert queued(stack, account, body=body or '""') == {"batchItemFailures": []}
    assert "names no account" in stack.output
    assert stack.account().token.version == account.token.version


def test_more_than_one_run_should_take_goes_to_the_queue_each_account_in_its_own_group(stack: Stack) -> None:
    for number in range(RUN_TAKES + 12):
        address = f"box{number}@tenant.example"
        account = stack.mailbox(address)
        # No token: the run finds that soon, and what it queues is not looked at.
        stack.change(account, token={"due_at": account.created_at + number + 1})
    summary = run(stack)
    assert (summary["failed"], summary["queued"]) == (RUN_TAKES, 12)
    assert counted(stack) == {"refresh_failed": RUN_TAKES, "due_queued": 12}
    received = stack.clients.sqs.receive_message(
        QueueUrl=stack.names["RotationQueue"], MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    )["Messages"]
    assert len(received) == 10
    for each in received:
        assert each["Attributes"]["MessageGroupId"] == json.loads(each["Body"])["account"]


def test_an_account_that_is_gone_is_not_needed(stack: Stack) -> None:
    gone = due(stack)
    stack.clients.dynamodb.delete_item(TableName=stack.names["AccountsTable"], Key={"id": {"S": gone.id}})
    assert queued(stack, gone) == {"batchItemFailures": []}


def test_a_dead_grant_is_found_counted_and_told(stack: Stack) -> None:
    due(stack)
    fine = due(stack, "ben@tenant.example")
    stack.world.control.revoke_tokens(mailbox="ann@tenant.example")
    summary = run(stack)
    assert (summary["refreshed"], summary["failed"]) == (1, 1)
    assert stack.account().state is AccountState.CONSENT_REQUIRED
    assert stack.account(fine.address).state is AccountState.ACTIVE
    assert counted(stack) == {"refreshed": 1, "refresh_failed": 1, "grants_lost": 1}
    assert "accounts not refreshed" in stack.output


def test_an_unfinished_revocation_is_finished(stack: Stack) -> None:
    account = stack.connect()
    stack.world.control.plan_fault("revoke", "503", tenant="google")
    stack.accounts("accounts-revoke")
    assert not any(grant["revoked"] for grant in stack.world.control.tokens())
    stack.change(stack.account(), token={"due_at": 1.0})
    assert run(stack)["revocations_finished"] == 1
    assert all(grant["revoked"] for grant in stack.world.control.tokens())
    assert stack.wiring.vault.read(account.id) is None
    assert counted(stack) == {"revocations_finished": 1}


def test_a_run_without_time_says_that_work_is_left(stack: Stack) -> None:
    due(stack)
    assert run(stack, remaining=10)["left"]
    assert counted(stack) == {"due_left": 1}


def test_what_came_of_refreshes_is_counted_by_provider(stack: Stack) -> None:
    due(stack)
    due(stack, "ben@tenant.example")
    stack.world.control.revoke_tokens(mailbox="ann@tenant.example")
    run(stack)
    counts = {words: number for (name, words), number in stack.counts().items() if name == "token_refreshes"}
    assert counts == {frozenset({"google", "refreshed"}): 1, frozenset({"google", "rejected"}): 1}


def test_a_batch_from_the_queue_is_no_run_of_the_schedule(stack: Stack) -> None:
    run(stack)
    assert stack.metrics()["rotation_runs"] == 1
    stack.output = ""
    queued(stack, due(stack))
    assert "rotation_runs" not in stack.metrics()
