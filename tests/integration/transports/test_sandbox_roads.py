"""The three transports against the sandbox, which checks every token for real."""

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
from mailbearer.transports.gmail import GmailTransport
from mailbearer.transports.graph import GraphTransport
from mailbearer.transports.smtp import SmtpTransport
from sandbox.world import World
from tests.integration.sandbox.application import Application

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.account import Account
    from mailbearer.egress import Egress
    from mailbearer.ports.mail import Transport
    from mailbearer.registration import Registration


class Send(Protocol):
    def __call__(self, token: str) -> Outcome: ...


MESSAGE = Message(
    account="acc_1",
    sender=Address("ada@example.com", "Ada Lövelace"),
    to=(Address("bob@example.net", "Bob"),),
    bcc=(Address("eve@example.org"),),
    subject="Grüße aus der Sandbox",
    text="Hello\n.\nBob\n",
    html="<p>Hello Bob</p>",
    message_id="<1@mailbearer.example>",
    date=1_700_000_000,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(directory=tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(params=["google", "microsoft", "starttls", "tls"])
def road(
    request: pytest.FixtureRequest, world: World, egress: Egress, account: Account, registration: Registration
) -> Iterator[tuple[Transport, Registration, Application]]:
    world.control.clear()
    tenant = "oidc" if request.param in {"starttls", "tls"} else request.param
    application = Application(world=world, tenant=world.tenants[tenant], mailbox=account.address).registered()
    transport: Transport
    if request.param == "google":
        transport = GmailTransport(egress, time.time)
        registration = replace(registration, api_base_url=world.tenants["google"].api_base_url or "")
    elif request.param == "microsoft":
        transport = GraphTransport(egress, time.time, compose)
        registration = replace(registration, api_base_url=world.tenants["microsoft"].api_base_url or "")
    else:
        transport = SmtpTransport(egress, time.time)
        port = world.smtp.tls_port if request.param == "tls" else world.smtp.port
        registration = replace(
            registration,
            smtp=SmtpServer(host=world.smtp.host, port=port, security=request.param),
            ca_pem=Path(world.smtp.ca_file).read_text(encoding="ascii"),
        )
    with closing(transport):
        yield transport, registration, application


@pytest.fixture
def send(road: tuple[Transport, Registration, Application], account: Account) -> Send:
    transport, registration, _ = road
    outgoing = Outgoing(
        mail_from=MESSAGE.sender.email,
        rcpt_to=MESSAGE.recipients,
        mime=compose(MESSAGE, bcc_header=transport.names_recipients_in_headers),
    )

    def send_with(token: str) -> Outcome:
        return transport.send(outgoing, account=account, registration=registration, access_token=token)

    return send_with


def test_mail_arrives_at_exactly_its_recipients_and_hides_the_blind_ones(
    road: tuple[Transport, Registration, Application], send: Send, world: World
) -> None:
    token = road[2].connect()["access_token"]
    assert [send(token).verdict for _ in range(2)] == [Verdict.ACCEPTED] * 2
    first, second = world.control.wait_for_mail(2)
    assert sorted(first["envelope"]["rcpt_to"]) == sorted(second["envelope"]["rcpt_to"]) == sorted(MESSAGE.recipients)
    assert first["headers"]["subject"] == MESSAGE.subject
    assert b"eve@example.org" not in world.control.mail_source(first["id"])


def test_an_expired_token_asks_for_a_fresh_one_and_delivers_nothing(
    road: tuple[Transport, Registration, Application], send: Send, world: World, account: Account
) -> None:
    token = road[2].connect()["access_token"]
    world.control.expire_tokens(mailbox=account.address)
    outcome = send(token)
    assert (outcome.verdict, outcome.remedy) == (Verdict.NOT_ACCEPTED, Remedy.REFRESH)
    assert outcome.code in {"token_rejected", "smtp_token_rejected"}
    assert token not in outcome.detail
    assert world.control.mail() == []
