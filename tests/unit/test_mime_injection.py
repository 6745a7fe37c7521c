"""No field that ends in the header can hold what some program takes for the end of a line."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.mime import compose, read_raw
from mailbearer.wire import read_message

if TYPE_CHECKING:
    from mailbearer.errors import Fault

BREAKS = {
    "CR LF": "\r\n",
    "CR": "\r",
    "LF": "\n",
    "CR LF blank": "\r\n ",
    "blank CR LF": " \r\n",
    "VT": "\x0b",
    "FF": "\x0c",
    "FS": "\x1c",
    "GS": "\x1d",
    "RS": "\x1e",
    "NEL": "\x85",
    "LINE SEPARATOR": "\u2028",
    "PARAGRAPH SEPARATOR": "\u2029",
    "NUL": "\0",
    "lone surrogate": "\ud80d",
}
MESSAGE: dict[str, Any] = {
    "account": "ada@example.com",
    "from": "ada@example.com",
    "to": ["bob@example.net"],
    "subject": "Hello",
    "text": "Hi",
}
CONTENT = base64.b64encode(b"x").decode()


def attached(**changes: str) -> dict[str, Any]:
    return {"attachments": [{"filename": "a.txt", "content": CONTENT, **changes}]}


FIELDS: dict[str, tuple[str, Any]] = {
    **{
        f"{name}: {form}": (name, {name: value})
        for name in ("from", "to", "cc", "bcc", "reply_to")
        for form, value in (
            ("address", "bob@example.net{}Bcc: eve@example.org"),
            ("local part", "bob{}@example.net"),
            ("domain", "bob@example{}.net"),
            ("name", "Bob{}Bcc: eve@example.org <bob@example.net>"),
            ("behind", "Bob <bob@example.net>{}"),
            ("object's address", {"email": "bob@example.net{}Bcc: eve@example.org"}),
            ("object's name", {"email": "bob@example.net", "name": "Bob{}Bcc: eve@example.org"}),
        )
    },
    "to: in a list": ("to/1", {"to": ["bob@example.net", "eve{}@example.org"]}),
    "account": ("account", {"account": "ada@example.com{}Bcc: eve@example.org"}),
    "subject": ("subject", {"subject": "Hello{}Bcc: eve@example.org"}),
    "subject at its end": ("subject", {"subject": "Hello{}"}),
    "in_reply_to": ("in_reply_to", {"in_reply_to": "<1@example.net>{}Bcc: eve@example.org"}),
    "in_reply_to inside": ("in_reply_to", {"in_reply_to": "<1{}@example.net>"}),
    "references": ("references", {"references": "<1@example.net>{}<2@example.net>"}),
    "references in a list": (
        "references",
        {"references": ["<1@example.net>", "<2@example.net>{}Bcc: eve@example.org"]},
    ),
    "header value": ("headers/X-A", {"headers": {"X-A": "b{}Bcc: eve@example.org"}}),
    "header value at its end": ("headers/X-A", {"headers": {"X-A": "b{}"}}),
    "header name": ("headers", {"headers": {"X-A{}Bcc": "eve@example.org"}}),
    "header name with a colon": ("headers", {"headers": {"X-A: b{}Bcc": "eve@example.org"}}),
    "unsubscribe url": ("unsubscribe/url", {"unsubscribe": {"url": "https://example.org/{}Bcc: eve@example.org"}}),
    "unsubscribe mailto": ("unsubscribe/mailto", {"unsubscribe": {"mailto": "off@example.org{}Bcc: eve@example.org"}}),
    "unsubscribe mailto query": ("unsubscribe/mailto", {"unsubscribe": {"mailto": "off@example.org?subject=x{}y"}}),
    "filename": ("attachments/0/filename", attached(filename="a{}Content-Type: text.html")),
    "filename at its end": ("attachments/0/filename", attached(filename="a.txt{}")),
    "content type": ("attachments/0/content_type", attached(content_type="text/plain{}X: y")),
    "content type at its end": ("attachments/0/content_type", attached(content_type="text/plain{}")),
    "content type's subtype": ("attachments/0/content_type", attached(content_type="text/pl{}ain")),
    "content type's parameter": (
        "attachments/0/content_type",
        attached(content_type="text/plain; charset=utf-8{}X: y"),
    ),
    "content type's quoted parameter": ("attachments/0/content_type", attached(content_type='text/plain; a="b{}X: y"')),
    "content_id": ("attachments/0/content_id", attached(content_id="a{}X: y")),
    "content_id in brackets": ("attachments/0/content_id", attached(content_id="<a@b>{}")),
    "disposition": ("attachments/0/disposition", attached(disposition="attachment{}X: y")),
}


def put_in(value: Any, text: str) -> Any:
    """Put a text into the one place of a field, also where that is the name of a header."""
    if isinstance(value, str):
        return value.replace("{}", text)
    if isinstance(value, list):
        return [put_in(item, text) for item in value]
    return {put_in(name, text): put_in(item, text) for name, item in value.items()}


@pytest.mark.parametrize(("where", "form"), FIELDS.values(), ids=FIELDS)
def test_a_line_break_in_a_field_of_the_header_is_refused_where_it_stands(where: str, form: dict[str, Any]) -> None:
    for name, separator in BREAKS.items():
        faults: list[Fault] = []
        read_message(MESSAGE | put_in(form, separator), faults)
        assert faults, name
        assert all(fault.pointer.startswith(f"/{where}") for fault in faults), (name, faults)


@pytest.mark.parametrize(("where", "form"), FIELDS.values(), ids=FIELDS)
def test_the_same_field_without_it_would_have_been_read(where: str, form: dict[str, Any]) -> None:
    """Guard against a table whose rows are refused for something else."""
    body = MESSAGE | put_in(form, "{}")
    text = json.dumps(body).replace("{}Bcc: eve@example.org", "").replace("{}X: y", "").replace("{}Bcc", "")
    body = json.loads(text.replace("{}<", " <").replace("{}Content-Type: text", "").replace("{}", ""))
    if where == "headers":
        body["headers"] = {name.partition(":")[0]: value for name, value in body["headers"].items()}
    faults: list[Fault] = []
    read_message(body, faults)
    assert faults == []


def test_metadata_never_reaches_the_header_and_may_hold_lines() -> None:
    faults: list[Fault] = []
    message = read_message(MESSAGE | {"metadata": {"note": "one\r\nBcc: eve@example.org"}}, faults)
    assert faults == []
    assert b"eve" not in compose(message, bcc_header=True)


RAW_FIELDS = (
    "From: ada@example.com{}\r\nTo: bob@example.net\r\n",
    "From: Ada{}Lovelace <ada@example.com>\r\nTo: bob@example.net\r\n",
    "From: ada@example.com\r\nTo: bob@example.net{}Bcc: eve@example.org\r\n",
    "From: ada@example.com\r\nTo: bob@example.net\r\nSubject: Hello{}Bcc: eve@example.org\r\n",
    "From: ada@example.com\r\nTo: bob@example.net\r\nX-A{}Bcc: eve@example.org\r\n",
    "From: ada@example.com\r\nTo: bob@example.net\r\nMessage-ID: <1@x>{}Bcc: eve@example.org\r\n",
    "From: ada@example.com\r\nTo: bob@example.net\r\nContent-Type: text/plain; a=b{}Bcc: eve@example.org\r\n",
)


@pytest.mark.parametrize("header", RAW_FIELDS)
def test_a_raw_header_with_a_line_break_that_only_some_see_is_refused(header: str) -> None:
    for name, separator in BREAKS.items():
        if "CR LF" not in name:
            raw = f"{header.replace('{}', separator)}\r\nHi\r\n".encode("utf-8", "surrogatepass")
            assert [fault.code for fault in read_raw(raw).faults] == ["raw_malformed"], name


def test_a_field_that_a_line_break_makes_is_read_as_that_field_by_everybody() -> None:
    raw = b"From: ada@example.com\r\nTo: bob@example.net\r\nSubject: Hello\r\nBcc: eve@example.org\r\n\r\nHi\r\n"
    for line_end in (b"\r\n", b"\n", b"\r"):
        read = read_raw(raw.replace(b"\r\n", line_end))
        assert [address.email for address in read.bcc] == ["eve@example.org"]
