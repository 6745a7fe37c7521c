from __future__ import annotations

import base64
import email
import re
from dataclasses import replace
from email.header import decode_header, make_header
from email.policy import default
from email.utils import getaddresses
from typing import TYPE_CHECKING

import pytest

from mailbearer.errors import InvalidInput
from mailbearer.message import Address, Attachment, Message, Unsubscribe
from mailbearer.mime import compose

if TYPE_CHECKING:
    from email.message import EmailMessage

MESSAGE = Message(
    account="acc_1",
    sender=Address("ada@example.com", "Ada Lovelace"),
    to=(Address("bob@example.net"),),
    subject="Hello",
    text="Hi Bob,\nhow are you?\n",
    message_id="<1@mailbearer.example>",
    date=1_700_000_000.9,
)


def attachment(data: bytes, filename: str = "a.bin", **more: str) -> Attachment:
    return Attachment(filename=filename, content=base64.b64encode(data).decode(), size=len(data), **more)


def written(message: Message, *, bcc_header: bool = False) -> bytes:
    """Compose, and check what holds for every message that is not raw."""
    data = compose(message, bcc_header=bcc_header)
    assert data.isascii()
    assert b"\0" not in data
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
    assert data.endswith(b"\r\n")
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert data == compose(message, bcc_header=bcc_header)
    return data


def parsed(message: Message, *, bcc_header: bool = False) -> EmailMessage:
    read = email.message_from_bytes(written(message, bcc_header=bcc_header), policy=default)
    assert all(not part.defects for part in read.walk())
    assert all(not getattr(value, "defects", ()) for part in read.walk() for value in part.values())
    return read


def test_a_plain_message_is_written_as_anybody_would() -> None:
    assert written(MESSAGE) == (
        b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
        b"From: Ada Lovelace <ada@example.com>\r\n"
        b"To: bob@example.net\r\n"
        b"Subject: Hello\r\n"
        b"Message-ID: <1@mailbearer.example>\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"Hi Bob,\r\nhow are you?\r\n"
    )


def test_bcc_is_named_only_where_it_is_asked_for() -> None:
    message = replace(MESSAGE, bcc=(Address("eve@example.org"),))
    assert b"eve" not in written(message)
    assert parsed(message, bcc_header=True)["bcc"] == "eve@example.org"


def test_parts_are_nested_as_far_as_they_are_needed() -> None:
    image = attachment(b"\x89PNG", "logo.png", content_id="logo")
    pdf = attachment(b"%PDF", "invoice.pdf")

    def structure(**changes: object) -> str:
        def outline(part: EmailMessage) -> str:
            if not part.is_multipart():
                return part.get_content_subtype()
            return f"{part.get_content_subtype()}({' '.join(outline(inner) for inner in part.iter_parts())})"  # type: ignore[arg-type]

        return outline(parsed(replace(MESSAGE, **changes)))  # type: ignore[arg-type]

    assert structure() == "plain"
    assert structure(text=None, html="<p>") == "html"
    assert structure(text=None, html="<p>words") == "alternative(plain html)"
    assert structure(text=None, html="words", attachments=(image,)) == "alternative(plain related(html png))"
    assert structure(html="<p>") == "alternative(plain html)"
    assert structure(attachments=(pdf,)) == "mixed(plain pdf)"
    assert structure(html="<p>", attachments=(pdf,)) == "mixed(alternative(plain html) pdf)"
    assert structure(text=None, html="<p>", attachments=(image,)) == "related(html png)"
    assert structure(html="<p>", attachments=(image,)) == "alternative(plain related(html png))"
    assert structure(html="<p>", attachments=(image, pdf)) == "mixed(alternative(plain related(html png)) pdf)"
    assert structure(attachments=(image,)) == "mixed(plain png)"
    assert structure(text=None, attachments=(pdf,)) == "mixed(pdf)"
    assert structure(text=None) == "plain"


def test_an_inline_image_can_be_named_by_its_html() -> None:
    image = attachment(b"\x89PNG", "logo.png", content_id="logo@1")
    part = list(parsed(replace(MESSAGE, html='<img src="cid:logo@1">', attachments=(image,))).walk())[-1]
    assert (part["content-id"], part.get_content_disposition()) == ("<logo@1>", "inline")


def test_an_address_in_utf8_is_all_that_is_not_ascii() -> None:
    message = replace(
        MESSAGE,
        to=(Address("用户@xn--fsqu00a.example", "用户"), Address("bob@example.net", "Bøb")),
        cc=(Address("élise@example.net"),),
        bcc=(Address("иван@example.net"),),
        subject="Grüße",
        text="Hällo\n",
    )
    data = compose(message, bcc_header=False)
    beyond = [word.decode() for word in data.split() if not word.isascii()]
    assert beyond == ["<用户@xn--fsqu00a.example>,", "élise@example.net"]
    assert "иван@example.net" in compose(message, bcc_header=True).decode()
    read = email.message_from_string(data.decode(), policy=default)
    assert read["subject"] == "Grüße"
    assert [address.addr_spec for address in read["cc"].addresses] == ["élise@example.net"]


def test_a_blind_address_in_utf8_leaves_the_header_in_ascii() -> None:
    assert written(replace(MESSAGE, bcc=(Address("иван@example.net"),)))


def test_html_alone_gets_a_text_beside_it_that_says_the_same() -> None:
    read = parsed(
        replace(MESSAGE, text=None, html="<p>Hello <b>Bob</b>,</p><p>see <a href='https://x.example/1'>this</a>")
    )
    assert read.get_content_type() == "multipart/alternative"
    plain, html = read.iter_parts()
    assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert plain.get_payload(decode=True) == b"Hello Bob,\r\n\r\nsee this (https://x.example/1)\r\n"


def test_a_text_that_was_given_is_never_replaced() -> None:
    for text in ("mine", ""):
        plain, _ = parsed(replace(MESSAGE, text=text, html="<p>other</p>")).iter_parts()
        assert plain.get_payload(decode=True) == text.encode()


def test_threading_and_unsubscribing_have_their_fields() -> None:
    message = replace(
        MESSAGE,
        reply_to=(Address("help@example.com", "Help, please"),),
        in_reply_to="<0@x>",
        references=tuple(f"<{number}@{'x' * 60}>" for number in range(9)),
        unsubscribe=Unsubscribe(url="https://example.com/u?x=1,2", mailto="off@example.com", one_click=True),
        headers=(("X-Campaign", "spring"),),
    )
    read = parsed(message)
    assert read["reply-to"].addresses[0].display_name == "Help, please"
    assert read["in-reply-to"] == "<0@x>"
    assert read["references"].split() == list(message.references)
    assert read["list-unsubscribe"] == "<https://example.com/u?x=1,2>, <mailto:off@example.com>"
    assert read["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    assert read["x-campaign"] == "spring"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("ascii only", "7bit"),
        ("", "7bit"),
        ("x" * 998, "7bit"),
        ("x" * 999, "quoted-printable"),
        ("nul \0 in it", "quoted-printable"),
        ("mostly ascii with a little ä in it", "quoted-printable"),
        ("日本語のテキスト", "base64"),
        ("line one\rline two\nline three\r\n", "7bit"),
        (".\n..\nFrom here\n trailing \n\n", "7bit"),
        ("ä trailing blank \nand tab\t\n.\nend= ", "quoted-printable"),
    ],
)
def test_a_text_gets_the_lightest_encoding_and_comes_back(text: str, encoding: str) -> None:
    message = replace(MESSAGE, text=text, html=text)
    lines = re.sub("\r\n|\r|\n", "\r\n", text).encode()
    parts = list(parsed(message).iter_parts())
    assert [part["content-transfer-encoding"] for part in parts] == [encoding] * 2
    assert [part.get_payload(decode=True) for part in parts] == [lines] * 2


@pytest.mark.parametrize("text", ["ä" * 5000, "日本語" * 5000, "x" * 5000, "a=b " * 900 + "ä"])
def test_encoded_lines_have_at_most_76_characters(text: str) -> None:
    body = written(replace(MESSAGE, text=text)).partition(b"\r\n\r\n")[2]
    assert max(map(len, body.split(b"\r\n"))) <= 76


SUBJECTS = [
    "Hällo Wörld",
    "日本語の件名" * 20,
    "👩‍👩‍👧‍👦" * 30,
    "word " * 100,
    "x" * 900,
    "x" * 2000,
    "=?utf-8?q?fake?= encoded word",
    "two  blanks   inside",
    " leading and trailing ",
    "ä " * 60,
    "_ = ? _",
    "tail with umlaut ü",
    "",
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_in_any_script_comes_back(subject: str) -> None:
    head = written(replace(MESSAGE, subject=subject)).partition(b"\r\n\r\n")[0]
    if len(subject) != 900:
        assert max(map(len, head.split(b"\r\n"))) <= 78
    assert email.message_from_bytes(head, policy=default)["subject"] == subject


NAMES = [
    "Ada Lovelace",
    "Lovelace, Ada",
    'Ada "the first" Lovelace',
    "back\\slash",
    "Ädä Lövelace",
    "山田 太郎",
    "محمد",
    "a" * 200,
    "word " * 40 + "end",
    "ä" * 200,
    "=?utf-8?q?x?=",
    "(comment)",
    "semi;colon:<at@>",
    "two  blanks",
    "St. Mary's",
    "👩‍💻",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_script_comes_back(name: str) -> None:
    people = tuple(Address(f"p{number}@example.net", name) for number in range(12))
    head = written(replace(MESSAGE, to=people)).partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78
    # Not policy.default: it puts a blank between neighbouring encoded words of a name, against RFC 2047 section 6.2.
    fields = getaddresses([email.message_from_bytes(head)["to"]])
    read = [Address(found, str(make_header(decode_header(written_name)))) for written_name, found in fields]
    assert read == list(people)


FILENAMES = [
    "report.pdf",
    "Bericht März.pdf",
    "报告.pdf",
    'a "quoted" name.txt',
    "back\\slash.txt",
    "per%cent.txt",
    "semi;colon=x.txt",
    "it's.txt",
    "x" * 200 + ".pdf",
    "ä" * 200 + ".pdf",
    "👩‍👩‍👧‍👦" * 20 + ".png",
    "tab\there.txt",
    "a.txt; filename=evil.exe",
]


@pytest.mark.parametrize("filename", FILENAMES)
def test_a_file_name_in_any_script_comes_back(filename: str) -> None:
    data = written(replace(MESSAGE, attachments=(attachment(b"x", filename),)))
    assert max(map(len, data.split(b"\r\n"))) <= 78
    part = list(email.message_from_bytes(data, policy=default).walk())[-1]
    assert part.get_filename() == filename


@pytest.mark.parametrize("size", [0, 1, 56, 57, 58, 114, 57 * 256, 57 * 256 + 1, 57 * 512 - 1, 100_000])
def test_an_attachment_comes_back_byte_for_byte(size: int) -> None:
    data = bytes(number * 7 % 256 for number in range(size))
    message = replace(MESSAGE, attachments=(attachment(data),))
    part = list(parsed(message).walk())[-1]
    assert part.get_payload(decode=True) == data
    assert part.get_content_type() == "application/octet-stream"
    assert max(map(len, written(message).split(b"\r\n"))) <= 76


@pytest.mark.parametrize(
    ("data", "given", "expected"),
    [
        (b"plain", "text/csv", "text/csv"),
        ("ä".encode(), "text/csv", "text/csv; charset=utf-8"),
        ("ä".encode("latin-1"), "text/csv", "text/csv"),
        ("ä".encode("latin-1"), "text/csv; charset=iso-8859-1", "text/csv; charset=iso-8859-1"),
        (b"x", "multipart/mixed", "application/octet-stream"),
        (b"x", "", "application/octet-stream"),
        (b"x", 'application/x; a="b; c"', 'application/x; a="b; c"'),
    ],
)
def test_a_media_type_is_made_true(data: bytes, given: str, expected: str) -> None:
    message = replace(MESSAGE, attachments=(attachment(data, content_type=given),))
    assert f"Content-Type: {expected}\r\n".encode() in written(message)
    assert list(parsed(message).walk())[-1].get_payload(decode=True) == data


def test_an_attached_message_is_embedded_as_it_is() -> None:
    inner = b"Subject: inner\r\n\r\nbody\r\n"
    message = replace(MESSAGE, attachments=(attachment(inner, "mail.eml"),))
    part = next(iter(parsed(message).iter_attachments()))
    assert part.get_content_type() == "message/rfc822"
    assert part.get_content()["subject"] == "inner"
    assert inner in written(message)


def test_an_attached_message_that_is_not_7bit_travels_as_a_file() -> None:
    inner = "Subject: inner\r\n\r\nbödy\r\n".encode()
    part = list(parsed(replace(MESSAGE, attachments=(attachment(inner, "mail.eml"),))).walk())[-1]
    assert (part.get_content_type(), part.get_payload(decode=True)) == ("application/octet-stream", inner)


def test_a_boundary_never_occurs_in_what_it_separates() -> None:
    first = written(replace(MESSAGE, html="<p>"))
    found = re.search(rb'boundary="([^"]+)"', first)
    assert found is not None
    hostile = replace(MESSAGE, html="<p>", text=f"--{found[1].decode()}--\r\n")
    parts = list(parsed(hostile).iter_parts())
    assert [part.get_payload(decode=True) for part in parts] == [str(hostile.text).encode(), b"<p>"]


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "a\r\nBcc: x@y"},
        {"subject": "a\nb"},
        {"subject": "nul\0"},
        {"subject": "a\u2028b"},
        {"sender": Address("a@b\r\nBcc: x@y")},
        {"sender": Address("a@b", "x\r\nBcc: y@z")},
        {"sender": Address("ä\u2028@example.com")},
        {"sender": Address("ä\x85@example.com")},
        {"sender": Address("ä\r\nBcc: x@example.com")},
        {"to": (Address("ä b@example.com"),)},
        {"to": (Address("ä,b@example.com"),)},
        {"sender": Address("a@b>, <c@d")},
        {"to": (Address("no-at-sign"),)},
        {"to": (Address("a@münchen.example"),)},
        {"headers": (("X-A", "b\r\nBcc: x@y"),)},
        {"headers": (("X A", "b"),)},
        {"headers": (("X-A: b\r\nBcc", "c"),)},
        {"message_id": "<a>\r\nBcc: x@y"},
        {"references": ("<a\r\nb>",)},
        {"references": ("<" + "a" * 1000 + ">",)},
        {"unsubscribe": Unsubscribe(url="https://a>\r\nBcc: x@y")},
        {"attachments": (attachment(b"", content_type="text/plain\r\nX: y"),)},
        {"attachments": (attachment(b"", content_type="nonsense"),)},
        {"attachments": (attachment(b"", disposition="evil\r\nX: y"),)},
        {"attachments": (attachment(b"", content_id="a\r\nX: y"),)},
    ],
)
def test_nothing_breaks_out_of_its_header_field(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        compose(replace(MESSAGE, **changes), bcc_header=True)  # type: ignore[arg-type]
