from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import requests

from mailbearer.aws.clients import Clients
from mailbearer.aws.uploads import S3UploadStore
from mailbearer.upload import Upload
from tests.fakes import FakeUploadStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.channels import UploadStore
    from tests.contract.conftest import World

UPLOAD = Upload(
    id="upl_01JD0000000000000000000000",
    caller="key_01JD0000000000000000000000",
    filename="Jahres übersicht \N{SNOWMAN}.pdf",
    content_type='application/pdf; version="1.7"',
    size=4,
)
CONTENT = b"%PDF"


class Place:
    """A store, what somebody does with the URL that it gives, and thirty days."""

    def __init__(self, store: UploadStore, put: Callable[[Upload, bytes], None], expire: Callable[[], None]) -> None:
        self.store = store
        self.put = put
        self.expire = expire


@pytest.fixture(params=["fake", "aws"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "fake":
        fake = FakeUploadStore()
        return Place(fake, fake.put, fake.expire)
    world: World = request.getfixturevalue("world")
    bucket = world.bucket()
    store = S3UploadStore(world.clients.s3, bucket)

    def put(upload: Upload, content: bytes) -> None:
        url, headers = store.presign(upload, seconds=60)
        assert requests.put(url, data=content, headers=headers, timeout=5).status_code == 200

    def expire() -> None:
        for found in world.clients.s3.list_objects_v2(Bucket=bucket, Prefix="uploads/").get("Contents", []):
            world.clients.s3.delete_object(Bucket=bucket, Key=found["Key"])

    return Place(store, put, expire)


def test_what_was_put_is_found_and_read_as_it_was_put(place: Place) -> None:
    place.put(UPLOAD, CONTENT)
    assert place.store.find(UPLOAD.id) == UPLOAD
    assert place.store.read(UPLOAD.id) == CONTENT


def test_the_longest_name_in_any_script_comes_back(place: Place) -> None:
    named = replace(UPLOAD, filename="\N{GRINNING FACE}" * 255)
    place.put(named, CONTENT)
    assert place.store.find(UPLOAD.id) == named


def test_what_was_not_put_is_neither_found_nor_read(place: Place) -> None:
    place.store.presign(UPLOAD, seconds=60)
    assert place.store.find(UPLOAD.id) is None
    assert place.store.read(UPLOAD.id) is None


def test_the_size_is_that_of_what_was_put(place: Place) -> None:
    place.put(UPLOAD, b"PDF")
    assert place.store.find(UPLOAD.id) == replace(UPLOAD, size=3)


def test_what_is_kept_outlives_the_upload_as_it_was(place: Place) -> None:
    place.put(UPLOAD, CONTENT)
    place.store.keep(UPLOAD.id)
    place.store.keep(UPLOAD.id)
    place.expire()
    assert place.store.find(UPLOAD.id) == UPLOAD
    assert place.store.read(UPLOAD.id) == CONTENT
    place.store.keep(UPLOAD.id)
    assert place.store.find(UPLOAD.id) == UPLOAD
    assert place.store.read(UPLOAD.id) == CONTENT


def test_what_is_not_kept_is_gone_with_the_upload(place: Place) -> None:
    place.put(UPLOAD, CONTENT)
    place.expire()
    assert place.store.find(UPLOAD.id) is None
    assert place.store.read(UPLOAD.id) is None


def test_keeping_what_is_gone_is_no_error(place: Place) -> None:
    place.store.keep(UPLOAD.id)
    assert place.store.find(UPLOAD.id) is None


# --- what only the real bucket has ------------------------------------------------------------------------------------


def test_uploads_lie_where_the_buckets_rules_look_for_them(world: World) -> None:
    bucket = world.bucket()
    store = S3UploadStore(world.clients.s3, bucket)
    url, headers = store.presign(UPLOAD, seconds=60)
    requests.put(url, data=CONTENT, headers=headers, timeout=5)
    store.keep(UPLOAD.id)
    keys = [found["Key"] for found in world.clients.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert keys == [f"scheduled/uploads/{UPLOAD.id}", f"uploads/{UPLOAD.id}"]


def test_a_kept_copy_that_stands_alone_is_copied_onto_itself_and_counts_as_new(world: World) -> None:
    bucket = world.bucket()
    store, key = S3UploadStore(world.clients.s3, bucket), f"scheduled/uploads/{UPLOAD.id}"
    metadata = {"caller": UPLOAD.caller, "filename": "YQ=="}
    world.clients.s3.put_object(Bucket=bucket, Key=key, Body=CONTENT, ContentType="text/plain", Metadata=metadata)
    copied: list[int] = []

    def note(http_response: Any, **_given: object) -> None:
        copied.append(http_response.status_code)

    events = world.clients.made("s3").meta.events
    events.register("after-call.s3.CopyObject", note)
    try:
        store.keep(UPLOAD.id)
    finally:
        events.unregister("after-call.s3.CopyObject", note)
    after = world.clients.s3.head_object(Bucket=bucket, Key=key)
    assert copied == [404, 200]
    assert (after["Metadata"], after["ContentType"]) == (metadata, "text/plain")


@pytest.mark.parametrize("metadata", [{}, {"caller": "key_1"}, {"filename": "YQ=="}, {"caller": "a", "filename": "%"}])
def test_an_object_that_came_past_the_api_is_no_upload(world: World, metadata: dict[str, str]) -> None:
    bucket = world.bucket()
    world.clients.s3.put_object(Bucket=bucket, Key=f"uploads/{UPLOAD.id}", Body=CONTENT, Metadata=metadata)
    assert S3UploadStore(world.clients.s3, bucket).find(UPLOAD.id) is None


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "me-south-1"])
def test_what_an_upload_may_be_is_signed_and_its_url_names_the_buckets_region(region: str) -> None:
    clients = Clients(lambda: boto3.Session("testing", "testing", region_name=region))
    url, headers = S3UploadStore(clients.s3, "bucket").presign(UPLOAD, seconds=900)
    parts = urlsplit(url)
    query = {name: value for name, (value,) in parse_qs(parts.query).items()}
    assert parts.hostname == (
        "bucket.s3.amazonaws.com" if region == "us-east-1" else f"bucket.s3.{region}.amazonaws.com"
    )
    assert (parts.scheme, parts.path, query["X-Amz-Expires"]) == ("https", f"/uploads/{UPLOAD.id}", "900")
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert set(query["X-Amz-SignedHeaders"].split(";")) == {"content-length", "host", *headers}
    assert set(headers) == {"content-type", "if-none-match", "x-amz-meta-caller", "x-amz-meta-filename"}
    assert all(value.isascii() and value.isprintable() for value in headers.values())
