from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mailbearer.account import Account, AccountState
from mailbearer.egress import Egress
from mailbearer.registration import Endpoints, Flow, Registration
from tests.integration.transports.peers import Certificate, make_certificate
from tests.integration.transports.smtp_posts import opened, plan, post

__all__ = ["opened", "plan", "post"]

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """The machine's time, which a test may let run ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def session_clock() -> Clock:
    return Clock()


@pytest.fixture
def clock(session_clock: Clock) -> Clock:
    session_clock.ahead = 0.0
    return session_clock


@pytest.fixture(scope="session")
def egress(session_clock: Clock) -> Iterator[Egress]:
    """Be one for all tests, because reading the system's authorities takes longer than most of them."""
    with closing(Egress(local=True, clock=session_clock)) as egress:
        yield egress


@pytest.fixture
def account() -> Account:
    return Account(
        id="acc_1",
        provider="test",
        address="ada@example.com",
        transport="test",
        state=AccountState.ACTIVE,
        created_at=0,
        updated_at=0,
    )


@pytest.fixture
def registration() -> Registration:
    return Registration(
        name="test",
        kind="oidc",
        client_id="client",
        transport="test",
        flow=Flow.AUTHORIZATION_CODE,
        endpoints=Endpoints(authorize_url="", token_url=""),
        scopes=(),
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These speak over real sockets and real TLS: the fast tier has the same rules without them."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)
