"""Probing at the sandbox's three authorization servers, over real sockets."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.account import AccountState
from mailbearer.credential import Credential
from mailbearer.oauth import AuthlibServer
from sandbox.world import World
from tests.fakes import ScriptedTransport
from tests.integration.oauth.test_sandbox_tenants import ADDRESS, SECRET, connected, registered
from tests.unit.grants import REGISTRATION, Grants, mailbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.egress import Egress

HOW = {"google": {"tokeninfo", "userinfo"}, "microsoft": {"userinfo"}, "oidc": {"introspection"}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(directory=tmp_path_factory.mktemp("probed-world")) as world:
        yield world


@pytest.fixture(params=sorted(HOW))
def consented(request: pytest.FixtureRequest, running: World, egress: Egress) -> tuple[World, str, Grants]:
    """Give a mailbox whose owner has consented at one of the servers; its mail side takes no token."""
    running.control.clear()
    kind: str = request.param
    server = AuthlibServer(egress, time.time)
    grants = Grants(server)
    grants.clock.now = time.time()
    registration = replace(registered(running, egress, kind), name=REGISTRATION)
    grants.registrations.registrations[REGISTRATION] = registration
    grants.credentials = type(grants.credentials)()
    grants.credentials.create(REGISTRATION, Credential(client_secret=SECRET))
    grants.transport = ScriptedTransport(verifies=[False] * 9)
    account = mailbox(address=ADDRESS, state=AccountState.PENDING_CONSENT, scopes_wanted=registration.scopes)
    grants.accounts.create(account)
    grants.granting().store(account, registration, connected(running, server, registration))
    return running, kind, grants


def told(grants: Grants) -> list[str]:
    return [name for name, _ in grants.events.published]


def test_a_good_token_is_found_good_with_its_scopes_and_its_mailbox(consented: tuple[World, str, Grants]) -> None:
    _, kind, grants = consented
    assert grants.prober().probe(grants.now()).valid is True
    probe = grants.now().probe
    assert probe.how in HOW[kind]
    assert probe.identity == ADDRESS
    assert told(grants) == ["account.connected"]


def test_a_token_that_ended_early_is_renewed(consented: tuple[World, str, Grants]) -> None:
    world, kind, grants = consented
    before = grants.now().token.version
    world.control.expire_tokens(tenant=kind)
    assert grants.prober().probe(grants.now()).valid is True
    assert grants.now().token.version != before


def test_a_grant_that_was_revoked_there_is_found_dead(consented: tuple[World, str, Grants]) -> None:
    world, kind, grants = consented
    world.control.revoke_tokens(tenant=kind)
    assert grants.prober().probe(grants.now()).valid is False
    assert grants.now().state is AccountState.CONSENT_REQUIRED
    assert told(grants) == ["account.connected", "token.rejected"]
