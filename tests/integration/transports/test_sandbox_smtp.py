"""SMTP against the sandbox's server, which others wrote most of."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from mailbearer.message import Address, Message, Outcome, Outgoing, Remedy, Verdict
from mailbearer.mime import compose
from mailbearer.registration import SmtpServer
from mailbearer.transports.smtp import SmtpTransport
from sandbox.world import World
from tests.integration.sandbox.application import Application

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.account import Account
    from mailbearer.egress import Egress
    from mailbearer.registration import Registration


class Send(Protocol):
    def __call__(self, message: Message) -> Outcome: ...


MESSAGE = Message(
    account="acc_1",
    sender=Address("ada@example.com", "Ada Lövelace"),
    to=(Address("用户@xn--fsqu00a.example", "用户"), Address("bob@example.net", "Bob")),
    bcc=(Address("bøb@example.org"),),
    subject="Grüße",
    text="Hello\n",
    message_id="<1@mailbearer.example>",
    date=1_700_000_000,
)
KEYWORDS = pytest.mark.parametrize(
    "keywords", [["PIPELINING", "8BITMIME", "SMTPUTF8"], ["8BITMIME", "SMTPUTF8"]], ids=["pipelining", "one by one"]
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(directory=tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(running: World) -> World:
    running.control.clear()
    return running


@pytest.fixture
def send(world: World, egress: Egress, account: Account, registration: Registration) -> Iterator[Send]:
    application = Application(world=world, tenant=world.tenants["oidc"], mailbox=account.address).registered()
    token = application.connect()["access_token"]
    reached = replace(
        registration,
        smtp=SmtpServer(host=world.smtp.host, port=world.smtp.tls_port, security="tls"),
        ca_pem=Path(world.smtp.ca_file).read_text(encoding="ascii"),
    )
    with closing(SmtpTransport(egress, time.time)) as transport:

        def send_message(message: Message) -> Outcome:
            mime = compose(message, bcc_header=False)
            outgoing = Outgoing(mail_from=message.sender.email, rcpt_to=message.recipients, mime=mime)
            return transport.send(outgoing, account=account, registration=reached, access_token=token)

        yield send_message


@KEYWORDS
def test_addresses_in_utf8_arrive_as_they_are_and_the_blind_one_is_hidden(
    world: World, send: Send, keywords: list[str]
) -> None:
    world.control.change_settings("smtp", keywords=keywords)
    assert send(MESSAGE).verdict is Verdict.ACCEPTED
    (mail,) = world.control.wait_for_mail(1)
    source = world.control.mail_source(mail["id"])
    assert mail["envelope"]["rcpt_to"] == list(MESSAGE.recipients)
    assert mail["headers"]["subject"] == MESSAGE.subject
    assert "用户@xn--fsqu00a.example" in source.decode()
    assert "bøb" not in source.decode()
    # What can be written in ASCII is: only the address is in UTF-8.
    assert [line for line in source.decode().split("\r\n") if not line.isascii()] == [
        "To: =?utf-8?b?55So5oi3?= <用户@xn--fsqu00a.example>, Bob <bob@example.net>"
    ]


def test_a_server_without_smtputf8_is_not_asked(world: World, send: Send) -> None:
    world.control.change_settings("smtp", keywords=["PIPELINING", "8BITMIME"])
    outcome = send(MESSAGE)
    assert (outcome.verdict, outcome.code, outcome.remedy) == (
        Verdict.NOT_ACCEPTED,
        "smtputf8_unavailable",
        Remedy.NONE,
    )
    assert world.control.mail() == []


@KEYWORDS
def test_one_unknown_recipient_does_not_keep_the_message_from_the_others(
    world: World, send: Send, keywords: list[str]
) -> None:
    world.control.change_settings("smtp", keywords=keywords)
    world.control.plan_fault(
        endpoint="smtp",
        fault="reply",
        times=None,
        match={"recipient": "bob@example.net"},
        stage="rcpt",
        code=550,
        text="5.1.1 no such user",
    )
    outcome = send(MESSAGE)
    assert (outcome.verdict, [(who.recipient, who.code, who.again) for who in outcome.refused]) == (
        Verdict.ACCEPTED,
        [("bob@example.net", "recipient_rejected", False)],
    )
    (mail,) = world.control.wait_for_mail(1)
    assert mail["envelope"]["rcpt_to"] == ["用户@xn--fsqu00a.example", "bøb@example.org"]


@KEYWORDS
def test_a_message_that_nobody_is_left_for_is_not_sent_and_the_connection_serves_on(
    world: World, send: Send, keywords: list[str]
) -> None:
    world.control.change_settings("smtp", keywords=keywords)
    world.control.plan_fault(endpoint="smtp", fault="reply", times=3, stage="rcpt", code=450, text="4.2.0 greylisted")
    outcome = send(MESSAGE)
    assert (outcome.verdict, outcome.code, outcome.remedy) == (Verdict.NOT_ACCEPTED, "deferred", Remedy.RETRY)
    assert [who.again for who in outcome.refused] == [True] * 3
    assert world.control.mail() == []
    assert send(MESSAGE).refused == ()
