"""The scheduled run (semantics.md, Scheduled rotation and validation)."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import Account, AccountState, Probe
from mailbearer.errors import AuditUnavailable, GrantRefused, TokenEndpointBusy, TokenRefused, Unavailable
from mailbearer.health import health_resource
from mailbearer.schedule.rotation import AT_ONCE, MARGIN, RUN_TAKES, Summary, in_threads
from mailbearer.schedule.upkeep import LONGEST_PAUSE, SHORTEST_PAUSE
from tests.fakes import ScriptedAuthorizationServer
from tests.unit.grants import Crash, Grants, Trap, answer, watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.schedule.rotation import Rotation


def connect(grants: Grants, name: str = "ann", **changes: Any) -> Account:
    """Connect a mailbox whose token is due, and which was probed just now."""
    now = grants.clock()
    probe = Probe(at=now, valid_at=now, due_at=now + 1e6, outcome="valid")
    return grants.connect(name, **{"probe": probe} | changes)


def run(grants: Grants, *, time_left: float = 290) -> Summary:
    return grants.rotation().run(deadline=grants.clock() + time_left)


def test_what_is_due_is_refreshed_ahead_of_its_end_and_the_rest_left_alone() -> None:
    grants = Grants()
    connect(grants, "ann")
    connect(grants, "ben", token={"due_at": grants.clock() + 1})
    assert run(grants) == Summary(refreshed=1)
    assert grants.now("ann").token.version != "first-ann"
    assert grants.now("ben").token.version == "first-ben"


def test_a_paused_mailbox_is_kept_alive_too() -> None:
    grants = Grants()
    connect(grants, state=AccountState.PAUSED)
    assert run(grants) == Summary(refreshed=1)
    assert grants.now().state is AccountState.PAUSED


def test_a_second_run_finds_nothing_due() -> None:
    grants = Grants()
    connect(grants)
    run(grants)
    assert run(grants) == Summary()
    assert grants.provider.faults.calls == ["refresh"]


def test_the_sender_never_waits_for_a_refresh_over_a_day_of_runs() -> None:
    grants = Grants()
    connect(grants)
    sender = grants.lifecycle()
    for _ in range(24 * 12):
        run(grants)
        before = grants.provider.faults.calls.count("refresh")
        assert grants.provider.takes(sender.usable(grants.now(), needed_for=45))
        assert grants.provider.faults.calls.count("refresh") == before
        grants.clock.advance(300)


def test_the_longest_overdue_comes_first() -> None:
    grants = Grants()
    accounts = [
        connect(grants, f"box{number:02}", token={"due_at": grants.clock() - number}) for number in range(AT_ONCE + 4)
    ]
    leased: set[str] = set()

    def look() -> None:
        leased.update(each.id for each in grants.accounts.accounts.values() if each.token.lease_owner)

    at_once = threading.Barrier(AT_ONCE, action=look)
    grants.provider.faults.before("refresh", lambda: at_once.wait(timeout=10), times=AT_ONCE)
    assert run(grants).refreshed == AT_ONCE + 4
    assert leased == {account.id for account in accounts[4:]}


# --- one account's trouble --------------------------------------------------------------------------------------------


def test_one_failure_never_stops_the_rest() -> None:
    grants = Grants()
    names = ["fine", "no-secret", "dead", "no-registration", "also-fine"]
    for name in names:
        connect(grants, name, provider="gone" if name == "no-registration" else "acme")
    grants.vault.secrets.pop(grants.now("no-secret").id)
    grants.provider.refresh_tokens.discard(grants.secret("dead").refresh_token)
    summary = run(grants)
    assert (summary.refreshed, summary.failed, summary.left) == (2, 3, False)
    assert summary.problems == {
        grants.now("no-secret").id: "secret_missing",
        grants.now("dead").id: "grant_expired_or_revoked",
        grants.now("no-registration").id: "registration_refused",
    }


def test_a_mailbox_that_another_process_refreshes_is_left_to_it() -> None:
    grants = Grants()
    connect(grants, token={"lease_owner": "other", "lease_until": grants.clock() + 1000})
    assert run(grants).failed == 0
    assert grants.now().token.lease_owner == "other"


def test_a_mailbox_that_cannot_be_helped_comes_again_ever_later_up_to_an_hour() -> None:
    grants = Grants()
    account = connect(grants)
    grants.vault.secrets.clear()
    pauses = []
    for _ in range(12):
        summary = run(grants)
        assert summary.problems == {account.id: "secret_missing"}
        assert run(grants) == Summary()
        pauses.append(grants.now().due_at - grants.clock())
        grants.clock.advance(pauses[-1])
    assert SHORTEST_PAUSE <= pauses[0] <= 2 * SHORTEST_PAUSE
    assert max(pauses) > 3 * SHORTEST_PAUSE
    assert all(SHORTEST_PAUSE <= pause <= LONGEST_PAUSE for pause in pauses)
    assert grants.log.actions.count("account.put_off put_off") == 12


def test_a_mailbox_changed_by_somebody_else_meanwhile_is_put_off_all_the_same() -> None:
    grants = Grants()
    connect(grants)
    grants.vault.secrets.clear()
    grants.accounts.faults.before("replace", lambda: grants.change(fence=7))
    run(grants)
    assert grants.now().due_at > grants.clock()
    assert grants.now().token.fence == 7


def test_a_mailbox_deleted_meanwhile_is_not_put_off() -> None:
    grants = Grants()
    account = connect(grants)
    grants.vault.secrets.clear()
    grants.accounts.faults.before("replace", lambda: grants.accounts.accounts.pop(account.id))
    assert run(grants).problems == {account.id: "secret_missing"}
    assert grants.accounts.accounts == {}


def test_a_mailbox_that_cannot_even_be_put_off_is_audited_and_still_due() -> None:
    grants = Grants()
    connect(grants)
    grants.vault.secrets.clear()
    grants.accounts.faults.before("replace", Unavailable("throttled"))
    run(grants)
    assert "account.put_off failed" in grants.log.actions
    assert grants.now().due_at <= grants.clock()


def test_a_defect_of_ours_does_not_stop_the_others_and_is_raised_when_all_is_done() -> None:
    grants = Grants()
    for name in ("ann", "ben", "cid"):
        connect(grants, name)
    grants.provider.faults.before("refresh", ZeroDivisionError("a defect"))
    summary = run(grants)
    assert (summary.refreshed, summary.failed) == (2, 1)
    assert list(summary.problems.values()) == ["ZeroDivisionError"]
    with pytest.raises(ZeroDivisionError):
        summary.raise_defect()
    assert grants.log.actions.count("token.refreshed refreshed") == 2


def test_a_mailbox_that_brings_a_defect_of_ours_out_does_not_stay_due() -> None:
    grants = Grants()
    connect(grants)
    grants.registrations.faults.before("get", ZeroDivisionError("a defect"), times=3)
    assert run(grants).failed == 1
    assert run(grants) == Summary()


def test_a_table_that_fails_fails_the_run() -> None:
    grants = Grants()
    grants.accounts.faults.before("due", Unavailable("throttled"))
    with pytest.raises(Unavailable):
        run(grants)


def test_a_dead_grant_is_found_by_the_schedule_and_not_by_a_sender() -> None:
    grants = Grants(ScriptedAuthorizationServer(refresh=[GrantRefused("revoked by its owner")]))
    connect(grants)
    summary = run(grants)
    assert list(summary.problems.values()) == ["grant_expired_or_revoked"]
    assert grants.now().state is AccountState.CONSENT_REQUIRED
    assert run(grants) == Summary()


def test_a_busy_provider_is_asked_again_when_the_backoff_has_ended() -> None:
    grants = Grants(ScriptedAuthorizationServer(refresh=[TokenEndpointBusy("503", retry_after=600), answer(2)]))
    connect(grants)
    assert run(grants) == Summary(unneeded=1)  # the old token lives
    grants.clock.advance(300)
    assert run(grants) == Summary()
    grants.clock.advance(300)
    assert run(grants) == Summary(refreshed=1)


def test_an_account_that_went_meanwhile_is_not_needed() -> None:
    grants = Grants()
    account = connect(grants)
    grants.accounts.faults.before("get", lambda: grants.accounts.accounts.pop(account.id))
    assert run(grants) == Summary(unneeded=1)


@pytest.mark.parametrize("state", [AccountState.REVOKED, AccountState.CONSENT_REQUIRED, AccountState.PENDING_CONSENT])
def test_an_account_that_changed_its_state_meanwhile_is_left_alone(state: AccountState) -> None:
    grants = Grants()
    account = connect(grants)

    def change() -> None:
        grants.accounts.accounts[account.id] = grants.now().changed(state=state)

    grants.accounts.faults.before("get", change)
    assert run(grants) == Summary(unneeded=1)
    assert grants.provider.faults.calls == []


# --- more than one run should take ------------------------------------------------------------------------------------


def many(grants: Grants, count: int) -> None:
    """Connect so many mailboxes, each a second longer overdue than the one before."""
    for number in range(count):
        connect(grants, f"box{number}", token={"due_at": grants.clock() - number - 1})


def test_a_run_works_the_longest_overdue_and_queues_the_rest() -> None:
    grants = Grants()
    many(grants, RUN_TAKES + 35)
    assert run(grants) == Summary(refreshed=RUN_TAKES, queued=35)
    assert [due.account_id for due in grants.rotation_queue.queued] == [
        grants.now(f"box{number}").id for number in reversed(range(35))
    ]
    assert grants.rotation_queue.faults.calls == ["put"] * 4


def test_who_was_queued_is_worked_from_the_queue_once() -> None:
    grants = Grants()
    many(grants, RUN_TAKES + 10)
    run(grants)
    batch = grants.rotation_queue.taken()
    rotation = grants.rotation()
    assert rotation.take(batch, deadline=grants.clock() + 290) == Summary(refreshed=10)
    assert rotation.take(batch, deadline=grants.clock() + 290) == Summary(unneeded=10)
    assert grants.provider.faults.calls.count("refresh") == RUN_TAKES + 10


def test_two_messages_of_one_account_in_a_batch_are_one_look() -> None:
    grants = Grants()
    account = connect(grants)
    assert grants.rotation().take([account.id, account.id], deadline=grants.clock() + 290) == Summary(refreshed=1)


def test_the_next_run_queues_nobody_twice_within_five_minutes() -> None:
    grants = Grants()
    many(grants, RUN_TAKES + 20)
    run(grants)
    many_more = [f"later{number}" for number in range(RUN_TAKES)]
    for name in many_more:
        connect(grants, name, token={"due_at": grants.clock() - 1e6})
    grants.clock.advance(290)
    assert run(grants).queued == 20
    assert len(grants.rotation_queue.queued) == 20


def test_who_waits_on_the_queue_is_due_until_somebody_worked_him() -> None:
    grants = Grants()
    many(grants, RUN_TAKES + 10)
    run(grants)
    grants.rotation_queue.queued.clear()  # lost
    assert run(grants).refreshed == 10


def test_a_queue_that_is_down_leaves_the_rest_due_and_stops_no_refresh() -> None:
    grants = Grants()
    many(grants, RUN_TAKES + 20)
    grants.rotation_queue.faults.before("put", Unavailable("throttled"))
    summary = run(grants)
    assert (summary.refreshed, summary.queued, summary.left) == (RUN_TAKES, 0, True)
    assert summary.problems == {"queue": "temporarily_unavailable"}
    with pytest.raises(Unavailable):
        summary.raise_defect()
    assert run(grants).refreshed == 20


def test_a_table_that_fails_while_the_rest_is_queued_stops_no_refresh() -> None:
    grants = Grants()
    many(grants, RUN_TAKES + 20)
    grants.accounts.faults.before("due", lambda: None, times=2)
    grants.accounts.faults.before("due", Unavailable("throttled"))
    summary = run(grants)
    assert (summary.refreshed, summary.left) == (RUN_TAKES, True)
    with pytest.raises(Unavailable):
        summary.raise_defect()


def test_what_a_batch_has_no_time_for_goes_back() -> None:
    grants = Grants()
    account = connect(grants)
    summary = grants.rotation().take([account.id], deadline=grants.clock() + MARGIN)
    assert summary == Summary(left=True, not_begun=(account.id,))
    assert grants.provider.faults.calls == []


# --- time -------------------------------------------------------------------------------------------------------------


def let_time_run_out(grants: Grants) -> None:
    """Let a run's time end while the first sixteen calls are under way."""
    at_once = threading.Barrier(AT_ONCE, action=lambda: grants.clock.advance(250))
    grants.provider.faults.before("refresh", lambda: at_once.wait(timeout=10), times=AT_ONCE)


def test_a_run_stops_before_its_deadline_and_says_that_accounts_are_left() -> None:
    grants = Grants()
    many(grants, 100)
    let_time_run_out(grants)
    summary = run(grants)
    assert summary.left
    assert summary.refreshed == len(grants.provider.faults.calls) == AT_ONCE
    assert len(summary.not_begun) == 100 - AT_ONCE


def test_the_next_run_goes_on_where_the_last_one_stopped() -> None:
    grants = Grants()
    many(grants, 100)
    let_time_run_out(grants)
    first, second = run(grants), run(grants)
    assert first.left
    assert not second.left
    assert first.refreshed + second.refreshed == grants.provider.faults.calls.count("refresh") == 100


def test_no_time_means_no_work() -> None:
    grants = Grants()
    account = connect(grants)
    assert run(grants, time_left=MARGIN) == Summary(left=True, not_begun=(account.id,))
    assert grants.provider.faults.calls == []


def test_a_run_without_time_to_queue_says_that_accounts_are_left() -> None:
    grants = Grants()
    many(grants, RUN_TAKES + 20)
    summary = run(grants, time_left=MARGIN)
    assert (summary.queued, summary.left) == (0, True)


def test_a_long_run_tells_how_far_it_is() -> None:
    grants = Grants()
    many(grants, 5)
    told: list[int] = []
    grants.provider.faults.before("refresh", lambda: grants.clock.advance(20), times=5)
    rotation = replace(grants.rotation(), at_once=one_after_the_other)
    rotation.run(deadline=grants.clock() + 290, progress=lambda summary: told.append(summary.refreshed))
    assert told == [2, 4]


def test_what_ends_one_thread_is_raised_when_all_have_ended() -> None:
    began = threading.Barrier(3)

    def lane() -> None:
        if began.wait(timeout=10) == 0:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_threads(lane, 3)


# --- validation -------------------------------------------------------------------------------------------------------


def test_a_mailbox_whose_probe_is_due_is_probed_and_not_refreshed() -> None:
    grants = Grants()
    now = grants.clock()
    connect(grants, token={"due_at": now + 1000}, probe=Probe(at=now - 900, due_at=now))
    assert run(grants) == Summary(probed=1)
    assert grants.now().probe.outcome == "valid"
    assert "refresh" not in grants.provider.faults.calls


def test_a_mailbox_that_was_never_probed_is_probed_after_its_refresh() -> None:
    grants = Grants()
    connect(grants, probe=Probe())
    assert run(grants) == Summary(refreshed=1, probed=1)
    assert grants.now().probe.valid_at == grants.clock()


def test_a_token_that_does_not_open_its_mailbox_is_counted() -> None:
    grants = Grants(
        ScriptedAuthorizationServer(
            refresh=[answer(number) for number in range(2, 9)], userinfo=[TokenRefused("401")] * 9
        )
    )
    grants.transport.verifies.extend([False] * 9)
    now = grants.clock()
    connect(grants, token={"due_at": now + 1000}, probe=Probe(at=now - 900, due_at=now))
    summary = run(grants)
    assert (summary.probed, summary.invalid) == (1, 1)


def test_a_probe_that_fails_does_not_stay_due() -> None:
    grants = Grants()
    now = grants.clock()
    connect(grants, token={"due_at": now + 1e6}, probe=Probe(at=now - 900, due_at=now))
    grants.provider.faults.before("userinfo", ZeroDivisionError("a defect"), times=2)
    assert run(grants).failed == 1
    assert run(grants) == Summary()
    assert grants.now().token.due_at == now + 1e6


def test_no_probe_is_begun_when_time_is_up() -> None:
    grants = Grants()
    connect(grants, probe=Probe())
    grants.provider.faults.before("refresh", lambda: grants.clock.advance(201))
    assert run(grants) == Summary(refreshed=1)
    assert "userinfo" not in grants.provider.faults.calls


# --- what is no account's ---------------------------------------------------------------------------------------------


def test_the_watch_is_called_once_an_hour() -> None:
    grants = Grants()
    grants.clock.now = 1_750_000_000 // 3600 * 3600.0
    for _ in range(24 * 12):
        run(grants)
        grants.clock.advance(300)
    assert len(grants.watched) == 24


@pytest.mark.parametrize(
    ("trouble", "word"),
    [(Unavailable("throttled"), "temporarily_unavailable"), (ZeroDivisionError(), "ZeroDivisionError")],
)
def test_a_watch_that_cannot_look_stops_nothing_and_is_told(trouble: Exception, word: str) -> None:
    grants = Grants()
    grants.clock.now = 1_750_000_000 // 3600 * 3600.0
    connect(grants)

    def down() -> None:
        raise trouble

    summary = replace(grants.rotation(), watches=(down,)).run(deadline=grants.clock() + 290)
    assert summary.refreshed == 1
    assert summary.problems == {"watch": word}
    with pytest.raises(type(trouble)):
        summary.raise_defect()


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
    connect(grants)
    spool(grants)
    grants.log.faults.before("write", AuditUnavailable("down"))
    assert run(grants).refreshed == 1
    assert len(grants.spool.lots) == 1


@pytest.mark.parametrize("operation", ["waiting", "remove"])
def test_a_spool_that_cannot_be_reached_stops_no_refresh(operation: str) -> None:
    grants = Grants()
    connect(grants)
    spool(grants)
    grants.spool.faults.before(operation, Unavailable("access denied"))
    assert run(grants).refreshed == 1
    assert "audit.spool_kept kept" in grants.log.actions


# --- a run dies at every single call ----------------------------------------------------------------------------------

QUEUED = 15


def one_after_the_other(lane: Callable[[], None], _count: int) -> None:
    lane()


def crowd(*, rotating: bool = False) -> tuple[Grants, Trap]:
    """Connect three mailboxes that one run works, with more behind them than it takes."""
    grants = Grants(rotating=rotating)
    many(grants, 3)
    trap = Trap()
    watch(grants, trap)
    return grants, trap


def alone(grants: Grants) -> Rotation:
    """Give a run that works one account after the other, so that each of its calls has a place in the order."""
    return replace(grants.rotation(), at_once=one_after_the_other)


def calls_of_a_run(*, rotating: bool) -> list[str]:
    grants, trap = crowd(rotating=rotating)
    alone(grants).run(deadline=grants.clock() + 290)
    return trap.seen


CALLS = calls_of_a_run(rotating=False)
POINTS = [(number, after) for number in range(len(CALLS)) for after in (False, True)]
NAMES = [f"{number}-{'after' if after else 'before'}-{CALLS[number]}" for number, after in POINTS]


@pytest.mark.parametrize("rotating", [False, True])
@pytest.mark.parametrize("point", POINTS, ids=NAMES)
def test_what_a_run_left_when_it_died_the_next_ones_complete_and_nothing_twice(
    point: tuple[int, bool], *, rotating: bool
) -> None:
    grants, trap = crowd(rotating=rotating)
    trap.at, trap.after_effect = point
    with pytest.raises(Crash):
        alone(grants).run(deadline=grants.clock() + 290)
    trap.at = -1
    grants.clock.advance(300)
    alone(grants).run(deadline=grants.clock() + 290)
    states = [grants.now(f"box{number}").state for number in range(3)]
    calls = trap.seen.count("provider.refresh")
    # The call that died may have reached the provider; then its token is asked for once more, or lost if it rotated.
    may_be_lost = rotating and lost_in_the_window(trap.seen, point)
    assert states.count(AccountState.CONSENT_REQUIRED) == (1 if may_be_lost else 0)
    assert 3 <= calls <= 4
    for number, state in enumerate(states):
        if state is AccountState.ACTIVE:
            account = grants.now(f"box{number}")
            assert account.token.version != f"first-box{number}"
            assert account.due_at > grants.clock()
            assert grants.secret(f"box{number}").refresh_token in grants.provider.refresh_tokens


def lost_in_the_window(seen: list[str], point: tuple[int, bool]) -> bool:
    """Tell whether a run died between the provider's answer and the secret that holds it."""
    number, after = point
    asked = [place for place in range(number + 1) if seen[place] == "provider.refresh"]
    stored = [place for place in range(number + 1) if seen[place] == "vault.store"]
    if not after:
        asked, stored = [each for each in asked if each < number], [each for each in stored if each < number]
    return len(asked) > len(stored)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [0, 1])
def test_a_run_that_dies_while_it_queues_has_taken_nothing_from_anybody(number: int, *, after: bool) -> None:
    grants = Grants()
    many(grants, RUN_TAKES + QUEUED)
    trap = Trap()
    grants.rotation_queue.faults = trap.named("rotation_queue")
    trap.at, trap.after_effect = number, after
    with pytest.raises(Crash):
        run(grants)
    trap.at = -1
    assert run(grants).refreshed == RUN_TAKES
    names = [f"box{box}" for box in range(QUEUED)]
    assert {due.account_id for due in grants.rotation_queue.queued} == {grants.now(name).id for name in names}


def test_the_health_of_a_mailbox_whose_secret_is_gone_says_so() -> None:
    grants = Grants()
    account = grants.connect(ends_in=10)
    grants.vault.secrets.clear()
    grants.rotation().run(deadline=grants.clock() + 900)
    diagnosis = health_resource(grants.now(), grants.clock(), f"/v1/accounts/{account.id}/consent")["diagnosis"]
    assert diagnosis is not None
    assert diagnosis["code"] == "secret_missing"
