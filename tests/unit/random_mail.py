"""Random messages, each made from a number: the same number gives the same message."""

from __future__ import annotations

import base64
import random

from mailbearer.message import Address, Attachment, Message, Unsubscribe
from mailbearer.mime import compose

ALPHABETS = (
    "abcdefghij KLMNOP 0123456789",
    " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "äöüßéèñçøåÄÖÜ žščř ",
    "абвгдежз АБВГ ",
    "日本語中文한국어テスト ",
    "مرحبا שלום ",
    "👩‍👩‍👧‍👦🏳️‍🌈😀🇩🇪 ",
    "e\u0301 \u00a0\u200b\u202e",
    "नमस्ते ไทย ქართული ",
)
FILENAMES = (
    "",
    ".",
    "a b.pdf",
    'the "best" one.pdf',
    '"',
    "'quoted'",
    "it's.txt",
    "back\\slash\\",
    "C:\\Temp\\x.doc",
    "../../etc/passwd",
    "semi;colon=1; filename=evil.exe",
    "per%20cent%.txt",
    "utf-8''trick.txt",
    "=?utf-8?q?word?=.txt",
    "(comment).txt",
    "two  blanks.txt",
    "trailing dot.",
    "no_extension",
    "تقرير مالي.pdf",
    "דוח\u202egpj.exe",
    "报告 最终.docx",
    "👩‍👩‍👧‍👦🏳️‍🌈.png",
    "e\u0301.txt",
    "ä" * 120 + ".txt",
    "x" * 251 + ".bin",
    "\U0001f4c4" * 100,
)
CONTENT_TYPES = (
    "",
    "application/pdf",
    "application/octet-stream",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/x-y; z=1",
    'application/json; profile="a b;c"',
    "audio/mpeg",
    "font/woff2",
    "image/png",
    "image/svg+xml",
    "message/delivery-status",
    "model/gltf-binary",
    "text/calendar; method=REQUEST",
    "text/csv",
    "text/html",
    "text/plain",
    "text/plain; charset=iso-8859-1",
    "video/mp4",
)
COUNTS = (range(0), range(0), range(1), range(9))


class Maker:
    """Makes messages from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - test data

    def message(self, depth: int = 0) -> Message:
        """Make a message; its attachments may be messages, three deep."""
        text, html = self._random.choice([(True, True), (True, False), (False, True)])
        return Message(
            account="acc_1",
            sender=Address("ada@example.com", self.name()),
            to=self.addresses(12) or (Address("b@example.com"),),
            cc=self.addresses(3),
            bcc=self.addresses(2),
            reply_to=self.addresses(1),
            subject=self.name(self._random.choice([60, 400, 2000])),
            text=self.body() if text else None,
            html=self.body() if html else None,
            attachments=tuple(
                self.attachment(number, depth) for number in range(self._random.choice([0, 0, 0, 1, 2, 4]))
            ),
            headers=(("X-Campaign", self.name()),) if self._random.random() < 0.2 else (),
            in_reply_to=self._random.choice(["", "<1@example.com>"]),
            references=tuple(f"<{n}.{'x' * 40}@example.com>" for n in self._random.choice(COUNTS)),
            unsubscribe=self._random.choice(
                [None, Unsubscribe(url="https://example.com/u?a=1,2", mailto="off@example.com", one_click=True)]
            ),
            message_id=f"<{self._random.randrange(10**18)}@example.com>",
            date=self._random.randrange(2 * 10**9),
        )

    def text(self, longest: int) -> str:
        """Make a text of up to three alphabets; most are short, some empty."""
        alphabet = "".join(self._random.sample(ALPHABETS, self._random.randint(1, 3)))
        length = int(longest ** self._random.random()) - 1
        return "".join(self._random.choices(alphabet, k=length))

    def name(self, longest: int = 60) -> str:
        """Make a text without blanks at its ends and in doubles: there parsers disagree."""
        return " ".join(self.text(longest).split())

    def body(self) -> str:
        """Make lines that end in every way; one in fifty is huge, some are empty."""
        most, longest = self._random.choice([(12, 200)] * 49 + [(400, 3000)])
        parts = [
            self.text(longest) + self._random.choice(["", " ", "\t", "."]) for _ in range(self._random.randint(0, most))
        ]
        return "".join(part + self._random.choice(["\n", "\r\n", "\n\n", "\n.\n", "\nFrom "]) for part in parts)

    def addresses(self, most: int) -> tuple[Address, ...]:
        """Make some addresses; one in thirty is in UTF-8."""
        return tuple(Address(self.email(), self.name()) for _ in range(self._random.randint(0, most)))

    def email(self) -> str:
        """Make an address."""
        local = self._random.choice(["x+y", "o'hara", "a.b-c_d", "{x}"] * 30 + ["用户", "bøb", "иван.петров", "محمد"])
        return f"u{self._random.randrange(10**6)}.{local}@example.{self._random.choice(['com', 'net'])}"

    def attachment(self, number: int, depth: int) -> Attachment:
        """Make an attachment of any kind, among them whole messages."""
        deeper = depth < 2 and self._random.random() < 0.2
        if deeper:
            data, content_type = compose(self.message(depth + 1), bcc_header=False), "message/rfc822"
        else:
            longest = self._random.choice([5000] * 49 + [400_000])
            data = self._random.randbytes(int(longest ** self._random.random()) - 1)
            content_type = self._random.choice(CONTENT_TYPES)
            if content_type.startswith("text/"):
                data = self.text(2000).encode(self._random.choice(["utf-8", "utf-16"]))
            elif content_type.startswith("message/"):
                data = b"Reporting-MTA: dns; example.com\r\n\r\n"
        name = self._random.choice([*FILENAMES, *(self.name(250) for _ in range(20))])
        return Attachment(
            filename=name,
            content=base64.b64encode(data).decode(),
            size=len(data),
            content_type=content_type,
            content_id=self._random.choice(["", "", f"id{number}@x"]),
            disposition=self._random.choice(["attachment", "inline"]),
        )
