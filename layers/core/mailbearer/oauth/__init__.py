"""The authorization server's client, on Authlib and Requests: every call is one HTTP request.

Authlib writes the requests and authenticates the client; the answers are read by `oauth_answers`, because Authlib takes
a 200 without an access token for a success.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import requests
from authlib.oauth2.client import OAuth2Client

from mailbearer.errors import ClientRefused, TokenAnswerLost, TokenEndpointBusy, UnsafeEndpoint
from mailbearer.oauth.assertions import client_assertion, mailbox_assertion, thumbprint
from mailbearer.oauth.discovering import discover
from mailbearer.oauth.requesting import DEADLINE, FORM_HEADERS, HEADERS, TokenClient, auth_method, limits
from mailbearer.oauth_answers import (
    Reply,
    device_authorization,
    introspection,
    revocation,
    token_answer,
    tokeninfo,
    userinfo,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mailbearer.credential import Credential
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.provider import AuthorizationRequest, DeviceAuthorization, TokenAnswer, TokenFacts, WebPage
    from mailbearer.registration import Registration

__all__ = ["DEADLINE", "AuthlibServer", "Egress", "discover", "thumbprint"]

_PAGE_LIMIT = 1 << 20
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_ASSERTION_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


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

    def __init__(
        self, egress: Egress, clock: Clock, random_bytes: RandomBytes = os.urandom, *, deadline: float = DEADLINE
    ) -> None:
        self._egress = egress
        self._clock = clock
        self._random_bytes = random_bytes
        self._limits = limits(deadline)

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
        self, registration: Registration, credential: Credential, *, code: str, verifier: str, redirect_uri: str
    ) -> TokenAnswer:
        """Exchange an authorization code (RFC 6749 section 4.1.3). Raises the `TokenError` family."""
        parameters = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
        }
        reply = self._post_token(registration, credential, parameters, secrets=(code, verifier))
        return token_answer(reply, with_claims=True)

    def refresh(
        self, registration: Registration, credential: Credential, *, refresh_token: str, scope: str
    ) -> TokenAnswer:
        """Use a refresh token once (RFC 6749 section 6), asking for `scope`.

        A broken id token in the answer is left unread: a fault in it must not cost the new refresh token. Raises the
        `TokenError` family.
        """
        parameters = {"grant_type": "refresh_token", "refresh_token": refresh_token, "scope": scope}
        reply = self._post_token(registration, credential, parameters, secrets=(refresh_token,))
        return token_answer(reply, with_claims=False)

    def client_credentials(self, registration: Registration, credential: Credential) -> TokenAnswer:
        """Get a token for the registration itself (RFC 6749 section 4.4). Raises the `TokenError` family."""
        parameters = {"grant_type": "client_credentials", "scope": " ".join(registration.scopes)}
        reply = self._post_token(registration, credential, parameters, secrets=())
        return token_answer(reply, with_claims=False)

    def assertion(self, registration: Registration, credential: Credential, *, subject: str) -> TokenAnswer:
        """Get a token for `subject` by a signed assertion (RFC 7523 section 2.1). Raises the `TokenError` family.

        The assertion is all that proves who asks, so the client does not authenticate beside it.
        """
        signed = mailbox_assertion(registration, credential, subject=subject, now=self._clock(), jti=self._jti())
        parameters = {"grant_type": _ASSERTION_GRANT, "assertion": signed}
        with self._session(registration) as session:
            response = session.post(
                registration.endpoints.token_url, data=parameters, headers=FORM_HEADERS.copy(), **self._limits
            )
        return token_answer(self._reply(response, secrets=(signed,)), with_claims=False)

    def device_authorization(self, registration: Registration, credential: Credential) -> DeviceAuthorization:
        """Ask for a device code (RFC 8628 section 3.1). Raises the `TokenError` family."""
        url = registration.endpoints.device_authorization_url
        reply = self._post(url, registration, credential, {"scope": " ".join(registration.scopes)})
        return device_authorization(reply)

    def device_token(self, registration: Registration, credential: Credential, *, device_code: str) -> TokenAnswer:
        """Ask once for the tokens (RFC 8628 section 3.4).

        Raises `AuthorizationPending` while nobody has answered, else the `TokenError` family.
        """
        parameters = {"grant_type": _DEVICE_GRANT, "device_code": device_code}
        reply = self._post_token(registration, credential, parameters, secrets=(device_code,))
        return token_answer(reply, with_claims=True)

    def revoke(self, registration: Registration, credential: Credential, *, token: str, hint: str) -> bool:
        """Revoke a token (RFC 7009); False if the provider has no endpoint for it. Raises the `TokenError` family."""
        url = registration.endpoints.revoke_url
        if not url:
            return False
        with self._session(registration) as session:
            client = self._client(session, registration, credential)
            response = client.revoke_token(
                url, token=token, token_type_hint=hint, headers=FORM_HEADERS.copy(), **self._limits
            )
        return revocation(self._reply(response, secrets=(credential.client_secret, token)))

    def introspect(self, registration: Registration, credential: Credential, access_token: str) -> TokenFacts | None:
        """Ask for what the server knows of a token (RFC 7662); None if it has no endpoint for it.

        Raises the `TokenError` family.
        """
        url = registration.endpoints.introspection_url
        if not url:
            return None
        parameters = {"token": access_token, "token_type_hint": "access_token"}
        return introspection(self._post(url, registration, credential, parameters, secrets=(access_token,)))

    def tokeninfo(self, registration: Registration, access_token: str) -> TokenFacts | None:
        """Ask Google's tokeninfo endpoint; None if there is none. Raises the `TokenError` family.

        The token goes in the body, since a URL is what logs keep.
        """
        url = registration.endpoints.tokeninfo_url
        if not url:
            return None
        with self._session(registration) as session:
            response = session.post(
                url, data={"access_token": access_token}, headers=FORM_HEADERS.copy(), **self._limits
            )
        return tokeninfo(self._reply(response, secrets=(access_token,)))

    def userinfo(self, registration: Registration, access_token: str) -> Mapping[str, object] | None:
        """Ask whose token it is; None if the provider has no endpoint for it. Raises the `TokenError` family."""
        url = registration.endpoints.userinfo_url
        if not url:
            return None
        headers = HEADERS | {"Authorization": f"Bearer {access_token}"}
        with self._session(registration) as session:
            response = session.get(url, headers=headers, **self._limits)
        return userinfo(self._reply(response, secrets=(access_token,)))

    def visit(self, registration: Registration, url: str) -> WebPage:
        """Look at a page of the server as a browser would first see it. Raises the `TokenError` family."""
        from mailbearer.ports.provider import WebPage  # noqa: PLC0415 - as seldom as the call itself

        headers = HEADERS | {"Accept": "text/html"}
        with self._session(registration) as session:
            response = session.get(url, headers=headers, **self._limits)
        text = response.content[:_PAGE_LIMIT].decode("utf-8", "replace")
        return WebPage(status=response.status_code, location=response.headers.get("Location", ""), text=text)

    def _post_token(
        self,
        registration: Registration,
        credential: Credential,
        parameters: dict[str, str],
        *,
        secrets: tuple[str, ...],
    ) -> Reply:
        with self._session(registration) as session:
            client = self._client(session, registration, credential)
            response = client.fetch_token(
                registration.endpoints.token_url, headers=FORM_HEADERS.copy(), **self._limits, **parameters
            )
        return self._reply(response, secrets=(credential.client_secret, *secrets))

    def _post(
        self,
        url: str,
        registration: Registration,
        credential: Credential,
        parameters: dict[str, str],
        *,
        secrets: tuple[str, ...] = (),
    ) -> Reply:
        """Post to another endpoint than the token endpoint, where the client authenticates the same way."""
        with self._session(registration) as session:
            client = self._client(session, registration, credential)
            auth = client.client_auth(auth_method(registration, credential))
            response = session.post(url, data=parameters, headers=FORM_HEADERS.copy(), auth=auth, **self._limits)
        return self._reply(response, secrets=(credential.client_secret, *secrets))

    def _client(self, session: requests.Session, registration: Registration, credential: Credential) -> TokenClient:
        def sign() -> str:
            return client_assertion(registration, credential, now=self._clock(), jti=self._jti())

        return TokenClient(session, registration, credential, sign)

    def _jti(self) -> str:
        return self._random_bytes(16).hex()

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
