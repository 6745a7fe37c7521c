from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.egress import Egress
from mailbearer.oauth import AuthlibServer
from tests.integration.oauth.authority import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_800_000_000.0


@pytest.fixture
def authority() -> Iterator[Authority]:
    with Authority() as played:
        yield played


@pytest.fixture
def egress() -> Iterator[Egress]:
    way_out = Egress(local=True)
    yield way_out
    way_out.close()


@pytest.fixture
def server(egress: Egress) -> AuthlibServer:
    return AuthlibServer(egress, lambda: NOW)
