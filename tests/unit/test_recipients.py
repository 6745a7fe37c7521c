"""What becomes of a message of whose recipients some are refused, put off or suppressed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailbearer.delivery.delivered import MAX_ATTEMPTS, Verb
from mailbearer.message import Outcome, RefusedRecipient, Remedy, Status, Verdict
from tests.unit.sending import ACCEPTED, LOST, Sending, refusal

THREE = ["bob@example.net", "ben@example.net", "bea@example.net"]


def unknown_user(recipient: str) -> RefusedRecipient:
    return RefusedRecipient(recipient=recipient, code="recipient_unknown", detail="550 5.1.1 no such user")


def put_off(recipient: str) -> RefusedRecipient:
    return RefusedRecipient(recipient=recipient, code="greylisted", detail="451 4.7.1 later", again=True)


def test_a_message_that_some_recipients_refuse_is_sent_and_names_them() -> None:
    sending = Sending(replace(ACCEPTED, refused=(unknown_user(THREE[1]),)))
    accepted = sending.accept(to=THREE)
    assert sending.work()[-1].verb is Verb.SENT
    record = sending.record(accepted.id)
    assert record.status is Status.SENT
    assert record.refused == (unknown_user(THREE[1]),)
    assert record.remaining == ()


def test_recipients_that_were_put_off_are_tried_again_without_the_others() -> None:
    sending = Sending(replace(ACCEPTED, refused=(put_off(THREE[0]), unknown_user(THREE[1]))), ACCEPTED)
    accepted = sending.accept(to=THREE)
    sending.work()
    assert [call.outgoing.rcpt_to for call in sending.transport.calls] == [tuple(THREE), (THREE[0],)]
    record = sending.record(accepted.id)
    assert record.status is Status.SENT
    assert record.refused == (unknown_user(THREE[1]),)


def test_a_message_with_recipients_that_were_put_off_is_deferred_meanwhile() -> None:
    sending = Sending(replace(ACCEPTED, refused=(put_off(THREE[0]),)))
    accepted = sending.accept(to=THREE)
    assert sending.deliver(sending.copy()).verb is Verb.DEFERRED
    record = sending.record(accepted.id)
    assert (record.status, record.remaining) == (Status.DEFERRED, (THREE[0],))
    assert record.sent_at


def test_a_message_that_reached_some_is_sent_although_the_rest_refuse_it_later() -> None:
    sending = Sending(replace(ACCEPTED, refused=(put_off(THREE[0]),)), refusal(Remedy.NONE, code="recipient_unknown"))
    accepted = sending.accept(to=THREE)
    sending.work()
    record = sending.record(accepted.id)
    assert record.status is Status.SENT
    assert [(each.recipient, each.code) for each in record.refused] == [(THREE[0], "recipient_unknown")]


def test_recipients_that_are_put_off_for_ever_are_refused_in_the_end() -> None:
    sending = Sending(*[replace(ACCEPTED, refused=(put_off(THREE[0]),))] * MAX_ATTEMPTS)
    accepted = sending.accept(to=THREE)
    sending.work(most=200)
    record = sending.record(accepted.id)
    assert record.status is Status.SENT
    assert [(each.recipient, each.again) for each in record.refused] == [(THREE[0], False)]


def test_recipients_who_refuse_for_good_are_not_asked_again_when_all_others_put_it_off() -> None:
    outcome = Outcome(
        verdict=Verdict.NOT_ACCEPTED,
        code="greylisted",
        remedy=Remedy.RETRY,
        refused=(put_off(THREE[0]), unknown_user(THREE[1]), put_off(THREE[2])),
    )
    sending = Sending(outcome, ACCEPTED)
    accepted = sending.accept(to=THREE)
    sending.work()
    assert sending.transport.calls[1].outgoing.rcpt_to == (THREE[0], THREE[2])
    assert sending.record(accepted.id).refused == (unknown_user(THREE[1]),)


def test_a_lost_answer_after_a_part_was_sent_is_unknown() -> None:
    sending = Sending(replace(ACCEPTED, refused=(put_off(THREE[0]),)), LOST)
    accepted = sending.accept(to=THREE)
    sending.work()
    record = sending.record(accepted.id)
    assert (record.status, record.remaining) == (Status.UNKNOWN, (THREE[0],))


def test_more_recipients_than_the_mailbox_takes_go_in_several_calls() -> None:
    sending = Sending(ACCEPTED, ACCEPTED)
    sending.change(limits=(("recipients_per_message", 2),))
    accepted = sending.accept(to=THREE)
    sending.work()
    assert [call.outgoing.rcpt_to for call in sending.transport.calls] == [tuple(THREE[:2]), (THREE[2],)]
    assert sending.record(accepted.id).status is Status.SENT


def test_the_rest_is_tried_although_the_first_part_is_refused() -> None:
    sending = Sending(refusal(Remedy.NONE, code="recipient_unknown"), ACCEPTED)
    sending.change(limits=(("recipients_per_message", 2),))
    accepted = sending.accept(to=THREE)
    sending.work()
    assert sending.transport.calls[1].outgoing.rcpt_to == (THREE[2],)
    assert sending.record(accepted.id).status is Status.SENT


def test_more_recipients_than_a_transport_takes_that_names_them_in_the_header_fail_at_once() -> None:
    sending = Sending()
    sending.transport.names_recipients_in_headers = True
    sending.change(limits=(("recipients_per_message", 2),))
    accepted = sending.accept(to=THREE)
    sending.work()
    assert sending.record(accepted.id).problem_code == "too_many_recipients"


def test_nothing_is_sent_to_suppressed_addresses() -> None:
    sending = Sending(ACCEPTED)
    sending.suppressed = frozenset({THREE[0]})
    accepted = sending.accept(to=THREE)
    sending.work()
    assert sending.transport.calls[0].outgoing.rcpt_to == tuple(THREE[1:])
    record = sending.record(accepted.id)
    assert record.status is Status.SENT
    assert [(each.recipient, each.code) for each in record.refused] == [(THREE[0], "recipient_suppressed")]


def test_a_suppressed_address_does_not_stand_in_a_header_that_the_provider_reads() -> None:
    sending = Sending(ACCEPTED)
    sending.transport.names_recipients_in_headers = True
    sending.suppressed = frozenset({THREE[0]})
    sending.accept(to=THREE[:2], cc=THREE[2], bcc="bcc@example.net")
    sending.work()
    composed = sending.transport.calls[0].outgoing.message
    assert composed is not None
    assert [address.email for address in composed.to] == [THREE[1]]
    assert THREE[0].encode() not in sending.transport.calls[0].outgoing.mime


def test_a_message_to_nobody_but_suppressed_addresses_fails_and_names_them() -> None:
    sending = Sending()
    sending.suppressed = frozenset(THREE)
    accepted = sending.accept(to=THREE)
    sending.work()
    record = sending.record(accepted.id)
    assert (record.status, record.problem_code) == (Status.FAILED, "recipient_suppressed")
    assert [each.recipient for each in record.refused] == THREE
    assert sending.transport.calls == []


@pytest.mark.parametrize("remedy", [Remedy.RETRY, Remedy.NONE])
def test_a_refusal_of_the_whole_message_names_no_recipient(remedy: Remedy) -> None:
    sending = Sending(refusal(remedy), *([ACCEPTED] if remedy is Remedy.RETRY else []))
    accepted = sending.accept(to=THREE)
    sending.work()
    assert sending.record(accepted.id).refused == ()


def test_a_message_that_reached_some_and_is_canceled_is_sent_and_names_the_others() -> None:
    sending = Sending(replace(ACCEPTED, refused=(put_off(THREE[0]),)))
    accepted = sending.accept(to=THREE)
    sending.deliver(sending.copy())
    canceled = sending.resubmission.cancel(sending.record(accepted.id))
    assert canceled.status is Status.SENT
    assert [(each.recipient, each.code) for each in canceled.refused] == [(THREE[0], "canceled")]
    sending.work()
    assert len(sending.transport.calls) == 1


def test_those_who_were_put_off_hold_up_nobody_of_the_rest() -> None:
    sending = Sending(replace(ACCEPTED, refused=(put_off(THREE[0]),)), ACCEPTED)
    sending.change(limits=(("recipients_per_message", 2),))
    sending.accept(to=THREE)
    sending.work()
    assert sending.transport.calls[1].outgoing.rcpt_to == (THREE[2], THREE[0])


def test_recipients_of_a_part_that_is_refused_as_a_whole_are_named() -> None:
    sending = Sending(refusal(Remedy.NONE, code="content_refused"), ACCEPTED)
    sending.change(limits=(("recipients_per_message", 2),))
    accepted = sending.accept(to=THREE)
    sending.work()
    record = sending.record(accepted.id)
    assert record.status is Status.SENT
    assert [(each.recipient, each.code) for each in record.refused] == [
        (THREE[0], "content_refused"),
        (THREE[1], "content_refused"),
    ]


def test_every_recipient_who_refuses_is_named_however_many_they_are() -> None:
    people = [f"p{number}@example.net" for number in range(300)]
    sending = Sending(replace(ACCEPTED, refused=tuple(unknown_user(each) for each in people[:299])))
    accepted = sending.accept(to=people)
    sending.work()
    record = sending.record(accepted.id)
    assert [each.recipient for each in record.refused] == people[:299]
    assert [bool(each.detail) for each in record.refused] == [False] * 199 + [True] * 100


def test_a_part_that_is_found_in_the_mailbox_is_not_the_whole_message() -> None:
    sending = Sending(LOST)
    sending.change(limits=(("recipients_per_message", 2),))
    sending.transport.found.extend([True] * 3)
    accepted = sending.accept(to=THREE)
    sending.work()
    record = sending.record(accepted.id)
    assert (record.status, record.remaining) == (Status.UNKNOWN, tuple(THREE))
