"""A message of unknown fate is looked for in its mailbox where that may be read."""

from __future__ import annotations

from dataclasses import replace

from mailbearer.delivery.delivered import Delivered, Verb
from mailbearer.message import Status
from tests.unit.sending import ACCEPTED, LOST, Sending, refusal

READS = ("https://www.googleapis.com/auth/gmail.readonly",)


def test_a_lost_answer_is_sent_if_the_mailbox_has_it() -> None:
    sending = Sending(LOST)
    sending.transport.found.append(True)
    message_id = sending.accept().id
    assert sending.work() == [Delivered(Verb.SENT, "found_in_mailbox")]
    record = sending.record(message_id)
    assert record.status is Status.SENT
    assert [attempt.code for attempt in record.attempts] == ["found_in_mailbox"]
    assert sending.transport.looked_up == [record.message_id]


def test_it_is_looked_for_again_since_a_mailbox_shows_what_was_sent_only_after_a_while() -> None:
    sending = Sending(LOST)
    sending.change(scopes_granted=READS)
    sending.transport.found.extend([False, False, True])
    message_id = sending.accept().id
    verbs = [done.verb for done in sending.work()]
    assert verbs == [Verb.UNKNOWN, Verb.DONE_BEFORE, Verb.SENT]
    assert sending.record(message_id).status is Status.SENT
    assert len(sending.transport.calls) == 1


def test_what_is_not_found_stays_unknown_and_is_not_sent_again() -> None:
    sending = Sending(LOST)
    sending.change(scopes_granted=READS)
    sending.transport.found.extend([False] * 3)
    message_id = sending.accept().id
    sending.work()
    assert sending.record(message_id).status is Status.UNKNOWN
    assert len(sending.transport.calls) == 1
    assert len(sending.transport.looked_up) == 3


def test_where_nothing_may_be_read_nobody_comes_back_to_look() -> None:
    sending = Sending(LOST)
    sending.accept()
    assert [done.verb for done in sending.work()] == [Verb.UNKNOWN]


def test_a_look_never_sends_whatever_became_of_the_message_meanwhile() -> None:
    sending = Sending(LOST)
    sending.change(scopes_granted=READS)
    message_id = sending.accept().id
    sending.deliver(sending.copy())
    look = sending.copy()
    assert look.look
    sending.messages.records[message_id] = replace(sending.record(message_id), status=Status.QUEUED)
    assert sending.deliver(look) == Delivered(Verb.DONE_BEFORE, "queued")
    assert len(sending.transport.calls) == 1


def test_a_message_that_was_refused_is_looked_for_before_it_is_sent_again() -> None:
    """Graph has been seen to deliver what it had answered with a 429."""
    sending = Sending(refusal(code="throttled"))
    sending.transport.found.append(True)
    message_id = sending.accept().id
    assert [done.verb for done in sending.work()] == [Verb.DEFERRED, Verb.SENT]
    assert sending.record(message_id).status is Status.SENT
    assert len(sending.transport.calls) == 1


def test_a_caller_who_wants_it_resent_gets_no_second_mail_if_the_first_is_found() -> None:
    sending = Sending(LOST)
    sending.transport.found.extend([False, True])
    message_id = sending.accept(on_unknown="resend").id
    assert [done.verb for done in sending.work()] == [Verb.DEFERRED, Verb.SENT]
    assert len(sending.transport.calls) == 1
    assert sending.record(message_id).status is Status.SENT


def test_a_retry_by_hand_looks_first() -> None:
    sending = Sending(LOST)
    sending.transport.found.extend([None, True])
    message_id = sending.accept().id
    sending.work()
    sending.resubmission.retry(sending.record(message_id))
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    assert len(sending.transport.calls) == 1


def test_a_retry_by_hand_sends_it_again_if_it_is_not_found() -> None:
    sending = Sending(LOST, ACCEPTED)
    sending.transport.found.extend([None, False])
    message_id = sending.accept().id
    sending.work()
    first = sending.record(message_id).message_id
    sending.resubmission.retry(sending.record(message_id))
    sending.work()
    assert len(sending.transport.calls) == 2
    assert sending.record(message_id).message_id == first
