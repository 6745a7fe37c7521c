"""Google's tokeninfo: what an access token is worth, told to whoever holds it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.identity.records import Token
    from sandbox.identity.server import IdentityServer


def token_info(server: IdentityServer, token: Token | None) -> tuple[int, dict[str, Any]]:
    """Return status and body; Google writes numbers and truths as text."""
    if token is None or token.expires_at is None or token.is_expired() or token.is_revoked():
        return HTTPStatus.BAD_REQUEST, {"error": "invalid_token", "error_description": "Invalid Value"}
    mailbox = server.directory.mailbox(token.grant.tenant, token.grant.mailbox)
    body = {
        "azp": token.grant.client_id,
        "aud": token.grant.client_id,
        "scope": token.scope,
        "exp": str(int(token.expires_at)),
        "expires_in": str(int(token.expires_at - token.now)),
        "access_type": "offline" if token.grant.generation else "online",
    }
    if mailbox is not None and "openid" in token.scopes:
        body["sub"] = mailbox.subject
    if mailbox is not None and token.scopes & {"email", "https://www.googleapis.com/auth/userinfo.email"}:
        body |= {"email": mailbox.address, "email_verified": "true"}
    return HTTPStatus.OK, body
