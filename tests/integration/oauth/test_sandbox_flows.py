"""The roads without a redirect, against the sandbox's servers: devices, applications, service accounts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.credential import Credential
from mailbearer.errors import AuthorizationPending, ClientRefused, GrantRefused, TokenError
from mailbearer.oauth import AuthlibServer, discover
from mailbearer.providers import register
from sandbox.world import World
from tests.integration.oauth.keys import Signer, signer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.egress import Egress
    from mailbearer.ports.provider import DeviceAuthorization, TokenAnswer
    from mailbearer.registration import Registration

ADDRESS, SECRET = "anna@tenant.example", "sandbox-secret"
CREDENTIAL = Credential(client_secret=SECRET)
ROBOT = "robot@project.iam.example"
GMAIL_SEND = "https://www.googleapis.com/auth/gmail.send"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(directory=tmp_path_factory.mktemp("flows-world")) as world:
        yield world


@pytest.fixture(scope="module")
def pen() -> Signer:
    return signer()


@pytest.fixture
def world(running: World) -> World:
    running.control.clear()
    for kind in ("google", "microsoft", "oidc"):
        running.control.add_mailbox(kind, ADDRESS)
    return running


@pytest.fixture
def server(egress: Egress) -> AuthlibServer:
    # Its real clock: the servers look at the times in assertions.

    return AuthlibServer(egress, time.time)


def registered(  # noqa: PLR0917 - one argument for each column
    world: World, egress: Egress, kind: str, flow: str, scopes: tuple[str, ...], client_id: str = "client-1"
) -> Registration:
    tenant = world.tenants[kind]
    return register(
        kind,
        name=kind,
        client_id=client_id,
        now=0,
        flow=flow,
        discovery=discover(tenant.issuer, egress.session()),
        device_authorization_url=tenant.device_authorization_url,
        introspection_url=tenant.introspection_url,
        tokeninfo_url=f"{tenant.url}/tokeninfo" if kind == "google" else "",
        api_base_url=tenant.api_base_url or "",
        smtp_host=world.smtp.host,
        scopes=scopes,
        local=True,
    )


# --- devices ----------------------------------------------------------------------------------------------------------


def begun(
    world: World, egress: Egress, server: AuthlibServer, kind: str = "oidc"
) -> tuple[Registration, DeviceAuthorization]:
    if kind == "microsoft":
        # Entra's device flow is for public clients.
        world.control.register_client(kind, "client-1", public=True)
    else:
        world.control.register_client(kind, "client-1", SECRET)
    world.control.change_settings(kind, device_interval=0)
    send = "smtp" if kind == "oidc" else "Mail.Send"
    scopes = ("openid", "email", "profile", "offline_access", send)
    registration = registered(world, egress, kind, "device_code", scopes)
    return registration, server.device_authorization(registration, CREDENTIAL)


@pytest.mark.parametrize("kind", ["microsoft", "oidc"])
def test_a_device_waits_for_its_person_and_then_refreshes_like_any_other(
    kind: str, world: World, egress: Egress, server: AuthlibServer
) -> None:
    registration, device = begun(world, egress, server, kind)
    with pytest.raises(AuthorizationPending):
        server.device_token(registration, CREDENTIAL, device_code=device.device_code)
    world.control.verify_device(device.verification_uri, device.user_code, mailbox=ADDRESS)
    given = server.device_token(registration, CREDENTIAL, device_code=device.device_code)
    assert given.claims is not None
    assert (given.claims["preferred_username"], given.claims.get("nonce")) == (ADDRESS, None)
    assert given.claims["aud"] == "client-1"
    again = server.refresh(registration, CREDENTIAL, refresh_token=given.refresh_token, scope=given.scope or "")
    assert again.access_token != given.access_token


def test_a_device_that_asks_too_fast_is_told_to_slow_down(world: World, egress: Egress, server: AuthlibServer) -> None:
    world.control.register_client("oidc", "client-1", SECRET)
    registration = registered(world, egress, "oidc", "device_code", ("openid", "smtp"))
    device = server.device_authorization(registration, CREDENTIAL)
    assert device.interval == 5
    told = []
    for _ in range(2):
        with pytest.raises(AuthorizationPending) as caught:
            server.device_token(registration, CREDENTIAL, device_code=device.device_code)
        told.append(caught.value.slow_down)
    assert told == [False, True]


def test_a_person_may_decline_a_device(world: World, egress: Egress, server: AuthlibServer) -> None:
    registration, device = begun(world, egress, server)
    world.control.verify_device(device.verification_uri_complete, mailbox=ADDRESS, allow=False)
    with pytest.raises(TokenError) as caught:
        server.device_token(registration, CREDENTIAL, device_code=device.device_code)
    assert caught.value.finding == "consent_declined"


def test_a_device_code_gives_its_tokens_once(world: World, egress: Egress, server: AuthlibServer) -> None:
    registration, device = begun(world, egress, server)
    world.control.verify_device(device.verification_uri_complete, mailbox=ADDRESS)
    server.device_token(registration, CREDENTIAL, device_code=device.device_code)
    with pytest.raises(TokenError) as caught:
        server.device_token(registration, CREDENTIAL, device_code=device.device_code)
    assert not caught.value.retryable


# --- applications -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["secret", "certificate"])
@pytest.mark.parametrize(("kind", "scope"), [("microsoft", "https://graph.microsoft.com/.default"), ("oidc", "smtp")])
def test_an_application_gets_a_token_by_secret_and_by_certificate(  # noqa: PLR0917 - one argument for each column
    kind: str, scope: str, by: str, world: World, egress: Egress, server: AuthlibServer, pen: Signer
) -> None:
    registration = registered(world, egress, kind, "client_credentials", (scope,))
    if by == "secret":
        world.control.register_client(kind, "client-1", SECRET)
        given = server.client_credentials(registration, CREDENTIAL)
    else:
        world.control.register_client(kind, "client-1", certificate=pen.certificate)
        credential = Credential(private_key=pen.private_key, certificate=pen.certificate)
        given = server.client_credentials(registration, credential)
    assert given.access_token
    assert given.refresh_token == ""


@pytest.mark.parametrize(
    ("expires_in", "secret", "finding"), [(-1, "old", "client_secret_expired"), (None, "wrong", "client_secret_wrong")]
)
def test_a_secret_that_is_no_good_is_told_apart(  # noqa: PLR0917 - one argument for each column
    expires_in: float | None, secret: str, finding: str, world: World, egress: Egress, server: AuthlibServer
) -> None:
    world.control.register_client("microsoft", "client-1", SECRET)
    world.control.add_secret("microsoft", "client-1", "old", expires_in=expires_in)
    registration = registered(
        world, egress, "microsoft", "client_credentials", ("https://graph.microsoft.com/.default",)
    )
    with pytest.raises(ClientRefused) as caught:
        server.client_credentials(registration, Credential(client_secret=secret))
    assert caught.value.finding == finding


def test_a_certificate_that_nobody_registered_is_refused(
    world: World, egress: Egress, server: AuthlibServer, pen: Signer
) -> None:
    world.control.register_client("microsoft", "client-1", SECRET)
    registration = registered(
        world, egress, "microsoft", "client_credentials", ("https://graph.microsoft.com/.default",)
    )
    with pytest.raises(ClientRefused) as caught:
        server.client_credentials(registration, Credential(private_key=pen.private_key, certificate=pen.certificate))
    assert caught.value.finding == "client_certificate_refused"


# --- service accounts and looks at a token ----------------------------------------------------------------------------


def speaking(world: World, egress: Egress, pen: Signer, **changes: Any) -> tuple[Registration, Credential]:
    given: dict[str, Any] = {"scopes": [GMAIL_SEND], "domain": "tenant.example"} | changes
    world.control.register_service_account(ROBOT, client_id="1234", public_key=pen.public_key, key_id="key-1", **given)
    registration = registered(world, egress, "google", "jwt_bearer", (GMAIL_SEND,), ROBOT)
    return registration, Credential(id="key-1", private_key=pen.private_key)


def minted(world: World, egress: Egress, server: AuthlibServer, pen: Signer) -> tuple[Registration, TokenAnswer]:
    registration, credential = speaking(world, egress, pen)
    return registration, server.assertion(registration, credential, subject=ADDRESS)


def test_a_service_account_gets_a_token_for_the_mailbox_and_tokeninfo_says_so(
    world: World, egress: Egress, server: AuthlibServer, pen: Signer
) -> None:
    registration, given = minted(world, egress, server, pen)
    assert given.refresh_token == ""
    facts = server.tokeninfo(registration, given.access_token)
    assert facts is not None
    assert (facts.active, facts.scope) == (True, GMAIL_SEND)
    world.control.expire_tokens(tenant="google")
    facts = server.tokeninfo(registration, given.access_token)
    assert facts is not None
    assert not facts.active


@pytest.mark.parametrize(
    ("changes", "subject", "expected", "finding"),
    [
        ({"scopes": []}, ADDRESS, ClientRefused, None),
        ({}, "nobody@tenant.example", GrantRefused, "subject_wrong"),
        ({"disabled": True}, ADDRESS, GrantRefused, "service_account_disabled"),
    ],
)
def test_what_a_service_account_may_not_is_told_apart(  # noqa: PLR0917 - one argument for each column
    changes: dict[str, object],
    subject: str,
    expected: type[TokenError],
    finding: str | None,
    world: World,
    egress: Egress,
    server: AuthlibServer,
    pen: Signer,
) -> None:
    registration, credential = speaking(world, egress, pen, **changes)
    with pytest.raises(TokenError) as caught:
        server.assertion(registration, credential, subject=subject)
    assert type(caught.value) is expected
    assert finding is None or caught.value.finding == finding


def test_introspection_knows_a_token_that_lives_and_one_that_does_not(
    world: World, egress: Egress, server: AuthlibServer
) -> None:
    registration, device = begun(world, egress, server)
    world.control.verify_device(device.verification_uri_complete, mailbox=ADDRESS)
    given = server.device_token(registration, CREDENTIAL, device_code=device.device_code)
    facts = server.introspect(registration, CREDENTIAL, given.access_token)
    assert facts is not None
    assert (facts.active, facts.claims["username"]) == (True, ADDRESS)
    world.control.expire_tokens(tenant="oidc")
    facts = server.introspect(registration, CREDENTIAL, given.access_token)
    assert facts is not None
    assert not facts.active
