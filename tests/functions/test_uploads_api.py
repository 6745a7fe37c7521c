"""Uploads, through the real handler and S3's side of a presigned URL."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest
import requests

from tests.functions.deployment import KEY_ID

if TYPE_CHECKING:
    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow


def test_a_place_is_given_to_which_one_file_can_be_put(stack: Stack) -> None:
    answer = stack.messages("uploads-post")
    assert answer.status == 201, answer.text
    begun = answer.json
    assert set(begun) == {"upload_id", "url", "headers", "expires_at"}
    assert datetime.fromisoformat(begun["expires_at"]).tzinfo
    assert requests.put(begun["url"], data=b"%PDF", headers=begun["headers"], timeout=5).status_code == 200
    bucket, key = stack.names["ContentBucket"], f"uploads/{begun['upload_id']}"
    put = stack.clients.s3.head_object(Bucket=bucket, Key=key)
    assert (put["ContentType"], put["ContentLength"]) == ("application/pdf", 4)
    assert put["Metadata"]["caller"] == KEY_ID


def test_a_begun_upload_leaves_no_way_to_it_in_logs_tables_and_trail(stack: Stack) -> None:
    begun = stack.messages("uploads-post").json
    signature = begun["url"].partition("X-Amz-Signature=")[2].partition("&")[0]
    assert signature
    assert signature not in stack.everything()


def test_all_faults_of_an_upload_come_at_once(stack: Stack) -> None:
    answer = stack.messages("uploads-post", body={"filename": "", "content_type": "pdf", "size": 150_000_001})
    assert (answer.status, answer.json["code"]) == (422, "invalid_request")
    assert [fault["pointer"] for fault in answer.json["errors"]] == ["/filename", "/content_type", "/size"]


def test_who_may_not_send_may_not_upload(stack: Stack) -> None:
    reader = {"key_id": KEY_ID, "scopes": "messages:read", "accounts": ""}
    assert stack.messages("uploads-post", caller=reader).status == 403
    assert stack.messages("uploads-post", caller={"key_id": ""}).status == 401
    assert stack.messages("uploads-post", method="GET").status == 405


def test_the_roles_let_uploads_be_found_read_and_kept(stack: Stack) -> None:
    begun = stack.messages("uploads-post").json
    requests.put(begun["url"], data=b"%PDF", headers=begun["headers"], timeout=5)
    for folder in ("messages_api", "delivery_worker"):
        with stack.started(folder) as app:
            store = app.wiring().upload_store
            store.keep(begun["upload_id"])
            assert store.find(begun["upload_id"]).size == 4
            assert store.read(begun["upload_id"]) == b"%PDF"
            assert store.find("upl_01JD0000000000000000000000") is None
