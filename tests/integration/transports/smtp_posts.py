"""A transport and an SMTP server that it talks to, for tests to send over."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.message import Outcome, Outgoing
from mailbearer.registration import Registration, SmtpServer
from mailbearer.transports.smtp import SmtpTransport
from tests.integration.transports.peers import Action, Certificate, SmtpPeer, SmtpPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailbearer.account import Account
    from mailbearer.egress import Egress
    from tests.integration.transports.conftest import Clock

MAIL = Outgoing(
    mail_from="ada@example.com",
    rcpt_to=("bob@example.net", "eve@example.org"),
    mime=b"Subject: hi\r\n\r\n.a dot\r\n..two\r\nend\r\n",
)
TOKEN = "ya29.secret-token"
PIPELINING = pytest.mark.parametrize("extensions", [["PIPELINING"], []], ids=["pipelining", "one by one"])


@dataclass
class Post:
    """A transport and the server it talks to."""

    peer: SmtpPeer
    transport: SmtpTransport
    account: Account
    registration: Registration

    def send(self, mail: Outgoing = MAIL, *, token: str = TOKEN, account: Account | None = None) -> Outcome:
        return self.transport.send(
            mail, account=account or self.account, registration=self.registration, access_token=token
        )

    def verify(self) -> bool | None:
        return self.transport.verify(account=self.account, registration=self.registration, access_token=TOKEN)


@pytest.fixture
def plan() -> SmtpPlan:
    return SmtpPlan()


@pytest.fixture
def opened(
    plan: SmtpPlan,
    certificate: Certificate,
    egress: Egress,
    *,
    clock: Clock,
    account: Account,
    registration: Registration,
) -> Callable[..., object]:
    @contextmanager
    def open_post(security: str = "starttls", *, ca_pem: str | None = None, deadline: float = 8.0) -> Iterator[Post]:
        with (
            SmtpPeer(plan, certificate, implicit_tls=security == "tls") as peer,
            closing(SmtpTransport(egress, clock, deadline=deadline)) as transport,
        ):
            reached = replace(
                registration,
                smtp=SmtpServer(host="127.0.0.1", port=peer.port, security=security),
                ca_pem=certificate.ca_pem if ca_pem is None else ca_pem,
            )
            yield Post(peer, transport, account, reached)

    return open_post


@pytest.fixture
def post(opened: Callable[..., object]) -> Iterator[Post]:
    with opened() as post:  # type: ignore[attr-defined]
        yield post


def refused_with(plan: SmtpPlan, verb: str, *actions: Action) -> None:
    plan.actions[verb] = list(actions)
