"""Authlib's revocation, introspection and userinfo endpoints, joined to this sandbox's store.

Authlib ships no types, hence the ignores on its base classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oidc.core import UserInfoEndpoint

from sandbox.identity.claims import user_info
from sandbox.identity.grants import CLIENT_AUTH_METHODS, CONFIDENTIAL
from sandbox.identity.refusals import GrantRefusedError, Reason

if TYPE_CHECKING:
    from sandbox.identity.records import Client, Token
    from sandbox.identity.server import IdentityServer


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """RFC 7009; at Google anybody who holds a token may end its grant with it."""

    CLIENT_AUTH_METHODS = CLIENT_AUTH_METHODS
    server: IdentityServer

    def authenticate_endpoint_client(self, request: Any) -> Client | None:
        """Return the client, or None at Google, which asks for none."""
        if self.server.tenant.name == "google":
            return None
        client: Client = super().authenticate_endpoint_client(request)
        return client

    def authenticate_token(self, request: Any, client: Client | None) -> Token | None:
        """Return the token to revoke; None if there is none (200 all the same, but not at Google)."""
        self.check_params(request, client)
        token = self.server.store.find(request.form["token"], tenant=self.server.tenant.name)
        if token is not None and client is not None and not token.check_client(client):
            raise GrantRefusedError(Reason.REFRESH_UNKNOWN)
        if self.server.tenant.name == "google" and (token is None or token.is_revoked()):
            raise GoogleTokenGoneError
        return token

    def revoke_token(self, token: Token, _request: Any) -> None:
        """End the grant, or the access token alone where the RFC lets its grant live."""
        if token.kind == "refresh_token" or self.server.tenant.name == "google":
            self.server.store.revoke_grant(token.grant, "revoked by the client")
        else:
            self.server.store.revoke_token(token.value)


class GoogleTokenGoneError(InvalidGrantError):  # type: ignore[misc]
    """Google answers 400 where RFC 7009 says 200."""

    error = "invalid_token"
    description = "Token expired or revoked"


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """RFC 7662, for any confidential client of the tenant."""

    CLIENT_AUTH_METHODS = CONFIDENTIAL
    server: IdentityServer

    def query_token(self, token_string: str, _token_type_hint: str | None) -> Token | None:
        """Return the token, good or not."""
        return self.server.store.find(token_string, tenant=self.server.tenant.name)

    def check_permission(self, _token: Token, _client: Client, _request: Any) -> bool:
        """Let every confidential client ask."""
        return True

    def introspect_token(self, token: Token) -> dict[str, Any]:
        """Return what the token is worth."""
        mailbox = self.server.directory.mailbox(token.grant.tenant, token.grant.mailbox)
        claims: dict[str, Any] = {
            "active": not token.rotated or self.server.settings.rotated_tokens_stay_valid,
            "client_id": token.grant.client_id,
            "token_type": "Bearer",
            "scope": token.scope,
            "iss": self.server.tenant.issuer,
            "iat": int(token.issued_at),
        }
        if token.expires_at is not None:
            claims["exp"] = int(token.expires_at)
        if mailbox is not None:
            claims |= {"sub": mailbox.subject, "username": mailbox.address}
        return claims


class _StoreValidator(BearerTokenValidator):  # type: ignore[misc]
    def __init__(self, server: IdentityServer) -> None:
        super().__init__(realm=server.tenant.name)
        self._server = server

    def authenticate_token(self, token_string: str) -> Token | None:
        """Return the access token, good or not."""
        return self._server.store.find(token_string, tenant=self._server.tenant.name, kind="access_token")


class UserInfoAnswer(UserInfoEndpoint):  # type: ignore[misc]
    """OpenID Connect Core, section 5.3."""

    server: IdentityServer

    def __init__(self, server: IdentityServer) -> None:
        protector = ResourceProtector()
        protector.register_token_validator(_StoreValidator(server))
        super().__init__(server, protector)

    def __call__(self, _request: Any) -> tuple[int, Any, list[tuple[str, str]]]:
        """Return the claims of the token's owner."""
        token = self.resource_protector.acquire_token("openid")
        mailbox = self.server.directory.mailbox(token.grant.tenant, token.grant.mailbox)
        if mailbox is None:
            raise InvalidRequestError("This token belongs to no person")
        return 200, user_info(self.server, mailbox, token.scope), [("Content-Type", "application/json")]
