"""`mailbearer captured`: what the sandbox took, read from the bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.account import Account, AccountState
from mailbearer.aws.accounts import DynamoDBAccountStore
from mailbearer.aws.captures import S3CaptureStore
from mailbearer.aws.messages import DynamoDBMessageStore
from mailbearer.capture import Capture
from mailbearer.message import MessageRecord, Status
from tests.integration.cli import stacks

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Operator

ACCOUNT, MESSAGE = "acc_01JD0000000000000000000000", "msg_01JD0000000000000000000001"
MIME = b"Subject: Hi\r\nX-Odd: \xff\r\n\r\nbody\r\n"


@pytest.fixture
def sandbox(deployed: Operator) -> Operator:
    """Somebody whose stage has a mailbox of the sandbox that sent two messages, one of them known by its id."""
    account = Account(
        id=ACCOUNT,
        provider="sandbox",
        address="try@example.org",
        transport="sandbox",
        state=AccountState.ACTIVE,
        created_at=1,
        updated_at=1,
    )
    record = MessageRecord(
        id=MESSAGE,
        account=ACCOUNT,
        caller="key_1",
        status=Status.SENT,
        message_id="<1@example.org>",
        request_hash="",
        created_at=1,
        updated_at=1,
    )
    DynamoDBAccountStore(stacks.client("dynamodb"), stacks.ACCOUNTS).create(account)
    DynamoDBMessageStore(stacks.client("dynamodb"), stacks.MESSAGES).create(record)
    captures = S3CaptureStore(stacks.client("s3"), stacks.BUCKET)
    for number in (1, 2):
        capture = Capture(
            account=ACCOUNT,
            message_id=f"<{number}@example.org>",
            at=number,
            mail_from="try@example.org",
            rcpt_to=("bob@y.example",),
            refused=("bounce@sandbox",),
            size=len(MIME),
            headers=(("Subject", "Hi \x1b[2J"),),
        )
        captures.put(capture, MIME)
    return deployed


def test_captures_are_listed_by_address_or_id_the_newest_first(sandbox: Operator) -> None:
    listed = sandbox.json("captured", "list", "try@example.org")
    assert [one["message_id"] for one in listed] == ["<2@example.org>", "<1@example.org>"]
    assert sandbox.json("captured", "list", ACCOUNT, "--limit", "1") == listed[:1]
    assert (listed[0]["rcpt_to"], listed[0]["refused"]) == (["bob@y.example"], ["bounce@sandbox"])
    human = sandbox("captured", "list", ACCOUNT).stdout
    assert "<1@example.org>" in human
    assert "\x1b" not in human


@pytest.mark.parametrize(
    "words", [(MESSAGE,), ("1@example.org", "--account", ACCOUNT), ("<1@example.org>", "--account", "try@example.org")]
)
def test_a_capture_is_shown_by_the_messages_id_or_its_message_id(sandbox: Operator, words: tuple[str, ...]) -> None:
    shown = sandbox.json("captured", "show", *words)
    assert (shown["message_id"], shown["headers"]) == ("<1@example.org>", [["Subject", "Hi \x1b[2J"]])
    assert "bounce@sandbox" in sandbox("captured", "show", *words).stdout


def test_the_mime_comes_byte_for_byte(sandbox: Operator) -> None:
    assert sandbox("captured", "show", MESSAGE, "--raw").stdout_bytes == MIME


@pytest.mark.parametrize(
    ("words", "sentence", "code"),
    [
        (("show", "<3@example.org>", "--account", ACCOUNT), "was not captured", 1),
        (("show", "<1@example.org>"), "Name the mailbox", 2),
        (("show", "msg_01JD0000000000000000000009"), "There is no message", 1),
        (("list", "nobody@example.org"), "There is no account", 1),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(
    sandbox: Operator, words: tuple[str, ...], sentence: str, code: int
) -> None:
    result = sandbox("captured", *words)
    assert (result.exit_code, sentence in result.stderr) == (code, True)


def test_a_mailbox_that_sent_nothing_has_no_captures(sandbox: Operator) -> None:
    captures = stacks.client("s3")
    for entry in captures.list_objects_v2(Bucket=stacks.BUCKET)["Contents"]:
        captures.delete_object(Bucket=stacks.BUCKET, Key=entry["Key"])
    assert sandbox("captured", "list", ACCOUNT).stdout == "Nothing was captured from this mailbox.\n"
