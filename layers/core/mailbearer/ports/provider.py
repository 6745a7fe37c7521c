"""The authorization server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.credential import Credential
    from mailbearer.registration import Registration


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """A checked token answer: `expires_in` in seconds, `refresh_token` empty if none came, `scope` None if unsaid.

    `claims` are those of the id token, if one came (and, with a refresh, could be read). `grant_ends_in` (seconds) is
    there if the provider says that it will end the grant, as Google does for an app in Testing.
    """

    access_token: str = field(repr=False)
    expires_in: float
    refresh_token: str = field(default="", repr=False)
    scope: str | None = None
    claims: Mapping[str, object] | None = field(default=None, repr=False)
    grant_ends_in: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """What a server says of an access token (RFC 7662 section 2.2, or Google's tokeninfo).

    `scope` is None if it does not say; `claims` hold what it says of the mailbox.
    """

    active: bool
    scope: str | None = None
    claims: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAuthorization:
    """A device authorization answer (RFC 8628 section 3.2); `expires_in` and `interval` are in seconds."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""
    expires_in: float
    interval: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """What goes to the authorization endpoint (RFC 6749 section 4.1.1, RFC 7636 section 4.3)."""

    state: str = field(repr=False)
    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    redirect_uri: str
    login_hint: str


class AuthorizationServer(Protocol):
    """The provider's authorization server, reached for one registration.

    Every call is one HTTP request with a total deadline, no redirect and no retry.
    """

    def authorization_url(self, registration: Registration, request: AuthorizationRequest) -> str:
        """Give the URL to which the owner of the mailbox is sent."""

    def redeem(
        self, registration: Registration, credential: Credential, *, code: str, verifier: str, redirect_uri: str
    ) -> TokenAnswer:
        """Exchange an authorization code. Raises the `TokenError` family."""

    def refresh(
        self, registration: Registration, credential: Credential, *, refresh_token: str, scope: str
    ) -> TokenAnswer:
        """Use a refresh token once, asking for exactly `scope`. Raises the `TokenError` family."""

    def client_credentials(self, registration: Registration, credential: Credential) -> TokenAnswer:
        """Get a token for the registration itself (RFC 6749 section 4.4). Raises the `TokenError` family."""

    def assertion(self, registration: Registration, credential: Credential, *, subject: str) -> TokenAnswer:
        """Get a token for `subject` by a signed assertion (RFC 7523 section 2.1). Raises the `TokenError` family."""

    def device_authorization(self, registration: Registration, credential: Credential) -> DeviceAuthorization:
        """Ask for a device code (RFC 8628 section 3.1). Raises the `TokenError` family."""

    def device_token(self, registration: Registration, credential: Credential, *, device_code: str) -> TokenAnswer:
        """Ask once for the tokens (RFC 8628 section 3.4).

        Raises `AuthorizationPending` while nobody has answered, else the `TokenError` family.
        """

    def revoke(self, registration: Registration, credential: Credential, *, token: str, hint: str) -> bool:
        """Revoke a token (RFC 7009); False if the provider has no endpoint for it. Raises the `TokenError` family."""

    def introspect(self, registration: Registration, credential: Credential, access_token: str) -> TokenFacts | None:
        """Ask for what the server knows of a token (RFC 7662); None if it has no endpoint for it.

        Raises the `TokenError` family.
        """

    def tokeninfo(self, registration: Registration, access_token: str) -> TokenFacts | None:
        """Ask Google's tokeninfo endpoint; None if there is none. Raises the `TokenError` family."""

    def userinfo(self, registration: Registration, access_token: str) -> Mapping[str, object] | None:
        """Ask whose token it is; None if the provider has no endpoint for it. Raises the `TokenError` family."""

    def visit(self, registration: Registration, url: str) -> WebPage:
        """Look at a page of the server as a browser would first see it. Raises the `TokenError` family."""


class BearerTokens(Protocol):
    """The issuer whose tokens stand for callers."""

    def claims(self, token: str) -> Mapping[str, Any]:
        """Verify a token and give its claims, `iss` and `sub` certainly among them.

        Raises `Unauthenticated` with the reason, and `Unavailable` if the issuer's keys cannot be had.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPage:
    """What a URL answered to a GET: nothing of it is followed or run."""

    status: int
    location: str = ""
    text: str = field(default="", repr=False)
