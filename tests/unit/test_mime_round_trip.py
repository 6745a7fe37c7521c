"""Random messages come back whole from two parsers that have nothing in common."""

from __future__ import annotations

import base64
import email
import hashlib
import random
import re
from email.header import decode_header, make_header
from email.policy import default
from email.utils import getaddresses
from typing import TYPE_CHECKING, Any

import fast_mail_parser
import pytest

from mailbearer.message import Address, Attachment, Message
from mailbearer.mime import compose

if TYPE_CHECKING:
    from collections.abc import Sequence

MESSAGES = 2000
BATCHES = 4

ALPHABETS = (
    "abcdefghij KLMNOP 0123456789",
    " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "äöüßéèñçøåÄÖÜ žščř ",
    "абвгдежз АБВГ ",
    "日本語中文한국어テスト ",
    "مرحبا שלום ",
    "👩‍👩‍👧‍👦🏳️‍🌈😀🇩🇪 ",
    "e\u0301 \u00a0\u200b\u202e",
)


class Maker:
    """Makes messages from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - test data

    def text(self, longest: int) -> str:
        alphabets = self._random.sample(ALPHABETS, self._random.randint(1, 3))
        length = int(longest ** self._random.random())
        return "".join(self._random.choice(self._random.choice(alphabets)) for _ in range(length))

    def lines(self) -> str:
        parts = [self.text(200) + self._random.choice(["", " ", "\t", "."]) for _ in range(self._random.randint(0, 12))]
        return "".join(part + self._random.choice(["\n", "\r\n", "\n\n", "\n.\n", "\nFrom "]) for part in parts)

    def name(self) -> str:
        # Parsers agree on names without blanks at their ends and in doubles only.
        return " ".join(self.text(60).split())

    def addresses(self, most: int) -> tuple[Address, ...]:
        return tuple(
            Address(f"u{self._random.randrange(10**6)}.x+y@example.{self._random.choice(['com', 'net'])}", self.name())
            for _ in range(self._random.randint(0, most))
        )

    def attachment(self) -> Attachment:
        data = self._random.randbytes(int(5000 ** self._random.random()))
        # The standard library takes such marks around a file name for quotes.
        name = " ".join(self.text(90).split()).strip("<>\"' ") or "file"
        return Attachment(
            filename=name,
            content=base64.b64encode(data).decode(),
            size=len(data),
            content_type=self._random.choice(["", "application/pdf", "image/png", "application/x-y; z=1"]),
            content_id=self._random.choice(["", "", "id@x"]),
        )

    def message(self) -> Message:
        texts = self._random.choice([(True, True), (True, False), (False, True)])
        return Message(
            account="acc_1",
            sender=Address("ada@example.com", self.name()),
            to=self.addresses(12) or (Address("b@example.com"),),
            cc=self.addresses(3),
            bcc=self.addresses(2),
            subject=" ".join(self.text(400).split()),
            text=self.lines() if texts[0] else None,
            html=self.lines() if texts[1] else None,
            attachments=tuple(self.attachment() for _ in range(self._random.choice([0, 0, 1, 2, 4]))),
            message_id=f"<{self._random.randrange(10**18)}@example.com>",
            date=self._random.randrange(2 * 10**9),
        )


def unix(text: str | None) -> str:
    """Compare texts without the one line end that closes a message."""
    return re.sub("\r\n?", "\n", text or "").removesuffix("\n")


def digests(parts: Sequence[bytes]) -> list[str]:
    return sorted(hashlib.sha256(part).hexdigest() for part in parts)


def pairs(addresses: Sequence[Address]) -> list[tuple[str, str]]:
    return [(address.email, address.name) for address in addresses]


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_messages_come_back_whole(batch: int) -> None:
    maker = Maker(batch)
    for _ in range(MESSAGES // BATCHES):
        message = maker.message()
        data = compose(message, bcc_header=True)
        assert data.isascii()
        assert b"\0" not in data
        assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
        assert max(map(len, data.split(b"\r\n"))) <= 998
        read_by_the_standard_library(message, data)
        read_by_mailparse(message, data)


def read_by_the_standard_library(message: Message, data: bytes) -> None:
    read = email.message_from_bytes(data, policy=default)
    old = email.message_from_bytes(data)
    assert read["subject"] == message.subject
    for field, expected in (("from", (message.sender,)), ("to", message.to), ("cc", message.cc), ("bcc", message.bcc)):
        # Not policy.default: it puts a blank between neighbouring encoded words of a name (RFC 2047 section 6.2).
        found = getaddresses([old[field]]) if field in old else []
        assert [(address, str(make_header(decode_header(name)))) for name, address in found] == pairs(expected)
    texts: dict[str, str] = {}
    files: list[tuple[str | None, Any]] = []
    for part in read.walk():
        assert not part.defects
        if part.is_multipart():
            continue
        if part.get_content_disposition() is None:
            texts[part.get_content_type()] = part.get_content()
        else:
            files.append((part.get_filename(), part.get_payload(decode=True)))
    assert unix(texts.get("text/plain")) == unix(message.text)
    assert unix(texts.get("text/html")) == unix(message.html)
    assert digests([content for _, content in files]) == digests(
        [base64.b64decode(item.content) for item in message.attachments]
    )
    assert sorted(str(name) for name, _ in files) == sorted(item.filename for item in message.attachments)


def read_by_mailparse(message: Message, data: bytes) -> None:
    """Read with Rust's mailparse, which shares no line of code with Python's."""
    read = fast_mail_parser.parse_email(data)
    assert read.subject == message.subject
    assert [(found.address, found.display_name or "") for found in read.to] == pairs(message.to)
    assert [(found.address, found.display_name or "") for found in read.cc] == pairs(message.cc)
    assert [(found.address, found.display_name or "") for found in read.bcc] == pairs(message.bcc)
    assert unix("".join(read.text_plain)) == unix(message.text)
    assert unix("".join(read.text_html)) == unix(message.html)
    assert digests([item.content for item in read.attachments]) == digests(
        [base64.b64decode(item.content) for item in message.attachments]
    )
