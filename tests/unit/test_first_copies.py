"""A message's first copy is tried without a look at its record, and nothing is lost or sent twice by it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailbearer.account import AccountState
from mailbearer.delivery.delivered import Verb
from mailbearer.errors import IdempotencyConflict
from mailbearer.message import Status
from mailbearer.registration_cache import LIFE, RegistrationCache
from tests.contract.nouns import registration
from tests.fakes import FakeClock, FakeRegistrationStore
from tests.unit.sending import ACCEPTED, APP, Sending


def test_a_first_copy_is_sent_without_reading_its_record() -> None:
    sending = Sending(ACCEPTED)
    record = sending.accept()
    sending.messages.faults.calls.clear()
    assert sending.deliver(sending.copy()).verb is Verb.SENT
    assert sending.messages.faults.calls == ["replace", "replace"]
    sent = sending.record(record.id)
    assert (sent.caller, sent.request_hash, sent.expires_at) == ("key_app", record.request_hash, record.expires_at)


def test_a_message_canceled_meanwhile_is_not_sent() -> None:
    sending = Sending()
    record = sending.accept()
    sending.resubmission.cancel(sending.record(record.id))
    assert sending.deliver(sending.copy()).verb is Verb.DONE_BEFORE
    assert sending.record(record.id).status is Status.CANCELED


@pytest.mark.parametrize("state", [AccountState.ACTIVE, AccountState.PAUSED, AccountState.REVOKED])
def test_a_first_copy_whose_worker_died_in_the_call_becomes_unknown_whatever_the_mailbox_is_now(
    state: AccountState,
) -> None:
    sending = Sending()
    record = sending.accept()
    stands = sending.record(record.id)
    dying = replace(stands, status=Status.SENDING, attempt=1, owner="dead", lease_until=sending.clock() + 60)
    sending.messages.replace(dying, expected=stands)
    sending.clock.advance(61)
    sending.change(state=state)
    assert sending.deliver(sending.copy()).verb is Verb.UNKNOWN
    assert sending.record(record.id).status is Status.UNKNOWN


def test_a_copy_that_a_repeated_request_queues_is_looked_up() -> None:
    sending = Sending(ACCEPTED)
    sending.accept("key-1")
    sending.queue.queued.clear()
    sending.clock.advance(1)
    sending.accept("key-1")
    assert sending.copy().record is None
    with pytest.raises(IdempotencyConflict):
        sending.submission.accept(sending.body(text="Other"), APP, "key-1")


def test_a_registration_is_read_once_a_minute() -> None:
    clock, store = FakeClock(), FakeRegistrationStore()
    cache = RegistrationCache(store, clock)
    wanted = registration()
    assert cache.get(wanted.name) is None
    cache.create(wanted)
    assert [cache.get(wanted.name), cache.get(wanted.name)] == [wanted, wanted]
    clock.advance(LIFE)
    assert cache.get(wanted.name) == wanted
    assert store.faults.calls == ["get", "create", "get", "get"]
    assert cache.listing() == [wanted]


def lagging(made: AccountState, now: AccountState) -> Sending:
    """Give a stack whose account was made in one state and is in another now, which the store does not show at once."""
    sending = Sending(ACCEPTED)
    sending.accounts.lagging[sending.ann.id] = replace(sending.ann, state=made)
    sending.change(state=now)
    return sending


def test_a_worker_does_not_hold_mail_of_a_mailbox_that_was_connected_a_moment_ago() -> None:
    sending = lagging(AccountState.PENDING_CONSENT, AccountState.ACTIVE)
    sending.accept()
    assert sending.deliver(sending.copy()).verb is Verb.SENT


def test_what_the_door_took_for_a_mailbox_that_was_revoked_a_moment_ago_is_not_sent_once_that_shows() -> None:
    sending = lagging(AccountState.ACTIVE, AccountState.REVOKED)
    sending.accept()
    sending.accounts.lagging.clear()
    assert sending.deliver(sending.copy()).code == "account_revoked"
    assert sending.transport.calls == []


@pytest.mark.parametrize("state", [AccountState.REVOKED, AccountState.PENDING_CONSENT])
def test_a_mailbox_that_could_not_send_a_moment_ago_is_looked_at_again_before_the_door_says_no(
    state: AccountState,
) -> None:
    assert lagging(state, AccountState.ACTIVE).accept().status == "queued"
