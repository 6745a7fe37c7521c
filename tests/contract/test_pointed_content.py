from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.pointed import LIMIT, S3PointedContent
from mailbearer.errors import Unavailable
from tests.fakes import FakePointedContent

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.channels import PointedContent
    from tests.contract.conftest import World


class Inbox:
    """A store, the name of its bucket, and a way for senders to put something there."""

    def __init__(self, store: PointedContent, bucket: str, put: Callable[[str, bytes], object]) -> None:
        self.store = store
        self.bucket = bucket
        self.put = put


@pytest.fixture(params=["fake", "aws"])
def inbox(request: pytest.FixtureRequest) -> Inbox:
    if request.param == "fake":
        fake = FakePointedContent("content", limit=LIMIT)
        return Inbox(fake, "content", fake.bodies.__setitem__)
    world = request.getfixturevalue("world")
    bucket = world.bucket()

    def put(key: str, body: bytes) -> None:
        world.clients.s3.put_object(Bucket=bucket, Key=key, Body=body)

    return Inbox(S3PointedContent(world.clients.s3, bucket), bucket, put)


def test_what_lies_in_the_inbox_is_read(inbox: Inbox) -> None:
    inbox.put("inbox/a b/ü.json", '{"text": "Ä \N{SNOWMAN}"}'.encode())
    assert inbox.store.read(inbox.bucket, "inbox/a b/ü.json") == '{"text": "Ä \N{SNOWMAN}"}'


@pytest.mark.parametrize(
    "key",
    ["inbox/none", "content/msg_1", "audit-spool/1", "/inbox/1", "inbox", "", "inbox/../content/msg_1", "inbox/\ud800"],
)
def test_nothing_else_is(inbox: Inbox, key: str) -> None:
    inbox.put("content/msg_1", b"{}")
    if ".." in key:
        inbox.put(key, b"{}")  # S3 takes such a name as it is; whoever reads it as a path must not get out of the inbox
    assert inbox.store.read(inbox.bucket, key) is None


def test_another_bucket_is_not_looked_at(inbox: Inbox) -> None:
    inbox.put("inbox/1", b"{}")
    assert inbox.store.read("another", "inbox/1") is None


def test_what_is_larger_than_the_limit_or_no_text_is_not_read(inbox: Inbox) -> None:
    inbox.put("inbox/limit", b"x" * LIMIT)
    inbox.put("inbox/larger", b"x" * (LIMIT + 1))
    inbox.put("inbox/bytes", b"\xff\xfe")
    assert inbox.store.read(inbox.bucket, "inbox/limit") == "x" * LIMIT
    assert inbox.store.read(inbox.bucket, "inbox/larger") is None
    assert inbox.store.read(inbox.bucket, "inbox/bytes") is None


def test_a_key_longer_than_s3_knows_is_not_asked_for(world: World) -> None:
    store = S3PointedContent(world.clients.s3, "no-such-bucket")
    assert store.read("no-such-bucket", "inbox/" + "ü" * 600) is None
    with pytest.raises(Unavailable):
        store.read("no-such-bucket", "inbox/1")
