"""The scheduled run (semantics.md, Scheduled rotation and validation)."""

from __future__ import annotations

import threading
import time

import pytest

from mailbearer.account import AccountState
from mailbearer.errors import AuditUnavailable, GrantRefused, TokenEndpointBusy, Unavailable
from mailbearer.rotation import CONCURRENCY, Summary
from tests.fakes import ScriptedAuthorizationServer
from tests.unit.grants import Grants, answer


def run(grants: Grants, *, time_left: float = 290) -> Summary:
    return grants.rotation().run(deadline=grants.clock() + time_left)


def test_what_is_due_is_refreshed_ahead_of_its_end_and_the_rest_left_alone() -> None:
    grants = Grants()
    grants.connect("ann")
    grants.connect("ben", token={"due_at": grants.clock() + 1})
    assert run(grants) == Summary(refreshed=1)
    assert grants.now("ann").token.version != "first-ann"
    assert grants.now("ben").token.version == "first-ben"


def test_a_second_run_finds_nothing_due() -> None:
    grants = Grants()
    grants.connect()
    run(grants)
    assert run(grants) == Summary()
    assert len(grants.provider.faults.calls) == 1


def test_the_sender_never_waits_for_a_refresh_over_a_day_of_runs() -> None:
    grants = Grants()
    grants.connect()
    sender = grants.lifecycle()
    for _ in range(24 * 12):
        run(grants)
        before = len(grants.provider.faults.calls)
        assert grants.provider.takes(sender.usable(grants.now(), needed_for=45))
        assert len(grants.provider.faults.calls) == before
        grants.clock.advance(300)


def test_the_longest_overdue_comes_first() -> None:
    grants = Grants()
    accounts = [
        grants.connect(f"box{number:02}", token={"due_at": grants.clock() - number})
        for number in range(CONCURRENCY + 4)
    ]
    leased: set[str] = set()

    def look() -> None:
        leased.update(each.id for each in grants.accounts.accounts.values() if each.token.lease_owner)

    at_once = threading.Barrier(CONCURRENCY, action=look)
    grants.provider.faults.before("refresh", lambda: at_once.wait(timeout=10), times=CONCURRENCY)
    assert run(grants).refreshed == CONCURRENCY + 4
    assert leased == {account.id for account in accounts[4:]}


def test_more_accounts_than_one_page_are_all_worked() -> None:
    grants = Grants()
    for number in range(250):
        grants.connect(f"box{number}")
    assert run(grants) == Summary(refreshed=250)


def test_one_failure_never_stops_the_rest() -> None:
    grants = Grants()
    names = ["fine", "no-secret", "dead", "no-registration", "busy", "also-fine"]
    for name in names:
        grants.connect(name, provider="gone" if name == "no-registration" else "acme")
    grants.vault.secrets.pop(grants.now("no-secret").id)
    grants.provider.refresh_tokens.discard(grants.secret("dead").refresh_token)
    grants.change("busy", lease_owner="other", lease_until=grants.clock() + 1000)
    summary = run(grants)
    assert (summary.refreshed, summary.unneeded, summary.failed, summary.left) == (2, 1, 3, False)
    assert summary.problems == {
        grants.now("no-secret").id: "secret_missing",
        grants.now("dead").id: "grant_expired_or_revoked",
        grants.now("no-registration").id: "registration_refused",
    }


def test_those_who_stay_due_do_not_hide_those_behind_them() -> None:
    grants = Grants()
    for number in range(120):
        grants.connect(f"broken{number}", token={"due_at": grants.clock() - 100})
    grants.vault.secrets.clear()
    grants.connect("fine")
    summary = run(grants)
    assert (summary.refreshed, summary.failed) == (1, 120)


def test_a_defect_of_ours_fails_the_run_after_the_others_were_worked() -> None:
    grants = Grants()
    for name in ("ann", "ben", "cid"):
        grants.connect(name)
    grants.provider.faults.before("refresh", ZeroDivisionError("a defect"))
    with pytest.raises(ZeroDivisionError):
        run(grants)
    assert sum(grants.now(name).token.version != f"first-{name}" for name in ("ann", "ben", "cid")) == 2
    assert grants.log.actions.count("token.refreshed refreshed") == 2


def test_a_table_that_fails_midway_leaves_no_event_unwritten() -> None:
    grants = Grants()
    grants.connect()
    grants.accounts.faults.before("due", lambda: None)
    grants.accounts.faults.before("due", Unavailable("throttled"))
    with pytest.raises(Unavailable):
        run(grants)
    assert "token.refreshed refreshed" in grants.log.actions


def let_time_run_out(grants: Grants) -> None:
    """Let a run's time end while the first sixteen calls are under way; those after them take a moment."""
    at_once = threading.Barrier(CONCURRENCY, action=lambda: grants.clock.advance(250))
    grants.provider.faults.before("refresh", lambda: at_once.wait(timeout=10), times=CONCURRENCY)
    grants.provider.faults.before("refresh", lambda: time.sleep(0.2), times=CONCURRENCY)


def test_a_run_stops_before_its_deadline_and_says_that_accounts_are_left() -> None:
    grants = Grants()
    for number in range(100):
        grants.connect(f"box{number}")
    let_time_run_out(grants)
    summary = run(grants)
    assert summary.left
    assert CONCURRENCY <= summary.refreshed < 100
    assert summary.refreshed == len(grants.provider.faults.calls)


def test_the_next_run_goes_on_where_the_last_one_stopped() -> None:
    grants = Grants()
    for number in range(100):
        grants.connect(f"box{number}")
    let_time_run_out(grants)
    first, second = run(grants), run(grants)
    assert first.left
    assert not second.left
    assert first.refreshed + second.refreshed == len(grants.provider.faults.calls) == 100


def test_no_time_means_no_work() -> None:
    grants = Grants()
    grants.connect()
    assert run(grants, time_left=45) == Summary(left=True)
    assert grants.provider.faults.calls == []


def test_a_dead_grant_is_found_by_the_schedule_and_not_by_a_sender() -> None:
    grants = Grants(ScriptedAuthorizationServer(refresh=[GrantRefused("revoked by its owner")]))
    grants.connect()
    summary = run(grants)
    assert list(summary.problems.values()) == ["grant_expired_or_revoked"]
    assert grants.now().state is AccountState.CONSENT_REQUIRED
    assert run(grants) == Summary()


def test_a_busy_provider_is_asked_again_when_the_backoff_has_ended() -> None:
    grants = Grants(ScriptedAuthorizationServer(refresh=[TokenEndpointBusy("503", retry_after=600), answer(2)]))
    grants.connect()
    assert run(grants) == Summary(unneeded=1)  # the old token lives
    grants.clock.advance(300)
    assert run(grants) == Summary()
    grants.clock.advance(300)
    assert run(grants) == Summary(refreshed=1)


def test_an_account_that_went_meanwhile_is_not_needed() -> None:
    grants = Grants()
    account = grants.connect()
    grants.accounts.faults.after("due", lambda: grants.accounts.accounts.pop(account.id))
    assert run(grants) == Summary(unneeded=1)


@pytest.mark.parametrize("state", [AccountState.REVOKED, AccountState.CONSENT_REQUIRED, AccountState.PENDING_CONSENT])
def test_an_account_that_changed_its_state_meanwhile_is_left_alone(state: AccountState) -> None:
    grants = Grants()
    account = grants.connect()

    def change() -> None:
        grants.accounts.accounts[account.id] = grants.now().changed(state=state)

    grants.accounts.faults.after("due", change)
    assert run(grants) == Summary(unneeded=1)
    assert grants.provider.faults.calls == []


# --- audit events that had to wait ------------------------------------------------------------------------------------


def spool(grants: Grants) -> None:
    grants.log.faults.before("write", AuditUnavailable("down"))
    grants.trail.note("account.paused", "acc_1", "paused")
    grants.trail.flush()
    assert grants.log.events == []


def test_events_that_waited_are_written_and_removed() -> None:
    grants = Grants()
    spool(grants)
    run(grants)
    assert grants.log.actions == ["account.paused paused"]
    assert grants.spool.lots == {}


def test_events_that_still_cannot_be_written_wait_on_and_stop_no_refresh() -> None:
    grants = Grants()
    grants.connect()
    spool(grants)
    grants.log.faults.before("write", AuditUnavailable("down"))
    assert run(grants).refreshed == 1
    assert len(grants.spool.lots) == 1


@pytest.mark.parametrize("operation", ["waiting", "remove"])
def test_a_spool_that_cannot_be_reached_stops_no_refresh(operation: str) -> None:
    grants = Grants()
    grants.connect()
    spool(grants)
    grants.spool.faults.before(operation, Unavailable("access denied"))
    assert run(grants).refreshed == 1
    assert "audit.spool_kept kept" in grants.log.actions
