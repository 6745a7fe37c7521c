"""The authorization server's client, on Authlib and Requests: every call is one HTTP request.

Authlib writes the requests and authenticates the client; the answers are read by `oauth_answers`, because Authlib takes
a 200 without an access token for a success.
"""

from __future__ import annotations

import base64
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlsplit

import requests
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from requests.auth import AuthBase

from mailbearer.errors import (
    ClientRefused,
    Fault,
    InvalidInput,
    TokenAnswerLost,
    TokenEndpointBusy,
    Unavailable,
    UnsafeEndpoint,
)
from mailbearer.oauth_answers import Reply, discovery, revocation, token_answer, userinfo

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mailbearer.ports import AuthorizationRequest, Clock, TokenAnswer
    from mailbearer.registration import Discovery, Registration

DEADLINE = 15.0
"""Longest that one call takes, in seconds."""

# A server may close a kept connection just when the next request leaves. That request looks like one whose answer was
# lost, which costs a rotating grant dearly, so each call has a connection of its own.
_HEADERS = {"Accept": "application/json", "Connection": "close", "User-Agent": "mailbearer"}
_FORM_HEADERS = _HEADERS | {"Content-Type": "application/x-www-form-urlencoded"}

# Microsoft leaves offline_access out of the scope it grants, and may give no next refresh token unless it is asked for.
_ASK_OFFLINE_AGAIN = frozenset({"microsoft"})


class Egress(Protocol):
    """The guarded way out."""

    def session(self, ca_pem: str = "") -> requests.Session:
        """Give a session that trusts the system's authorities and those in `ca_pem`.

        It checks each address, follows no redirect, keeps no cookie and takes a time-out for the call as a whole. It
        raises `requests.ConnectionError` only where the request has certainly not left, else another
        `requests.RequestException`, whose `status` is that of the answer if its head came.
        """


class AuthlibServer:
    """Talks to the authorization server of any registration; implements `ports.AuthorizationServer`."""

    def __init__(self, egress: Egress, clock: Clock, *, deadline: float = DEADLINE) -> None:
        self._egress = egress
        self._clock = clock
        self._limits = _limits(deadline)

    def authorization_url(self, registration: Registration, request: AuthorizationRequest) -> str:
        """Give the URL to which the owner of the mailbox is sent (RFC 6749 section 4.1.1, RFC 7636 section 4.3)."""
        client = OAuth2Client(
            session=None,
            client_id=registration.client_id,
            scope=" ".join(registration.scopes),
            redirect_uri=request.redirect_uri,
            code_challenge_method="S256",
        )
        url, _ = client.create_authorization_url(
            registration.endpoints.authorize_url,
            state=request.state,
            code_verifier=request.verifier,
            nonce=request.nonce if "openid" in registration.scopes else None,
            login_hint=request.login_hint or None,
            **dict(registration.authorize_params),
        )
        return str(url)

    def redeem(
        self, registration: Registration, client_secret: str, *, code: str, verifier: str, redirect_uri: str
    ) -> TokenAnswer:
        """Exchange an authorization code (RFC 6749 section 4.1.3). Raises the `TokenError` family."""
        parameters = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        reply = self._post_token(registration, client_secret, parameters, secrets=(code, verifier))
        return token_answer(reply, with_claims=True)

    def refresh(self, registration: Registration, client_secret: str, *, refresh_token: str, scope: str) -> TokenAnswer:
        """Use a refresh token once (RFC 6749 section 6), asking for `scope` again, the one that was granted.

        An id token in the answer is left unread: a fault in it must not cost the new refresh token. Raises the
        `TokenError` family.
        """
        wanted = scope.split()
        if wanted and registration.kind in _ASK_OFFLINE_AGAIN and "offline_access" not in wanted:
            wanted.append("offline_access")
        parameters = {"grant_type": "refresh_token", "refresh_token": refresh_token, "scope": " ".join(wanted)}
        reply = self._post_token(registration, client_secret, parameters, secrets=(refresh_token,))
        return token_answer(reply, with_claims=False)

    def revoke(self, registration: Registration, client_secret: str, *, token: str, hint: str) -> bool:
        """Revoke a token (RFC 7009); False if the provider has no endpoint for it. Raises the `TokenError` family."""
        url = registration.endpoints.revoke_url
        if not url:
            return False
        with self._session(registration) as session:
            client = _Client(session, registration, client_secret)
            response = client.revoke_token(
                url, token=token, token_type_hint=hint, headers=_FORM_HEADERS.copy(), **self._limits
            )
        return revocation(self._reply(response, secrets=(client_secret, token)))

    def userinfo(self, registration: Registration, access_token: str) -> Mapping[str, object] | None:
        """Ask whose token it is; None if the provider has no endpoint for it. Raises the `TokenError` family."""
        url = registration.endpoints.userinfo_url
        if not url:
            return None
        headers = _HEADERS | {"Authorization": f"Bearer {access_token}"}
        with self._session(registration) as session:
            response = session.get(url, headers=headers, **self._limits)
        return userinfo(self._reply(response, secrets=(access_token,)))

    def _post_token(
        self, registration: Registration, client_secret: str, parameters: dict[str, str], *, secrets: tuple[str, ...]
    ) -> Reply:
        with self._session(registration) as session:
            client = _Client(session, registration, client_secret)
            response = client.fetch_token(
                registration.endpoints.token_url, headers=_FORM_HEADERS.copy(), **self._limits, **parameters
            )
        return self._reply(response, secrets=(client_secret, *secrets))

    @contextmanager
    def _session(self, registration: Registration) -> Iterator[requests.Session]:
        """Open a session for one call and say what became of a call without an answer."""
        try:
            yield self._egress.session(registration.ca_pem)
        except (UnsafeEndpoint, requests.exceptions.InvalidURL) as error:
            raise ClientRefused(f"An endpoint of {registration.name} may not be used: {error}") from error
        except requests.ConnectionError as error:
            raise TokenEndpointBusy(f"The server cannot be reached ({type(error).__name__}).") from error
        except requests.RequestException as error:
            if (status := getattr(error, "status", 0)) >= HTTPStatus.MULTIPLE_CHOICES:
                # It had begun to refuse, so nothing was given that could be lost.
                raise TokenEndpointBusy(f"The server's refusal broke off (HTTP {status}).") from error
            raise TokenAnswerLost(f"The server's answer was lost ({type(error).__name__}).") from error

    def _reply(self, response: requests.Response, *, secrets: tuple[str, ...]) -> Reply:
        return Reply(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=response.content,
            secrets=secrets,
            received_at=self._clock(),
        )


def discover(issuer: str, session: requests.Session) -> Discovery:
    """Read what an issuer publishes: OpenID Connect Discovery 1.0 first, then RFC 8414.

    Raises `InvalidInput` if it publishes nothing or calls itself otherwise, and `Unavailable` if it cannot be reached.
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    locations = (
        f"{path}/.well-known/openid-configuration",
        f"/.well-known/oauth-authorization-server{path}",
    )
    for location in locations:
        url = parts._replace(path=location, query="", fragment="").geturl()
        try:
            response = session.get(url, headers=_HEADERS, **_limits(DEADLINE))
        except UnsafeEndpoint as error:
            raise InvalidInput((Fault("/issuer", error.code, f"issuer: {error.detail}"),)) from error
        except requests.RequestException as error:
            raise Unavailable(f"The issuer {issuer} cannot be reached ({type(error).__name__}).") from error
        if found := discovery(response.status_code, response.content, issuer):
            return found
    detail = f"issuer: {issuer} publishes no discovery document; give the endpoints one by one."
    raise InvalidInput((Fault("/issuer", "not_discoverable", detail),))


def _limits(deadline: float) -> dict[str, Any]:
    return {"timeout": deadline, "allow_redirects": False}


class _ClientAuth(AuthBase, ClientAuth):  # type: ignore[misc]  # Authlib ships no types
    """Puts the client's credentials on a request of Requests."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.url, r.headers, r.body = self.prepare(r.method, r.url, r.headers, r.body)
        return r


class _Client(OAuth2Client):  # type: ignore[misc]  # Authlib ships no types
    """Authlib's client on a session of ours; it hands the token endpoint's answer on unread.

    Authlib's own subclass for Requests is left alone: importing it costs 200 ms, for features that nobody uses here.
    """

    client_auth_class = _ClientAuth
    SESSION_REQUEST_PARAMS = ("timeout", "allow_redirects")

    def __init__(self, session: requests.Session, registration: Registration, client_secret: str) -> None:
        method = registration.token_auth_method if client_secret else "none"
        super().__init__(
            session=session,
            client_id=registration.client_id,
            client_secret=client_secret,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
        )
        self.register_client_auth_method(("client_secret_basic", _basic))

    def parse_response_token(self, resp: requests.Response) -> requests.Response:
        """Hand the answer on: Authlib would take a 200 without an access token and choke on odd lifetimes."""
        return resp


def _basic(
    client: ClientAuth, _method: str, uri: str, headers: dict[str, str], body: str
) -> tuple[str, dict[str, str], str]:
    """Write the Basic header with id and secret percent-encoded (RFC 6749 section 2.3.1), which Authlib leaves out."""
    pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
    headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return uri, headers, body
