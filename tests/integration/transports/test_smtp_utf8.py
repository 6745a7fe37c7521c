"""Addresses in UTF-8 (RFC 6531)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.message import Outgoing, Remedy, Verdict
from tests.integration.transports.smtp_posts import MAIL, PIPELINING, refused_with

if TYPE_CHECKING:
    from tests.integration.transports.peers import SmtpPlan
    from tests.integration.transports.smtp_posts import Post

INTERNATIONAL = replace(
    MAIL,
    rcpt_to=("bob@example.net", "用户@xn--fsqu00a.example"),
    mime="To: 用户@xn--fsqu00a.example\r\n\r\nHi\r\n".encode(),
)


@PIPELINING
def test_an_address_in_utf8_is_announced_and_arrives_as_it_is(
    post: Post, plan: SmtpPlan, extensions: list[str]
) -> None:
    plan.extensions = [*extensions, "SMTPUTF8", "8BITMIME", "SIZE 1000"]
    assert post.send(INTERNATIONAL).verdict is Verdict.ACCEPTED
    captured = post.peer.captured[0]
    assert (tuple(captured.rcpt_to), captured.content) == (INTERNATIONAL.rcpt_to, INTERNATIONAL.mime)
    expected = f"MAIL FROM:<ada@example.com> SIZE={len(INTERNATIONAL.mime)} BODY=8BITMIME SMTPUTF8"
    assert expected in post.peer.commands


@pytest.mark.parametrize(
    "mail",
    [
        INTERNATIONAL,
        replace(MAIL, rcpt_to=("bøb@example.net",)),
        replace(MAIL, mail_from="ädä@example.com"),
        replace(MAIL, mime="Subject: Grüße\r\n\r\nHi\r\n".encode()),
    ],
    ids=["header and envelope", "recipient", "sender", "header"],
)
@pytest.mark.parametrize("extensions", [[], ["8BITMIME"], ["SMTPUTF8"]])
def test_without_smtputf8_nothing_of_such_a_message_is_said(
    post: Post, plan: SmtpPlan, mail: Outgoing, extensions: list[str]
) -> None:
    plan.extensions = ["PIPELINING", *extensions]
    outcome = post.send(mail)
    assert (outcome.verdict, outcome.code, outcome.remedy) == (
        Verdict.NOT_ACCEPTED,
        "smtputf8_unavailable",
        Remedy.NONE,
    )
    assert not any(command.startswith("MAIL") for command in post.peer.commands)
    assert post.send().verdict is Verdict.ACCEPTED
    assert post.peer.connections == 1


def test_an_eight_bit_body_alone_does_not_ask_for_smtputf8(post: Post, plan: SmtpPlan) -> None:
    plan.extensions = ["8BITMIME", "SMTPUTF8"]
    assert post.send(replace(MAIL, mime="X: y\r\n\r\nä\r\n".encode())).verdict is Verdict.ACCEPTED
    assert not any("SMTPUTF8" in command for command in post.peer.commands)


def test_a_server_that_finds_no_way_for_utf8_to_one_recipient_refuses_that_one(post: Post, plan: SmtpPlan) -> None:
    plan.extensions = ["8BITMIME", "SMTPUTF8"]
    refused_with(plan, "RCPT", b"250 OK\r\n", b"553 5.6.7 not here\r\n")
    outcome = post.send(INTERNATIONAL)
    assert (outcome.verdict, [who.code for who in outcome.refused]) == (Verdict.ACCEPTED, ["smtputf8_unavailable"])
