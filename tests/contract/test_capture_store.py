from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.captures import S3CaptureStore
from mailbearer.capture import Capture
from tests.fakes import FakeCaptureStore

if TYPE_CHECKING:
    from mailbearer.ports.channels import CaptureStore
    from tests.contract.conftest import World

CAPTURE = Capture(
    account="acc_1",
    message_id="<1@x.example>",
    at=1_000.5,
    mail_from="ann@x.example",
    rcpt_to=("bob@y.example",),
    refused=("bounce@sandbox",),
    size=5,
    headers=(("From", "Änn <ann@x.example>"), ("Received", "one"), ("Received", "two")),
)


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> CaptureStore:
    if request.param == "fake":
        return FakeCaptureStore()
    world = request.getfixturevalue("world")
    return S3CaptureStore(world.clients.s3, world.bucket())


def test_a_capture_comes_back_as_it_was_put(store: CaptureStore) -> None:
    store.put(CAPTURE, b"MIME\xff")
    assert store.find("acc_1", "<1@x.example>") == CAPTURE
    assert store.read("acc_1", "<1@x.example>") == b"MIME\xff"


def test_what_was_not_captured_reads_as_none(store: CaptureStore) -> None:
    store.put(CAPTURE, b"")
    for account, message_id in (("acc_1", "<2@x.example>"), ("acc_2", "<1@x.example>")):
        assert store.find(account, message_id) is None
        assert store.read(account, message_id) is None


def test_a_message_captured_twice_lies_there_once(store: CaptureStore) -> None:
    assert store.put(CAPTURE, b"old") == store.put(replace(CAPTURE, at=2_000), b"new")
    assert [capture.at for capture in store.listing("acc_1", limit=10)] == [2_000]
    assert store.read("acc_1", "<1@x.example>") == b"new"


def test_a_list_has_one_accounts_captures_the_newest_first(store: CaptureStore) -> None:
    for number in (1, 3, 2):
        store.put(replace(CAPTURE, message_id=f"<{number}@x.example>", at=number), b"")
    store.put(replace(CAPTURE, account="acc_10"), b"")
    assert [capture.at for capture in store.listing("acc_1", limit=10)] == [3, 2, 1]
    assert len(store.listing("acc_1", limit=2)) == 2
    assert store.listing("acc_2", limit=10) == []


def test_tries_are_counted_for_each_message_and_are_no_capture(store: CaptureStore) -> None:
    assert [store.count_try("acc_1", "<1@x.example>") for _ in range(3)] == [1, 2, 3]
    assert store.count_try("acc_1", "<2@x.example>") == 1
    assert store.listing("acc_1", limit=10) == []
    assert store.find("acc_1", "<1@x.example>") is None


def test_message_ids_of_any_form_and_length_stay_apart(store: CaptureStore) -> None:
    ids = ["<a/../b@x>", "<a%2F..%2Fb@x>", "<Ä@x>", f"<{'x' * 900}@x>", f"<{'x' * 901}@x>"]
    for message_id in ids:
        store.put(replace(CAPTURE, message_id=message_id), message_id.encode())
    assert [store.read("acc_1", message_id) for message_id in ids] == [message_id.encode() for message_id in ids]


def test_captures_lie_where_the_buckets_rules_look_for_them(world: World) -> None:
    bucket = world.bucket()
    name = S3CaptureStore(world.clients.s3, bucket).put(CAPTURE, b"")
    keys = [entry["Key"] for entry in world.clients.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert name == "captured/acc_1/1@x.example"
    assert keys == [f"{name}.eml", f"{name}.json"]
