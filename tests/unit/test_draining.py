"""Mail waits for its mailbox, and goes by itself when that can send again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailbearer.account import AccountState
from mailbearer.delivery.delivered import Verb
from mailbearer.delivery.recording import HOLD_FOR
from mailbearer.envelope import Drain, write_drain
from mailbearer.message import Status
from tests.unit.sending import ACCEPTED, Died, Sending, refusal


def held(sending: Sending, count: int) -> list[str]:
    """Let so many messages be held, a second between each."""
    sending.change(state=AccountState.PAUSED)
    ids = []
    for number in range(count):
        ids.append(sending.accept(subject=f"{number}").id)
        sending.clock.advance(1)
        assert sending.deliver(sending.copy()).verb is Verb.HELD
    return ids


def resume(sending: Sending) -> None:
    sending.change(state=AccountState.ACTIVE, drain_from=sending.clock())
    sending.drop(write_drain(Drain(account=sending.ann.id)))


def test_held_mail_goes_in_the_order_in_which_it_was_accepted() -> None:
    sending = Sending(*[ACCEPTED] * 60)
    ids = held(sending, 60)
    resume(sending)
    sending.work()
    assert all(sending.record(each).status is Status.SENT for each in ids)
    subjects = [call.outgoing.message.subject for call in sending.transport.calls if call.outgoing.message]
    assert subjects == [f"{number}" for number in range(60)]


def test_what_was_drained_before_the_worker_died_is_told_and_in_the_log_all_the_same() -> None:
    sending = Sending(ACCEPTED, ACCEPTED)
    held(sending, 3)
    sending.tell()

    def dies() -> object:
        raise Died

    sending.transport.script.append(dies)  # type: ignore[arg-type]
    sending.change(state=AccountState.ACTIVE, drain_from=sending.clock())
    with pytest.raises(Died):
        sending.take_in(write_drain(Drain(account=sending.ann.id)), "sqs-1")
    assert sending.log.actions.count("message.sent sent") == 2


def test_the_mark_on_the_account_is_taken_off_when_nothing_is_held_any_more() -> None:
    sending = Sending(ACCEPTED)
    held(sending, 1)
    resume(sending)
    assert sending.accounts.accounts[sending.ann.id].drain_from
    sending.work()
    assert not sending.accounts.accounts[sending.ann.id].drain_from


def test_a_task_that_takes_long_goes_on_with_a_new_copy() -> None:
    sending = Sending()
    ids = held(sending, 5)

    def slowly() -> object:
        sending.clock.advance(8)
        return ACCEPTED

    sending.transport.script.extend([slowly] * 5)  # type: ignore[list-item]
    resume(sending)
    done = sending.work()
    assert [each.code for each in done if each.verb is Verb.PUT_BACK] == ["drain_goes_on"]
    assert all(sending.record(each).status is Status.SENT for each in ids)


def test_what_is_held_again_stops_the_task() -> None:
    sending = Sending()
    ids = held(sending, 3)

    def pausing() -> object:
        sending.change(state=AccountState.PAUSED)
        return ACCEPTED

    sending.transport.script.append(pausing)  # type: ignore[arg-type]
    resume(sending)
    sending.work()
    assert [sending.record(each).status for each in ids] == [Status.SENT, Status.HELD, Status.HELD]


def test_a_task_for_a_mailbox_that_does_not_send_does_nothing() -> None:
    sending = Sending()
    held(sending, 1)
    sending.drop(write_drain(Drain(account=sending.ann.id)))
    assert sending.work()[-1].code == "not_active"


@pytest.mark.parametrize("removed", [False, True])
def test_what_was_held_for_a_mailbox_that_was_cut_off_fails(removed: bool) -> None:
    sending = Sending()
    ids = held(sending, 2)
    sending.change(state=AccountState.REVOKED)
    if removed:
        sending.accounts.accounts.clear()
    sending.drop(write_drain(Drain(account=sending.ann.id)))
    sending.work(horizon=0)
    assert {sending.record(each).problem_code for each in ids} == {"unknown_account" if removed else "account_revoked"}


def test_a_held_message_that_is_put_off_by_the_provider_comes_again_by_itself() -> None:
    sending = Sending(refusal(), ACCEPTED, ACCEPTED)
    ids = held(sending, 2)
    resume(sending)
    sending.work()
    assert all(sending.record(each).status is Status.SENT for each in ids)


def test_held_mail_goes_within_the_quota() -> None:
    sending = Sending(*[ACCEPTED] * 12)
    sending.change(limits=(("per_minute", 4),))
    ids = held(sending, 12)
    begun = sending.clock()
    resume(sending)
    sending.work(most=200)
    assert all(sending.record(each).status is Status.SENT for each in ids)
    assert sending.clock() - begun >= 120


@pytest.mark.parametrize("hold_for", [3600, HOLD_FOR])
def test_mail_fails_when_its_mailbox_does_not_come_back_in_time(hold_for: int) -> None:
    sending = Sending()
    if hold_for != HOLD_FOR:
        sending.change(limits=(("hold_for", hold_for),))
    (message_id,) = held(sending, 1)
    since = sending.record(message_id).held_at
    sending.work(horizon=HOLD_FOR)
    record = sending.record(message_id)
    assert (record.status, record.problem_code) == (Status.FAILED, "hold_expired")
    assert hold_for <= sending.clock() - since < hold_for + 120


def test_two_tasks_at_once_send_nothing_twice() -> None:
    sending = Sending(*[ACCEPTED] * 5)
    held(sending, 5)
    resume(sending)
    resume(sending)
    sending.work()
    assert len(sending.transport.calls) == 5


def test_held_mail_whose_content_is_gone_does_not_stop_the_others() -> None:
    sending = Sending(ACCEPTED)
    first, second = held(sending, 2)
    del sending.content.bodies[first]
    resume(sending)
    sending.work()
    assert sending.record(first).problem_code == "content_gone"
    assert sending.record(second).status is Status.SENT


def test_held_mail_that_gets_no_slot_does_not_hide_what_was_held_after_it() -> None:
    sending = Sending(*[ACCEPTED] * 60)
    sending.change(limits=(("concurrency", 1),))
    ids = held(sending, 60)
    sending.schedules.waiting.clear()  # a week later would be too late
    stands = sending.ledgers.get(sending.ann.id)
    elsewhere = replace(stands, leases=(("another worker", 1, sending.clock() + 120),)).changed("its mark")
    sending.ledgers.replace(elsewhere, expected=stands)
    resume(sending)
    sending.work(most=600)
    assert all(sending.record(each).status is Status.SENT for each in ids)


def test_an_index_that_is_behind_does_not_end_the_task() -> None:
    sending = Sending(*[ACCEPTED] * 60)
    ids = held(sending, 60)
    sending.schedules.waiting.clear()
    sending.messages.behind.extend([sending.messages.held(sending.ann.id, limit=60)] * 2)
    resume(sending)
    sending.work(most=200)
    assert all(sending.record(each).status is Status.SENT for each in ids)
