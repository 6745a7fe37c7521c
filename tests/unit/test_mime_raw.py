from __future__ import annotations

import base64
import email
import time
from dataclasses import replace
from email.policy import default

import pytest

from mailbearer.message import Address, Message
from mailbearer.mime import compose, read_raw

RAW = (
    b"From: Ada <ada@example.com>\r\n"
    b"To: bob@example.net,\r\n\tGroup: carol@example.net;\r\n"
    b"Bcc: eve@example.org,\r\n mallory@example.org\r\n"
    b"Subject: =?utf-8?q?h=C3=A4?=\r\n"
    b"\r\n"
    b"Bcc: not a field\r\nb\xc3\xb6dy\r\n"
)


def message(raw: bytes) -> Message:
    return Message(
        account="acc_1",
        sender=Address("ada@example.com"),
        to=(Address("bob@example.net"),),
        bcc=(Address("eve@example.org"),),
        raw=base64.b64encode(raw).decode(),
        message_id="<minted@mailbearer.example>",
        date=1_700_000_000,
    )


@pytest.mark.parametrize(
    "field",
    [
        b"Bcc: secret@example.org\r\n",
        b"BCC:secret@example.org\r\n",
        b"bcc: a@b,\r\n secret@example.org,\r\n\tc@d\r\n",
        b"Resent-Bcc: secret@example.org\r\n",
        b"Bcc : secret@example.org\r\n",
        b"Bcc:\r\n secret@example.org\r\n",
    ],
)
def test_no_blind_recipient_leaves_in_the_header(field: bytes) -> None:
    for raw in (
        field + b"Subject: x\r\n\r\nbody\r\n",
        b"Subject: x\r\n" + field + field + b"X: y\r\n\r\nbody\r\n",
        b"Subject: x\r\n" + field + b"\r\n",
        b"Subject: x\r\n" + field.rstrip(b"\r\n"),
    ):
        for line_end in (b"\r\n", b"\n", b"\r"):
            sent = compose(message(raw.replace(b"\r\n", line_end)), bcc_header=False)
            assert b"secret" not in sent
            assert b"Subject: x\r\n" in sent


def test_the_authorised_blind_recipients_are_named_where_it_is_asked_for() -> None:
    sent = compose(message(RAW), bcc_header=True)
    assert email.message_from_bytes(sent, policy=default)["bcc"] == "eve@example.org"
    assert b"mallory" not in sent


def test_message_id_and_date_are_added_only_where_they_are_missing() -> None:
    sent = compose(message(RAW), bcc_header=False)
    assert sent.startswith(
        b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nMessage-ID: <minted@mailbearer.example>\r\nFrom: Ada"
    )
    own = b"Message-Id: <own@x>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n" + RAW
    sent = compose(message(own), bcc_header=False)
    assert b"minted" not in sent
    assert sent.lower().count(b"\ndate:") + sent.lower().startswith(b"date:") == 1


def test_the_rest_stays_byte_for_byte() -> None:
    sent = compose(message(RAW), bcc_header=False)
    assert sent.endswith(b"Subject: =?utf-8?q?h=C3=A4?=\r\n\r\nBcc: not a field\r\nb\xc3\xb6dy\r\n")
    assert b"To: bob@example.net,\r\n\tGroup: carol@example.net;\r\n" in sent


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_line_ends_become_crlf(line_end: bytes) -> None:
    assert compose(message(RAW.replace(b"\r\n", line_end)), bcc_header=False) == compose(message(RAW), bcc_header=False)


def test_a_raw_message_says_who_it_is_from_and_for() -> None:
    headers = read_raw(b"Message-ID: <1@x>\r\n" + RAW)
    assert headers.sender == (Address("ada@example.com", "Ada"),)
    assert headers.to == (Address("bob@example.net"), Address("carol@example.net"))
    assert headers.bcc == (Address("eve@example.org"), Address("mallory@example.org"))
    assert (headers.cc, headers.message_id, headers.faults) == ((), "<1@x>", ())


def test_addresses_in_utf8_are_read_as_they_are_used() -> None:
    raw = "From: Ädä <ada@example.com>\r\nTo: Grüße <b\u0308ob@münchen.example>, 用户@x\r\n\r\n"
    headers = read_raw(raw.encode())
    assert headers.sender == (Address("ada@example.com", "Ädä"),)
    assert headers.to == (Address("b\u0308ob@xn--mnchen-3ya.example", "Grüße"), Address("用户@x"))
    assert headers.faults == ()
    # The message itself stays as it came.
    assert raw.encode() in compose(message(raw.encode()), bcc_header=False)


def test_a_blind_recipient_in_utf8_can_be_named_in_a_raw_message() -> None:
    sent = compose(replace(message(RAW), bcc=(Address("用户@x"),)), bcc_header=True)
    assert "Bcc: 用户@x\r\n" in sent.decode()


def test_a_large_raw_message_is_read_at_once() -> None:
    raw = b"From: a@b\r\nTo: c@d\r\n\r\n" + (b"x" * 998 + b"\n") * 20_000
    began = time.perf_counter()
    assert read_raw(raw).faults == ()
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "raw_malformed"),
        (b"\r\nbody", "raw_malformed"),
        (b"no field\r\n\r\n", "raw_malformed"),
        (b" folded first\r\n\r\n", "raw_malformed"),
        (b"From : a@b\r\n\r\n", "raw_malformed"),
        (b"From: a@b\r\nX\0Y: z\r\n\r\n", "raw_malformed"),
        (b"From: a@b\r\nX: \0\r\n\r\n", "raw_malformed"),
        (b"To: a@b\r\n\r\n", "raw_no_from"),
        (b"From: a@b, c@d\r\nTo: a@b\r\n\r\n", "raw_from_not_one"),
        (b"From: a@b\r\nFrom: c@d\r\n\r\n", "raw_repeated"),
        (b"From: a@b\r\nTo: c@d\r\nto: e@f\r\n\r\n", "raw_repeated"),
        (b"From: a@b\r\nBcc: c@d\r\nBCC: e@f\r\n\r\n", "raw_repeated"),
        (b"From: a@b\r\nResent-To: c@d\r\n\r\n", "raw_resent"),
        (b"From: a@b\r\nSender: c@d\r\nTo: a@b\r\n\r\n", "raw_sender_differs"),
        (b"From: a@b\r\nReturn-Path: <c@d>\r\nTo: a@b\r\n\r\n", "raw_of_the_way"),
        (b"From: a@b\r\nApparently-To: c@d\r\nTo: a@b\r\n\r\n", "raw_of_the_way"),
        (b"From: a@b\r\nTo: nobody\r\n\r\n", "raw_address_invalid"),
        (b"From: a@b\r\nTo: <a@b\r\n\r\n", "raw_address_invalid"),
        ("From: a@b\r\nTo: ä\u200b@b\r\n\r\n".encode(), "raw_address_invalid"),
        ("From: a@b\r\nTo: a@münchen..example\r\n\r\n".encode(), "raw_address_invalid"),
        ("From: ä <a@b>\r\nTo: a@b\r\n\r\n".encode("latin-1"), "raw_malformed"),
        ("From: a@b\r\nTo: a@b\r\nSubject: ä\r\n\r\n".encode("latin-1"), "raw_malformed"),
        (b"From: a@b\r\nTo: a@b\r\n\r\n\0", "raw_malformed"),
        (b"From: a@b\r\nTo: a@b\r\n\r\n" + b"x" * 999, "raw_malformed"),
        (b"From: a@b\r\nTo: a@b\r\nX: " + b"x" * 996 + b"\r\n\r\n", "raw_malformed"),
        (b"From: a@b\r\nTo: a@b\r\n" + b"X: y\r\n" * 30_000 + b"\r\n", "raw_malformed"),
    ],
)
def test_what_two_parsers_could_read_in_two_ways_is_a_fault(raw: bytes, code: str) -> None:
    faults = read_raw(raw).faults
    assert code in [fault.code for fault in faults]
    assert {fault.pointer for fault in faults} == {"/raw"}
