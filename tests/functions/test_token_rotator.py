"""The schedule, through the real handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from tests.functions.stack import event

if TYPE_CHECKING:
    from mailbearer.account import Account
    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow


def due(stack: Stack, address: str = "ann@tenant.example") -> Account:
    """Connect a mailbox whose token the schedule has to look at now."""
    account = stack.connect(address)
    return stack.change(account, token={"due_at": account.token.refreshed_at})


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
    assert stack.metrics() == {"refreshed": 1}
    assert stack.actions()[-2:] == ["token.refresh intended", "token.refreshed refreshed"]


def test_nothing_due_is_nothing_done_and_nothing_printed(stack: Stack) -> None:
    stack.connect()
    assert run(stack)["unneeded"] == 0
    assert stack.output == ""


def test_a_dead_grant_is_found_counted_and_told(stack: Stack) -> None:
    due(stack)
    fine = due(stack, "ben@tenant.example")
    stack.world.control.revoke_tokens(mailbox="ann@tenant.example")
    summary = run(stack)
    assert (summary["refreshed"], summary["failed"]) == (1, 1)
    assert stack.account().state is AccountState.CONSENT_REQUIRED
    assert stack.account(fine.address).state is AccountState.ACTIVE
    assert stack.metrics() == {"refreshed": 1, "refresh_failed": 1}
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
    assert stack.metrics() == {"revocations_finished": 1}


def test_a_run_without_time_says_that_work_is_left(stack: Stack) -> None:
    due(stack)
    assert run(stack, remaining=10)["left"]
    assert stack.metrics() == {"due_left": 1}
