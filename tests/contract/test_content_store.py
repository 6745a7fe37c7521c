from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.content import S3ContentStore
from tests.fakes import FakeContentStore

if TYPE_CHECKING:
    from mailbearer.ports.channels import ContentStore
    from tests.contract.conftest import World


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> ContentStore:
    if request.param == "fake":
        return FakeContentStore()
    world = request.getfixturevalue("world")
    return S3ContentStore(world.clients.s3, world.bucket())


def test_content_comes_back_as_it_was_put(store: ContentStore) -> None:
    store.put("msg_1", '{"text": "Ä\\u0000 \N{SNOWMAN}"}')
    assert store.get("msg_1") == '{"text": "Ä\\u0000 \N{SNOWMAN}"}'


def test_content_put_again_takes_the_place_of_the_old(store: ContentStore) -> None:
    store.put("msg_1", "old")
    store.put("msg_1", "new")
    assert store.get("msg_1") == "new"


def test_content_that_is_not_there_reads_as_none(store: ContentStore) -> None:
    assert store.get("msg_1") is None


def test_deleted_content_is_gone_and_deleting_it_again_is_no_error(store: ContentStore) -> None:
    store.put("msg_1", "body")
    store.delete("msg_1")
    store.delete("msg_1")
    assert store.get("msg_1") is None


def test_content_lies_where_the_buckets_rules_look_for_it(world: World) -> None:
    bucket = world.bucket()
    S3ContentStore(world.clients.s3, bucket).put("msg_1", "body")
    assert [entry["Key"] for entry in world.clients.s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["content/msg_1"]
