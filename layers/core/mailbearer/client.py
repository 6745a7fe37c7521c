"""Speaking to an authorization server as our registration, by each of its credentials in order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from mailbearer.errors import ClientRefused, GrantRefused, TokenEndpointBusy, TokenError
from mailbearer.registration import Flow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailbearer.credential import Credential
    from mailbearer.definition import Definitions
    from mailbearer.ports.provider import (
        AuthorizationRequest,
        AuthorizationServer,
        DeviceAuthorization,
        TokenAnswer,
        TokenFacts,
    )
    from mailbearer.ports.vaults import CredentialVault
    from mailbearer.registration import Registration
    from mailbearer.token import TokenSet
    from mailbearer.trail import Trail

T = TypeVar("T")

_NO_CODE = "mailbearer-looks-whether-the-client-is-known"
_NO_VERIFIER = "mailbearer-looks-whether-the-client-is-known"  # 43 characters at least (RFC 7636 section 4.1)
_NO_REDIRECT = "https://localhost/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Our side of every registration.

    While a registration has two credentials, for one of them is about to be replaced, the second is tried when the
    first is refused: a server that refuses the client has done nothing with the grant. Every method raises the
    `TokenError` family, `SecretMissing` if the registration has no credential, and `Unavailable` if the vault is down.
    """

    credentials: CredentialVault
    definitions: Definitions
    server: Callable[[], AuthorizationServer]
    trail: Trail
    _refused: set[tuple[str, str, str]] = field(default_factory=set, init=False, repr=False, compare=False)

    def authorization_url(self, registration: Registration, request: AuthorizationRequest) -> str:
        """Give the URL to which the owner of the mailbox is sent."""
        return self.server().authorization_url(registration, request)

    def redeem(self, registration: Registration, *, code: str, verifier: str, redirect_uri: str) -> TokenAnswer:
        """Exchange an authorization code."""
        return self._each(
            registration,
            lambda credential: self.server().redeem(
                registration, credential, code=code, verifier=verifier, redirect_uri=redirect_uri
            ),
        )

    def renew(self, registration: Registration, tokens: TokenSet, *, subject: str) -> TokenAnswer:
        """Get the next access token in the registration's own way; `subject` is the mailbox's address."""
        if registration.flow.unattended:
            return self.mint(registration, subject=subject)
        return self.refresh(registration, refresh_token=tokens.refresh_token, scope=tokens.scope)

    def refresh(self, registration: Registration, *, refresh_token: str, scope: str) -> TokenAnswer:
        """Use a refresh token once, asking for the scope that was granted."""
        wanted = self.definitions(registration.kind).refresh_scope(scope)
        return self._each(
            registration,
            lambda credential: self.server().refresh(
                registration, credential, refresh_token=refresh_token, scope=wanted
            ),
        )

    def mint(self, registration: Registration, *, subject: str) -> TokenAnswer:
        """Get an access token without anybody's consent, for the flows that can."""

        def call(credential: Credential) -> TokenAnswer:
            if registration.flow is Flow.JWT_BEARER:
                return self.server().assertion(registration, credential, subject=subject)
            return self.server().client_credentials(registration, credential)

        return self._each(registration, call)

    def begin_device(self, registration: Registration) -> DeviceAuthorization:
        """Ask for a device code and the code for its person."""
        return self._each(registration, lambda credential: self.server().device_authorization(registration, credential))

    def poll_device(self, registration: Registration, *, device_code: str) -> TokenAnswer:
        """Ask once whether the person has answered. Raises `AuthorizationPending` while not."""
        return self._each(
            registration,
            lambda credential: self.server().device_token(registration, credential, device_code=device_code),
        )

    def revoke(self, registration: Registration, *, token: str, hint: str) -> bool:
        """Revoke a token (RFC 7009); False if the provider has no endpoint for it."""
        return self._each(
            registration, lambda credential: self.server().revoke(registration, credential, token=token, hint=hint)
        )

    def introspect(self, registration: Registration, access_token: str) -> TokenFacts | None:
        """Ask the server what it knows of a token; None if it has no endpoint for that."""
        if not registration.endpoints.introspection_url:
            return None
        return self._each(
            registration, lambda credential: self.server().introspect(registration, credential, access_token)
        )

    def tokeninfo(self, registration: Registration, access_token: str) -> TokenFacts | None:
        """Ask Google's tokeninfo endpoint; None if the provider has none."""
        return self.server().tokeninfo(registration, access_token)

    def userinfo(self, registration: Registration, access_token: str) -> Mapping[str, object] | None:
        """Ask whose token it is; None if the provider has no endpoint for it."""
        return self.server().userinfo(registration, access_token)

    def own_token(self, registration: Registration, scopes: tuple[str, ...]) -> str:
        """Get an access token for the registration itself, whatever its flow: with it, it calls the provider's API."""
        asking = replace(registration, scopes=scopes)
        return self._each(
            registration, lambda credential: self.server().client_credentials(asking, credential)
        ).access_token

    def prove(self, registration: Registration, credential: Credential, *, subject: str = "") -> bool:
        """Find out by a real call whether the provider takes this very credential; False if its answer cannot tell.

        Where the client can speak for itself it asks for a token. Elsewhere it redeems a code that nobody ever gave: a
        server that finds fault with the code has taken the client. `subject` is the mailbox that a service account
        speaks for. Raises `ClientRefused` if it is refused, `TokenEndpointBusy` if nobody answers.
        """
        definition = self.definitions(registration.kind)
        server = self.server()
        try:
            if registration.flow is Flow.JWT_BEARER:
                server.assertion(registration, credential, subject=subject)
            elif registration.flow is Flow.CLIENT_CREDENTIALS:
                server.client_credentials(registration, credential)
            elif scopes := definition.proving_scopes(registration):
                server.client_credentials(replace(registration, scopes=scopes), credential)
            else:
                server.redeem(registration, credential, code=_NO_CODE, verifier=_NO_VERIFIER, redirect_uri=_NO_REDIRECT)
        except GrantRefused:
            # An assertion's refusal is about the mailbox as well, so it proves nothing.
            return registration.flow is not Flow.JWT_BEARER
        except (ClientRefused, TokenEndpointBusy):
            raise
        except TokenError:
            return False
        return True

    def _each(self, registration: Registration, call: Callable[[Credential], T]) -> T:
        """Try each credential, those that this process has seen refused last: then one that ended costs one call."""
        credentials = self.credentials.read(registration.name)
        first, *others = sorted(credentials, key=lambda credential: _key(registration, credential) in self._refused)
        try:
            return self._tried(registration, first, call)
        except ClientRefused as error:
            refused = error
        for credential in others:
            self._note(registration, first, refused)
            first = credential
            try:
                return self._tried(registration, credential, call)
            except ClientRefused as error:
                refused = error
        raise refused

    def _tried(self, registration: Registration, credential: Credential, call: Callable[[Credential], T]) -> T:
        key = _key(registration, credential)
        try:
            answer = call(credential)
        except ClientRefused:
            self._refused.add(key)
            raise
        self._refused.discard(key)
        return answer

    def _note(self, registration: Registration, credential: Credential, error: ClientRefused) -> None:
        """Leave a trace, so that a credential which has ended is noticed while its successor still carries on."""
        self.trail.note(
            "credential.refused",
            registration.name,
            "refused",
            reason=error.finding or error.code,
            credential=credential.name,
        )


def _key(registration: Registration, credential: Credential) -> tuple[str, str, str]:
    return registration.name, credential.client_secret, credential.private_key
