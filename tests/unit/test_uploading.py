from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from mailbearer.caller import Caller
from mailbearer.errors import Fault, InvalidInput, Unavailable
from mailbearer.ids import is_id
from mailbearer.message import Address, Attachment, Message
from mailbearer.upload import Upload
from mailbearer.uploading import MAX_SIZE, URL_LIFE, Uploads
from tests.fakes import CountedBytes, FakeClock, FakeUploadStore

APP = Caller(key_id="key_app", scopes=frozenset({"messages:send"}))
BODY = {"filename": "Übersicht.pdf", "content_type": "application/pdf", "size": 4}
UNKNOWN = "upl_01JD0000000000000000000000"


class Case:
    def __init__(self) -> None:
        self.store = FakeUploadStore()
        self.clock = FakeClock()
        self.uploads = Uploads(
            store=self.store, clock=self.clock, random_bytes=CountedBytes(), queue_caller="the-queue"
        )

    def uploaded(self, content: bytes = b"%PDF", **changes: Any) -> Upload:
        begun = self.uploads.begin(BODY | {"size": len(content)} | changes, APP)
        self.store.put(begun.upload, content)
        return begun.upload


@pytest.fixture
def case() -> Case:
    return Case()


def message(*parts: Attachment) -> Message:
    return Message(account="acc_1", sender=Address("a@b.example"), attachments=parts)


def part(upload: Upload, **changes: Any) -> Attachment:
    return replace(Attachment(filename=upload.filename, size=upload.size, upload_id=upload.id), **changes)


# --- beginning --------------------------------------------------------------------------------------------------------


def test_an_upload_is_begun_for_its_caller_and_a_quarter_of_an_hour(case: Case) -> None:
    begun = case.uploads.begin(BODY, APP)
    assert is_id("upl_", begun.upload.id)
    assert begun.upload == Upload(
        id=begun.upload.id, caller="key_app", filename="Übersicht.pdf", content_type="application/pdf", size=4
    )
    assert begun.expires_at == case.clock.now + URL_LIFE
    assert case.store.begun == {begun.upload.id: begun.upload}
    assert begun.url not in repr(begun)


def test_every_upload_has_an_id_of_its_own(case: Case) -> None:
    assert case.uploads.begin(BODY, APP).upload.id != case.uploads.begin(BODY, APP).upload.id


@pytest.mark.parametrize("size", [1, MAX_SIZE])
def test_the_smallest_and_the_largest_are_taken(case: Case, size: int) -> None:
    assert case.uploads.begin(BODY | {"size": size}, APP).upload.size == size


def test_all_faults_are_told_at_once(case: Case) -> None:
    wrong = {"filename": "a\nb", "content_type": "pdf", "size": 0, "a/b": 1}
    with pytest.raises(InvalidInput) as refused:
        case.uploads.begin(wrong, APP)
    assert [(fault.pointer, fault.code) for fault in refused.value.faults] == [
        ("/a~1b", "unknown_field"),
        ("/filename", "unsafe_character"),
        ("/content_type", "invalid_content_type"),
        ("/size", "invalid_size"),
    ]
    assert case.store.faults.calls == []


@pytest.mark.parametrize("size", [None, "4", 4.0, True, -1, MAX_SIZE + 1])
def test_a_size_is_a_number_of_bytes_that_something_can_carry(case: Case, size: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        case.uploads.begin(BODY | {"size": size}, APP)
    assert [fault.code for fault in refused.value.faults] == ["invalid_size"]


@pytest.mark.parametrize("missing", BODY)
def test_nothing_may_be_left_out(case: Case, missing: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        case.uploads.begin({name: value for name, value in BODY.items() if name != missing}, APP)
    assert [fault.pointer for fault in refused.value.faults] == [f"/{missing}"]


@pytest.mark.parametrize("content_type", ["multipart/mixed", "text/plain\r\nX: y", 7, "", "text/plain; a=\xff"])
def test_a_type_is_one_that_a_part_may_have(case: Case, content_type: object) -> None:
    with pytest.raises(InvalidInput):
        case.uploads.begin(BODY | {"content_type": content_type}, APP)


@pytest.mark.parametrize("body", [None, [], "x", 1])
def test_a_body_is_an_object(case: Case, body: object) -> None:
    with pytest.raises(InvalidInput):
        case.uploads.begin(body, APP)


# --- checking ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("caller", ["key_app", "the-queue"])
def test_its_caller_may_use_an_upload_and_so_may_the_queue(case: Case, caller: str) -> None:
    upload = case.uploaded()
    faults: list[Fault] = []
    assert case.uploads.check(upload.id, caller, "/attachments/0/upload_id", faults) == upload
    assert faults == []


def test_what_is_found_is_what_was_put_and_not_what_was_said(case: Case) -> None:
    upload = case.uploads.begin(BODY, APP).upload
    case.store.put(upload, b"%PDF-1.7")
    found = case.uploads.check(upload.id, "key_app", "", [])
    assert found
    assert found.size == 8


def test_anothers_one_that_was_not_put_and_one_that_never_was_look_alike(case: Case) -> None:
    foreign, begun = case.uploaded().id, case.uploads.begin(BODY, APP).upload.id
    seen = []
    for upload_id, caller in ((foreign, "key_other"), (begun, "key_app"), (UNKNOWN, "key_app"), ("../x", "key_app")):
        faults: list[Fault] = []
        assert case.uploads.check(upload_id, caller, "/attachments/3/upload_id", faults) is None
        seen += faults
    assert {(fault.pointer, fault.code) for fault in seen} == {("/attachments/3/upload_id", "unknown_upload")}
    assert len(seen) == 4
    assert len({fault.detail for fault in seen}) == 1


def test_what_is_no_upload_id_is_not_looked_for(case: Case) -> None:
    case.uploads.check("uploads/../content/msg_1", "key_app", "", [])
    assert case.store.faults.calls == []


def test_a_bucket_that_does_not_answer_is_not_taken_for_a_no(case: Case) -> None:
    case.store.faults.before("find", Unavailable("s3:HeadObject failed."))
    with pytest.raises(Unavailable):
        case.uploads.check(UNKNOWN, "key_app", "", [])


# --- filling ----------------------------------------------------------------------------------------------------------


def test_a_message_is_filled_with_what_was_put(case: Case) -> None:
    upload = case.uploaded(b"one\x00two")
    plain = Attachment(filename="plain.txt", content="aGk=", size=2)
    named = part(upload, filename="other.pdf", content_id="logo")
    filled = case.uploads.fill(message(plain, named))
    assert filled
    assert filled.attachments == (plain, replace(named, content=base64.b64encode(b"one\x00two").decode(), size=7))


def test_a_message_without_uploads_is_left_as_it_is_and_nothing_is_read(case: Case) -> None:
    whole = message(Attachment(filename="plain.txt", content="aGk=", size=2))
    assert case.uploads.fill(whole) is whole
    assert case.store.faults.calls == []


def test_an_upload_that_stands_twice_is_read_once(case: Case) -> None:
    upload = case.uploaded()
    filled = case.uploads.fill(message(part(upload), part(upload, filename="again.pdf")))
    assert filled
    assert [each.content for each in filled.attachments] == ["JVBERg=="] * 2
    assert case.store.faults.calls.count("read") == 1


def test_one_upload_serves_many_messages(case: Case) -> None:
    upload = case.uploaded()
    assert all(case.uploads.fill(message(part(upload))) for _ in range(3))


def test_a_message_whose_upload_is_gone_cannot_be_filled(case: Case) -> None:
    first, second = case.uploaded(), case.uploaded()
    del case.store.stored[second.id]
    assert case.uploads.fill(message(part(first), part(second))) is None


# --- keeping ----------------------------------------------------------------------------------------------------------


def test_what_a_scheduled_message_waits_for_is_kept(case: Case) -> None:
    upload = case.uploaded()
    scheduled = message(part(upload), part(upload), Attachment(filename="plain.txt", content="aGk=", size=2))
    case.uploads.keep(scheduled)
    assert case.store.faults.calls.count("keep") == 1
    case.store.expire()
    assert case.uploads.fill(scheduled) is not None
