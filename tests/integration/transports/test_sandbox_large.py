"""Large messages, other senders and searches over Gmail and Graph, against the sandbox, which checks every token."""

from __future__ import annotations

import base64
import hashlib
import time
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

import pytest

from mailbearer.message import Address, Attachment, Message, Outcome, Outgoing, Verdict
from mailbearer.mime import compose
from mailbearer.registration import Flow
from mailbearer.transports.gmail import GmailTransport
from mailbearer.transports.graph import GraphTransport
from sandbox.world import World
from tests.integration.sandbox.application import SCOPES, Application

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.account import Account
    from mailbearer.egress import Egress
    from mailbearer.registration import Registration

GMAIL_READS = "https://www.googleapis.com/auth/gmail.readonly"
SMALL = Message(
    account="acc_1",
    sender=Address("ada@example.com", "Ada"),
    to=(Address("bob@example.net"),),
    bcc=(Address("eve@example.org"),),
    subject="Grüße",
    text="Hello",
    html="<p>Hello",
    message_id="<1@mailbearer.example>",
    date=1_700_000_000,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(directory=tmp_path_factory.mktemp("world")) as world:
        yield world


@dataclass
class Road:
    """One of the two APIs, with a token of the wanted scopes."""

    world: World
    transport: GmailTransport | GraphTransport
    account: Account
    registration: Registration
    application: Application
    token: str = ""

    def connect(self, *more: str) -> None:
        scope = " ".join((SCOPES[self.application.tenant.name], *more))
        self.token = self.application.connect(scope=scope)["access_token"]
        self.account = replace(self.account, scopes_granted=tuple(scope.split()))

    def send(self, message: Message) -> Outcome:
        outgoing = Outgoing(
            mail_from=message.sender.email,
            rcpt_to=message.recipients,
            mime=compose(message, bcc_header=True),
            message=message,
        )
        return self.transport.send(
            outgoing, account=self.account, registration=self.registration, access_token=self.token
        )

    def look_up(self, message_id: str) -> bool | None:
        return self.transport.look_up(
            message_id, account=self.account, registration=self.registration, access_token=self.token
        )


def road_of(tenant: str, world: World, egress: Egress, account: Account, registration: Registration) -> Road:
    world.control.clear()
    application = Application(world=world, tenant=world.tenants[tenant], mailbox=account.address).registered()
    registration = replace(registration, api_base_url=world.tenants[tenant].api_base_url or "")
    if tenant == "google":
        transport: GmailTransport | GraphTransport = GmailTransport(egress, time.time)
        account = replace(account, transport="gmail")
    else:
        transport = GraphTransport(egress, time.time, compose)
        account = replace(account, transport="graph")
    return Road(world, transport, account, registration, application)


@pytest.fixture
def gmail(world: World, egress: Egress, account: Account, registration: Registration) -> Road:
    return road_of("google", world, egress, account, registration)


@pytest.fixture
def graph(world: World, egress: Egress, account: Account, registration: Registration) -> Road:
    return road_of("microsoft", world, egress, account, registration)


def file(size: int, name: str) -> Attachment:
    content = hashlib.shake_128(name.encode()).digest(size)
    return Attachment(filename=name, content=base64.b64encode(content).decode(), size=size)


def digests(source: bytes) -> dict[str | None, str]:
    parts = message_from_bytes(source, policy=default).walk()
    return {
        part.get_filename(): hashlib.sha256(part.get_payload(decode=True)).hexdigest()  # type: ignore[arg-type]
        for part in parts
        if part.get_filename()
    }


def sent_digests(message: Message) -> dict[str | None, str]:
    return {part.filename: hashlib.sha256(base64.b64decode(part.content)).hexdigest() for part in message.attachments}


def test_gmail_takes_twenty_megabytes_byte_for_byte(gmail: Road) -> None:
    gmail.connect()
    message = replace(SMALL, attachments=(file(15_000_000, "large.bin"),))
    assert len(compose(message, bcc_header=True)) > 20_000_000
    assert gmail.send(message).verdict is Verdict.ACCEPTED
    (mail,) = gmail.world.control.mail()
    assert mail["details"] == {"format": "media"}
    assert sorted(mail["envelope"]["rcpt_to"]) == ["bob@example.net", "eve@example.org"]
    assert gmail.world.control.mail_source(mail["id"]) == compose(message, bcc_header=False)


def test_graph_takes_a_large_message_by_a_draft_and_leaves_none_behind(graph: Road) -> None:
    graph.connect("Mail.ReadWrite")
    drafts = graph.world.drafts.count()
    message = replace(SMALL, attachments=(file(10, "s.bin"), file(7_000_000, "l.bin"), file(3_000_000, "edge.bin")))
    assert graph.send(message).verdict is Verdict.ACCEPTED
    (mail,) = graph.world.control.mail()
    assert mail["details"] == {"format": "draft of mime", "attachments added": "3"}
    assert sorted(mail["envelope"]["rcpt_to"]) == ["bob@example.net", "eve@example.org"]
    assert mail["headers"]["message-id"] == "<1@mailbearer.example>"
    assert mail["headers"]["subject"] == "Grüße"
    source = graph.world.control.mail_source(mail["id"])
    assert digests(source) == sent_digests(message)
    assert b"eve@example.org" not in source
    assert graph.world.drafts.count() == drafts


def test_graph_needs_the_scope_for_a_draft(graph: Road) -> None:
    graph.connect()
    message = replace(SMALL, attachments=(file(3_000_000, "l.bin"),))
    assert graph.send(message).code == "message_too_large"
    # A token may have lost what the account was once granted.
    graph.account = replace(graph.account, scopes_granted=("Mail.ReadWrite",))
    outcome = graph.send(message)
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_ACCEPTED, "message_too_large")
    assert graph.world.control.mail() == []


@pytest.mark.parametrize("size", [0, 4_000_000])
def test_graph_sends_from_an_alias_with_that_from(graph: Road, size: int) -> None:
    graph.world.control.add_mailbox("microsoft", graph.account.address, aliases=["sales@example.com"])
    graph.connect("Mail.ReadWrite")
    attachments = (file(size, "l.bin"),) if size else ()
    message = replace(SMALL, sender=Address("sales@example.com", "Sales"), text=None, attachments=attachments)
    assert graph.send(message).verdict is Verdict.ACCEPTED
    (mail,) = graph.world.control.mail()
    assert mail["headers"]["from"] == "Sales <sales@example.com>"
    assert mail["headers"]["message-id"] == "<1@mailbearer.example>"
    assert digests(graph.world.control.mail_source(mail["id"])) == sent_digests(message)


def test_an_alias_without_the_right_is_refused(graph: Road) -> None:
    graph.connect()
    outcome = graph.send(replace(SMALL, sender=Address("president@example.com"), text=None))
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_ACCEPTED, "send_as_denied")


@pytest.mark.parametrize("operation", ["createMessage", "addAttachment", "createUploadSession", "upload"])
@pytest.mark.parametrize("fault", ["answer_lost", "cut_before", "503", "html", "truncated"])
def test_a_fault_before_the_word_to_send_sends_nothing_and_once_more_sends_one(
    graph: Road, operation: str, fault: str
) -> None:
    graph.connect("Mail.ReadWrite")
    message = replace(SMALL, attachments=(file(10, "s.bin"), file(3_500_000, "l.bin")))
    graph.world.control.plan_fault("graph", fault, match={"operation": operation})
    outcome = graph.send(message)
    if outcome.verdict is Verdict.NOT_ACCEPTED:
        assert graph.world.control.mail() == []
        outcome = graph.send(message)
    else:
        # Half an answer to a step whose status alone says yes.
        assert fault == "truncated"
    assert outcome.verdict is Verdict.ACCEPTED
    assert len(graph.world.control.mail()) == 1


@pytest.mark.parametrize("fault", ["answer_lost", "503"])
def test_a_lost_answer_to_the_word_to_send_is_unknown_and_can_be_looked_up(graph: Road, fault: str) -> None:
    graph.connect("Mail.ReadWrite")
    graph.world.control.plan_fault("graph", fault, match={"operation": "send"})
    message = replace(SMALL, attachments=(file(3_500_000, "l.bin"),))
    assert graph.send(message).verdict is Verdict.UNKNOWN
    assert graph.look_up(SMALL.message_id) is (fault == "answer_lost")


def test_a_lost_answer_at_gmail_can_be_looked_up(gmail: Road) -> None:
    gmail.connect(GMAIL_READS)
    gmail.world.control.plan_fault("gmail", "answer_lost", match={"operation": "send"})
    assert gmail.look_up(SMALL.message_id) is False
    assert gmail.send(SMALL).verdict is Verdict.UNKNOWN
    assert gmail.look_up(SMALL.message_id) is True
    assert gmail.look_up("<2@mailbearer.example>") is False


@pytest.mark.parametrize("api", ["gmail", "graph"])
def test_who_may_only_send_cannot_look_anything_up(api: str, request: pytest.FixtureRequest) -> None:
    road: Road = request.getfixturevalue(api)
    road.connect()
    assert road.look_up(SMALL.message_id) is None
    # Nor where the account says otherwise than the token.
    road.account = replace(road.account, scopes_granted=(GMAIL_READS, "Mail.Read"))
    assert road.look_up(SMALL.message_id) is None


def test_an_application_sends_a_large_message_where_it_was_granted_that(graph: Road) -> None:
    graph.registration = replace(graph.registration, flow=Flow.CLIENT_CREDENTIALS)
    scope = "https://graph.microsoft.com/.default"
    graph.account = replace(graph.account, scopes_granted=(scope,))
    graph.token = graph.application.ask_token("client_credentials", scope=scope).json()["access_token"]
    outcome = graph.send(replace(SMALL, attachments=(file(3_500_000, "l.bin"),)))
    assert (outcome.verdict, outcome.code) == (Verdict.NOT_ACCEPTED, "message_too_large")
    assert "Mail.ReadWrite" in outcome.detail
    assert graph.send(SMALL).verdict is Verdict.ACCEPTED
