from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.addresses import (
    MAX_ADDRESSES,
    escape_pointer,
    needs_smtputf8,
    read_address,
    read_addresses,
    unsafe_in_header,
)
from mailbearer.message import Address, Message

if TYPE_CHECKING:
    from mailbearer.errors import Fault

LINE_SEPARATORS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\0"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a@b", Address("a@b")),
        ("  bob@example.net ", Address("bob@example.net")),
        ("Bob <bob@example.net>", Address("bob@example.net", "Bob")),
        ("<bob@example.net>", Address("bob@example.net")),
        ('"Bob, the \\"Builder\\"" <bob@example.net>', Address("bob@example.net", 'Bob, the "Builder"')),
        ("Bøb Äther <bob@example.net>", Address("bob@example.net", "Bøb Äther")),
        ("bob@bücher.example", Address("bob@xn--bcher-kva.example")),
        ({"email": "bob@example.net"}, Address("bob@example.net")),
        ({"email": "bob@example.net", "name": None}, Address("bob@example.net")),
        ({"email": "bob@example.net", "name": "Bob <x>"}, Address("bob@example.net", "Bob <x>")),
        ("o'hara+tag.x=y@sub.example.net", Address("o'hara+tag.x=y@sub.example.net")),
        ("x" * 64 + "@" + ".".join(["y" * 61] * 4), Address("x" * 64 + "@" + ".".join(["y" * 61] * 4))),
    ],
)
def test_an_address_is_read_in_each_of_its_forms(written: object, read: Address) -> None:
    faults: list[Fault] = []
    assert read_address(written, "/to", faults) == read
    assert faults == []


@pytest.mark.parametrize(
    "written",
    [
        "",
        "bob",
        "@example.net",
        "bob@",
        "bob@@example.net",
        "bob @example.net",
        "bob..b@example.net",
        ".bob@example.net",
        '"bob b"@example.net',
        "bob@[192.0.2.1]",
        "bob@exa mple.net",
        "bob@-example.net",
        "bob@example..net",
        "bob@example.net.",
        "bøb@example.net",
        "bob@\N{FULLWIDTH COMMERCIAL AT}example.net",
        "bob@exam\N{FULLWIDTH GREATER-THAN SIGN}ple.net",
        "Bob <bob@example.net> <eve@example.net>",
        "bob@example.net, eve@example.net",
        "Bob <bob@example.net",
        "x" * 65 + "@example.net",
        "bob@" + ".".join(["y" * 63] * 4),
        "bob@" + "ü" * 100_000,
        "bob@" + "y" * 64,
        {"email": None},
        {"name": "Bob"},
        {"email": ["bob@example.net"]},
        {"email": "bob@example.net", "name": False},
        {"email": "bob@example.net", "name": []},
        5,
        True,
        [],
        ["bob@example.net"],
    ],
)
def test_what_is_no_address_is_a_fault_where_it_stands(written: object) -> None:
    faults: list[Fault] = []
    assert read_address(written, "/to/3", faults) is None
    assert [(fault.pointer, fault.code) for fault in faults] == [("/to/3", "invalid_address")]
    assert len(faults[0].detail) < 300


@pytest.mark.parametrize(
    "form",
    [
        "Bob{}Bcc: eve@example.net <bob@example.net>",
        "bob@example.net{}Bcc: eve@example.net",
        "{}bob@example.net",
        "Bob <bob@example.net>{}",
        {"email": "bob@example.net", "name": "Bob{}Bcc: eve@example.net"},
        {"email": "bob{}@example.net"},
        {"email": "bob@example{}.net"},
    ],
)
def test_no_line_break_and_no_control_character_gets_into_an_address(form: str | dict[str, str]) -> None:
    for separator in (*LINE_SEPARATORS, "\t", "\x7f", "\u202e", "\u2066", "\ud800"):
        value: Any = (
            form.format(separator)
            if isinstance(form, str)
            else {name: text.format(separator) for name, text in form.items()}
        )
        faults: list[Fault] = []
        assert read_address(value, "/to", faults) is None, value
        assert [fault.code for fault in faults] == ["unsafe_character"], value


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("bøb@example.net", "bøb@example.net"),
        ("用户@例子.example", "用户@xn--fsqu00a.example"),
        ("иван.петров+x@bücher.example", "иван.петров+x@xn--bcher-kva.example"),
        ("محمد@example.net", "محمد@example.net"),
        ("bo\u0308b@example.net", "böb@example.net"),
        ("\N{KELVIN SIGN}@example.net", "K@example.net"),
        ("ä" * 32 + "@example.net", "ä" * 32 + "@example.net"),
        ("bounce@sandbox", "bounce@sandbox"),
    ],
)
def test_a_recipient_may_have_an_address_in_utf8(written: str, read: str) -> None:
    faults: list[Fault] = []
    assert read_addresses([written, f"Name <{written}>"], "/to", faults) == (Address(read), Address(read, "Name"))
    assert faults == []


@pytest.mark.parametrize(
    "local",
    [
        "ä..b",
        ".ä",
        "ä.",
        "ä b",
        "ä\u00a0b",
        "ä\u3000b",
        "ä\u200bb",
        "ä\ufeffb",
        "ä\u200fb",
        "ä\ue000",
        "ä\N{GREEK QUESTION MARK}b",
        "ä,b",
        '"ä b"',
        "ä(b)",
        "ä" * 33,
        "日" * 22,
    ],
)
def test_what_cannot_be_seen_or_would_be_read_as_something_else_stands_in_no_address(local: str) -> None:
    faults: list[Fault] = []
    assert read_addresses([f"{local}@example.net"], "/to", faults) == ()
    assert [(fault.pointer, fault.code) for fault in faults] == [("/to/0", "invalid_address")]


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({}, False),
        ({"sender": Address("ada@example.com", "Ädä"), "subject": "ä"}, False),
        ({"to": (Address("a@xn--fsqu00a.example"),)}, False),
        *(({field: (Address("a@b"), Address("ä@b"))}, True) for field in ("to", "cc", "bcc", "reply_to")),
        ({"sender": Address("ä@b")}, True),
    ],
)
def test_only_an_address_in_utf8_needs_smtputf8(changes: dict[str, Any], needs: bool) -> None:
    assert needs_smtputf8(replace(Message(account="acc_1", sender=Address("a@b")), **changes)) is needs


def test_every_line_break_that_python_knows_is_unsafe_in_a_header() -> None:
    breaks = [char for code in range(0x110000) if len(f"a{(char := chr(code))}b".splitlines()) > 1]
    assert len(breaks) == 10
    assert all(map(unsafe_in_header, breaks))


def test_a_name_has_a_limit() -> None:
    faults: list[Fault] = []
    assert read_address({"email": "a@b", "name": "x" * 200}, "/to", faults) is not None
    assert read_address({"email": "a@b", "name": "x" * 201}, "/to", faults) is None
    assert [fault.code for fault in faults] == ["name_too_long"]


def test_every_unknown_field_of_an_address_is_named() -> None:
    faults: list[Fault] = []
    read_address({"email": "a@b", "phone/home": 1, "fax~": 2}, "/to/0", faults)
    assert [fault.pointer for fault in faults] == ["/to/0/fax~0", "/to/0/phone~1home"]


def test_a_list_names_each_of_its_faults_by_place() -> None:
    faults: list[Fault] = []
    assert read_addresses(["a@b", "x", "c@d", 5], "/cc", faults) == (Address("a@b"), Address("c@d"))
    assert [fault.pointer for fault in faults] == ["/cc/1", "/cc/3"]


def test_a_list_that_is_too_long_is_one_fault() -> None:
    faults: list[Fault] = []
    assert len(read_addresses(["a@b"] * MAX_ADDRESSES, "/to", faults)) == MAX_ADDRESSES
    assert read_addresses([5] * (MAX_ADDRESSES + 1), "/to", faults) == ()
    assert [fault.code for fault in faults] == ["too_many_recipients"]


def test_nothing_given_is_nobody() -> None:
    assert read_addresses(None, "/to", []) == ()


def test_a_name_is_escaped_for_a_pointer() -> None:
    assert escape_pointer("a/b~c") == "a~1b~0c"


@pytest.mark.parametrize(
    "domain",
    [
        "stra\u00dfe.example",
        "\u03b2\u03cc\u03bb\u03bf\u03c2.example",
        "exam\u00adple.com",
        "a\u200db.example",
        "\uff45xample.com",
        "\u2460.example",
        "a\u3002example",
    ],
)
def test_a_domain_that_others_read_as_another_is_refused(domain: str) -> None:
    faults: list[Fault] = []
    assert read_address(f"bob@{domain}", "/to", faults) is None
    assert [fault.code for fault in faults] == ["invalid_address"]
