"""A merge: one message for many, each with variables of his own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.caller import Caller
from mailbearer.delivery.delivered import Verb
from mailbearer.errors import AccountRevoked, Forbidden, IdempotencyConflict, InvalidInput, MailbearerError, Unavailable
from mailbearer.ids import rfc3339
from mailbearer.message import Status
from mailbearer.submission import Accepted
from mailbearer.submission.merging import Merging
from mailbearer.submission.together import Together
from mailbearer.upload import Upload
from tests.unit.sending import ACCEPTED, APP, Sending

if TYPE_CHECKING:
    from collections.abc import Iterator


class Merge:
    """A stack with a merge in front of it."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.sending = Sending(*[ACCEPTED] * 10)
        self.merging = Merging(
            reader=self.sending.reader,
            intake=self.sending.intake,
            messages=self.sending.messages,
            together=Together(lambda: threads),
            clock=self.sending.clock,
        )

    def accept(self, recipients: object, key: str = "", **common: Any) -> list[Accepted | MailbearerError]:
        message = {"account": self.sending.ann.id, "subject": "For {{ name }}", "text": "Dear {{ name }}"} | common
        message = {name: value for name, value in message.items() if value is not None}
        return self.merging.accept({"message": message, "recipients": recipients}, APP, key)

    def faults(self, recipients: object, key: str = "", **common: Any) -> list[tuple[str, str]]:
        with pytest.raises(InvalidInput) as caught:
            self.accept(recipients, key, **common)
        assert not self.sending.messages.records
        return [(fault.pointer, fault.code) for fault in caught.value.faults]


@pytest.fixture
def merge() -> Iterator[Merge]:
    with ThreadPoolExecutor(8) as threads:
        yield Merge(threads)


def person(number: int, **fields: Any) -> dict[str, Any]:
    return {"to": f"p{number}@example.net", "variables": {"name": f"P{number}"}} | fields


def told(results: list[Accepted | MailbearerError]) -> list[str]:
    return [
        result.code if isinstance(result, MailbearerError) else "replayed" if result.replayed else "new"
        for result in results
    ]


def pointers(result: Accepted | MailbearerError) -> list[tuple[str, str]]:
    assert isinstance(result, InvalidInput)
    return [(fault.pointer, fault.code) for fault in result.faults]


def test_each_recipient_gets_a_mail_of_his_own(merge: Merge) -> None:
    results = merge.accept([person(1), person(2, cc="c@example.net", bcc=["d@example.net"])])
    assert told(results) == ["new", "new"]
    assert [done.verb for done in merge.sending.work()] == [Verb.SENT, Verb.SENT]
    sent = {call.outgoing.rcpt_to: call.outgoing.message for call in merge.sending.transport.calls}
    assert set(sent) == {("p1@example.net",), ("p2@example.net", "c@example.net", "d@example.net")}
    first = sent["p1@example.net",]
    assert first is not None
    assert (first.subject, first.text) == ("For P1", "Dear P1")


def test_variables_of_the_message_are_what_a_recipient_leaves_out(merge: Merge) -> None:
    results = merge.accept(
        [person(1), {"to": "p2@example.net"}], text="{{ name }} of {{ town }}", variables={"name": "You", "town": "Ur"}
    )
    assert told(results) == ["new", "new"]
    merge.sending.work()
    texts = {call.outgoing.message.text for call in merge.sending.transport.calls if call.outgoing.message}
    assert texts == {"P1 of Ur", "You of Ur"}


def test_a_stored_template_is_filled_in_for_each(merge: Merge) -> None:
    merge.sending.templates.stored["welcome"] = ("Hi {{ name }}", None, "<p>{{ name }} of {{ town }}</p>")
    results = merge.accept(
        [person(1), person(2, variables={})],
        subject=None,
        text=None,
        template={"name": "welcome", "variables": {"town": "Ur"}},
    )
    assert told(results) == ["new", "invalid_request"]
    assert pointers(results[1]) == [("/recipients/1/variables/name", "variable_missing")]
    merge.sending.work()
    (call,) = merge.sending.transport.calls
    assert call.outgoing.message is not None
    assert (call.outgoing.message.subject, call.outgoing.message.html) == ("Hi P1", "<p>P1 of Ur</p>")


def test_labels_of_the_message_and_of_the_recipient_come_together(merge: Merge) -> None:
    (result,) = merge.accept(
        [person(1, tags=["b", "a"], metadata={"x": "2", "z": "3"})], tags=["a"], metadata={"x": "1", "y": "1"}
    )
    assert isinstance(result, Accepted)
    assert result.record.tags == ("a", "b")
    assert dict(result.record.metadata) == {"x": "2", "y": "1", "z": "3"}


def test_what_is_wrong_with_one_recipient_is_his_alone_and_all_of_it(merge: Merge) -> None:
    results = merge.accept(
        [
            person(1),
            5,
            {"variables": {"name": "x"}},
            {"to": "x", "colour": 1, "variables": {}, "tags": [""]},
            {"to": "a@b.example", "variables": []},
            person(6, tags=[str(number) for number in range(10)]),
            person(7, metadata={str(number): "" for number in range(20)}),
        ],
        tags=["shared"],
        metadata={"shared": ""},
    )
    assert told(results) == ["new"] + ["invalid_request"] * 6
    assert [pointers(result) for result in results[1:]] == [
        [("/recipients/1", "not_an_object"), ("/recipients/1/variables/name", "variable_missing")],
        [("/recipients/2/to", "recipient_missing")],
        [
            ("/recipients/3/colour", "unknown_field"),
            ("/recipients/3/to", "invalid_address"),
            ("/recipients/3/tags", "invalid_tags"),
            ("/recipients/3/variables/name", "variable_missing"),
        ],
        [("/recipients/4/variables", "not_an_object"), ("/recipients/4/variables/name", "variable_missing")],
        [("/recipients/5/tags", "invalid_tags")],
        [("/recipients/6/metadata", "invalid_metadata")],
    ]


def test_an_answer_names_at_most_ten_faults_of_one_recipient(merge: Merge) -> None:
    (result,) = merge.accept([person(1, to=["x"] * 50)])
    assert len(pointers(result)) == 10


@pytest.mark.parametrize(
    ("common", "expected"),
    [
        ({"to": "a@b.example"}, [("/message/to", "excluded_by_merge")]),
        ({"idempotency_key": "k"}, [("/message/idempotency_key", "excluded_by_merge")]),
        ({"raw": "QQ=="}, [("/message/raw", "excluded_by_merge")]),
        ({"colour": 1}, [("/message/colour", "unknown_field")]),
        ({"subject": "a\nb", "html": 5}, [("/message/subject", "unsafe_character"), ("/message/html", "not_a_string")]),
        ({"text": None}, [("/message", "content_missing")]),
        ({"text": "{% x"}, [("/message/text", "template_invalid")]),
        (
            {"template": {"name": "x"}},
            [("/message/subject", "excluded_by_template"), ("/message/text", "excluded_by_template")],
        ),
        ({"variables": 5}, [("/message/variables", "not_an_object")]),
        ({"account": "nobody"}, [("/message/account", "unknown_account")]),
        ({"from": "boss@example.org"}, [("/message/from", "sender_not_allowed")]),
        ({"send_at": "2001-01-01T00:00:00Z"}, [("/message/send_at", "send_at_past")]),
        (
            {"attachments": [{"filename": "a", "content": "QUJD" * 90_000}]},
            [("/message/attachments", "too_large_for_merge")],
        ),
        ({"attachments": [{"upload_id": "upl_x"}]}, [("/message/attachments/0/upload_id", "unknown_upload")]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_with_the_shared_part_refuses_the_whole(
    merge: Merge, common: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert merge.faults([person(1), person(2)], **common) == expected


def test_a_template_that_is_not_there_refuses_the_whole(merge: Merge) -> None:
    found = merge.faults([person(1), person(2)], subject=None, text=None, template={"name": "none"})
    assert found == [("/message/template/name", "unknown_template")]
    found = merge.faults([person(1)], subject=None, text=None, template={"name": "none"}, variables={})
    assert found == [("/message/variables", "excluded_by_template")]
    assert merge.faults([person(1)], subject=None, text=None, template=5) == [("/message/template", "not_an_object")]


@pytest.mark.parametrize("recipients", [None, [], {}, "x", [{}] * 1001])
def test_a_merge_has_one_to_a_thousand_recipients(merge: Merge, recipients: object) -> None:
    assert merge.faults(recipients) == [("/recipients", "invalid_merge")]


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_what_is_no_object_is_no_merge(merge: Merge, body: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        merge.merging.accept(body, APP)
    assert ("", "not_an_object") in [(fault.pointer, fault.code) for fault in caught.value.faults]


def test_the_same_request_under_the_same_key_has_its_first_answers_again(merge: Merge) -> None:
    people = [person(number) for number in range(250)] + [{"to": "x"}]
    first = merge.accept(people, "key-1")
    merge.sending.clock.advance(60)
    again = merge.accept(people, "key-1")
    assert told(first) == ["new"] * 250 + ["invalid_request"]
    assert told(again) == ["replayed"] * 250 + ["invalid_request"]
    assert [one.record for one in first[:-1] if isinstance(one, Accepted)] == [
        one.record for one in again[:-1] if isinstance(one, Accepted)
    ]
    assert len(merge.sending.messages.records) == 250


def test_another_request_under_the_same_key_is_refused_whole(merge: Merge) -> None:
    merge.accept([person(1)], "key-1")
    with pytest.raises(IdempotencyConflict):
        merge.accept([person(1), person(2)], "key-1")
    with pytest.raises(IdempotencyConflict):
        merge.accept([person(1)], "key-1", subject="Other")
    assert len(merge.sending.messages.records) == 1
    assert told(merge.accept([person(1)], "key-2")) == ["new"]


def test_a_merge_that_broke_off_is_finished_by_the_same_request(merge: Merge) -> None:
    people = [person(number) for number in range(20)]
    merge.sending.queue.faults.before("send", Unavailable("SQS is down"), times=5)
    first = merge.accept(people, "key-1")
    assert told(first).count("temporarily_unavailable") == 5
    merge.sending.clock.advance(1)
    assert told(merge.accept(people, "key-1")) == ["replayed"] * 20
    bodies = {queued.body.partition('"id":')[2][:32] for queued in merge.sending.queue.queued}
    assert len(bodies) == 20


def test_a_scheduled_merge_has_its_first_answers_again_when_its_time_has_passed(merge: Merge) -> None:
    send_at = rfc3339(merge.sending.clock() + 600)
    first = merge.accept([person(1), person(2)], "key-1", send_at=send_at)
    assert {one.record.status for one in first if isinstance(one, Accepted)} == {Status.SCHEDULED}
    merge.sending.work()
    merge.sending.clock.advance(3600)
    assert told(merge.accept([person(1), person(2)], "key-1", send_at=send_at)) == ["replayed", "replayed"]
    assert len(merge.sending.transport.calls) == 2


def test_a_mailbox_that_cannot_send_refuses_the_whole(merge: Merge) -> None:
    merge.accept([person(1)], "key-1")
    merge.sending.change(state=AccountState.REVOKED)
    with pytest.raises(AccountRevoked):
        merge.accept([person(1)], "key-2")
    assert told(merge.accept([person(1)], "key-1")) == ["replayed"]


def test_a_key_bound_to_other_accounts_learns_nothing(merge: Merge) -> None:
    bound = Caller(key_id="key_b", scopes=frozenset(), accounts=frozenset({"acc_" + "1" * 26}))
    body = {"message": {"account": "nobody", "text": "x"}, "recipients": [person(1)]}
    with pytest.raises(Forbidden):
        merge.merging.accept(body, bound)


def test_an_upload_is_looked_up_once_for_all(merge: Merge) -> None:
    merge.sending.uploads.stored["upl_1"] = Upload(
        id="upl_1", caller="key_app", filename="a.pdf", content_type="application/pdf", size=9
    )
    results = merge.accept([person(number) for number in range(30)], attachments=[{"upload_id": "upl_1"}])
    assert told(results) == ["new"] * 30
    assert merge.sending.uploads.asked == 1


def test_a_thousand_are_read_and_queued_in_a_few_seconds(merge: Merge) -> None:
    results = merge.accept([person(number) for number in range(1000)])
    assert told(results) == ["new"] * 1000
    assert len(merge.sending.queue.queued) == 1000


def test_every_message_of_a_merge_is_audited_once(merge: Merge) -> None:
    merge.accept([person(1), person(2), {"to": "x"}])
    merge.sending.trail.flush()
    assert merge.sending.log.actions == ["message.accepted accepted"] * 2


def test_labels_that_would_not_fit_into_the_answer_refuse_the_whole(merge: Merge) -> None:
    metadata = {f"{number}": "v" * 500 for number in range(20)}
    people = [person(number) for number in range(400)]
    assert merge.faults(people, metadata=metadata) == [("/recipients", "too_large_for_merge")]
    assert not merge.sending.messages.records
    assert len(merge.accept(people[:100], metadata=metadata)) == 100
