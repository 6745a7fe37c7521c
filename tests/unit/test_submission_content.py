"""Where a message's content may come from besides its own fields: templates and uploads; and what cannot be carried."""

from __future__ import annotations

from json import dumps
from typing import Any

import pytest

from mailbearer.caller import Caller
from mailbearer.delivery.delivered import Verb
from mailbearer.errors import InvalidInput, MailbearerError
from mailbearer.message import Attachment
from mailbearer.upload import Upload
from tests.unit.sending import ACCEPTED, APP, Sending


@pytest.fixture
def sending() -> Sending:
    sending = Sending(ACCEPTED)
    sending.templates.stored["welcome"] = ("Hi {{ name }}", "Dear {{ name }}", "<p>{{ name }}</p>")
    for upload_id, caller in (("upl_1", "key_app"), ("upl_2", "key_other")):
        sending.uploads.stored[upload_id] = Upload(
            id=upload_id, caller=caller, filename="a.pdf", content_type="application/pdf", size=9
        )
    return sending


def templated(sending: Sending, **reference: Any) -> dict[str, Any]:
    return {"account": sending.ann.id, "to": "bob@example.net", "template": {"name": "welcome"} | reference}


def faults(sending: Sending, body: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(InvalidInput) as caught:
        sending.submission.accept(body, APP)
    assert not sending.messages.records
    return [(fault.pointer, fault.code) for fault in caught.value.faults]


# --- templates ------------------------------------------------------------------------------------------------------


def test_a_template_is_filled_in_when_the_message_is_accepted(sending: Sending) -> None:
    sending.submission.accept(templated(sending, variables={"name": "Bob"}), APP)
    message = sending.copy().message
    assert message is not None
    assert (message.subject, message.text, message.html) == ("Hi Bob", "Dear Bob", "<p>Bob</p>")


def test_faults_of_a_template_come_with_all_others(sending: Sending) -> None:
    body = templated(sending) | {"to": "x", "subject": "Hi"}
    assert faults(sending, body) == [
        ("/to", "invalid_address"),
        ("/subject", "excluded_by_template"),
        ("/template/variables/name", "variable_missing"),
    ]
    assert faults(sending, templated(sending, name="none")) == [("/template/name", "unknown_template")]
    assert faults(sending, templated(sending) | {"template": "welcome"}) == [("/template", "not_an_object")]


@pytest.mark.parametrize(("name", "code"), [("a\r\nBcc: eve@x", "unsafe_character"), ("x" * 2000, "too_long")])
def test_what_a_variable_brings_into_the_subject_is_held_to_the_rules_of_subjects(
    sending: Sending, name: str, code: str
) -> None:
    assert faults(sending, templated(sending, variables={"name": name})) == [("/template/subject", code)]


def test_a_nul_that_a_variable_brings_is_a_fault(sending: Sending) -> None:
    found = faults(sending, templated(sending, variables={"name": "\0"}))
    assert ("/template/text", "unsafe_character") in found


def test_the_first_answer_comes_again_whatever_became_of_the_template(sending: Sending) -> None:
    body = templated(sending, variables={"name": "Bob"})
    first = sending.submission.accept(body, APP, "key-1")
    sending.work()
    sending.templates.stored.clear()
    again = sending.submission.accept(body, APP, "key-1")
    assert (again.record, again.replayed) == (first.record, True)
    with pytest.raises(MailbearerError):
        sending.submission.accept(body | {"cc": "c@example.net"}, APP, "key-1")


def test_the_same_template_with_other_variables_is_another_request(sending: Sending) -> None:
    sending.submission.accept(templated(sending, variables={"name": "Bob"}), APP, "key-1")
    with pytest.raises(MailbearerError, match="used for another message"):
        sending.submission.accept(templated(sending, variables={"name": "Eve"}), APP, "key-1")


def test_a_message_dropped_on_the_queue_may_name_a_template(sending: Sending) -> None:

    assert sending.take_in(dumps(templated(sending, variables={"name": "Bob"})), "1").verb is Verb.SENT
    done = sending.take_in(dumps(templated(sending)), "2")
    assert (done.verb, done.code) == (Verb.FAILED, "invalid_request")


def test_a_dry_run_shows_the_template_filled_in(sending: Sending) -> None:
    assert b"Dear Bob" in sending.submission.preview(templated(sending, variables={"name": "Bob"}), APP).mime


# --- uploads --------------------------------------------------------------------------------------------------------


def test_an_upload_lends_its_name_type_and_size(sending: Sending) -> None:
    attachments = [{"upload_id": "upl_1"}, {"upload_id": "upl_1", "filename": "b.txt", "content_type": "text/plain"}]
    sending.accept(attachments=attachments)
    message = sending.copy().message
    assert message is not None
    assert message.attachments == (
        Attachment(filename="a.pdf", content_type="application/pdf", size=9, upload_id="upl_1"),
        Attachment(filename="b.txt", content_type="text/plain", size=9, upload_id="upl_1"),
    )


@pytest.mark.parametrize("upload_id", ["upl_2", "upl_3", "x"])
def test_an_upload_of_nobody_or_of_another_is_a_fault(sending: Sending, upload_id: str) -> None:
    body = sending.body(attachments=[{"filename": "a", "content": "QQ=="}, {"upload_id": upload_id}])
    assert faults(sending, body) == [("/attachments/1/upload_id", "unknown_upload")]


def test_an_upload_keeps_its_place_behind_one_that_cannot_be_read(sending: Sending) -> None:
    found = faults(sending, sending.body(attachments=[5, {"upload_id": "upl_3"}]))
    assert found == [("/attachments/0", "not_an_object"), ("/attachments/1/upload_id", "unknown_upload")]


def test_a_dry_run_says_that_uploads_come_later(sending: Sending) -> None:
    preview = sending.submission.preview(sending.body(attachments=[{"upload_id": "upl_1"}]), APP)
    assert preview.warnings == ("Uploads are shown without their bytes; they come in when the message is sent.",)


# --- what cannot be carried -----------------------------------------------------------------------------------------


def test_what_the_mailboxs_transport_cannot_carry_is_refused_at_the_door(sending: Sending) -> None:
    big = Upload(id="upl_4", caller="key_app", filename="a", content_type="video/mp4", size=40_000_000)
    sending.uploads.stored["upl_4"] = big
    assert faults(sending, sending.body(attachments=[{"upload_id": "upl_4"}])) == [
        ("/attachments", "message_too_large")
    ]
    sending.change(transport="graph")
    body = sending.body(text="a", html="b", **{"from": "sales@example.org"})
    assert faults(sending, body) == [("/text", "not_expressible")]


def test_over_the_queue_too(sending: Sending) -> None:

    sending.change(transport="graph")
    done = sending.take_in(dumps(sending.body(text="a", html="b", **{"from": "sales@example.org"})), "1")
    assert (done.verb, done.code) == (Verb.FAILED, "invalid_request")
    assert sending.queue.refused[0].problem["errors"]


def test_what_somebody_elses_upload_is_called_is_not_told(sending: Sending) -> None:
    with pytest.raises(InvalidInput) as caught:
        sending.submission.accept(sending.body(attachments=[{"upload_id": "upl_2"}]), APP)
    assert "a.pdf" not in caught.value.detail
    other = Caller(key_id="key_other", scopes=frozenset({"messages:send"}))
    assert not sending.submission.accept(sending.body(attachments=[{"upload_id": "upl_2"}]), other).replayed


def test_an_alias_that_was_added_just_now_may_be_sent_as() -> None:
    sending = Sending()
    sending.accounts.lagging[sending.ann.id] = sending.ann
    sending.change(aliases=("sales@example.org",))
    assert sending.accept(**{"from": "sales@example.org"}).status == "queued"
