"""Random messages come back whole from two parsers that have nothing in common."""

from __future__ import annotations

import base64
import email
import hashlib
import re
from email.header import decode_header, make_header
from email.policy import default
from email.utils import getaddresses
from typing import TYPE_CHECKING

import fast_mail_parser
import pytest

from mailbearer.addresses import needs_smtputf8
from mailbearer.message import Address, Message
from mailbearer.mime import compose
from mailbearer.mime.plain_text import plain_text
from tests.unit.random_mail import Maker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from email.message import MIMEPart

    from mailbearer.message import Attachment

BATCH = 500


@pytest.mark.parametrize("batch", [0, *(pytest.param(number, marks=pytest.mark.slow) for number in range(1, 9))])
def test_random_messages_come_back_whole(batch: int) -> None:
    maker = Maker(batch)
    for number in range(BATCH if batch else BATCH // 2):
        message = maker.message()
        data = compose(message, bcc_header=False)
        check_bytes(message, data)
        check_mailparse(message, data)
        if number % 4 == 0:
            check_standard_library(message, data)


@pytest.mark.parametrize("batch", [0, *(pytest.param(number, marks=pytest.mark.slow) for number in range(1, 3))])
def test_a_raw_message_comes_back_whole_but_for_its_blind_recipients(batch: int) -> None:
    maker = Maker(1000 + batch)
    for _ in range(BATCH if batch else BATCH // 10):
        message = maker.message()
        own = compose(message, bcc_header=True)
        raw = Message(
            account="acc_1",
            sender=message.sender,
            to=message.to,
            bcc=message.bcc,
            raw=base64.b64encode(own).decode(),
            message_id=message.message_id,
        )
        data = compose(raw, bcc_header=False)
        assert data == compose(message, bcc_header=False)
        check_mailparse(message, data)


def check_bytes(message: Message, data: bytes) -> None:
    """Check what has to hold whoever reads it."""
    head, _, body = data.partition(b"\r\n\r\n")
    assert body.isascii()
    assert b"\0" not in data
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
    assert data.endswith(b"\r\n")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    unfolded = re.sub(rb"\r\n(?=[ \t])", b"", head)
    beyond = [line.partition(b":")[0] for line in unfolded.split(b"\r\n") if not line.isascii()]
    assert set(beyond) <= {b"To", b"Cc", b"Reply-To"}
    assert needs_smtputf8(message) or not beyond
    assert all(word.isascii() for word in head.split() if b"@" not in word)
    assert not re.search(rb"(?im)^bcc", head)
    for line in re.findall(rb"(?m)^[^\r\n]*=\?[^\r\n]*\?=[^\r\n]*", head):
        # Encoded words keep to 76 (RFC 2047 section 2), but for an address behind the last one.
        assert len(line.decode()) <= 78
    for address in message.bcc:
        shown = (*message.to, *message.cc, *message.reply_to)
        assert address.email in {other.email for other in shown} or address.email.encode() not in head


def check_mailparse(message: Message, data: bytes) -> None:
    """Read with Rust's mailparse, which shares no line of code with Python's."""
    read = fast_mail_parser.parse_email(data)
    assert read.warnings == []
    assert read.subject == message.subject
    assert read.from_ is not None
    for found, expected in (
        ([read.from_], (message.sender,)),
        (read.to, message.to),
        (read.cc, message.cc),
        (read.bcc, ()),
        (read.reply_to, message.reply_to),
    ):
        # Beside an address in UTF-8 mailparse leaves encoded words as they are.
        utf8 = not all(address.email.isascii() for address in expected)
        assert [
            (who.address, str(make_header(decode_header(who.display_name or ""))) if utf8 else who.display_name or "")
            for who in found
        ] == pairs(expected)
    leaves = list(mailparse_leaves(fast_mail_parser.parse_email_tree(data)))
    texts = {leaf.content_type: (leaf.content or b"").decode() for leaf in leaves if leaf.disposition is None}
    assert unix(texts.get("text/plain")) == unix(expected_text(message))
    assert unix(texts.get("text/html")) == unix(message.html)
    assert sorted(
        (leaf.filename, leaf.content_type, leaf.content_id or "", digest(leaf.content or b""))
        for leaf in leaves
        if leaf.disposition is not None
    ) == sorted(
        (file.filename, written_type(file), file.content_id, digest(base64.b64decode(file.content)))
        for file in message.attachments
    )
    headers = {name.lower(): value for name, value in read.headers.items()}
    assert headers["message-id"] == [message.message_id]
    assert headers.get("in-reply-to", [""]) == [message.in_reply_to]
    assert " ".join(headers.get("references", [])).split() == list(message.references)
    assert headers.get("x-campaign", []) == [value for _, value in message.headers]
    assert ("list-unsubscribe-post" in headers) == (message.unsubscribe is not None)


def check_standard_library(message: Message, data: bytes) -> None:
    read = email.message_from_bytes(data, policy=default)
    old = email.message_from_bytes(data)
    if not needs_smtputf8(message):
        assert read["subject"] == message.subject
        for field, expected in (("from", (message.sender,)), ("to", message.to), ("cc", message.cc)):
            # Not policy.default: it puts a blank between neighbouring encoded words of a name (RFC 2047 section 6.2).
            found = getaddresses([old[field]]) if field in old else []
            assert [(address, str(make_header(decode_header(name)))) for name, address in found] == pairs(expected)
    texts: dict[str, str] = {}
    contents: list[bytes] = []
    for part in own_parts(read):
        assert not part.defects
        if part.get_content_disposition() is None:
            texts[part.get_content_type()] = part.get_content()
        elif part.get_content_maintype() != "message":
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            contents.append(content)
    assert unix(texts.get("text/plain")) == unix(expected_text(message))
    assert unix(texts.get("text/html")) == unix(message.html)
    assert sorted(map(digest, contents)) == sorted(
        digest(base64.b64decode(file.content))
        for file in message.attachments
        if not file.content_type.startswith("message/") or written_type(file) == "application/octet-stream"
    )


def mailparse_leaves(part: fast_mail_parser.PyMimePart) -> Iterable[fast_mail_parser.PyMimePart]:
    """Give the leaves of a message; one inside it is a leaf."""
    if part.children and not part.is_message:
        for child in part.children:
            yield from mailparse_leaves(child)
    else:
        yield part


def own_parts(message: MIMEPart) -> Iterable[MIMEPart]:
    """Give the leaves of a message, without those of a message inside it."""
    if message.get_content_maintype() != "multipart":
        yield message
        return
    for part in message.iter_parts():
        yield from own_parts(part)


def expected_text(message: Message) -> str:
    return plain_text(message.html or "") if message.text is None else message.text


def written_type(file: Attachment) -> str:
    """Give the type that an attachment is written with; one that may not be encoded travels as a mere file."""
    suffix = file.filename.rpartition(".")[2].lower()
    known = {"pdf": "application/pdf", "txt": "text/plain", "png": "image/png"}
    known["docx"] = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    guessed = file.content_type.partition(";")[0] or known.get(suffix, "application/octet-stream")
    if guessed.startswith("message/") and not base64.b64decode(file.content).isascii():
        return "application/octet-stream"
    return guessed


def unix(text: str | None) -> str:
    """Compare texts without the one line end that closes a message."""
    return re.sub("\r\n?", "\n", text or "").removesuffix("\n")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pairs(addresses: Sequence[Address]) -> list[tuple[str, str]]:
    return [(address.email, address.name) for address in addresses]
