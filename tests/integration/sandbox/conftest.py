from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.control.key_pairs import KeyPair, make_key_pair
from sandbox.world import World
from tests.integration.sandbox.application import Application

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Clock:
    """The machine's time, which a test may let run ahead."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture(scope="session")
def session_clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def session_world(tmp_path_factory: pytest.TempPathFactory, session_clock: Clock) -> Iterator[World]:
    with World(directory=tmp_path_factory.mktemp("world"), clock=session_clock) as world:
        yield world


@pytest.fixture(scope="session")
def key_pair() -> KeyPair:
    return make_key_pair("first", now=dt.datetime.now(dt.UTC))


@pytest.fixture(scope="session")
def other_key_pair() -> KeyPair:
    return make_key_pair("other", now=dt.datetime.now(dt.UTC))


@pytest.fixture
def clock(session_clock: Clock) -> Clock:
    session_clock.ahead = 0.0
    return session_clock


@pytest.fixture
def world(session_world: World, clock: Clock) -> World:
    assert clock.ahead == 0
    session_world.control.clear()
    return session_world


@pytest.fixture(params=["google", "microsoft", "oidc"])
def app(request: pytest.FixtureRequest, world: World) -> Application:
    """One application at each tenant in turn."""
    return Application(world=world, tenant=world.tenants[request.param]).registered()


@pytest.fixture
def google(world: World) -> Application:
    return Application(world=world, tenant=world.tenants["google"]).registered()


@pytest.fixture
def microsoft(world: World) -> Application:
    return Application(world=world, tenant=world.tenants["microsoft"]).registered()


@pytest.fixture
def oidc(world: World) -> Application:
    return Application(world=world, tenant=world.tenants["oidc"]).registered()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these to the full run: the sandbox is a tool of the tests, and its own hang, wait and crowd."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)
