from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from mailbearer.egress import Egress
from mailbearer.errors import InvalidInput, Unavailable
from mailbearer.oauth import discover
from tests.integration.oauth.authority import Authority, Seen, answer

if TYPE_CHECKING:
    from collections.abc import Callable


def published(authority: Authority, issuer: str, location: str) -> Callable[[Seen], bytes]:
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{authority.url}/auth",
        "token_endpoint": f"{authority.url}/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "authorization_response_iss_parameter_supported": True,
    }
    return lambda seen: answer(200, json.dumps(document)) if seen.target == location else answer(404, "")


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("", "/.well-known/openid-configuration"),
        ("/", "/.well-known/openid-configuration"),
        ("/realms/a", "/realms/a/.well-known/openid-configuration"),
        ("", "/.well-known/oauth-authorization-server"),
        ("/realms/a", "/.well-known/oauth-authorization-server/realms/a"),
    ],
)
def test_an_issuer_is_looked_up_where_both_specifications_say(
    path: str, location: str, authority: Authority, egress: Egress
) -> None:
    issuer = authority.url + path
    authority.play = published(authority, issuer, location)
    found = discover(issuer, egress.session())
    assert found.endpoints.token_url == f"{authority.url}/token"
    assert found.endpoints.issuer == issuer
    assert found.token_auth_methods == ("client_secret_post",)
    assert found.issuer_in_callback is True


def test_an_issuer_that_calls_itself_otherwise_is_refused(authority: Authority, egress: Egress) -> None:
    authority.play = published(authority, "https://evil.example.com", "/.well-known/openid-configuration")
    with pytest.raises(InvalidInput) as caught:
        discover(authority.url, egress.session())
    assert [fault.code for fault in caught.value.faults] == ["issuer_mismatch"]


def test_a_redirect_to_a_document_is_not_followed(authority: Authority, egress: Egress) -> None:
    authority.answers(302, "", {"Location": f"{authority.url}/real"})
    with pytest.raises(InvalidInput) as caught:
        discover(authority.url, egress.session())
    assert [fault.code for fault in caught.value.faults] == ["not_discoverable"]
    assert "/real" not in [seen.target for seen in authority.seen]


def test_a_private_issuer_is_refused_without_a_request(authority: Authority) -> None:
    with pytest.raises(InvalidInput) as caught:
        discover(f"https://127.0.0.1:{authority.port}", Egress(local=False).session())
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/issuer", "unsafe_endpoint")]
    assert authority.seen == []


def test_an_issuer_that_is_not_there_is_unavailable(egress: Egress) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unavailable):
        discover(f"http://localhost:{port}", egress.session())
