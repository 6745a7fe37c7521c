from __future__ import annotations

import base64
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from mailbearer.account import AccountState
from mailbearer.caller import Caller
from mailbearer.delivery.delivered import Delivered, Verb
from mailbearer.envelope import QUEUE_LIMIT, Drain, Dropped, Job, read_body, read_content, write_content
from mailbearer.errors import (
    AccountPending,
    AccountRevoked,
    Conflict,
    Forbidden,
    IdempotencyConflict,
    InvalidInput,
    MalformedBody,
    NotFound,
    Unavailable,
)
from mailbearer.ids import derived_id, is_id
from mailbearer.message import Address, MessageRecord, Status
from mailbearer.submission import QUEUE_CALLER, problem_of
from tests.unit.sending import ACCEPTED, APP, Sending

RAW = b"From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nCc: carl@example.net\r\n{}\r\nHi\r\n"


def raw(*fields: str) -> str:
    head = "".join(f"{field}\r\n" for field in fields).encode()
    return base64.b64encode(RAW.replace(b"{}", head)).decode()


def faults(sending: Sending, **fields: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        sending.submission.accept(sending.body(**fields), APP)
    return [(fault.pointer, fault.code) for fault in caught.value.faults]


# --- accepting ------------------------------------------------------------------------------------------------------


def test_an_accepted_message_has_a_record_and_a_job_that_belong_together() -> None:
    sending = Sending()
    record = sending.accept(tags=["a"], metadata={"k": "v"}, on_unknown="resend")
    assert sending.messages.records == {record.id: record}
    assert is_id("msg_", record.id)
    assert (record.status, record.account, record.caller) == (Status.QUEUED, sending.ann.id, "key_app")
    assert record.message_id == f"<{record.id.removeprefix('msg_').lower()}@example.org>"
    assert (record.tags, record.metadata, record.on_unknown) == (("a",), (("k", "v"),), "resend")
    assert record.expires_at == record.created_at + 90 * 86_400
    (queued,) = sending.queue.queued
    assert (queued.group, queued.delay) == (sending.ann.id, 0)
    job = sending.copy()
    assert (job.id, job.account, job.attempt) == (record.id, record.account, 0)
    assert job.message is not None
    assert (job.message.message_id, job.message.date) == (record.message_id, record.created_at)
    assert job.message.sender == Address("ann@example.org", "Ann")


def test_the_table_holds_no_content() -> None:
    sending = Sending()
    record = sending.accept(subject="Topsecret", text="Topsecret", to="topsecret@example.net")
    assert "opsecret" not in repr(record)
    assert all("opsecret" not in str(getattr(record, name)) for name in record.__slots__)


def test_content_too_big_for_the_queue_goes_through_the_bucket() -> None:
    sending = Sending(ACCEPTED)
    record = sending.accept(text="x" * QUEUE_LIMIT)
    assert len(sending.queue.queued[0].body) < 200
    assert read_content(sending.content.bodies[record.id]).text == "x" * QUEUE_LIMIT
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    assert sending.content.bodies == {}


def test_a_queue_that_is_down_is_said_and_the_same_request_again_queues_the_message() -> None:
    sending = Sending()
    sending.queue.faults.before("send", Unavailable("SQS is down"))
    with pytest.raises(Unavailable) as caught:
        sending.accept("key-1")
    assert caught.value.retry_after == 5
    assert sending.queue.queued == []
    again = sending.submission.accept(sending.body(), APP, "key-1")
    assert again.record.id == derived_id("msg_", "key_app", "key-1")
    assert len(sending.queue.queued) == len(sending.messages.records) == 1


def test_a_crash_before_the_queue_leaves_a_record_that_the_same_request_queues() -> None:
    sending = Sending(ACCEPTED)
    sending.accept("key-1")
    sending.queue.queued.clear()
    sending.clock.advance(60)
    assert sending.submission.accept(sending.body(), APP, "key-1").replayed
    assert [done.verb for done in sending.work()] == [Verb.SENT]


# --- idempotency ----------------------------------------------------------------------------------------------------


def test_the_same_key_and_body_get_the_first_answer_again() -> None:
    sending = Sending(ACCEPTED)
    first = sending.submission.accept(sending.body(), APP, "key-1")
    sending.work()
    sending.clock.advance(60)
    shuffled = dict(reversed(sending.body().items()))
    again = sending.submission.accept(shuffled, APP, "key-1")
    assert (first.replayed, again.replayed) == (False, True)
    assert again.record == first.record
    assert sending.queue.queued == []


def test_the_same_key_with_another_body_is_a_conflict() -> None:
    sending = Sending()
    sending.accept("key-1")
    with pytest.raises(IdempotencyConflict):
        sending.accept("key-1", text="Other")
    assert len(sending.queue.queued) == 1


def test_a_key_in_the_header_and_one_in_the_body_are_the_same_key() -> None:
    sending = Sending()
    record = sending.accept("key-1")
    sending.clock.advance(1)
    assert sending.accept(idempotency_key="key-1").id == record.id
    assert sending.accept("key-1", idempotency_key="key-1").id == record.id


def test_the_keys_of_two_callers_do_not_meet() -> None:
    sending = Sending()
    other = Caller(key_id="key_other", scopes=frozenset())
    assert sending.accept("key-1").id != sending.submission.accept(sending.body(), other, "key-1").record.id


def test_without_a_key_every_request_is_a_message_of_its_own() -> None:
    sending = Sending()
    assert sending.accept().id != sending.accept().id


@pytest.mark.parametrize(
    ("header", "own", "code"),
    [
        ("a", "b", "keys_differ"),
        ("a", 5, "keys_differ"),
        ("", 5, "invalid_idempotency_key"),
        ("", "", "invalid_idempotency_key"),
        ("", [], "invalid_idempotency_key"),
        ("", "x" * 257, "invalid_idempotency_key"),
        ("x" * 257, None, "invalid_idempotency_key"),
    ],
)
def test_a_key_that_cannot_be_used_is_a_fault(header: str, own: object, code: str) -> None:
    sending = Sending()
    with pytest.raises(InvalidInput) as caught:
        sending.submission.accept(sending.body(idempotency_key=own), APP, header)
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/idempotency_key", code)]


@pytest.mark.parametrize("key", ["x" * 256, "\ud800", "\0", "🔑"])
def test_any_text_of_up_to_256_characters_is_a_key(key: str) -> None:
    sending = Sending()
    assert sending.accept(key).id == sending.accept(key).id
    assert sending.accept(idempotency_key=key).id == sending.accept(key).id


def test_twenty_requests_at_once_with_one_key_are_one_message_and_one_mail() -> None:
    sending = Sending(ACCEPTED)
    ticks = itertools.count()
    ticking = replace(
        sending.submission, intake=replace(sending.intake, clock=lambda: sending.clock() + next(ticks) / 1000)
    )
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ticking.accept(sending.body(), APP, "key-1"), range(20)))
    assert len({answer.record.id for answer in answers}) == len(sending.messages.records) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert [done.verb for done in sending.work()].count(Verb.SENT) == 1
    assert len(sending.transport.calls) == 1


# --- accounts and senders -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [None, 5, "text", [], [{}]])
def test_what_is_no_object_is_one_fault(body: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        Sending().submission.accept(body, APP)
    assert [fault.code for fault in caught.value.faults] == ["not_an_object"]


def test_an_account_is_named_by_id_or_by_address_in_any_case() -> None:
    sending = Sending()
    assert {sending.accept(account=named).account for named in (sending.ann.id, "Ann@Example.ORG")} == {sending.ann.id}


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ("acc_" + "0" * 26, "unknown_account"),
        ("eve@example.org", "unknown_account"),
        ("nobody", "unknown_account"),
        ("", "account_missing"),
        (None, "account_missing"),
        (5, "not_a_string"),
        ("ann\n", "unsafe_character"),
    ],
)
def test_an_account_that_is_not_there_is_one_fault(named: object, code: str) -> None:
    assert faults(Sending(), account=named) == [("/account", code)]


def test_an_unknown_account_does_not_hide_the_other_faults() -> None:
    found = faults(Sending(), account="nobody", to="x", tags=5)
    assert found == [("/to", "invalid_address"), ("/tags", "invalid_tags"), ("/account", "unknown_account")]


def test_a_key_bound_to_one_account_need_not_name_it() -> None:
    sending = Sending()
    bound = Caller(key_id="key_b", scopes=frozenset(), accounts=frozenset({sending.ann.id}))
    assert sending.submission.accept(sending.body(account=None), bound).record.account == sending.ann.id


@pytest.mark.parametrize("named", [None, "ann@example.org", "eve@example.org", "acc_" + "0" * 26])
def test_a_key_bound_to_other_accounts_learns_nothing(named: str | None) -> None:
    sending = Sending()
    bound = Caller(key_id="key_b", scopes=frozenset(), accounts=frozenset({"acc_" + "1" * 26}))
    with pytest.raises(Forbidden, match=r"^This key is bound to other accounts\.$"):
        sending.submission.accept(sending.body(account=named), bound)
    with pytest.raises(NotFound, match=r"^There is no such account\.$"):
        sending.submission.account_of(bound, named or "")


@pytest.mark.parametrize(
    ("state", "error"), [(AccountState.PENDING_CONSENT, AccountPending), (AccountState.REVOKED, AccountRevoked)]
)
def test_a_mailbox_that_cannot_send_is_an_error_at_once(state: AccountState, error: type[Conflict]) -> None:
    sending = Sending()
    sending.change(state=state)
    with pytest.raises(error):
        sending.accept()
    assert not sending.messages.records
    assert not sending.queue.queued


def test_the_first_answer_stands_when_the_mailbox_is_revoked_later() -> None:
    sending = Sending()
    record = sending.accept("key-1")
    sending.change(state=AccountState.REVOKED)
    again = sending.submission.accept(sending.body(), APP, "key-1")
    assert (again.record, again.replayed) == (record, True)
    with pytest.raises(AccountRevoked):
        sending.accept("key-1", text="Other")
    with pytest.raises(AccountRevoked):
        sending.accept("key-2")


@pytest.mark.parametrize("state", [AccountState.PAUSED, AccountState.CONSENT_REQUIRED])
def test_mail_for_a_mailbox_that_waits_is_taken_in(state: AccountState) -> None:
    sending = Sending()
    sending.change(state=state)
    assert sending.accept().status is Status.QUEUED


def test_mail_leaves_from_the_mailbox_or_its_aliases_only() -> None:
    sending = Sending()
    for sender in ("Ann <ANN@example.org>", "sales@example.org"):
        sending.accept(**{"from": sender})
    assert faults(sending, **{"from": "boss@example.org"}) == [("/from", "sender_not_allowed")]


# --- raw messages ---------------------------------------------------------------------------------------------------


def raw_body(sending: Sending, content: str, **fields: Any) -> dict[str, Any]:
    return {"account": sending.ann.id, "raw": content} | fields


def test_a_raw_message_names_its_own_sender_recipients_and_message_id() -> None:
    sending = Sending(ACCEPTED)
    body = raw_body(sending, raw("Bcc: dora@example.net", "Message-ID: <own@example.org>"))
    record = sending.submission.accept(body, APP).record
    assert record.message_id == "<own@example.org>"
    sending.work()
    (call,) = sending.transport.calls
    assert call.outgoing.rcpt_to == ("bob@example.net", "carl@example.net", "dora@example.net")


def test_recipients_beside_a_raw_message_are_its_envelope() -> None:
    sending = Sending(ACCEPTED)
    to = ["bob@example.net", "carl@example.net", "eve@example.net"]
    sending.submission.accept(raw_body(sending, raw("Bcc: dora@example.net"), to=to), APP)
    message = sending.copy().message
    assert message is not None
    assert message.recipients == tuple(to)
    assert [address.email for address in message.bcc] == ["eve@example.net"]


@pytest.mark.parametrize(
    ("content", "fields", "fault"),
    [
        (raw(), {"to": "bob@example.net"}, ("/to", "recipients_differ")),
        (base64.b64encode(b"From: ann@example.org\r\n\r\nHi").decode(), {}, ("/raw", "recipient_missing")),
        (
            base64.b64encode(b"From: boss@example.org\r\nTo: bob@example.net\r\n\r\nHi").decode(),
            {},
            ("/raw", "sender_not_allowed"),
        ),
        (base64.b64encode(b"no header").decode(), {}, ("/raw", "raw_malformed")),
        (raw("Bcc: " + ",\r\n ".join(f"{n}@example.net" for n in range(500))), {}, ("/raw", "too_many_recipients")),
    ],
)
def test_a_raw_message_is_held_to_the_same_rules(content: str, fields: dict[str, Any], fault: tuple[str, str]) -> None:
    sending = Sending()
    with pytest.raises(InvalidInput) as caught:
        sending.submission.accept(raw_body(sending, content, **fields), APP)
    assert [(one.pointer, one.code) for one in caught.value.faults] == [fault]


@pytest.mark.parametrize(
    "field",
    [
        "Bcc: foo@",
        "Bcc: =?utf-8?q?=0aTo:_eve?= <eve@example.net>",
        'Bcc: "',
        "Bcc: .:.From:",
        "Bcc: ?=@(\\:\N{LATIN SMALL LETTER U WITH DIAERESIS}. )[",
        "Bcc: :@]Cc \\;\t\t[Cc",
        "Bcc: a@b@c",
        "Bcc: <>",
        "Message-ID:",
        "Message-ID: <a@b> <c@d>",
        "Message-ID: =?utf-8?q?=00=0a?= <a@b>",
        "Message-ID: <" + "a" * 900 + "@b>",
    ],
    ids=lambda field: ascii(field)[:40],
)
def test_a_raw_header_that_parsers_stumble_over_is_a_fault(field: str) -> None:
    sending = Sending()
    with pytest.raises(InvalidInput) as caught:
        sending.submission.accept(raw_body(sending, raw(field)), APP)
    assert {fault.pointer for fault in caught.value.faults} == {"/raw"}


# --- a dry run ------------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_mime_and_stores_nothing() -> None:
    sending = Sending()
    preview = sending.submission.preview(sending.body(), APP)
    assert preview.mime.startswith(b"From: ann@example.org\r\nTo: bob@example.net\r\n")
    assert b"@example.org>\r\n\r\nHello" in preview.mime
    assert preview.warnings == ()
    assert not sending.messages.records
    assert not sending.queue.queued


def test_a_dry_run_warns_of_a_mailbox_that_cannot_send() -> None:
    sending = Sending()
    sending.change(state=AccountState.REVOKED)
    assert "revoked" in sending.submission.preview(sending.body(), APP).warnings[0]


def test_a_dry_run_names_all_faults() -> None:
    sending = Sending()
    with pytest.raises(InvalidInput):
        sending.submission.preview(sending.body(to="x"), APP)


# --- the queue's door -----------------------------------------------------------------------------------------------


def dropped(sending: Sending, key: str = "sqs:1", **fields: Any) -> Dropped:
    return Dropped(body=sending.body(**fields), key=key)


def test_a_message_dropped_on_the_queue_is_recorded_and_gets_a_job() -> None:
    sending = Sending()
    job = sending.submission.adopt(dropped(sending))
    assert isinstance(job, Job)
    record = sending.record(job.id)
    assert (record.id, record.caller) == (derived_id("msg_", QUEUE_CALLER, "sqs:1"), QUEUE_CALLER)
    assert job.message is not None
    assert (job.message.message_id, job.message.date) == (record.message_id, record.created_at)
    sending.trail.flush()
    assert sending.log.actions == ["message.accepted accepted"]
    assert not sending.queue.queued


def test_a_message_delivered_twice_by_the_queue_is_one_message() -> None:
    sending = Sending(ACCEPTED)
    for _ in range(2):
        job = sending.submission.adopt(dropped(sending))
        assert isinstance(job, Job)
        sending.deliver(job)
        sending.clock.advance(1)
    assert len(sending.transport.calls) == len(sending.messages.records) == 1
    sending.trail.flush()
    assert sending.log.actions.count("message.accepted accepted") == 1


def test_another_body_under_the_same_key_is_a_conflict() -> None:
    sending = Sending()
    sending.submission.adopt(dropped(sending))
    with pytest.raises(IdempotencyConflict):
        sending.submission.adopt(dropped(sending, text="Other"))


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (None, "unknown_account"),
        (AccountState.PENDING_CONSENT, "account_pending_consent"),
        (AccountState.REVOKED, "account_revoked"),
    ],
)
def test_a_dropped_message_whose_mailbox_cannot_send_is_recorded_as_failed(
    state: AccountState | None, code: str
) -> None:
    sending = Sending()
    if state is None:
        sending.accounts.accounts.clear()
    else:
        sending.change(state=state)
    for _ in range(2):
        done = sending.take_in(json.dumps(sending.body()), "1")
        assert done.verb in {Verb.FAILED, Verb.DONE_BEFORE}
    (record,) = sending.messages.records.values()
    assert (record.status, record.problem_code, record.parked) == (Status.FAILED, code, True)
    assert read_content(sending.content.bodies[record.id]).text == "Hello"
    sending.trail.flush()
    assert sending.log.actions[:2] == ["message.accepted accepted", "message.failed failed"]


def test_a_message_that_failed_for_want_of_a_mailbox_is_sent_by_retry_once_there_is_one() -> None:
    sending = Sending(ACCEPTED)
    sending.accounts.accounts.clear()
    sending.drop(json.dumps(sending.body(account="ann@example.org")))
    sending.work()
    sending.accounts.create(sending.ann)
    (record,) = sending.messages.records.values()
    again = sending.resubmission.retry(record)
    assert again.account == sending.ann.id
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    assert sending.transport.calls[0].outgoing.mail_from == "ann@example.org"


@pytest.mark.parametrize("state", [AccountState.PAUSED, AccountState.CONSENT_REQUIRED])
def test_a_dropped_message_whose_mailbox_waits_is_held(state: AccountState) -> None:
    sending = Sending()
    sending.change(state=state)
    sending.drop(json.dumps(sending.body()))
    assert sending.work() == [Delivered(Verb.HELD, f"account_{state}")]


def test_the_last_copy_of_a_deferred_message_is_not_dropped_when_its_mailbox_was_revoked() -> None:
    sending = Sending()
    job = sending.submission.adopt(dropped(sending))
    assert isinstance(job, Job)
    sending.messages.records[job.id] = replace(sending.record(job.id), status=Status.DEFERRED, attempt=1)
    sending.change(state=AccountState.REVOKED)
    sending.drop(json.dumps(sending.body() | {"idempotency_key": "sqs:1"}))
    with pytest.raises(IdempotencyConflict):
        sending.submission.adopt(dropped(sending, text="Other"))
    sending.work()
    assert sending.record(job.id).status is Status.FAILED
    assert sending.record(job.id).problem_code == "account_revoked"


@pytest.mark.parametrize("own", [5, "", "x" * 257, []])
def test_a_key_that_cannot_be_used_is_a_fault_over_the_queue_too(own: object) -> None:
    sending = Sending()
    with pytest.raises(InvalidInput):
        sending.submission.adopt(dropped(sending, idempotency_key=own))


# --- refusing -------------------------------------------------------------------------------------------------------


def test_a_body_that_can_never_be_sent_is_recorded_audited_and_kept_with_what_is_wrong() -> None:
    sending = Sending()
    error = MalformedBody("The body is not JSON (line 1, column 1).")
    first = sending.submission.refuse("no json", error, key="sqs:1")
    assert sending.submission.refuse("no json", error, key="sqs:1") == first
    assert (first.status, first.problem_code, first.account) == (Status.FAILED, "malformed_body", "unknown")
    (refused, again) = sending.queue.refused
    assert refused == again
    assert (refused.body, refused.message_id) == ("no json", first.id)
    assert refused.problem == {
        "title": "The body could not be read",
        "detail": "The body is not JSON (line 1, column 1).",
        "code": "malformed_body",
    }
    sending.trail.flush()
    assert "message.refused refused" in sending.log.actions


def test_a_refused_body_takes_nothing_from_the_message_that_has_its_key() -> None:
    sending = Sending(ACCEPTED)
    sending.drop(json.dumps(sending.body(idempotency_key="k")))
    sending.work()
    sending.submission.refuse("x", IdempotencyConflict("used"), key="k")
    assert sorted(record.status for record in sending.messages.records.values()) == ["failed", "sent"]


@pytest.mark.parametrize(
    ("named", "recorded"), [("acc_1", "acc_1"), ("", "unknown"), ("x" * 321, "unknown"), ("\ud800", "unknown")]
)
def test_what_a_refused_body_calls_its_account_is_recorded_if_it_can_be(named: str, recorded: str) -> None:
    sending = Sending()
    assert sending.submission.refuse("{}", MalformedBody("x"), key="\ud800", account=named).account == recorded


def test_a_body_that_cannot_be_kept_stays_on_the_queue() -> None:
    sending = Sending()
    sending.queue.faults.before("refuse", Unavailable("SQS is down"))
    with pytest.raises(Unavailable):
        sending.submission.refuse("x", MalformedBody("x"), key="k")
    assert not sending.messages.records


def test_a_problem_names_every_fault() -> None:
    sending = Sending()
    with pytest.raises(InvalidInput) as caught:
        sending.accept(to=["x"], colour=1)
    assert problem_of(caught.value)["errors"] == [
        {"pointer": "/colour", "code": "unknown_field", "detail": "There is no such field; take it out."},
        {"pointer": "/to/0", "code": "invalid_address", "detail": "'x' is not an address of the form local@domain."},
    ]


def test_an_answer_names_at_most_a_hundred_faults() -> None:
    sending = Sending()
    with pytest.raises(InvalidInput, match=r"^1000 faults: ") as caught:
        sending.submission.accept({f"x{number}": 1 for number in range(999)} | sending.body(colour=1), APP)
    assert len(caught.value.faults) == 100


# --- retry, cancel, drain -------------------------------------------------------------------------------------------


def standing(sending: Sending, status: Status, **fields: Any) -> MessageRecord:
    """Give a record in a state, its content parked."""
    record = sending.accept()
    job = sending.copy()
    assert job.message is not None
    sending.content.put(record.id, write_content(job.message))
    values: dict[str, Any] = {"status": status, "attempt": 1, "parked": True, "problem_code": "x"}
    record = replace(record, **(values | fields))
    sending.messages.records[record.id] = record
    return record


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNKNOWN, Status.HELD])
def test_a_message_that_stands_still_can_be_retried(status: Status) -> None:
    sending = Sending(ACCEPTED)
    again = sending.resubmission.retry(standing(sending, status))
    assert (again.status, again.attempt, again.problem_code) == (Status.QUEUED, 1, "")
    assert [done.verb for done in sending.work()] == [Verb.SENT]
    assert sending.record(again.id).attempt == 2


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SENDING, Status.DEFERRED, Status.SENT, Status.CANCELED])
def test_no_other_message_can_be_retried(status: Status) -> None:
    sending = Sending()
    with pytest.raises(Conflict, match=status):
        sending.resubmission.retry(standing(sending, status, parked=False))


def test_a_retry_needs_the_content() -> None:
    sending = Sending()
    record = standing(sending, Status.FAILED)
    sending.content.bodies.clear()
    with pytest.raises(Conflict, match="content"):
        sending.resubmission.retry(record)
    with pytest.raises(Conflict, match="content"):
        sending.resubmission.retry(replace(record, parked=False))


def test_a_retry_needs_a_mailbox() -> None:
    sending = Sending()
    record = standing(sending, Status.FAILED)
    sending.change(state=AccountState.REVOKED)
    with pytest.raises(AccountRevoked):
        sending.resubmission.retry(record)
    sending.accounts.accounts.clear()
    with pytest.raises(Conflict):
        sending.resubmission.retry(record)
    assert sending.record(record.id) == record


def test_a_retry_of_a_record_that_has_changed_is_a_conflict() -> None:
    sending = Sending()
    record = standing(sending, Status.FAILED)
    sending.messages.records[record.id] = replace(record, status=Status.CANCELED)
    with pytest.raises(Conflict, match="changed"):
        sending.resubmission.retry(record)
    assert not sending.queue.queued


def test_a_retry_that_the_queue_did_not_take_can_be_made_again() -> None:
    sending = Sending(ACCEPTED)
    record = standing(sending, Status.FAILED)
    sending.queue.faults.before("send", Unavailable("SQS is down"))
    with pytest.raises(Unavailable):
        sending.resubmission.retry(record)
    sending.resubmission.retry(sending.record(record.id))
    assert [done.verb for done in sending.work()] == [Verb.SENT]


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.QUEUED, Status.DEFERRED, Status.HELD])
def test_a_message_that_waits_can_be_canceled(status: Status) -> None:
    sending = Sending()
    canceled = sending.resubmission.cancel(standing(sending, status, retry_at=9e9))
    assert (canceled.status, canceled.retry_at) == (Status.CANCELED, 0)
    assert sending.record(canceled.id) == canceled


@pytest.mark.parametrize("status", [Status.SENDING, Status.SENT, Status.UNKNOWN, Status.FAILED])
def test_no_other_message_can_be_canceled(status: Status) -> None:
    sending = Sending()
    with pytest.raises(Conflict, match=status):
        sending.resubmission.cancel(standing(sending, status))


def test_canceling_twice_is_one_fact_so_that_it_can_be_told_again() -> None:
    sending = Sending()
    canceled = sending.resubmission.cancel(standing(sending, Status.QUEUED))
    sending.clock.advance(60)
    assert sending.resubmission.cancel(canceled) == canceled
    assert sending.record(canceled.id) == canceled


def test_a_message_that_began_to_be_sent_meanwhile_is_not_canceled() -> None:
    sending = Sending()
    record = standing(sending, Status.QUEUED)
    under_way = sending.messages.records[record.id] = replace(record, status=Status.SENDING, owner="w")
    with pytest.raises(Conflict, match="changed"):
        sending.resubmission.cancel(record)
    assert sending.record(record.id) == under_way


def test_what_is_held_for_a_mailbox_is_the_workers_task() -> None:
    sending = Sending()
    sending.resubmission.drain(sending.ann)
    (queued,) = sending.queue.queued
    assert read_body(queued.body, "sqs-1") == Drain(account=sending.ann.id)
    assert queued.group == sending.ann.id


def test_a_body_that_nests_deeper_than_it_can_be_written_is_malformed() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(MalformedBody):
        Sending().accept(metadata=deep)
