from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.stub import Stubber

from mailbearer.aws.archive import S3Archive
from mailbearer.errors import Unavailable
from tests.fakes import FakeArchive

if TYPE_CHECKING:
    from mailbearer.ports.proof import Archive
    from tests.contract.conftest import World


def locked_bucket(world: World) -> str:
    """Make a bucket as the stack has it: versioned, and locked for a year."""
    name = world.name("archive")
    world.clients.s3.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}, ObjectLockEnabledForBucket=True
    )
    world.clients.s3.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 365}},
        },
    )
    return name


@pytest.fixture(params=["fake", "aws"])
def archive(request: pytest.FixtureRequest) -> Archive:
    if request.param == "fake":
        return FakeArchive()
    world = request.getfixturevalue("world")
    return S3Archive(world.clients.s3, locked_bucket(world))


def test_what_was_put_is_read_as_it_was(archive: Archive) -> None:
    archive.put("reports/1.json", '{"text": "Ä"}')
    assert archive.get("reports/1.json") == '{"text": "Ä"}'
    assert archive.get("reports/2.json") is None


def test_the_newest_of_several_under_one_name_is_read(archive: Archive) -> None:
    archive.put("reports/1.json", "old")
    archive.put("reports/1.json", "new")
    assert archive.get("reports/1.json") == "new"
    assert archive.names("reports/") == ["reports/1.json"]


def test_of_one_name_only_one_is_created(archive: Archive) -> None:
    assert archive.create("digests/1.json", "first")
    assert not archive.create("digests/1.json", "second")
    assert archive.get("digests/1.json") == "first"


def test_creating_the_same_again_is_told_that_it_stands(archive: Archive) -> None:
    assert archive.create("digests/1.json", "first")
    assert archive.create("digests/1.json", "first")


def test_names_come_in_order_from_after_one_on_and_no_more_than_wanted(archive: Archive) -> None:
    for name in ("digests/3", "digests/1", "reports/1", "digests/2"):
        archive.put(name, "")
    assert archive.names("digests/") == ["digests/1", "digests/2", "digests/3"]
    assert archive.names("digests/", after="digests/1") == ["digests/2", "digests/3"]
    assert archive.names("digests/", after="digests/1", limit=1) == ["digests/2"]
    assert archive.names("digests/", after="digests/3") == []
    assert archive.names("none/") == []


def test_what_does_not_stand_alone_under_its_name_is_named(archive: Archive) -> None:
    for name in ("digests/1", "digests/2", "digests/3", "reports/1"):
        archive.put(name, "old")
    assert archive.replaced("digests/") == []
    for name in ("digests/1", "digests/3", "reports/1"):
        archive.put(name, "new")
    assert archive.replaced("digests/") == ["digests/1", "digests/3"]
    assert archive.replaced("digests/", after="digests/1") == ["digests/3"]


@pytest.mark.parametrize("kind", ["fake", "aws"])
def test_what_a_delete_marker_hides_is_gone_but_named_and_its_name_is_free(
    kind: str, request: pytest.FixtureRequest
) -> None:
    archive: Archive
    if kind == "fake":
        archive = fake = FakeArchive()
        fake.create("digests/1", "signed")
        fake.hide("digests/1")
    else:
        world = request.getfixturevalue("world")
        bucket = locked_bucket(world)
        archive = S3Archive(world.clients.s3, bucket)
        archive.create("digests/1", "signed")
        world.clients.s3.delete_object(Bucket=bucket, Key="digests/1")
    assert (archive.get("digests/1"), archive.names("digests/")) == (None, [])
    assert archive.replaced("digests/") == ["digests/1"]
    assert archive.create("digests/1", "signed anew")
    assert archive.replaced("digests/") == ["digests/1"]


def test_what_is_locked_cannot_be_removed(world: World) -> None:
    client = world.clients.s3
    bucket = locked_bucket(world)
    S3Archive(client, bucket).put("digests/1", "kept")
    version = client.head_object(Bucket=bucket, Key="digests/1")["VersionId"]
    with pytest.raises(client.exceptions.ClientError):
        client.delete_object(Bucket=bucket, Key="digests/1", VersionId=version)


def test_more_names_than_one_answer_holds_are_all_given(world: World) -> None:
    client = world.clients.s3
    with Stubber(client) as stub:
        for start, count, more in (("", 1000, True), ("n0999", 5, False)):
            names = [
                {"Key": f"n{number:04d}"} for number in range(1000 if start else 0, (1000 if start else 0) + count)
            ]
            stub.add_response(
                "list_objects_v2",
                {"Contents": names, "IsTruncated": more},
                {"Bucket": "b", "Prefix": "n", "StartAfter": start, "MaxKeys": 1000},
            )
        assert len(S3Archive(client, "b").names("n", limit=2000)) == 1005


@pytest.mark.parametrize("code", ["SlowDown", "ConditionalRequestConflict", "AccessDenied"])
def test_what_passes_is_unavailable(world: World, code: str) -> None:
    client = world.clients.s3
    with Stubber(client) as stub:
        stub.add_client_error("put_object", code)
        with pytest.raises(Unavailable, match=code):
            S3Archive(client, "b").create("n", "body")
