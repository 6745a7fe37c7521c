"""What an OpenID provider says about a person: id_token and userinfo claims.

Authlib ships no types, hence the ignores on its base classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authlib.oidc.core import OpenIDCode, OpenIDToken, UserInfo

if TYPE_CHECKING:
    from sandbox.identity.records import Client, Mailbox
    from sandbox.identity.server import IdentityServer


def user_info(server: IdentityServer, mailbox: Mailbox, scope: str) -> UserInfo:
    """Return the OpenID Connect claims which this scope allows."""
    claims = UserInfo(
        sub=mailbox.subject,
        name=mailbox.name,
        email=mailbox.address,
        email_verified=True,
        preferred_username=mailbox.address,
    )
    # Entra ID puts the sign-in name and the address into every token of a work account.
    return claims.filter(f"{scope} email profile" if server.tenant.name == "microsoft" else scope)


class _Claims:
    """What both kinds of id_token have in common."""

    def __init__(self, server: IdentityServer) -> None:
        super().__init__()
        self._server = server

    def resolve_client_private_key(self, _client: Client) -> Any:
        return self._server.signing_key

    def get_encode_header(self, _client: Client) -> dict[str, Any]:
        return {"alg": "RS256", "kid": self._server.signing_key.kid}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        now = int(self._server.store.now())
        return {"iss": self._server.tenant.issuer, "aud": client.client_id, "iat": now, "exp": now + 3600}

    def generate_user_info(self, user: Mailbox, scope: str) -> UserInfo:
        return user_info(self._server, user, scope)


class CodeIdToken(_Claims, OpenIDCode):  # type: ignore[misc]
    """The id_token that comes with a code, with the request's nonce in it."""

    def exists_nonce(self, _nonce: str, _request: Any) -> bool:
        """Accept any nonce."""
        # Whoever sends one nonce twice harms nobody but himself; the codes are single-use.
        return False


class RefreshIdToken(_Claims, OpenIDToken):  # type: ignore[misc]
    """The id_token that comes with a refresh."""
