from __future__ import annotations

import base64
import json
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailbearer.errors import Fault, MailbearerError
from mailbearer.message import Address, Attachment, Message, Unsubscribe
from mailbearer.mime import compose
from mailbearer.wire import MAX_HEADERS, MAX_RECIPIENTS, read_message
from tests.unit.sending import APP, Sending
from tests.unit.test_addresses import LINE_SEPARATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MINIMAL = {"account": "acc_1", "to": "bob@example.net", "text": "Hello"}
PDF = base64.b64encode(b"%PDF").decode()
FULL: dict[str, Any] = {
    "account": "ann@example.org",
    "from": "Ann <ann@example.org>",
    "to": ["bob@example.net", {"email": "carl@example.net", "name": "Carl"}],
    "cc": "dora@example.net",
    "bcc": ["eve@example.net"],
    "reply_to": "desk@example.org",
    "subject": "Grüße",
    "text": "Hello\r\nBob",
    "html": "<p>Hello</p>",
    "attachments": [{"filename": "a.pdf", "content_type": "application/pdf; name=x", "content": PDF}],
    "headers": {"X-Order": "4711"},
    "in_reply_to": "<1@example.net>",
    "references": "<0@example.net>  <1@example.net>",
    "unsubscribe": {"url": "https://example.org/off?x=1", "mailto": "mailto:off@example.org", "one_click": True},
    "tags": ["welcome"],
    "metadata": {"order": "4711", "empty": ""},
    "on_unknown": "resend",
}


def read(body: dict[str, Any]) -> tuple[Message, list[Fault]]:
    faults: list[Fault] = []
    return read_message(body, faults), faults


def found(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.pointer, fault.code) for fault in read(body)[1]]


def test_the_smallest_message_is_read() -> None:
    message, faults = read(MINIMAL)
    assert faults == []
    assert message == Message(
        account="acc_1", sender=Address(""), to=(Address("bob@example.net"),), text="Hello", on_unknown="hold"
    )


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2030-01-01T00:00:00Z", 1_893_456_000),
        ("2030-01-01t01:30:00.25+01:30", 1_893_456_000.25),
        ("2029-12-31T23:59:59.999-00:00", 1_893_455_999.999),
        ("1970-01-01T00:00:00Z", 1),
    ],
)
def test_a_time_is_read_with_its_zone(text: str, moment: float) -> None:
    message, faults = read(MINIMAL | {"send_at": text})
    assert faults == []
    assert message.send_at == moment


def test_a_template_stands_in_the_place_of_subject_text_and_html() -> None:
    body = {"account": "acc_1", "to": "bob@example.net", "template": {"name": "welcome"}}
    assert found(body) == []
    assert found(body | {"subject": "Hi", "html": "<p>"}) == [
        ("/subject", "excluded_by_template"),
        ("/html", "excluded_by_template"),
    ]
    assert found({"account": "acc_1", "raw": PDF, "template": {"name": "welcome"}}) == [
        ("/template", "excluded_by_raw")
    ]


def test_an_upload_needs_no_name_and_no_type() -> None:
    body = MINIMAL | {"attachments": [{"upload_id": "upl_1"}, {"upload_id": "upl_2", "filename": "b"}]}
    message, faults = read(body)
    assert faults == []
    assert message.attachments == (
        Attachment(filename="", size=0, upload_id="upl_1"),
        Attachment(filename="b", size=0, upload_id="upl_2"),
    )


def test_an_attachment_that_cannot_be_read_keeps_its_place() -> None:
    message, faults = read(MINIMAL | {"attachments": [5, {"upload_id": "upl_1"}]})
    assert [fault.pointer for fault in faults] == ["/attachments/0"]
    assert message.attachments[1].upload_id == "upl_1"


def test_every_field_is_read() -> None:
    message, faults = read(FULL)
    assert faults == []
    assert message == Message(
        account="ann@example.org",
        sender=Address("ann@example.org", "Ann"),
        to=(Address("bob@example.net"), Address("carl@example.net", "Carl")),
        cc=(Address("dora@example.net"),),
        bcc=(Address("eve@example.net"),),
        reply_to=(Address("desk@example.org"),),
        subject="Grüße",
        text="Hello\r\nBob",
        html="<p>Hello</p>",
        attachments=(Attachment(filename="a.pdf", content=PDF, size=4, content_type="application/pdf; name=x"),),
        headers=(("X-Order", "4711"),),
        in_reply_to="<1@example.net>",
        references=("<0@example.net>", "<1@example.net>"),
        unsubscribe=Unsubscribe(url="https://example.org/off?x=1", mailto="off@example.org", one_click=True),
        tags=("welcome",),
        metadata=(("order", "4711"), ("empty", "")),
        on_unknown="resend",
    )
    assert "Grüße" not in repr(message), "content does not print"


def test_null_stands_for_a_field_that_was_left_out() -> None:
    assert read(MINIMAL | dict.fromkeys(FULL.keys() - MINIMAL.keys()))[0] == read(MINIMAL)[0]


def test_an_inline_image_is_known_by_its_content_id() -> None:
    message, faults = read(MINIMAL | {"attachments": [{"filename": "a", "content": "", "content_id": "<logo@x>"}]})
    assert faults == []
    assert (message.attachments[0].content_id, message.attachments[0].disposition) == ("logo@x", "inline")


def test_base64_is_kept_in_its_canonical_form() -> None:
    message, faults = read({"account": "a", "raw": "QUJD\r\n REVG\tRw=="})
    assert (message.raw, faults) == ("QUJDREVGRw==", [])


# --- faults ---------------------------------------------------------------------------------------------------------

NO_TIMES: list[object] = [
    "",
    "tomorrow",
    "2030-01-01",
    "2030-01-01T00:00:00",
    "2030-01-01 00:00:00Z",
    "2030-02-30T00:00:00Z",
    "2030-01-01T24:00:01Z",
    "2030-01-01T00:00Z",
    "20300101T000000Z",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "2030-01-01T00:00:00+0100",
    "\u0662030-01-01T00:00:00Z",
    1_893_456_000,
    [],
]
ONE_FAULT: list[tuple[dict[str, Any], str, str]] = [
    ({"colour": "red"}, "/colour", "unknown_field"),
    ({"a/b~c": 1}, "/a~1b~0c", "unknown_field"),
    ({"\ud800": 1}, "/\ud800", "unknown_field"),
    *(({"send_at": wrong}, "/send_at", "invalid_time") for wrong in NO_TIMES),
    ({"template": {"name": "x"}}, "/text", "excluded_by_template"),
    ({"to": None}, "/to", "recipient_missing"),
    ({"to": []}, "/to", "recipient_missing"),
    ({"to": ["bob@example.net", "x"]}, "/to/1", "invalid_address"),
    ({"cc": ["x"]}, "/cc/0", "invalid_address"),
    ({"bcc": "x"}, "/bcc", "invalid_address"),
    ({"reply_to": {"email": "x"}}, "/reply_to", "invalid_address"),
    ({"from": ""}, "/from", "invalid_address"),
    ({"from": ["a@b"]}, "/from", "invalid_address"),
    ({"to": {"email": "a@b", "x": 1}}, "/to/x", "unknown_field"),
    ({"to": [f"{n}@b" for n in range(MAX_RECIPIENTS)], "cc": "x@b"}, "/to", "too_many_recipients"),
    ({"text": None}, "", "content_missing"),
    ({"text": "a\0b"}, "/text", "unsafe_character"),
    ({"text": "\udfff"}, "/text", "unsafe_character"),
    ({"html": "\0"}, "/html", "unsafe_character"),
    ({"subject": "x" * 901}, "/subject", "too_long"),
    ({"subject": "x " * 1001}, "/subject", "too_long"),
    ({"account": "x" * 321}, "/account", "too_long"),
    ({"attachments": {}}, "/attachments", "not_a_list"),
    ({"attachments": [{"filename": "a", "content": ""}] * 101}, "/attachments", "not_a_list"),
    ({"attachments": ["x"]}, "/attachments/0", "not_an_object"),
    ({"attachments": [{"filename": "a", "content": "", "x~": 1}]}, "/attachments/0/x~0", "unknown_field"),
    ({"attachments": [{"filename": "a", "upload_id": 5}]}, "/attachments/0/upload_id", "not_a_string"),
    ({"attachments": [{"filename": "a", "upload_id": ""}]}, "/attachments/0/upload_id", "not_a_string"),
    ({"attachments": [{"upload_id": "u", "content": ""}]}, "/attachments/0/content", "excluded_by_upload"),
    ({"attachments": [{"upload_id": "u", "filename": ""}]}, "/attachments/0/filename", "filename_missing"),
    ({"attachments": [{"filename": "a", "content": 5}]}, "/attachments/0/content", "not_a_string"),
    ({"attachments": [{"filename": "", "content": ""}]}, "/attachments/0/filename", "filename_missing"),
    ({"attachments": [{"content": ""}]}, "/attachments/0/filename", "filename_missing"),
    ({"attachments": [{"filename": "x" * 256, "content": ""}]}, "/attachments/0/filename", "filename_missing"),
    ({"attachments": [{"filename": "a"}]}, "/attachments/0/content", "content_missing"),
    ({"attachments": [{"filename": "a", "content": "QQ"}]}, "/attachments/0/content", "invalid_base64"),
    ({"attachments": [{"filename": "a", "content": "Q-_="}]}, "/attachments/0/content", "invalid_base64"),
    ({"attachments": [{"filename": "a", "content": "QQ==QQ=="}]}, "/attachments/0/content", "invalid_base64"),
    ({"attachments": [{"filename": "a", "content": "ÄÄ=="}]}, "/attachments/0/content", "invalid_base64"),
    (
        {"attachments": [{"filename": "a", "content": "", "content_type": "multipart/mixed"}]},
        "/attachments/0/content_type",
        "invalid_content_type",
    ),
    (
        {"attachments": [{"filename": "a", "content": "", "content_type": "pdf"}]},
        "/attachments/0/content_type",
        "invalid_content_type",
    ),
    (
        {"attachments": [{"filename": "a", "content": "", "content_id": "a b"}]},
        "/attachments/0/content_id",
        "invalid_content_id",
    ),
    (
        {"attachments": [{"filename": "a", "content": "", "disposition": "hidden"}]},
        "/attachments/0/disposition",
        "invalid_choice",
    ),
    (
        {"attachments": [{"filename": "a", "content": "", "content_id": "x"}] * 2},
        "/attachments",
        "duplicate_content_id",
    ),
    ({"headers": []}, "/headers", "not_an_object"),
    ({"headers": {f"X-{n}": "" for n in range(MAX_HEADERS + 1)}}, "/headers", "too_many_headers"),
    ({"headers": {"X/Y": 5}}, "/headers/X~1Y", "not_a_string"),
    ({"headers": {"": "x"}}, "/headers/", "invalid_header_name"),
    ({"headers": {"X Y": "x"}}, "/headers/X Y", "invalid_header_name"),
    ({"headers": {"X:": "x"}}, "/headers/X:", "invalid_header_name"),
    ({"headers": {"Ü": "x"}}, "/headers/Ü", "invalid_header_name"),
    ({"headers": {"X" * 77: "x"}}, f"/headers/{'X' * 77}", "invalid_header_name"),
    ({"headers": {"X": "x" * 901}}, "/headers/X", "too_long"),
    ({"headers": {"X": "x " * 1001}}, "/headers/X", "too_long"),
    ({"in_reply_to": "1@example.net"}, "/in_reply_to", "invalid_message_id"),
    ({"in_reply_to": "<1@x> <2@x>"}, "/in_reply_to", "invalid_message_id"),
    ({"in_reply_to": ""}, "/in_reply_to", "invalid_message_id"),
    ({"references": ["<1@x>", "<2 @x>"]}, "/references", "invalid_message_id"),
    ({"references": ["<1@x>"] * 101}, "/references", "invalid_message_id"),
    ({"unsubscribe": {}}, "/unsubscribe", "invalid_unsubscribe"),
    ({"unsubscribe": {"uri": "https://x"}}, "/unsubscribe", "invalid_unsubscribe"),
    ({"unsubscribe": {"url": "ftp://x"}}, "/unsubscribe/url", "invalid_url"),
    ({"unsubscribe": {"url": "https://x y"}}, "/unsubscribe/url", "invalid_url"),
    ({"unsubscribe": {"mailto": "<off@x>"}}, "/unsubscribe/mailto", "invalid_url"),
    ({"unsubscribe": {"mailto": "nobody"}}, "/unsubscribe/mailto", "invalid_address"),
    ({"unsubscribe": {"url": "http://x", "one_click": True}}, "/unsubscribe/one_click", "https_needed"),
    ({"unsubscribe": {"url": "https://x", "one_click": "yes"}}, "/unsubscribe/one_click", "not_a_boolean"),
    ({"tags": ["x"] * 11}, "/tags", "invalid_tags"),
    ({"tags": [""]}, "/tags", "invalid_tags"),
    ({"tags": ["x" * 65]}, "/tags", "invalid_tags"),
    ({"metadata": {str(n): "" for n in range(21)}}, "/metadata", "invalid_metadata"),
    ({"metadata": {"": "x"}}, "/metadata", "invalid_metadata"),
    ({"metadata": {"x" * 65: "x"}}, "/metadata", "invalid_metadata"),
    ({"metadata": {"x": "x" * 501}}, "/metadata", "invalid_metadata"),
    ({"metadata": {"x": "\ud800"}}, "/metadata", "invalid_metadata"),
    ({"on_unknown": "retry"}, "/on_unknown", "invalid_choice"),
]


@pytest.mark.parametrize(("fields", "pointer", "code"), ONE_FAULT)
def test_a_fault_is_named_with_its_place_and_nothing_else_is(fields: dict[str, Any], pointer: str, code: str) -> None:
    assert found(MINIMAL | fields) == [(pointer, code)]


def test_all_faults_are_named_at_once() -> None:
    body = {"to": ["x", 5], "subject": 1, "headers": {"From": "x", "X": "\n"}, "tags": 1, "colour": 1, "raw": None}
    assert found(body) == [
        ("/colour", "unknown_field"),
        ("/to/0", "invalid_address"),
        ("/to/1", "invalid_address"),
        ("/subject", "not_a_string"),
        ("/headers/From", "reserved_header"),
        ("/headers/X", "unsafe_character"),
        ("/tags", "invalid_tags"),
        ("", "content_missing"),
    ]


@pytest.mark.parametrize("name", ["subject", "text", "html", "reply_to", "attachments", "headers", "unsubscribe"])
def test_a_raw_message_brings_its_own_content(name: str) -> None:
    assert found({"account": "a", "raw": "QQ==", name: FULL[name]}) == [(f"/{name}", "excluded_by_raw")]


@pytest.mark.parametrize(
    ("raw", "code"), [("", "content_missing"), ("QQ", "invalid_base64"), (5, "not_a_string"), ([], "not_a_string")]
)
def test_a_raw_message_that_cannot_be_read_is_one_fault(raw: object, code: str) -> None:
    assert found({"account": "a", "raw": raw}) == [("/raw", code)]


RESERVED = (
    "From To CC bcc Sender Reply-To Date Message-ID Subject In-Reply-To References Return-Path Received DKIM-Signature "
    "List-Unsubscribe List-Unsubscribe-Post MIME-Version Content-Type Content-X Resent-To ARC-Seal"
)


@pytest.mark.parametrize("name", RESERVED.split())
def test_a_header_that_mailbearer_sets_is_refused(name: str) -> None:
    assert found(MINIMAL | {"headers": {name: "x"}}) == [(f"/headers/{name}", "reserved_header")]


ODD = [0, 1, False, True, 1.5, -(10**400), float("nan"), [], [[]], [{}], [None], {}, {"a": {}}, {"": [{}]}, "\ud800"]
WHERE: list[tuple[Any, ...]] = [
    *((name,) for name in FULL),
    *(("attachments", 0, name) for name in ("filename", "content_type", "content", "content_id", "disposition")),
    *(("unsubscribe", name) for name in ("url", "mailto", "one_click")),
    ("to", 0),
    ("to", 1, "email"),
    ("to", 1, "name"),
    ("headers", "X-Order"),
    ("references", 0),
    ("tags", 0),
    ("metadata", "order"),
    ("raw",),
]
FITTING: dict[tuple[Any, ...], tuple[object, ...]] = {
    ("unsubscribe", "one_click"): (False, True),
    ("tags",): ([],),
    ("headers",): ({},),
    ("metadata",): ({},),
} | {(name,): ([],) for name in ("to", "cc", "bcc", "reply_to", "attachments", "references")}


def always(value: object) -> Callable[[Any], object]:
    return lambda _: value


def changed(where: tuple[Any, ...], change: Callable[[Any], object]) -> dict[str, Any]:
    """Give a full message with one value put through `change`."""
    body: dict[str, Any] = json.loads(json.dumps(FULL | {"references": ["<0@example.net>"], "raw": "QQ=="}))
    if where != ("raw",):
        del body["raw"]
    body["attachments"][0] |= {"content_id": "logo@x", "disposition": "inline"}
    target: Any = body
    for step in where[:-1]:
        target = target[step]
    target[where[-1]] = change(target[where[-1]])
    return body


@pytest.mark.parametrize("where", WHERE, ids=lambda where: "/".join(map(str, where)))
def test_a_value_of_the_wrong_kind_is_a_fault_of_its_field(where: tuple[Any, ...]) -> None:
    for odd in ODD:
        if any(type(odd) is type(value) and odd == value for value in FITTING.get(where, ())):
            continue
        pointers = [pointer for pointer, _ in found(changed(where, always(odd)))]
        assert any(pointer.startswith(f"/{where[0]}") for pointer in pointers), odd


INJECTABLE: list[tuple[Any, ...]] = [
    *(("subject",), ("account",), ("from",), ("to", 0), ("to", 1, "name"), ("to", 1, "email"), ("cc",), ("bcc", 0)),
    *(("reply_to",), ("headers", "X-Order"), ("in_reply_to",), ("references", 0), ("tags", 0)),
    *(("attachments", 0, name) for name in ("filename", "content_type", "content_id")),
    *(("unsubscribe", name) for name in ("url", "mailto")),
]


def injections(old: str) -> Iterator[str]:
    for separator in LINE_SEPARATORS:
        yield separator + old
        yield old + separator
        yield f"{old[: len(old) // 2]}{separator}Bcc: eve@example.net{separator}{old[len(old) // 2 :]}"


@pytest.mark.parametrize("where", INJECTABLE, ids=lambda where: "/".join(map(str, where)))
def test_no_line_break_gets_into_any_header_field(where: tuple[Any, ...]) -> None:
    olds: list[str] = []
    changed(where, olds.append)
    for injected in injections(olds[0]):
        assert found(changed(where, always(injected))), injected


def test_a_content_type_cannot_be_folded() -> None:
    for separator in LINE_SEPARATORS:
        part = {"filename": "a", "content": "", "content_type": f"text/plain;{separator}x=y"}
        assert found(MINIMAL | {"attachments": [part]}) == [("/attachments/0/content_type", "invalid_content_type")]


def test_message_ids_are_not_folded_into_each_other() -> None:
    for separator in LINE_SEPARATORS:
        folded = MINIMAL | {"references": f"<0@x>{separator} <1@x>"}
        assert found(folded) == [("/references", "unsafe_character")]


def test_a_header_name_cannot_break_its_line() -> None:
    for separator in LINE_SEPARATORS:
        assert found(MINIMAL | {"headers": {f"X{separator}Y": "z"}})


# --- hostile JSON ---------------------------------------------------------------------------------------------------

TEXT = st.text(st.characters(), max_size=12) | st.sampled_from(
    ["bob@example.net", "acc_1", "QQ==", "<1@x>", "https://x", "hold", "\ud800", "x" * 3000, *LINE_SEPARATORS]
)
NAMES = st.sampled_from([*FULL, "raw", "idempotency_key", "email", "name", "content", "filename"]) | TEXT
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=8,
)
SENDING = Sending()


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(JSON | st.dictionaries(NAMES, JSON, max_size=8).map(lambda odd: SENDING.body() | odd))
def test_whatever_json_comes_it_is_accepted_or_refused_in_our_own_words(body: object) -> None:
    try:
        accepted = SENDING.submission.accept(body, APP)
    except MailbearerError as error:
        json.dumps(error.detail)
    else:
        assert accepted.record.status == "queued"


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(st.sampled_from(["subject", "text", "html", "in_reply_to"]), TEXT), TEXT, TEXT, TEXT)
def test_what_is_accepted_is_composed_with_the_fields_that_were_asked_for(
    fields: dict[str, str], value: str, name: str, filename: str
) -> None:
    more: dict[str, Any] = {
        "to": {"email": "bob@example.net", "name": name},
        "headers": {"X-Value": value},
        "attachments": [{"filename": filename, "content": "QQ=="}],
    }
    message, faults = read(SENDING.body() | {"from": "ann@example.org"} | fields | more)
    if faults:
        return
    parsed = message_from_bytes(compose(message, bcc_header=False), policy=policy.default)
    allowed = {"Date", "From", "To", "Subject", "Message-ID", "In-Reply-To", "X-Value", "MIME-Version", "Content-Type"}
    assert set(parsed.keys()) <= allowed
    assert [address.addr_spec for address in parsed["To"].addresses] == ["bob@example.net"]
