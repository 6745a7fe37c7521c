"""What goes over the wire."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest

from mailbearer.credential import Credential
from mailbearer.ports.provider import AuthorizationRequest
from tests.integration.oauth.registrations import registration_at

if TYPE_CHECKING:
    from mailbearer.oauth import AuthlibServer
    from tests.integration.oauth.authority import Authority

SECRET = Credential(client_secret="s:e%c r+ét")
GIVEN = json.dumps({"access_token": "at-1", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt-2"})
REQUEST = AuthorizationRequest(
    state="the-state",
    verifier="v" * 43,
    nonce="the-nonce",
    redirect_uri="https://api.example.com/oauth/callback",
    login_hint="anna+x@example.com",
)


def test_the_authorization_url_carries_state_nonce_hint_and_an_s256_challenge_and_no_secret(
    server: AuthlibServer,
) -> None:
    url = server.authorization_url(registration_at("https://as.example.com"), REQUEST)
    parts = urlsplit(url)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(REQUEST.verifier.encode()).digest()).decode().rstrip("=")
    assert url.startswith("https://as.example.com/authorize?")
    assert dict(parse_qsl(parts.query, strict_parsing=True)) == {
        "response_type": "code",
        "client_id": "client-1",
        "redirect_uri": REQUEST.redirect_uri,
        "scope": "openid smtp",
        "state": "the-state",
        "nonce": "the-nonce",
        "login_hint": "anna+x@example.com",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "prompt": "consent",
    }
    assert REQUEST.verifier not in url


def test_without_openid_there_is_no_nonce_and_without_a_hint_no_hint(server: AuthlibServer) -> None:
    registration = replace(registration_at("https://as.example.com"), scopes=("smtp",))
    query = urlsplit(server.authorization_url(registration, replace(REQUEST, login_hint=""))).query
    assert not {"nonce", "login_hint"} & dict(parse_qsl(query)).keys()


def test_a_code_is_redeemed_with_its_verifier_and_redirect_uri(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(200, GIVEN)
    registration = registration_at(authority.url, method="client_secret_post")
    answer = server.redeem(
        registration, SECRET, code="4/0A+b/c=", verifier=REQUEST.verifier, redirect_uri=REQUEST.redirect_uri
    )
    (seen,) = authority.seen
    assert (seen.method, seen.target) == ("POST", "/token")
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in seen.headers
    assert seen.form == {
        "grant_type": "authorization_code",
        "code": "4/0A+b/c=",
        "code_verifier": REQUEST.verifier,
        "redirect_uri": REQUEST.redirect_uri,
        "client_id": "client-1",
        "client_secret": SECRET.client_secret,
    }
    assert (answer.access_token, answer.refresh_token, answer.expires_in) == ("at-1", "rt-2", 3600)


def test_basic_authentication_encodes_id_and_secret(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(200, GIVEN)
    registration = replace(registration_at(authority.url), client_id="https://me.example.com/app")
    server.refresh(registration, SECRET, refresh_token="rt-1", scope="openid smtp")
    (seen,) = authority.seen
    pair = base64.b64decode(seen.headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == "https%3A%2F%2Fme.example.com%2Fapp:s%3Ae%25c%20r%2B%C3%A9t"
    assert seen.form == {"grant_type": "refresh_token", "refresh_token": "rt-1", "scope": "openid smtp"}


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_a_client_without_a_secret_names_itself_in_the_body(
    method: str, server: AuthlibServer, authority: Authority
) -> None:
    authority.answers(200, GIVEN)
    server.refresh(registration_at(authority.url, method=method), Credential(), refresh_token="rt-1", scope="")
    (seen,) = authority.seen
    assert "authorization" not in seen.headers
    assert seen.form == {"grant_type": "refresh_token", "refresh_token": "rt-1", "client_id": "client-1"}


def test_a_public_client_never_sends_a_secret_that_it_has(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(200, GIVEN)
    server.refresh(registration_at(authority.url, method="none"), SECRET, refresh_token="rt-1", scope="")
    (seen,) = authority.seen
    assert "authorization" not in seen.headers
    assert "client_secret" not in seen.form


def test_a_refresh_asks_for_exactly_the_scope_it_is_given(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(200, GIVEN)
    registration = registration_at(authority.url, kind="microsoft")
    server.refresh(registration, SECRET, refresh_token="rt-1", scope="openid Mail.Send")
    assert authority.seen[0].form["scope"] == "openid Mail.Send"


def test_a_revocation_names_token_and_hint(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(200, "")
    registration = registration_at(authority.url, method="client_secret_post")
    assert server.revoke(registration, SECRET, token="rt-1", hint="refresh_token")
    (seen,) = authority.seen
    assert (seen.method, seen.target) == ("POST", "/revoke")
    assert seen.form == {
        "token": "rt-1",
        "token_type_hint": "refresh_token",
        "client_id": "client-1",
        "client_secret": SECRET.client_secret,
    }


def test_where_there_is_no_endpoint_nothing_is_revoked_and_nothing_is_asked(server: AuthlibServer) -> None:
    registration = registration_at("https://as.example.com")
    bare = replace(registration, endpoints=replace(registration.endpoints, revoke_url="", userinfo_url=""))
    assert server.revoke(bare, SECRET, token="rt-1", hint="") is False
    assert server.userinfo(bare, "at-1") is None


def test_userinfo_is_asked_with_the_bearer_token_in_the_header(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(200, '{"sub": "1", "email": "anna@example.com"}')
    assert server.userinfo(registration_at(authority.url), "at-1") == {"sub": "1", "email": "anna@example.com"}
    (seen,) = authority.seen
    assert (seen.method, seen.target, seen.headers["authorization"]) == ("GET", "/userinfo", "Bearer at-1")


def test_no_secret_ever_stands_in_a_url(server: AuthlibServer, authority: Authority) -> None:
    authority.answers(200, GIVEN)
    registration = registration_at(authority.url)
    server.redeem(registration, SECRET, code="co-1", verifier="ve-1", redirect_uri="https://api.example.com/cb")
    server.refresh(registration, SECRET, refresh_token="rt-1", scope="smtp")
    server.revoke(registration, SECRET, token="rt-1", hint="refresh_token")
    server.userinfo(registration, "at-1")
    assert [seen.target for seen in authority.seen] == ["/token", "/token", "/revoke", "/userinfo"]
