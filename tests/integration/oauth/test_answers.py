"""What becomes of each answer, and of none, over real sockets."""

from __future__ import annotations

import base64
import datetime as dt
import json
import socket
import ssl
import time
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mailbearer.credential import Credential
from mailbearer.egress import Egress
from mailbearer.errors import (
    ClientRefused,
    GrantRefused,
    TokenAnswerInvalid,
    TokenAnswerLost,
    TokenEndpointBusy,
    TokenError,
    TokenRefused,
)
from mailbearer.oauth import AuthlibServer
from tests.integration.oauth.authority import Authority, answer
from tests.integration.oauth.conftest import NOW
from tests.integration.oauth.registrations import registration_at

if TYPE_CHECKING:
    from pathlib import Path

    from mailbearer.ports.provider import TokenAnswer

SECRET, CODE, VERIFIER, REFRESH = "client-secret-1", "code-1", "verifier-1", "refresh-1"
CREDENTIAL = Credential(client_secret=SECRET)
GIVEN = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt-2", "scope": "smtp"}
HTML = {"Content-Type": "text/html"}


def refresh(server: AuthlibServer, authority: Authority) -> TokenAnswer:
    return server.refresh(registration_at(authority.url), CREDENTIAL, refresh_token=REFRESH, scope="smtp")


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (400, '{"error": "invalid_grant"}', {}, GrantRefused),
        (403, '{"error": "invalid_grant"}', {}, GrantRefused),
        (200, '{"error": "invalid_code"}', {}, GrantRefused),
        (400, '{"error": "INVALID_REFRESH_TOKEN"}', {}, GrantRefused),
        (401, '{"error": "invalid_client"}', {}, ClientRefused),
        (200, '{"error": "invalid_client"}', {}, ClientRefused),
        (401, "", {}, ClientRefused),
        (400, '{"error": "unsupported_grant_type"}', {}, TokenError),
        (400, '{"message": "no"}', {}, TokenError),
        (302, "", {"Location": "/elsewhere"}, TokenError),
        (308, "", {"Location": "https://elsewhere.example.com/token"}, TokenError),
        (404, "<html>", HTML, TokenError),
        (500, '{"error": "invalid_grant"}', {}, TokenEndpointBusy),
        (503, "", {}, TokenEndpointBusy),
        (429, '{"error": "invalid_grant"}', {}, TokenEndpointBusy),
        (400, '{"error": "temporarily_unavailable"}', {}, TokenEndpointBusy),
        (400, "bad request", {"Content-Type": "text/plain"}, TokenEndpointBusy),
        (403, "<html>blocked</html>", HTML, TokenEndpointBusy),
        (200, "<html>welcome</html>", HTML, TokenEndpointBusy),
        (200, '{"access_token": "at-', {}, TokenAnswerLost),
        (200, '{"access_token": "' + "a" * 70_000 + '"}', {}, TokenAnswerLost),
        (200, "{}", {}, TokenAnswerInvalid),
        (200, '{"access_token": null, "token_type": "Bearer"}', {}, TokenAnswerInvalid),
        (200, '{"access_token": 17}', {}, TokenAnswerInvalid),
        (200, '{"access_token": ""}', {}, TokenAnswerInvalid),
        (200, r'{"access_token": "a\r\nX-Evil: 1"}', {}, TokenAnswerInvalid),
        (200, '{"access_token": "at-1", "token_type": "mac"}', {}, TokenAnswerInvalid),
        (200, '{"access_token": "at-1", "token_type": ["Bearer"]}', {}, TokenAnswerInvalid),
        (200, '{"access_token": "at-1", "refresh_token": {}, "x": 1}', {}, None),
        (200, '{"access_token": "at-1", "refresh_token": 5}', {}, TokenAnswerInvalid),
        (200, '["access_token"]', {}, TokenEndpointBusy),
    ],
)
def test_each_answer_becomes_its_own_error(  # noqa: PLR0917 - one argument for each column
    status: int,
    body: str,
    headers: dict[str, str],
    expected: type[TokenError] | None,
    server: AuthlibServer,
    authority: Authority,
) -> None:
    authority.answers(status, body, headers)
    if expected is None:
        assert refresh(server, authority).refresh_token == ""
    else:
        with pytest.raises(TokenError) as caught:
            refresh(server, authority)
        assert type(caught.value) is expected
    assert len(authority.seen) == 1, "one call is one request"


@pytest.mark.parametrize(
    ("expires_in", "expected"),
    [
        (3599, 3599),
        ("3599", 3599),
        (3599.5, 3599.5),
        ("soon", 300),
        (None, 300),
        (-1, 300),
        (0, 300),
        (True, 300),
        ([], 300),
        (10**400, 300),
        ("1e999", 300),
        ("nan", 300),
    ],
)
def test_a_lifetime_is_a_number_of_seconds_or_five_minutes(
    expires_in: object, expected: float, server: AuthlibServer, authority: Authority
) -> None:
    authority.answers(200, json.dumps(GIVEN | {"expires_in": expires_in}))
    assert refresh(server, authority).expires_in == expected


def test_a_bare_access_token_is_a_bearer_token_for_five_minutes(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(200, '{"access_token": "at-1"}')
    given = refresh(server, authority)
    assert (given.access_token, given.refresh_token, given.expires_in, given.scope) == ("at-1", "", 300, None)


@pytest.mark.parametrize(
    ("scope", "expected"), [("a b", "a b"), ("", None), (" ", None), (["a", "b"], "a b"), (7, None), (None, None)]
)
def test_the_granted_scope_is_handed_on(
    scope: object, expected: str | None, server: AuthlibServer, authority: Authority
) -> None:
    authority.answers(200, json.dumps(GIVEN | {"scope": scope}))
    assert refresh(server, authority).scope == expected


@pytest.mark.parametrize("token_type", ["bearer", "BEARER", "", None])
def test_token_type_compares_without_case_and_may_be_missing(
    token_type: str | None, server: AuthlibServer, authority: Authority
) -> None:
    authority.answers(200, json.dumps(GIVEN | {"token_type": token_type}))
    assert refresh(server, authority).access_token == "at-1"


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        ("30", 30),
        (formatdate(NOW + 90, usegmt=True), 90),
        (formatdate(NOW - 90, usegmt=True), 0),
        (formatdate(NOW + 90), 90),
        ("999999999999", 86_400),
        ("later", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    retry_after: str, expected: float | None, server: AuthlibServer, authority: Authority
) -> None:
    authority.answers(503, "", {"Retry-After": retry_after})
    with pytest.raises(TokenEndpointBusy) as caught:
        refresh(server, authority)
    assert caught.value.retry_after == expected


def test_a_refused_grant_carries_numbers_and_subtype(server: AuthlibServer, authority: Authority) -> None:
    body = {"error": "invalid_grant", "error_codes": [70002, 54005], "suberror": "bad_token"}
    authority.answers(400, json.dumps(body))
    with pytest.raises(GrantRefused) as caught:
        refresh(server, authority)
    assert (caught.value.error_codes, caught.value.subtype) == ((70002, 54005), "bad_token")


def test_no_error_repeats_what_was_sent_or_given(server: AuthlibServer, authority: Authority) -> None:
    basic = base64.b64encode(f"client-1:{SECRET}".encode()).decode()
    authority.play = lambda seen: answer(
        400,
        json.dumps(
            {
                "error": "invalid_request",
                "error_description": f"You sent {seen.body} with Basic {basic}; try eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ "
                f"{SECRET} Trace 11111111-1111-4111-8111-1111111111a1\r\nX: y",
            }
        ),
    )
    registration = registration_at(authority.url, method="client_secret_post")
    for call in (
        lambda: server.redeem(
            registration, CREDENTIAL, code=CODE, verifier=VERIFIER, redirect_uri="https://a.example/cb"
        ),
        lambda: server.refresh(registration, CREDENTIAL, refresh_token=REFRESH, scope="smtp"),
        lambda: server.revoke(registration, CREDENTIAL, token=REFRESH, hint="refresh_token"),
    ):
        with pytest.raises(TokenError) as caught:
            call()
        detail = caught.value.detail
        assert not [word for word in (SECRET, CODE, VERIFIER, REFRESH, basic, "eyJ", "\n") if word in detail]
        assert detail.startswith("invalid_request (HTTP 400)")
        assert len(detail) < 300


def test_the_claims_of_the_id_token_come_with_the_code(server: AuthlibServer, authority: Authority) -> None:
    claims = {"iss": "https://as.example.com", "email": "änna@example.com", "nonce": "n"}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    authority.answers(200, json.dumps(GIVEN | {"id_token": f"e30.{payload}.c2ln"}))
    given = server.redeem(
        registration_at(authority.url), CREDENTIAL, code=CODE, verifier=VERIFIER, redirect_uri="https://a.example/cb"
    )
    assert given.claims == claims


@pytest.mark.parametrize("id_token", ["nonsense", "a.b", "e30.!!!.x", "e30.W10.x", "e30.bm8.x", 5, ["a"]])
def test_a_broken_id_token_spoils_a_consent_but_no_refresh(
    id_token: object, server: AuthlibServer, authority: Authority
) -> None:
    authority.answers(200, json.dumps(GIVEN | {"id_token": id_token}))
    with pytest.raises(TokenAnswerInvalid):
        server.redeem(
            registration_at(authority.url),
            CREDENTIAL,
            code=CODE,
            verifier=VERIFIER,
            redirect_uri="https://a.example/cb",
        )
    assert refresh(server, authority).refresh_token == "rt-2"


@pytest.mark.parametrize(
    ("status", "body", "revoked"),
    [
        (200, "", True),
        (204, "", True),
        (200, '{"status": "success"}', True),
        (400, '{"error": "invalid_token"}', True),
        (400, '{"error": "unsupported_token_type"}', False),
        (401, '{"error": "invalid_client"}', ClientRefused),
        (503, "", TokenEndpointBusy),
        (503, '{"error": "invalid_token"}', TokenEndpointBusy),
        (200, '{"error": "invalid_client"}', ClientRefused),
        (302, "", TokenError),
    ],
)
def test_a_token_that_the_server_no_longer_knows_counts_as_revoked(
    status: int, body: str, revoked: bool | type[TokenError], server: AuthlibServer, authority: Authority
) -> None:
    authority.answers(status, body)
    registration = registration_at(authority.url)
    if isinstance(revoked, bool):
        assert server.revoke(registration, CREDENTIAL, token=REFRESH, hint="refresh_token") is revoked
        return
    with pytest.raises(TokenError) as caught:
        server.revoke(registration, CREDENTIAL, token=REFRESH, hint="refresh_token")
    assert type(caught.value) is revoked


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, '{"error": "invalid_token"}', TokenRefused),
        (500, "", TokenEndpointBusy),
        (200, "ey.J.x", TokenEndpointBusy),
    ],
)
def test_userinfo_that_says_nothing_is_an_error(
    status: int, body: str, expected: type[TokenError], server: AuthlibServer, authority: Authority
) -> None:
    authority.answers(status, body)
    with pytest.raises(TokenError) as caught:
        server.userinfo(registration_at(authority.url), "at-1")
    assert type(caught.value) is expected


# --- no answer ----------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_there_is_busy_not_lost(server: AuthlibServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TokenEndpointBusy) as caught:
        server.refresh(registration_at(f"http://localhost:{port}"), CREDENTIAL, refresh_token=REFRESH, scope="")
    assert type(caught.value) is TokenEndpointBusy


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"access_token": "at-1"}',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n18\r\n{"access_token": "at-1"}\r\n',
    ],
)
def test_an_answer_that_is_cut_off_after_the_request_is_lost(
    bytes_sent: bytes, server: AuthlibServer, authority: Authority
) -> None:
    authority.play = lambda _: bytes_sent
    with pytest.raises(TokenAnswerLost):
        refresh(server, authority)
    assert len(authority.seen) == 1


def test_a_refusal_that_is_cut_off_loses_nothing(server: AuthlibServer, authority: Authority) -> None:
    authority.play = lambda _: b'HTTP/1.1 400 No\r\nContent-Length: 500\r\n\r\n{"error": "inv'
    with pytest.raises(TokenEndpointBusy) as caught:
        refresh(server, authority)
    assert type(caught.value) is TokenEndpointBusy


def test_the_deadline_holds_against_a_server_that_trickles(egress: Egress, authority: Authority) -> None:
    server = AuthlibServer(egress, lambda: NOW, deadline=0.5)
    authority.trickle = 0.05
    authority.answers(200, json.dumps(GIVEN))
    begun = time.monotonic()
    with pytest.raises(TokenAnswerLost):
        refresh(server, authority)
    assert time.monotonic() - begun < 1.5


def test_a_redirect_is_not_followed(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(307, "", {"Location": f"{authority.url}/elsewhere"})
    with pytest.raises(TokenError, match="redirects are not followed"):
        refresh(server, authority)
    assert [seen.target for seen in authority.seen] == ["/token"]


class PlainWayOut:
    """A way out that would follow redirects if it were let."""

    def session(self, ca_pem: str = "") -> requests.Session:
        assert not ca_pem
        return requests.Session()


def test_a_redirect_is_not_followed_on_any_session(authority: Authority) -> None:
    authority.answers(307, "", {"Location": f"{authority.url}/elsewhere"})
    with pytest.raises(TokenError, match="redirects are not followed"):
        refresh(AuthlibServer(PlainWayOut(), lambda: NOW), authority)
    assert [seen.target for seen in authority.seen] == ["/token"]


def test_an_address_that_may_not_be_used_is_the_operators_affair() -> None:
    server = AuthlibServer(Egress(local=False), lambda: NOW)
    with pytest.raises(ClientRefused, match="may not be used"):
        server.refresh(registration_at("https://127.0.0.1:9"), CREDENTIAL, refresh_token=REFRESH, scope="")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    held = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "server.pem"
    path.write_bytes(held + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, pem.decode()


def test_no_secret_leaves_before_the_certificate_is_verified(
    server: AuthlibServer, certificate: tuple[ssl.SSLContext, str]
) -> None:
    context, pem = certificate
    with Authority(tls=context) as authority:
        authority.answers(200, json.dumps(GIVEN))
        stranger = registration_at(authority.url)
        with pytest.raises(TokenEndpointBusy) as caught:
            server.refresh(stranger, CREDENTIAL, refresh_token=REFRESH, scope="")
        assert type(caught.value) is TokenEndpointBusy
        assert authority.seen == []
        trusted = replace(stranger, ca_pem=pem)
        assert server.refresh(trusted, CREDENTIAL, refresh_token=REFRESH, scope="").access_token == "at-1"
