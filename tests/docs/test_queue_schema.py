"""The JSON Schema of queue messages: made from the OpenAPI document, and of one mind with what reads the queue."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mailbearer.envelope import Dropped, read_body
from mailbearer.errors import Fault, MalformedBody
from mailbearer.rendering.engine import JinjaEngine
from mailbearer.template import Template, TemplateVersion
from mailbearer.templating.filling import TemplateFilling
from mailbearer.wire import read_message
from tests.docs.openapi import wrong
from tests.docs.pages import ROOT, blocks
from tests.docs.queue_schema import FILE, queue_schema, written
from tests.fakes.templates import FakeTemplateStore

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = queue_schema()
ACCEPTS = Draft202012Validator(SCHEMA)
SAMPLES = [block for block in blocks() if block.mark == "queue"]
BODIES = [
    pytest.param(record["body"], id=f"{path.stem} {index}")
    for path in sorted((ROOT / "events").glob("sqs-*.json"))
    for index, record in enumerate(json.loads(path.read_text())["Records"])
]
BEYOND = {
    "too_long",  # of a word without blanks
    "invalid_address",  # the fine print of RFC 5321, and domains
    "invalid_base64",  # its length and its padding
    "invalid_message_id",  # the length of each in one string
    "invalid_time",  # the 30th of February
    "duplicate_content_id",
    "too_many_recipients",  # in three lists together
    "unknown_template",
    "unknown_version",
}
"""Faults that no JSON Schema can find, or none that anybody could read."""

BASE: dict[str, Any] = {"account": "orders@acme.example", "to": "carla@customer.example", "text": "Hello."}
RAW: dict[str, Any] = {"account": "orders@acme.example", "raw": "RnJvbTogYUBiLmV4YW1wbGUNCg0KSGkK"}
PART: dict[str, Any] = {"filename": "a.txt", "content": "YQ=="}
GONE = object()


def filling() -> TemplateFilling:
    """Give what fills in templates; there is one."""
    store = FakeTemplateStore()
    store.create(Template(name="hello", published=1, latest=1, created_at=1, updated_at=1))
    store.add_version(TemplateVersion(template="hello", version=1, subject="", text="Hello.", created_at=1), since=1)
    return TemplateFilling(store=store, engine=JinjaEngine(time.monotonic), clock=lambda: 2.0)


FILLING = filling()


def faults_of(body: dict[str, Any]) -> list[Fault]:
    """Read a body as the queue does, as far as nothing but the body is looked at."""
    faults: list[Fault] = []
    read_message(body, faults)
    if body.get("template") is not None:
        FILLING.render(body["template"], "/template", faults)
    if not body.get("account") and not any(fault.pointer == "/account" for fault in faults):
        faults.append(Fault("/account", "account_missing", "The queue's caller is bound to no account."))
    key = body.get("idempotency_key")
    if key is not None and not (isinstance(key, str) and 1 <= len(key) <= 256):
        faults.append(Fault("/idempotency_key", "invalid_idempotency_key", "As Submission says."))
    return faults


def changed(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    names = {"from_": "from"}
    whole = base | {names.get(name, name): value for name, value in changes.items()}
    return {name: value for name, value in whole.items() if value is not GONE}


def test_the_file_is_what_the_document_gives() -> None:
    assert FILE.read_text() == written(), "run: python -m tests.docs.queue_schema"


def test_the_schema_is_one_and_refers_to_nothing_outside_itself() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert {reference.partition("/")[0] for reference in references(SCHEMA)} == {"#"}
    assert {reference.rpartition("/")[2] for reference in references(SCHEMA)} == SCHEMA["$defs"].keys()
    assert SCHEMA["$id"].endswith("/docs/reference/message.schema.json")


def references(said: Any) -> Iterator[str]:
    """Give every reference."""
    if isinstance(said, dict):
        if isinstance(said.get("$ref"), str):
            yield said["$ref"]
        said = list(said.values())
    if isinstance(said, list):
        for each in said:
            yield from references(each)


@pytest.mark.parametrize("example", SCHEMA["examples"])
def test_an_example_is_accepted_by_schema_and_code(example: dict[str, Any]) -> None:
    assert (wrong(ACCEPTS, example), faults_of(example)) == ([], [])


@pytest.mark.parametrize("block", SAMPLES, ids=str)
def test_the_samples_of_the_documentation_are_accepted(block: Any) -> None:
    dropped = read_body(block.text, "sqs-message-id")
    if isinstance(dropped, Dropped):
        assert wrong(ACCEPTS, dropped.body) == []


@pytest.mark.parametrize("body", BODIES)
def test_the_schema_is_of_one_mind_with_the_code_about_the_events(body: str) -> None:
    try:
        dropped = read_body(body, "sqs-message-id")
    except MalformedBody:
        return  # no JSON object, so nothing that a schema could be held against
    if isinstance(dropped, Dropped):
        assert (wrong(ACCEPTS, dropped.body) == []) == (faults_of(dict(dropped.body)) == [])


@pytest.mark.parametrize(
    "body",
    [
        changed(BASE),
        changed(BASE, text=None, html="<p>Hello.</p>"),
        changed(BASE, text=GONE, template={"name": "hello"}),
        changed(BASE, text=GONE, template={"name": "hello", "version": 1, "variables": {"a": [1, {"b": None}]}}),
        changed(RAW),
        changed(RAW, to="carla@customer.example", text=None, html=None),
        changed(BASE, to=None, cc=["Carla <carla@customer.example>", {"email": "b@c.example", "name": "B"}]),
        changed(BASE, to=[], bcc={"email": "b@bücher.example", "name": None}),
        changed(BASE, from_={"email": "orders@acme.example"}, reply_to=["help@acme.example"]),
        changed(BASE, subject="Grüße \U0001f600", account="a" * 320),
        changed(
            BASE, attachments=[PART, PART | {"content_id": "<logo>", "disposition": "inline", "content": "YQ\n=="}]
        ),
        changed(BASE, attachments=[PART | {"content_type": 'text/plain; charset="utf-8"'}, {"upload_id": "upl_1"}]),
        changed(BASE, attachments=[{"upload_id": "upl_1", "filename": "b.pdf", "content": None}], headers={"X-A": ""}),
        changed(BASE, in_reply_to="<a@b>", references="<a@b>  <c@d>"),
        changed(BASE, in_reply_to=["<a@b>"], references=["<a@b>", "<c@d>"]),
        changed(BASE, references="", unsubscribe={"mailto": "off@acme.example"}),
        changed(BASE, unsubscribe={"url": "HTTPS://acme.example/u", "one_click": True}),
        changed(BASE, send_at="2026-12-24t08:00:00.5+01:00", tags=["a"] * 10, metadata={str(n): "" for n in range(20)}),
        changed(BASE, on_unknown="resend", idempotency_key="k" * 256),
        changed(BASE, **dict.fromkeys(("cc", "from", "subject", "headers", "send_at", "tags", "idempotency_key"))),
    ],
)
def test_schema_and_code_accept(body: dict[str, Any]) -> None:
    assert (wrong(ACCEPTS, body), faults_of(body)) == ([], [])


@pytest.mark.parametrize(
    "body",
    [
        changed(BASE, account=GONE),
        changed(BASE, account=None),
        changed(BASE, account=""),
        changed(BASE, account=1),
        changed(BASE, account="a" * 321),
        changed(BASE, account="a\nb"),
        changed(BASE, texts="Hello."),
        changed(BASE, text=GONE),
        changed(BASE, text=None),
        changed(BASE, text=1),
        changed(BASE, text="a\0b"),
        changed(BASE, html=["<p>"]),
        changed(BASE, html="\0"),
        changed(BASE, subject=1),
        changed(BASE, subject="a\u2028b"),
        changed(BASE, subject="a " * 1001),
        changed(BASE, to=GONE),
        changed(BASE, to=[]),
        changed(BASE, to=1),
        changed(BASE, to="carla"),
        changed(BASE, to=["carla@customer.example"] * 501),
        changed(BASE, to={"name": "Carla"}),
        changed(BASE, to={"email": "carla@customer.example", "mail": ""}),
        changed(BASE, to={"email": "carla@customer.example", "name": "a" * 201}),
        changed(BASE, to={"email": "carla@customer.example", "name": "a\rb"}),
        changed(BASE, cc="a@b.example, c@d.example"),
        changed(BASE, bcc="Bea\r\n <bea@acme.example>"),
        changed(BASE, from_=["orders@acme.example"]),
        changed(BASE, reply_to=[1]),
        changed(BASE, template={"name": "hello"}),
        changed(BASE, text=GONE, template={"name": "Hello"}),
        changed(BASE, text=GONE, template={"version": 1}),
        changed(BASE, text=GONE, template={"name": "hello", "version": 0}),
        changed(BASE, text=GONE, template={"name": "hello", "version": True}),
        changed(BASE, text=GONE, template={"name": "hello", "variables": []}),
        changed(BASE, text=GONE, template={"name": "hello", "values": {}}),
        changed(BASE, text=GONE, template="a"),
        changed(BASE, text=GONE, template={"name": "hello"}, subject="b"),
        changed(BASE, attachments={}),
        changed(BASE, attachments=[PART] * 101),
        changed(BASE, attachments=["a.txt"]),
        changed(BASE, attachments=[PART | {"name": "b"}]),
        changed(BASE, attachments=[{"filename": "a.txt"}]),
        changed(BASE, attachments=[{"content": "YQ=="}]),
        changed(BASE, attachments=[PART | {"filename": ""}]),
        changed(BASE, attachments=[PART | {"filename": "a" * 256}]),
        changed(BASE, attachments=[PART | {"filename": "a\tb"}]),
        changed(BASE, attachments=[PART | {"content": "Y-=="}]),
        changed(BASE, attachments=[PART | {"content": 1}]),
        changed(BASE, attachments=[PART | {"content_type": "text"}]),
        changed(BASE, attachments=[PART | {"content_type": "Multipart/mixed"}]),
        changed(BASE, attachments=[PART | {"content_type": f"text/{'a' * 200}"}]),
        changed(BASE, attachments=[PART | {"content_id": "a b"}]),
        changed(BASE, attachments=[PART | {"content_id": "a" * 201}]),
        changed(BASE, attachments=[PART | {"disposition": "form-data"}]),
        changed(BASE, attachments=[PART | {"upload_id": "upl_1"}]),
        changed(BASE, attachments=[{"upload_id": 1}]),
        changed(BASE, headers=[]),
        changed(BASE, headers={f"X-{number}": "" for number in range(101)}),
        changed(BASE, headers={"X A": ""}),
        changed(BASE, headers={"X" * 77: ""}),
        changed(BASE, headers={"Bcc": "a@b.example"}),
        changed(BASE, headers={"content-Language": "de"}),
        changed(BASE, headers={"X-A": 1}),
        changed(BASE, headers={"X-A": "a\r\nBcc: b"}),
        changed(BASE, headers={"X-A": "a " * 1001}),
        changed(RAW, raw=""),
        changed(RAW, raw=1),
        changed(RAW, raw="Zm9v!"),
        changed(RAW, text="Hello."),
        changed(RAW, template={"name": "hello"}),
        changed(RAW, unsubscribe={"mailto": "off@acme.example"}),
        changed(BASE, in_reply_to="a@b"),
        changed(BASE, in_reply_to="<a@b> <c@d>"),
        changed(BASE, in_reply_to=["<a@b>", "<c@d>"]),
        changed(BASE, in_reply_to=""),
        changed(BASE, references=["<a@b>"] * 101),
        changed(BASE, references=[f"<{'a' * 900}@b>"]),
        changed(BASE, references="<a@b>, <c@d>"),
        changed(BASE, unsubscribe="https://acme.example/u"),
        changed(BASE, unsubscribe={}),
        changed(BASE, unsubscribe={"url": ""}),
        changed(BASE, unsubscribe={"link": "https://acme.example/u"}),
        changed(BASE, unsubscribe={"url": "ftp://acme.example/u"}),
        changed(BASE, unsubscribe={"url": "https://acme.example/a b"}),
        changed(BASE, unsubscribe={"mailto": "off @acme.example"}),
        changed(BASE, unsubscribe={"mailto": "off@acme.example", "one_click": True}),
        changed(BASE, unsubscribe={"url": "http://acme.example/u", "one_click": True}),
        changed(BASE, unsubscribe={"url": "https://acme.example/u", "one_click": 1}),
        changed(BASE, send_at=0),
        changed(BASE, send_at="tomorrow"),
        changed(BASE, send_at="2026-12-24T08:00:00"),
        changed(BASE, tags="a"),
        changed(BASE, tags=["a"] * 11),
        changed(BASE, tags=[""]),
        changed(BASE, tags=["a" * 65]),
        changed(BASE, tags=["a\nb"]),
        changed(BASE, tags=[1]),
        changed(BASE, metadata=[]),
        changed(BASE, metadata={str(number): "" for number in range(21)}),
        changed(BASE, metadata={"": ""}),
        changed(BASE, metadata={"a" * 65: ""}),
        changed(BASE, metadata={"a": 1}),
        changed(BASE, metadata={"a": "b" * 501}),
        changed(BASE, metadata={"a": "\0"}),
        changed(BASE, on_unknown="again"),
        changed(BASE, idempotency_key=""),
        changed(BASE, idempotency_key="k" * 257),
        changed(BASE, idempotency_key=1),
    ],
)
def test_schema_and_code_refuse(body: dict[str, Any]) -> None:
    assert wrong(ACCEPTS, body) != []
    assert faults_of(body) != []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (changed(BASE, subject="a" * 901), "too_long"),
        (changed(BASE, to="a..b@c.example"), "invalid_address"),
        (changed(BASE, to="a@-b.example"), "invalid_address"),
        (changed(BASE, attachments=[PART | {"content": "YQ"}]), "invalid_base64"),
        (changed(BASE, references=f"<{'a' * 900}@b>"), "invalid_message_id"),
        (changed(BASE, send_at="2026-02-30T08:00:00Z"), "invalid_time"),
        (changed(BASE, attachments=[PART | {"content_id": "a"}] * 2), "duplicate_content_id"),
        (changed(BASE, text=GONE, template={"name": "goodbye"}), "unknown_template"),
        (changed(BASE, text=GONE, template={"name": "hello", "version": 2}), "unknown_version"),
        (
            changed(BASE, to=[f"a{number}@b.example" for number in range(300)])
            | {"cc": [f"c{number}@b.example" for number in range(300)]},
            "too_many_recipients",
        ),
    ],
)
def test_what_is_beyond_a_schema_the_code_refuses(body: dict[str, Any], code: str) -> None:
    assert [fault.code for fault in faults_of(body)] == [code]
    assert wrong(ACCEPTS, body) == []


TEXTS = st.one_of(
    st.none(),
    st.integers(),
    st.lists(st.just("a@b.example"), max_size=2),
    st.dictionaries(
        st.sampled_from(["email", "name", "url", "mailto", "x"]), st.sampled_from(["a@b.example", "", 1, None])
    ),
    st.text(max_size=8).filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text)),
    st.sampled_from(
        ["a@b.example", "A <a@b.example>", "<a@b>", "https://a.example", "YQ==", "hold", "", " ", "\u2028"]
    ),
)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(SCHEMA["properties"])), TEXTS, max_size=5), st.booleans())
def test_whatever_comes_schema_and_code_agree_but_for_what_no_schema_can_say(
    changes: dict[str, Any], bare: bool
) -> None:
    body = changes if bare else BASE | changes
    faults = {fault.code for fault in faults_of(body)}
    if wrong(ACCEPTS, body):
        assert faults
    else:
        assert faults <= BEYOND
