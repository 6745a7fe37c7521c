"""`providers verify` against real servers: the sandbox's tenants and its SMTP server, over real sockets."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import Account, AccountState
from mailbearer.client import Client
from mailbearer.credential import Credential
from mailbearer.mime import compose
from mailbearer.oauth import AuthlibServer, discover
from mailbearer.providers import definition_of, register
from mailbearer.registration import Flow, Registration
from mailbearer.transports.gmail import GmailTransport
from mailbearer.transports.graph import GraphTransport
from mailbearer.transports.smtp import SmtpTransport
from mailbearer.verifying import Finding, Verification
from sandbox.world import World
from tests.fakes import FakeCredentialVault
from tests.unit.grants import Grants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.egress import Egress

REDIRECT = "http://127.0.0.1:9/oauth/callback"
ADDRESS, SECRET = "anna@tenant.example", "sandbox-secret"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(directory=tmp_path_factory.mktemp("verify-world")) as world:
        yield world


@pytest.fixture
def world(running: World) -> World:
    running.control.clear()
    for kind in ("google", "microsoft", "oidc"):
        running.control.register_client(kind, "client-1", SECRET, redirect_uris=[REDIRECT])
        running.control.add_mailbox(kind, ADDRESS)
    return running


def registered(world: World, egress: Egress, kind: str, **given: Any) -> Registration:
    tenant = world.tenants[kind]
    ways: dict[str, Any] = {
        "google": {"transport": "gmail", "api_base_url": tenant.api_base_url},
        "microsoft": {"transport": "graph", "api_base_url": tenant.api_base_url},
        "oidc": {
            "transport": "smtp",
            "smtp_host": world.smtp.host,
            "smtp_port": world.smtp.port,
            "ca_pem": Path(world.smtp.ca_file).read_text("ascii"),
            "scopes": ("openid", "email", "offline_access", "smtp"),
        },
    }
    discovery = discover(tenant.issuer, egress.session())
    settings = ways[kind] | given
    return register(kind, name=kind, client_id="client-1", now=0, discovery=discovery, local=True, **settings)


def verified(
    registration: Registration,
    egress: Egress,
    credential: Credential | None = None,
    mailbox: Account | None = None,
) -> dict[str, Finding]:
    credentials = FakeCredentialVault()
    credentials.create(registration.name, credential or Credential(client_secret=SECRET))
    server = AuthlibServer(egress, time.time)
    transports: dict[str, Any] = {
        "gmail": GmailTransport,
        "graph": partial(GraphTransport, compose=compose),
        "smtp": SmtpTransport,
    }
    verification = Verification(
        client=Client(
            credentials=credentials,
            definitions=definition_of,
            server=lambda: server,
            trail=Grants().new_trail(),
        ),
        credentials=credentials,
        definitions=definition_of,
        server=lambda: server,
        transport=lambda name: transports[name](egress, time.time),
        discover=lambda asked: discover(asked.endpoints.issuer, egress.session(asked.ca_pem)),
        clock=time.time,
        redirect_uri=REDIRECT,
    )
    return {finding.step: finding for finding in verification.run(registration, mailbox=mailbox)}


@pytest.mark.parametrize("kind", ["google", "microsoft", "oidc"])
def test_a_sound_registration_fails_nowhere(kind: str, world: World, egress: Egress) -> None:
    found = verified(registered(world, egress, kind), egress)
    assert [finding for finding in found.values() if finding.verdict == "fail"] == []
    assert [found[step].verdict for step in ("discovery", "authorize", "mail", "credential 1")] == ["pass"] * 4
    assert [grant for grant in world.control.tokens() if grant["mailbox"]] == []


@pytest.mark.parametrize("kind", ["google", "microsoft", "oidc"])
def test_a_wrong_secret_is_found_before_anybody_consents(kind: str, world: World, egress: Egress) -> None:
    found = verified(registered(world, egress, kind), egress, Credential(client_secret="n0t-the-0ne"))
    assert found["credential 1"].verdict == "fail"
    assert found["credential 1"].remedy
    assert "n0t-the-0ne" not in str(found)


def test_an_expired_secret_is_named_as_that(world: World, egress: Egress) -> None:
    added = world.control.add_secret("microsoft", "client-1", expires_in=-60)
    found = verified(registered(world, egress, "microsoft"), egress, Credential(client_secret=added["client_secret"]))
    assert (found["credential 1"].verdict, found["credential 1"].code) == ("fail", "client_secret_expired")


@pytest.mark.parametrize("kind", ["google", "microsoft", "oidc"])
def test_a_redirect_uri_that_is_not_registered_is_found(kind: str, world: World, egress: Egress) -> None:
    world.control.register_client(kind, "client-2", SECRET, redirect_uris=["https://other.example/cb"])
    subject = replace(registered(world, egress, kind), client_id="client-2")
    found = verified(subject, egress)
    assert (found["authorize"].verdict, REDIRECT in found["authorize"].remedy) == ("fail", True)


def test_an_smtp_server_without_oauth_is_found(world: World, egress: Egress) -> None:
    world.control.change_settings("smtp", sasl_mechanisms=[])
    found = verified(registered(world, egress, "oidc"), egress)
    assert (found["mail"].verdict, found["mail"].code) == ("fail", "mechanism_not_offered")


def test_a_certificate_that_is_not_trusted_is_found(world: World, egress: Egress) -> None:
    found = verified(registered(world, egress, "oidc", ca_pem=""), egress)
    assert (found["mail"].verdict, found["mail"].code) == ("fail", "tls_not_trusted")


def test_an_unattended_registration_is_tried_to_the_mailbox(world: World, egress: Egress) -> None:
    subject = replace(
        registered(world, egress, "oidc"), flow=Flow.CLIENT_CREDENTIALS, scopes=("smtp",), transport="smtp"
    )
    mailbox = Account(
        id="", provider="oidc", address=ADDRESS, transport="smtp",
        state=AccountState.PENDING_CONSENT, created_at=0, updated_at=0,
    )  # fmt: skip
    found = verified(subject, egress, mailbox=mailbox)
    assert [found[step].verdict for step in ("credential 1", f"mailbox {ADDRESS}")] == ["pass", "pass"]
    elsewhere = replace(mailbox, address="stranger@tenant.example")
    assert verified(subject, egress, mailbox=elsewhere)["mailbox stranger@tenant.example"].verdict == "fail"
