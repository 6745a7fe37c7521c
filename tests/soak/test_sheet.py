"""The balance sheet finds what does not balance."""

from __future__ import annotations

import pytest

from mailbearer.message import MessageRecord, Status
from soak.doors import Answer, Receipt
from soak.ears import Heard
from soak.mailboxes import LIMITED, PER_MINUTE
from soak.orders import Fate, Form
from soak.sheet import Column, judge, percentile, waiting
from soak.tellings import untold
from tests.soak.books import AT, LOST, letter, mail, mailbox, order, receipt, record

TROUBLED = mailbox("troubled Graph")
RESENT = order(mailbox=TROUBLED, body={"on_unknown": "resend"})
CANCELED = order(fate=Fate.CANCELED)
SUPPRESSED = order(fate=Fate.SUPPRESSED)
FAULTY = order(fate=Fate.TURNED_AWAY)
DROPPED = receipt(FAULTY, form=Form.BARE, answer=Answer.DROPPED, id="")


def test_a_sent_message_with_its_one_mail_balances() -> None:
    sheet = judge([receipt()], [record()], [], [mail()])
    assert sheet.wrong == []
    assert sheet.counts("form") == {"one request": {Column.SENT: 1}}
    assert sheet.waits("flooded") == [2.0]


@pytest.mark.parametrize(
    ("of", "status", "mails", "balances"),
    [
        pytest.param(receipt(), Status.SENT, 0, False, id="sent-without-a-mail"),
        pytest.param(receipt(), Status.SENT, 2, False, id="sent-twice"),
        pytest.param(receipt(SUPPRESSED), Status.FAILED, 0, True, id="failed-as-it-should"),
        pytest.param(receipt(SUPPRESSED), Status.FAILED, 1, False, id="failed-with-a-mail"),
        pytest.param(receipt(), Status.FAILED, 0, False, id="failed-although-it-could-go"),
        pytest.param(receipt(CANCELED, canceled=True), Status.CANCELED, 0, True, id="canceled"),
        pytest.param(receipt(CANCELED, canceled=True), Status.SENT, 1, False, id="sent-after-it-was-canceled"),
        pytest.param(receipt(CANCELED), Status.SENT, 1, True, id="canceled-too-late"),
        pytest.param(receipt(), Status.CANCELED, 0, False, id="canceled-by-nobody"),
        pytest.param(receipt(order(mailbox=TROUBLED)), Status.UNKNOWN, 0, True, id="unknown-not-taken"),
        pytest.param(receipt(order(mailbox=TROUBLED)), Status.UNKNOWN, 1, True, id="unknown-taken"),
        pytest.param(receipt(order(mailbox=TROUBLED)), Status.UNKNOWN, 2, False, id="unknown-sent-twice"),
        pytest.param(receipt(), Status.UNKNOWN, 0, False, id="unknown-without-a-cause"),
        pytest.param(receipt(), Status.QUEUED, 0, False, id="still-waiting"),
        pytest.param(receipt(FAULTY), Status.SENT, 1, False, id="faulty-and-sent"),
        pytest.param(receipt(id="msg_2"), Status.SENT, 1, False, id="accepted-under-another-id"),
        pytest.param(receipt().but("not replayed"), Status.SENT, 1, False, id="wrong-at-the-door"),
    ],
)
def test_each_end_has_the_mails_and_the_order_that_it_may_have(
    of: Receipt, status: Status, mails: int, balances: bool
) -> None:
    code = "recipient_suppressed" if status is Status.FAILED else ""
    sheet = judge([of], [record(status=status, problem_code=code)], [], [mail()] * mails)
    assert (sheet.wrong == []) is balances


@pytest.mark.parametrize(("lost", "mails", "balances"), [(0, 1, True), (0, 2, False), (1, 2, True), (1, 3, False)])
def test_a_message_that_is_to_be_resent_may_have_a_mail_more_for_each_answer_that_was_lost(
    lost: int, mails: int, balances: bool
) -> None:
    sheet = judge([receipt(RESENT)], [record(attempts=(LOST,) * lost)], [], [mail()] * mails)
    assert (sheet.wrong == []) is balances


def test_a_message_that_is_to_be_held_has_one_mail_even_if_an_answer_was_lost() -> None:
    sheet = judge([receipt(order(mailbox=TROUBLED))], [record(attempts=(LOST,))], [], [mail()] * 2)
    assert len(sheet.wrong) == 1


def test_a_death_is_a_cause_of_unknown_for_every_mailbox() -> None:
    sheet = judge([receipt()], [record(status=Status.UNKNOWN, problem_code="worker_lost")], [], [])
    assert sheet.wrong == []
    assert sheet.reasons(Column.UNKNOWN) == {"worker_lost": 1}


def test_an_accepted_message_without_a_record_is_lost() -> None:
    sheet = judge([receipt()], [], [], [])
    assert (sheet.entries[0].column, len(sheet.wrong)) == (Column.LOST, 1)


def test_a_dropped_body_that_is_kept_as_a_dead_letter_was_turned_away() -> None:
    sheet = judge([DROPPED], [record(serial="", id="msg_refused", status=Status.FAILED)], [letter()], [])
    assert (sheet.entries[0].column, sheet.wrong) == (Column.TURNED_AWAY, [])


def test_a_dropped_body_that_is_nowhere_is_lost() -> None:
    assert judge([DROPPED], [], [], []).entries[0].column is Column.LOST


@pytest.mark.parametrize(
    ("answers", "records"),
    [
        pytest.param([receipt()], [record(), record(id="msg_2")], id="two-records"),
        pytest.param([receipt()], [record(), record(serial="soak-000009", id="msg_9")], id="nobody-ordered-it"),
        pytest.param([receipt()], [record(), record(serial="", id="msg_9")], id="nobody-knows-it"),
    ],
)
def test_a_record_too_many_is_found(answers: list[Receipt], records: list[MessageRecord]) -> None:
    assert len(judge(answers, records, [], [mail()]).wrong) == 1


def test_a_mail_without_a_record_is_found() -> None:
    (wrong,) = judge([receipt()], [record()], [], [mail(), mail("stray@acme.example")]).wrong
    assert "stray@acme.example" in wrong


@pytest.mark.parametrize(
    "stray",
    [letter(), letter("soak-000009"), letter("nothing"), letter(source="worker")],
    ids=["of-a-sent-one", "of-no-order", "unreadable", "after-five-deaths"],
)
def test_a_dead_letter_too_many_is_found(stray: object) -> None:
    sheet = judge([receipt()], [record()], [stray], [mail()])  # type: ignore[list-item]
    assert len(sheet.wrong) == 1


def test_a_conflict_over_the_queue_leaves_a_dead_letter() -> None:
    dropped = receipt(form=Form.BARE, answer=Answer.DROPPED, id="", conflicts=1)
    assert judge([dropped], [record()], [letter()], [mail()]).wrong == []
    assert len(judge([dropped], [record()], [], [mail()]).wrong) == 1


@pytest.mark.parametrize(("key", "balances"), [("", True), ("key", False)])
def test_only_what_has_no_key_may_stay_unanswered(key: str, balances: bool) -> None:
    sheet = judge([receipt(order(key=key), answer=Answer.NONE, id="")], [record(status=Status.QUEUED)], [], [])
    assert sheet.entries[0].column is Column.NO_ANSWER
    assert (sheet.wrong == []) is balances


@pytest.mark.parametrize(("apart", "balances"), [(1.01, True), (0.9, False)])
def test_a_limited_mailbox_must_keep_its_limit_in_every_minute(apart: float, balances: bool) -> None:
    orders = [order(f"soak-{number:06}", mailbox=mailbox(LIMITED)) for number in range(PER_MINUTE + 20)]
    records = [record(each.serial, id=each.serial, message_id=each.serial) for each in orders]
    mails = [mail(each.serial, AT + apart * place, LIMITED) for place, each in enumerate(orders)]
    sheet = judge([receipt(each, id=each.serial) for each in orders], records, [], mails)
    assert (sheet.wrong == []) is balances


@pytest.mark.parametrize(("deaths", "balances"), [((), False), ((AT,), True), ((AT, AT + 61), True)])
def test_a_worker_that_was_killed_takes_what_it_may_send_without_asking_with_it(
    deaths: tuple[float, ...], balances: bool
) -> None:
    orders = [order(f"soak-{number:06}", mailbox=mailbox(LIMITED)) for number in range(PER_MINUTE + 4)]
    records = [record(each.serial, id=each.serial, message_id=each.serial) for each in orders]
    mails = [mail(each.serial, AT, LIMITED) for each in orders]
    answers = [receipt(each, id=each.serial) for each in orders]
    assert (judge(answers, records, [], mails, workers=2, deaths=deaths).wrong == []) is balances


def test_what_is_not_at_its_end_is_waited_for() -> None:
    answers = [receipt(order(f"soak-{number:06}")) for number in (2, 3, 4)]
    records = [record("soak-000002"), record("soak-000003", Status.DEFERRED)]
    assert waiting([*answers, DROPPED], records, [letter()]) == 2


@pytest.mark.parametrize(("values", "share", "found"), [([], 0.95, 0), ([1], 0.95, 1), (range(1, 101), 0.95, 95)])
def test_a_percentile_is_the_value_below_which_that_share_lies(values: list[float], share: float, found: float) -> None:
    assert percentile(list(values), share) == found


@pytest.mark.parametrize(
    ("ids", "faults"),
    [
        pytest.param([], ["soak-000001: sent, of which the webhook was told under 0 ids"], id="never"),
        pytest.param(["evt_1"], [], id="once"),
        pytest.param(["evt_1", "evt_1"], [], id="twice-under-one-id"),
        pytest.param(
            ["evt_1", "evt_2"], ["soak-000001: sent, of which the webhook was told under 2 ids"], id="two-ids"
        ),
    ],
)
def test_each_end_is_told_at_least_once_and_under_one_id(ids: list[str], faults: list[str]) -> None:
    heard = [Heard("msg_1", "message.sent", each) for each in ids]
    sheet = judge([receipt()], [record()], [], [mail()], heard=heard)
    assert sheet.wrong == faults
    assert sheet.tellings() == {Column.SENT: {len(ids): 1}}


def test_another_end_than_the_messages_own_tells_nothing_of_it() -> None:
    heard = [Heard("msg_1", "message.failed", "evt_1"), Heard("msg_2", "message.sent", "evt_2")]
    assert untold([record()], heard) == 1
    assert untold([record(), record(status=Status.CANCELED)], [Heard("msg_1", "message.sent", "evt_1")]) == 0
