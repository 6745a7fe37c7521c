"""The whole road against the sandbox's three authorization servers, each registered by its issuer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.credential import Credential
from mailbearer.errors import ClientRefused, GrantRefused, TokenAnswerInvalid, TokenAnswerLost, TokenEndpointBusy
from mailbearer.oauth import discover
from mailbearer.ports.provider import AuthorizationRequest, TokenAnswer
from mailbearer.providers import DEFINITIONS, register
from sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.egress import Egress
    from mailbearer.oauth import AuthlibServer
    from mailbearer.registration import Registration

ADDRESS, SECRET = "anna@tenant.example", "sandbox-secret"
CREDENTIAL = Credential(client_secret=SECRET)
REQUEST = AuthorizationRequest(
    state="state-1",
    verifier="v" * 64,
    nonce="nonce-1",
    redirect_uri="http://127.0.0.1:9/oauth/callback",
    login_hint=ADDRESS,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(directory=tmp_path_factory.mktemp("oauth-world")) as world:
        yield world


@pytest.fixture
def world(running: World) -> World:
    running.control.clear()
    return running


def registered(world: World, egress: Egress, kind: str) -> Registration:
    tenant = world.tenants[kind]
    world.control.register_client(kind, "client-1", SECRET, redirect_uris=[REQUEST.redirect_uri])
    world.control.add_mailbox(kind, ADDRESS)
    given: dict[str, Any] = {"api_base_url": tenant.api_base_url or "", "smtp_host": world.smtp.host}
    if kind == "oidc":
        given["scopes"] = ("openid", "email", "offline_access", "smtp")
    discovery = discover(tenant.issuer, egress.session())
    return register(kind, name=kind, client_id="client-1", now=0, discovery=discovery, local=True, **given)


def connected(world: World, server: AuthlibServer, registration: Registration) -> TokenAnswer:
    callback = world.control.consent(server.authorization_url(registration, REQUEST)).parameters
    assert callback["state"] == REQUEST.state
    assert callback["iss"] == registration.endpoints.issuer
    return server.redeem(
        registration, CREDENTIAL, code=callback["code"], verifier=REQUEST.verifier, redirect_uri=REQUEST.redirect_uri
    )


@pytest.mark.parametrize("kind", ["google", "microsoft", "oidc"])
def test_a_mailbox_connects_refreshes_and_is_revoked(
    kind: str, world: World, egress: Egress, server: AuthlibServer
) -> None:
    registration = registered(world, egress, kind)
    given = connected(world, server, registration)
    assert given.claims is not None
    assert (given.claims["email"], given.claims["nonce"]) == (ADDRESS, REQUEST.nonce)
    assert given.refresh_token
    assert given.scope is not None
    assert set(registration.scopes) - DEFINITIONS[kind].own_names(given.scope) <= {"offline_access"}
    claims = server.userinfo(registration, given.access_token)
    assert claims is not None
    assert claims["email"] == ADDRESS

    again = server.refresh(registration, CREDENTIAL, refresh_token=given.refresh_token, scope=given.scope)
    assert again.access_token != given.access_token
    assert bool(again.refresh_token) is (kind != "google")

    last = again.refresh_token or given.refresh_token
    revoked = server.revoke(registration, CREDENTIAL, token=last, hint="refresh_token")
    assert revoked is (kind != "microsoft")
    if revoked:
        with pytest.raises(GrantRefused):
            server.refresh(registration, CREDENTIAL, refresh_token=last, scope=given.scope)


def test_a_wrong_secret_is_the_registrations_fault(world: World, egress: Egress, server: AuthlibServer) -> None:
    registration = registered(world, egress, "oidc")
    given = connected(world, server, registration)
    for method in ("client_secret_basic", "client_secret_post"):
        with pytest.raises(ClientRefused):
            server.refresh(
                replace(registration, token_auth_method=method),
                Credential(client_secret="wrong"),
                refresh_token=given.refresh_token,
                scope=given.scope or "",
            )


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("503", TokenEndpointBusy),
        ("429", TokenEndpointBusy),
        ("html", TokenEndpointBusy),
        ("truncated", TokenAnswerLost),
        ("answer_lost", TokenAnswerLost),
        ("no_access_token", TokenAnswerInvalid),
        ("invalid_grant", GrantRefused),
        ("invalid_client", ClientRefused),
    ],
)
def test_each_fault_of_the_token_endpoint_becomes_its_own_error(
    fault: str, expected: type[Exception], world: World, egress: Egress, server: AuthlibServer
) -> None:
    registration = registered(world, egress, "microsoft")
    given = connected(world, server, registration)
    world.control.plan_fault("token", fault, tenant="microsoft")
    with pytest.raises(expected) as caught:
        server.refresh(registration, CREDENTIAL, refresh_token=given.refresh_token, scope=given.scope or "")
    assert type(caught.value) is expected
    assert not [secret for secret in world.control.secrets() if secret in str(caught.value)]
    assert server.refresh(
        registration, CREDENTIAL, refresh_token=given.refresh_token, scope=given.scope or ""
    ).access_token
