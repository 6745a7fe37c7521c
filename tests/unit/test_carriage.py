"""What a transport cannot carry is named; everything else is let through."""

from __future__ import annotations

import base64
import random
from dataclasses import replace
from typing import Any

import pytest

from mailbearer import carriage
from mailbearer.account import Account, AccountState
from mailbearer.carriage import (
    GMAIL_LIMIT,
    GRAPH_ATTACHMENT_LIMIT,
    GRAPH_CALL_LIMIT,
    GRAPH_LIMIT,
    GraphForm,
    graph_form,
    may_draft,
    may_search_gmail,
    may_search_graph,
    size_of,
    unfit,
)
from mailbearer.message import Address, Attachment, Message, Unsubscribe
from mailbearer.mime import compose
from mailbearer.registration import Endpoints, Flow, Registration

MAILBOX = "ada@example.com"
WRITING = ("https://graph.microsoft.com/Mail.Send", "https://graph.microsoft.com/Mail.ReadWrite")
MESSAGE = Message(
    account="acc_1",
    sender=Address(MAILBOX, "Ada"),
    to=(Address("bob@example.net"),),
    subject="Hi",
    text="Hello",
    message_id="<1@example.com>",
    date=1_700_000_000,
)


def account(transport: str = "graph", **fields: Any) -> Account:
    return Account(
        id="acc_1",
        provider="p",
        address=MAILBOX,
        transport=transport,
        state=AccountState.ACTIVE,
        created_at=0,
        updated_at=0,
        **fields,
    )


def registration(flow: Flow = Flow.AUTHORIZATION_CODE, **fields: Any) -> Registration:
    return Registration(
        name="p",
        kind="microsoft",
        client_id="c",
        transport="graph",
        flow=flow,
        endpoints=Endpoints(authorize_url="", token_url=""),
        **{"scopes": (), **fields},
    )


def file(size: int, **fields: Any) -> Attachment:
    return Attachment(filename="a.bin", size=size, upload_id="upl_1", **fields)


def found(message: Message, mailbox: Account, registered: Registration | None = None) -> set[tuple[str, str]]:
    return {(fault.pointer, fault.code) for fault in unfit(message, mailbox, registered)}


FULL = replace(
    MESSAGE,
    html="<p>Hello</p>",
    cc=(Address("c@example.net"),),
    bcc=(Address("d@example.net"),),
    reply_to=(Address("e@example.net"),),
    headers=(("Precedence", "bulk"), ("X-Kind", "note"), ("A/b", "c")),
    in_reply_to="<0@example.com>",
    references=("<0@example.com>",),
    unsubscribe=Unsubscribe(url="https://example.com/u", one_click=True),
    attachments=(file(1000, content_id="p1"), file(0)),
)


@pytest.mark.parametrize("transport", ["gmail", "graph", "smtp", "sandbox"])
def test_every_transport_carries_a_message_with_everything_from_the_mailboxs_own_address(transport: str) -> None:
    assert unfit(FULL, account(transport)) == ()
    assert unfit(replace(FULL, sender=Address(MAILBOX.upper())), account(transport)) == ()


@pytest.mark.parametrize("transport", ["gmail", "smtp", "sandbox"])
def test_only_graph_minds_another_from(transport: str) -> None:
    assert unfit(replace(FULL, sender=Address("sales@example.com")), account(transport)) == ()


def test_what_graph_cannot_say_from_another_address_is_named_all_of_it() -> None:
    message = replace(FULL, sender=Address("sales@example.com"))
    faults = unfit(message, account())
    assert {(fault.pointer, fault.code) for fault in faults} == {
        ("/text", "not_expressible"),
        ("/in_reply_to", "not_expressible"),
        ("/references", "not_expressible"),
        ("/unsubscribe", "not_expressible"),
        ("/headers/Precedence", "not_expressible"),
        ("/headers/A~1b", "not_expressible"),
    }
    assert all(MAILBOX in fault.detail for fault in faults)


def test_what_graph_can_say_from_another_address_is_let_through() -> None:
    message = replace(
        FULL,
        sender=Address("sales@example.com"),
        text=None,
        headers=(("X-Kind", "note"), ("x-more", "m")),
        in_reply_to="",
        references=(),
        unsubscribe=None,
    )
    assert unfit(message, account()) == ()


def test_a_raw_message_from_another_address_and_a_sixth_header_are_named() -> None:
    raw = replace(MESSAGE, sender=Address("sales@example.com"), text=None, raw="RnJvbTogYQ==")
    assert found(raw, account()) == {("/raw", "not_expressible")}
    headers = tuple((f"X-{number}", "v") for number in range(6))
    six = replace(MESSAGE, sender=Address("sales@example.com"), headers=headers)
    assert found(six, account()) == {("/headers", "not_expressible")}
    assert unfit(replace(six, headers=headers[:5]), account()) == ()


@pytest.mark.parametrize("transport", ["gmail", "graph"])
def test_addresses_beyond_ascii_are_named_where_the_api_does_not_carry_them(transport: str) -> None:
    odd = Address("jürgen@example.com")
    message = replace(MESSAGE, to=(Address("a@b.example"), odd), cc=(odd,), bcc=(odd,), reply_to=(odd,))
    assert found(message, account(transport)) == {
        ("/to/1", "smtputf8_needed"),
        ("/cc/0", "smtputf8_needed"),
        ("/bcc/0", "smtputf8_needed"),
        ("/reply_to/0", "smtputf8_needed"),
    }
    assert unfit(message, account("smtp")) == ()
    assert ("/from", "smtputf8_needed") in found(replace(MESSAGE, sender=odd), account(transport))
    raw = replace(MESSAGE, text=None, raw="RnJvbTogYQ==", to=(odd,), sender=odd)
    assert ("/raw", "smtputf8_needed") in found(raw, account(transport))


@pytest.mark.parametrize("transport", ["gmail", "graph", "smtp", "sandbox"])
def test_a_message_beyond_the_transports_limit_is_refused_with_size_and_limit(transport: str) -> None:
    limit = GRAPH_LIMIT if transport == "graph" else GMAIL_LIMIT
    mailbox = account(transport, scopes_granted=WRITING)
    fits = replace(MESSAGE, attachments=(file(int(limit / 1.37)),))
    assert unfit(fits, mailbox) == ()
    too_large = replace(MESSAGE, attachments=(file(limit // 2), file(limit // 2)))
    (fault,) = unfit(too_large, mailbox)
    assert (fault.pointer, fault.code) == ("/attachments", "message_too_large")
    assert str(limit) in fault.detail
    assert str(size_of(too_large)) in fault.detail


def test_the_size_that_is_known_counts_before_the_one_that_is_estimated() -> None:
    assert unfit(MESSAGE, account("gmail"), size=GMAIL_LIMIT + 1)[0].code == "message_too_large"
    assert unfit(replace(MESSAGE, attachments=(file(GMAIL_LIMIT * 2),)), account("gmail"), size=10) == ()


@pytest.mark.parametrize(
    ("scopes", "fits"),
    [
        ((), False),
        (("Mail.Send", "offline_access"), False),
        (("Mail.Read",), False),
        (("Mail.ReadWrite",), True),
        (("mail.readwrite",), True),
        (("https://graph.microsoft.us/Mail.ReadWrite",), True),
        (("Mail.ReadWrite.Shared",), True),
        (("https://graph.microsoft.com/.default",), True),
    ],
)
def test_a_message_too_large_for_one_call_of_graphs_needs_the_scope_that_makes_drafts(
    scopes: tuple[str, ...], fits: bool
) -> None:
    large = replace(FULL, attachments=(file(GRAPH_CALL_LIMIT),))
    faults = unfit(large, account(scopes_granted=scopes), registration())
    assert may_draft(account(scopes_granted=scopes), registration()) is fits
    assert [(fault.pointer, fault.code) for fault in faults] == (
        [] if fits else [("/attachments", "message_too_large")]
    )
    assert all("Mail.ReadWrite" in fault.detail and str(GRAPH_CALL_LIMIT) in fault.detail for fault in faults)


def test_where_nobody_consents_the_scopes_that_are_asked_for_count() -> None:
    app = registration(Flow.CLIENT_CREDENTIALS, scopes=("https://graph.microsoft.com/.default",))
    assert may_draft(account(), app)
    assert not may_draft(account(), registration(scopes=("Mail.ReadWrite",)))
    assert not may_draft(account(), None)
    assert not may_draft(account(scopes_granted=("Mail.Send",)), replace(app, scopes=("Mail.ReadWrite",)))


def test_a_draft_cannot_be_made_of_a_large_raw_message_nor_of_a_large_text() -> None:
    mailbox = account(scopes_granted=WRITING)
    raw = replace(MESSAGE, text=None, raw="A" * 4 * (GRAPH_CALL_LIMIT // 3 + 10))
    assert found(raw, mailbox) == {("/raw", "message_too_large")}
    html = replace(MESSAGE, text=None, html="x" * (GRAPH_CALL_LIMIT + 1))
    assert found(html, mailbox) == {("/html", "message_too_large")}
    text = replace(MESSAGE, text="x" * (GRAPH_CALL_LIMIT + 1))
    assert found(text, mailbox) == {("/text", "message_too_large")}


@pytest.mark.parametrize("cloud", ["usgov", "dod"])
def test_a_cloud_without_upload_sessions_takes_no_large_attachment(cloud: str) -> None:
    mailbox = account(scopes_granted=WRITING)
    message = replace(MESSAGE, attachments=(file(GRAPH_ATTACHMENT_LIMIT), file(GRAPH_ATTACHMENT_LIMIT + 1)))
    assert found(message, mailbox, registration(cloud=cloud)) == {("/attachments/1", "message_too_large")}
    assert unfit(message, mailbox, registration(cloud="china")) == ()


@pytest.mark.parametrize(
    ("sender", "size", "form"),
    [
        (MAILBOX, 10, GraphForm(json=False, draft=False)),
        (MAILBOX.title(), GRAPH_CALL_LIMIT, GraphForm(json=False, draft=False)),
        (MAILBOX, GRAPH_CALL_LIMIT + 1, GraphForm(json=False, draft=True)),
        ("sales@example.com", 10, GraphForm(json=True, draft=False)),
        ("sales@example.com", GRAPH_CALL_LIMIT + 1, GraphForm(json=True, draft=True)),
    ],
)
def test_graphs_form_follows_from_who_it_is_from_and_how_large_it_is(sender: str, size: int, form: GraphForm) -> None:
    assert graph_form(replace(MESSAGE, sender=Address(sender)), account(), size) == form


def test_only_what_graph_sends_from_a_draft_goes_in_parts() -> None:
    large = replace(MESSAGE, attachments=(file(GRAPH_CALL_LIMIT),))
    assert carriage.goes_in_parts(large, account())
    assert not carriage.goes_in_parts(MESSAGE, account())
    assert not carriage.goes_in_parts(large, account("gmail"))


@pytest.mark.parametrize(
    ("scope", "gmail", "graph"),
    [
        ("https://www.googleapis.com/auth/gmail.send", False, False),
        ("https://www.googleapis.com/auth/gmail.metadata", False, False),
        ("https://www.googleapis.com/auth/gmail.readonly", True, False),
        ("https://www.googleapis.com/auth/gmail.modify", True, False),
        ("https://mail.google.com/", True, False),
        ("Mail.Send", False, False),
        ("Mail.Read", False, True),
        ("Mail.Read.Shared", False, True),
        ("Mail.ReadBasic.All", False, True),
        ("https://graph.microsoft.com/mail.readwrite", False, True),
        ("https://graph.microsoft.com/.default", False, True),
        ("MailboxSettings.Read", False, False),
    ],
)
def test_who_may_search_follows_from_the_granted_scopes(scope: str, gmail: bool, graph: bool) -> None:
    mailbox = account(scopes_granted=("openid", scope))
    assert (may_search_gmail(mailbox, None), may_search_graph(mailbox, None)) == (gmail, graph)
    looked = [carriage.may_look_up(replace(mailbox, transport=name), None) for name in ("gmail", "graph", "smtp")]
    assert looked == [gmail, graph, False]


@pytest.mark.parametrize("seed", range(40))
def test_the_estimated_size_is_near_the_written_one(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    alphabets = ("abc def\n", "äöü abc def ghi jkl mno\n", "日本語\n", "\t=é x")

    def words(most: int) -> str:
        return "".join(chance.choices(chance.choice(alphabets), k=chance.randrange(most)))

    def attached(size: int) -> Attachment:
        content = base64.b64encode(chance.randbytes(size)).decode()
        return Attachment(filename=f"{size}.bin", size=size, content=content)

    message = replace(
        MESSAGE,
        text=words(60_000),
        html=words(60_000) if seed % 2 else None,
        attachments=tuple(attached(chance.randrange(50_000)) for _ in range(chance.randrange(5))),
    )
    exact = len(compose(message, bcc_header=True))
    assert exact - 1_000 <= size_of(message) <= exact * 1.1 + 4_000
    raw = replace(MESSAGE, text=None, raw=base64.b64encode(compose(message, bcc_header=True)).decode())
    assert exact <= size_of(raw) <= exact + 2_000
