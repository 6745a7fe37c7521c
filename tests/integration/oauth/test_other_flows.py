"""What goes over the wire where nobody redeems a code: devices, applications, service accounts, looks at a token."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from joserfc import jwt
from joserfc.jwk import RSAKey

from mailbearer.credential import Credential
from mailbearer.errors import (
    AuthorizationPending,
    ClientRefused,
    GrantRefused,
    TokenAnswerInvalid,
    TokenEndpointBusy,
    TokenError,
)
from mailbearer.oauth import thumbprint
from mailbearer.oauth.assertions import client_assertion
from mailbearer.ports.provider import DeviceAuthorization, TokenFacts
from tests.integration.oauth.authority import answer
from tests.integration.oauth.conftest import NOW
from tests.integration.oauth.keys import Signer, signer
from tests.integration.oauth.registrations import registration_at
from tests.unit.grants import registration

if TYPE_CHECKING:
    from mailbearer.oauth import AuthlibServer
    from mailbearer.registration import Registration
    from tests.integration.oauth.authority import Authority

SECRET = Credential(client_secret="client-secret-1")
GIVEN = json.dumps({"access_token": "at-1", "token_type": "Bearer", "expires_in": 3600})
DEVICE = {
    "device_code": "device-code-1",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://id.example/device",
    "expires_in": 900,
}
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture(scope="module")
def pen() -> Signer:
    return signer()


def at(authority: Authority, **changes: Any) -> Registration:
    registration = registration_at(authority.url, method="client_secret_post")
    endpoints = replace(
        registration.endpoints,
        device_authorization_url=f"{authority.url}/device",
        introspection_url=f"{authority.url}/introspect",
        tokeninfo_url=f"{authority.url}/tokeninfo",
    )
    return replace(registration, endpoints=endpoints, scopes=("mail.send", "smtp"), **changes)


def read(assertion: str, pen: Signer) -> tuple[dict[str, Any], dict[str, Any]]:
    token = jwt.decode(assertion, RSAKey.import_key(pen.public_key), algorithms=["PS256", "RS256"])
    return dict(token.header), dict(token.claims)


# --- applications -----------------------------------------------------------------------------------------------------


def test_an_application_asks_for_its_scopes_with_its_secret(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(200, GIVEN)
    given = server.client_credentials(at(authority), SECRET)
    assert (given.access_token, given.refresh_token, given.expires_in) == ("at-1", "", 3600)
    (seen,) = authority.seen
    assert seen.form == {
        "grant_type": "client_credentials",
        "scope": "mail.send smtp",
        "client_id": "client-1",
        "client_secret": "client-secret-1",
    }


def test_a_certificate_signs_who_the_client_is(server: AuthlibServer, authority: Authority, pen: Signer) -> None:
    authority.answers(200, GIVEN)
    credential = Credential(private_key=pen.private_key, certificate=pen.certificate)
    server.client_credentials(at(authority), credential)
    server.client_credentials(at(authority), credential)
    forms = [seen.form for seen in authority.seen]
    assert {name for form in forms for name in form} == {
        "grant_type",
        "scope",
        "client_id",
        "client_assertion_type",
        "client_assertion",
    }
    assert forms[0]["client_assertion_type"] == ASSERTION_TYPE
    header, claims = read(forms[0]["client_assertion"], pen)
    assert header == {"typ": "JWT", "alg": "PS256", "x5t#S256": thumbprint(pen.certificate)}
    assert {name: claims[name] for name in ("iss", "sub", "aud")} == {
        "iss": "client-1",
        "sub": "client-1",
        "aud": f"{authority.url}/token",
    }
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (NOW, NOW, NOW + 300)
    assert claims["jti"] != read(forms[1]["client_assertion"], pen)[1]["jti"]


def test_a_bare_key_signs_with_its_id(server: AuthlibServer, authority: Authority, pen: Signer) -> None:
    authority.answers(200, GIVEN)
    server.client_credentials(at(authority), Credential(id="key-1", private_key=pen.private_key))
    header, _ = read(authority.seen[0].form["client_assertion"], pen)
    assert header == {"typ": "JWT", "alg": "RS256", "kid": "key-1"}


def test_a_key_signs_for_every_other_endpoint_too(server: AuthlibServer, authority: Authority, pen: Signer) -> None:
    credential = Credential(private_key=pen.private_key, certificate=pen.certificate)
    registration = at(authority)
    authority.answers(200, GIVEN)
    server.redeem(registration, credential, code="c", verifier="v", redirect_uri="https://a.example/cb")
    server.refresh(registration, credential, refresh_token="rt-1", scope="smtp")
    server.revoke(registration, credential, token="rt-1", hint="refresh_token")
    authority.answers(200, '{"active": true}')
    server.introspect(registration, credential, "at-1")
    authority.answers(200, json.dumps(DEVICE))
    server.device_authorization(registration, credential)
    for seen in authority.seen:
        assert seen.form["client_assertion_type"] == ASSERTION_TYPE
        assert read(seen.form["client_assertion"], pen)[1]["sub"] == "client-1"
        assert "client_secret" not in seen.form
    assert [seen.target for seen in authority.seen] == ["/token", "/token", "/revoke", "/introspect", "/device"]


NO_KEY = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"  # pragma: allowlist secret


@pytest.mark.parametrize("key", ["", "no key", NO_KEY])
def test_a_key_that_cannot_sign_is_the_operators_affair_and_is_not_shown(
    key: str, server: AuthlibServer, authority: Authority, pen: Signer
) -> None:
    credential = Credential(private_key=key, certificate=pen.certificate)
    with pytest.raises(ClientRefused) as caught:
        server.assertion(at(authority), credential, subject="anna@example.com")
    assert caught.value.finding == "credential_unusable"
    assert caught.value.__cause__ is None
    assert authority.seen == []


# --- service accounts -------------------------------------------------------------------------------------------------


def test_a_service_account_signs_for_the_mailbox_and_for_nothing_else(
    server: AuthlibServer, authority: Authority, pen: Signer
) -> None:
    authority.answers(200, GIVEN)
    credential = Credential(id="key-1", private_key=pen.private_key)
    server.assertion(at(authority), credential, subject="anna@example.com")
    (seen,) = authority.seen
    assert seen.form.keys() == {"grant_type", "assertion"}
    assert seen.form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    header, claims = read(seen.form["assertion"], pen)
    assert header == {"typ": "JWT", "alg": "RS256", "kid": "key-1"}
    assert {name: value for name, value in claims.items() if name != "jti"} == {
        "iss": "client-1",
        "sub": "anna@example.com",
        "scope": "mail.send smtp",
        "aud": f"{authority.url}/token",
        "iat": NOW,
        "exp": NOW + 300,
    }


def test_no_refusal_repeats_an_assertion(server: AuthlibServer, authority: Authority, pen: Signer) -> None:
    authority.play = lambda seen: echo(seen.form)
    credential = Credential(private_key=pen.private_key)
    with pytest.raises(TokenError) as first:
        server.assertion(at(authority), credential, subject="anna@example.com")
    with pytest.raises(TokenError) as second:
        server.client_credentials(at(authority), credential)
    assert "eyJ" not in str(first.value) + str(second.value)


def echo(form: dict[str, str]) -> bytes:
    return answer(400, json.dumps({"error": "invalid_request", "error_description": " ".join(form.values())}))


# --- devices ----------------------------------------------------------------------------------------------------------


def test_a_device_asks_with_scopes_and_client_id(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(
        200, json.dumps(DEVICE | {"interval": 7, "verification_uri_complete": "https://id.example/d?c=W"})
    )
    assert server.device_authorization(at(authority), SECRET) == DeviceAuthorization(
        device_code="device-code-1",
        user_code="WDJB-MJHT",
        verification_uri="https://id.example/device",
        verification_uri_complete="https://id.example/d?c=W",
        expires_in=900,
        interval=7,
    )
    (seen,) = authority.seen
    assert (seen.method, seen.target) == ("POST", "/device")
    assert seen.form == {"scope": "mail.send smtp", "client_id": "client-1", "client_secret": "client-secret-1"}


def test_a_public_device_names_itself_alone(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(200, json.dumps(DEVICE))
    given = server.device_authorization(at(authority, token_auth_method="none"), Credential())
    assert (given.interval, given.verification_uri_complete) == (5, "")
    assert authority.seen[0].form == {"scope": "mail.send smtp", "client_id": "client-1"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        DEVICE | {"device_code": ""},
        DEVICE | {"user_code": 7},
        DEVICE | {"verification_uri": "javascript:alert(1)"},
        DEVICE | {"verification_uri": "http://id.example/device"},
        DEVICE | {"verification_uri": "https://[broken"},
    ],
)
def test_an_answer_that_a_person_could_not_use_is_invalid(
    body: dict[str, Any], server: AuthlibServer, authority: Authority
) -> None:
    authority.answers(200, json.dumps(body))
    with pytest.raises(TokenAnswerInvalid):
        server.device_authorization(at(authority), SECRET)


def test_a_complete_address_that_is_not_safe_is_left_out(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(200, json.dumps(DEVICE | {"verification_uri_complete": "javascript:alert(1)"}))
    assert server.device_authorization(at(authority), SECRET).verification_uri_complete == ""


@pytest.mark.parametrize("name", ["verification_uri", "verification_url"])
def test_the_page_goes_by_either_name(name: str, server: AuthlibServer, authority: Authority) -> None:
    body = {field: value for field, value in DEVICE.items() if field != "verification_uri"}
    authority.answers(200, json.dumps(body | {name: "https://id.example/device"}))
    assert server.device_authorization(at(authority), SECRET).verification_uri == "https://id.example/device"


def test_the_tokens_of_a_device_are_asked_for_with_its_code(server: AuthlibServer, authority: Authority) -> None:
    payload = base64.urlsafe_b64encode(b'{"email": "anna@example.com"}').decode().rstrip("=")
    authority.answers(200, json.dumps({**json.loads(GIVEN), "id_token": f"e30.{payload}.x", "refresh_token": "rt-1"}))
    given = server.device_token(at(authority), SECRET, device_code="device-code-1")
    assert (given.refresh_token, given.claims) == ("rt-1", {"email": "anna@example.com"})
    assert authority.seen[0].form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "device-code-1",
        "client_id": "client-1",
        "client_secret": "client-secret-1",
    }


@pytest.mark.parametrize(
    ("status", "error", "expected", "finding"),
    [
        (400, "authorization_pending", AuthorizationPending, ""),
        (400, "slow_down", AuthorizationPending, ""),
        (400, "access_denied", TokenError, "consent_declined"),
        (400, "authorization_declined", TokenError, "consent_declined"),
        (400, "expired_token", TokenError, "device_code_expired"),
        (400, "invalid_grant", GrantRefused, None),
        (401, "invalid_client", ClientRefused, None),
        (503, "", TokenEndpointBusy, None),
    ],
)
def test_each_answer_to_a_device_becomes_its_own_error(  # noqa: PLR0917 - one argument for each column
    status: int,
    error: str,
    expected: type[TokenError],
    finding: str | None,
    server: AuthlibServer,
    authority: Authority,
) -> None:
    authority.answers(status, json.dumps({"error": error} if error else {}))
    with pytest.raises(TokenError) as caught:
        server.device_token(at(authority), SECRET, device_code="device-code-1")
    assert type(caught.value) is expected
    assert finding is None or caught.value.finding == finding
    if isinstance(caught.value, AuthorizationPending):
        assert caught.value.slow_down is (error == "slow_down")


# --- looks at a token -------------------------------------------------------------------------------------------------


def test_introspection_authenticates_and_tells_what_the_server_knows(
    server: AuthlibServer, authority: Authority
) -> None:
    body = {"active": True, "scope": "mail.send", "username": "anna@example.com", "exp": NOW}
    authority.answers(200, json.dumps(body))
    facts = server.introspect(at(authority), SECRET, "at-1")
    assert facts == TokenFacts(active=True, scope="mail.send", claims=body)
    assert authority.seen[0].form == {
        "token": "at-1",
        "token_type_hint": "access_token",
        "client_id": "client-1",
        "client_secret": "client-secret-1",
    }


@pytest.mark.parametrize("active", [False, None, "true", 1])
def test_a_token_is_active_only_if_the_server_says_just_that(
    active: object, server: AuthlibServer, authority: Authority
) -> None:
    authority.answers(200, json.dumps({"active": active}))
    facts = server.introspect(at(authority), SECRET, "at-1")
    assert facts is not None
    assert facts.active is False


def test_tokeninfo_gets_the_token_in_the_body_and_no_client(server: AuthlibServer, authority: Authority) -> None:
    body = {"aud": "client-1", "scope": "mail.send", "expires_in": "3598", "email": "anna@example.com"}
    authority.answers(200, json.dumps(body))
    facts = server.tokeninfo(at(authority), "at-1")
    assert facts == TokenFacts(active=True, scope="mail.send", claims=body)
    (seen,) = authority.seen
    assert (seen.method, seen.target, seen.form) == ("POST", "/tokeninfo", {"access_token": "at-1"})
    authority.answers(400, '{"error": "invalid_token", "error_description": "Invalid Value"}')
    assert server.tokeninfo(at(authority), "at-1") == TokenFacts(active=False)


def test_where_there_is_no_endpoint_nobody_is_asked(server: AuthlibServer) -> None:
    registration = registration_at("https://as.example.com")
    assert server.introspect(registration, SECRET, "at-1") is None
    assert server.tokeninfo(registration, "at-1") is None


@pytest.mark.parametrize("credential", ["encrypted key", "broken certificate"])
def test_a_key_or_certificate_that_cannot_be_used_is_the_operators_matter(credential: str) -> None:
    key = rsa.generate_private_key(65537, 2048)
    locked = credential == "encrypted key"
    lock = BestAvailableEncryption(b"passphrase") if locked else NoEncryption()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()
    given = Credential(private_key=pem, certificate="" if locked else "broken")
    with pytest.raises(ClientRefused) as refused:
        client_assertion(registration(), given, now=1_750_000_000, jti="1")
    assert refused.value.finding == "credential_unusable"
