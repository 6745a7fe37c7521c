"""Uploads and suppressions on a deployed stack: what is put by presigned URL, and who is not written to."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.e2e.local_stack import SECONDS

if TYPE_CHECKING:
    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
CONTENT = bytes(range(256)) * 20


def begin(stack: LocalStack, **changes: Any) -> dict[str, Any]:
    body = {"filename": "Übersicht.bin", "content_type": "application/x-own", "size": len(CONTENT)}
    answer = stack.call("POST", "/v1/uploads", body | changes)
    assert answer.status_code == 201, answer.text
    begun: dict[str, Any] = answer.json()
    return begun


def put(begun: dict[str, Any], content: bytes = CONTENT, **headers: str) -> int:
    fields = begun["headers"] | {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.put(begun["url"], data=content, headers=fields, timeout=SECONDS).status_code


def test_an_upload_becomes_an_attachment_of_as_many_messages_as_name_it(local_stack: LocalStack) -> None:
    begun = begin(local_stack)
    assert put(begun) == 200
    sent = [
        local_stack.send("orders@acme.example", attachments=[{"upload_id": begun["upload_id"]} | own])
        for own in ({}, {"filename": "other.bin"})
    ]
    names = []
    for each in sent:
        local_stack.settled(each["id"], "sent")
        source = local_stack.control.mail_source(local_stack.one_mail(each)["id"])
        (attached,) = message_from_bytes(source, policy=policy.default).iter_attachments()
        assert (attached.get_content_type(), attached.get_content()) == ("application/x-own", CONTENT)
        names.append(attached.get_filename())
    assert names == ["Übersicht.bin", "other.bin"]


def test_an_upload_can_be_put_once(local_stack: LocalStack) -> None:
    begun = begin(local_stack)
    assert put(begun) == 200
    assert put(begun, b"x" * len(CONTENT)) == 412


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        pytest.param(CONTENT + b"x", {}, id="longer"),
        pytest.param(CONTENT[:-1], {}, id="shorter"),
        pytest.param(CONTENT, {"content_type": "text/html"}, id="another type"),
        pytest.param(CONTENT, {"x_amz_meta_caller": "key_01JD0000000000000000000000"}, id="another caller"),
        pytest.param(CONTENT, {"if_none_match": '"x"'}, id="without the condition"),
    ],
)
def test_what_is_put_is_just_what_was_announced(
    local_stack: LocalStack, content: bytes, headers: dict[str, str]
) -> None:
    begun = begin(local_stack)
    assert put(begun, content, **headers) == 403
    assert put(begun) == 200


def test_an_upload_that_was_not_put_or_is_anothers_is_unknown(local_stack: LocalStack) -> None:
    begun, uploaded = begin(local_stack), begin(local_stack)
    put(uploaded)
    other = local_stack.key("messages:send")
    for upload_id, key in ((begun["upload_id"], None), (uploaded["upload_id"], other)):
        body = {"account": "orders@acme.example", "to": "carla@customer.example", "text": "Hello."}
        answer = local_stack.call("POST", "/v1/messages", body | {"attachments": [{"upload_id": upload_id}]}, key=key)
        assert answer.status_code == 422, answer.text
        faults = [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]]
        assert faults == [("/attachments/0/upload_id", "unknown_upload")]


def test_a_suppressed_recipient_gets_nothing_and_the_others_do(local_stack: LocalStack) -> None:
    address = "a+b/c%41?@suppressed.example"
    answer = local_stack.call("POST", "/v1/suppressions", {"address": address, "account": "support@acme.example"})
    assert answer.status_code == 201, answer.text
    where = answer.headers["Location"]
    assert local_stack.get(where)["address"] == address.lower()
    # Only now the worker asks for the first time whether this mailbox's list has any.
    sent = local_stack.send("support@acme.example", to=[address, "carla@customer.example"])
    local_stack.settled(sent["id"], "sent")
    assert local_stack.one_mail(sent)["envelope"]["rcpt_to"] == ["carla@customer.example"]
    assert local_stack.call("DELETE", where).status_code == 204
    assert local_stack.call("GET", where).status_code == 404
