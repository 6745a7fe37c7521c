"""Writing requests to an authorization server: who we are, and for how long we wait."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from requests.auth import AuthBase

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from mailbearer.credential import Credential
    from mailbearer.registration import Registration

DEADLINE = 15.0
"""Longest that one call takes, in seconds."""

# A server may close a kept connection just when the next request leaves. That request looks like one whose answer was
# lost, which costs a rotating grant dearly, so each call has a connection of its own.
HEADERS = {"Accept": "application/json", "Connection": "close", "User-Agent": "mailbearer"}
FORM_HEADERS = HEADERS | {"Content-Type": "application/x-www-form-urlencoded"}

_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def limits(deadline: float) -> dict[str, Any]:
    """Give the arguments that bound a call of Requests."""
    return {"timeout": deadline, "allow_redirects": False}


def auth_method(registration: Registration, credential: Credential) -> str:
    """Name the token endpoint authentication method (RFC 7591 section 2) that a credential is good for.

    While a registration changes from a secret to a certificate it has both, so the credential decides.
    """
    if credential.private_key:
        return "private_key_jwt"
    if not credential.client_secret:
        return "none"
    method = registration.token_auth_method
    return "client_secret_post" if method == "private_key_jwt" else method


class _ClientAuth(AuthBase, ClientAuth):  # type: ignore[misc]  # Authlib ships no types
    """Puts the client's credentials on a request of Requests."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.url, r.headers, r.body = self.prepare(r.method, r.url, r.headers, r.body)
        return r


class TokenClient(OAuth2Client):  # type: ignore[misc]  # Authlib ships no types
    """Authlib's client on a session of ours; it hands the token endpoint's answer on unread.

    Authlib's own subclass for Requests is left alone: importing it costs 200 ms, for features that nobody uses here.
    `sign` makes the client assertion, when one is needed.
    """

    client_auth_class = _ClientAuth
    SESSION_REQUEST_PARAMS = ("timeout", "allow_redirects")

    def __init__(
        self,
        session: requests.Session,
        registration: Registration,
        credential: Credential,
        sign: Callable[[], str],
    ) -> None:
        method = auth_method(registration, credential)
        super().__init__(
            session=session,
            client_id=registration.client_id,
            client_secret=credential.client_secret,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
        )
        self._sign = sign
        self.register_client_auth_method(("client_secret_basic", _basic))
        self.register_client_auth_method(("private_key_jwt", self._assert))

    def parse_response_token(self, resp: requests.Response) -> requests.Response:
        """Hand the answer on: Authlib would take a 200 without an access token and choke on odd lifetimes."""
        return resp

    def _assert(
        self, client: ClientAuth, _method: str, uri: str, headers: dict[str, str], body: str
    ) -> tuple[str, dict[str, str], str]:
        """Add a signed assertion of who we are (RFC 7523 section 2.2)."""
        added = urlencode(
            {"client_id": client.client_id, "client_assertion_type": _JWT_BEARER, "client_assertion": self._sign()}
        )
        return uri, headers, f"{body}&{added}"


def _basic(
    client: ClientAuth, _method: str, uri: str, headers: dict[str, str], body: str
) -> tuple[str, dict[str, str], str]:
    """Write the Basic header with id and secret percent-encoded (RFC 6749 section 2.3.1), which Authlib leaves out."""
    pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
    headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return uri, headers, body
