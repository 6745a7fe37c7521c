"""`private_key_jwt`: a client that signs with one of its certificates (RFC 7523, section 2.2).

Authlib ships no types, hence the ignores on its base classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jwt
from joserfc.errors import JoseError

from sandbox.identity.refusals import GrantRefusedError, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from joserfc.jwk import RSAKey

    from sandbox.identity.records import Client
    from sandbox.identity.server import IdentityServer

ALGORITHMS = ["PS256", "RS256"]
LONGEST_LIFE = 600
"""Seconds that an assertion may live."""
LEEWAY = 60
"""Seconds that the client's clock may be off."""


class ClientAssertion(JWTBearerClientAssertion):  # type: ignore[misc]
    """Authenticates a client by its assertion; refusals name their cause."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, server: IdentityServer) -> None:
        super().__init__(leeway=LEEWAY)
        self._server = server

    def __call__(self, query_client: Callable[[str], Client | None], request: Any) -> Client | None:
        """Return the client; None if the request carries no assertion."""

        def known(client_id: str) -> Client:
            client = query_client(client_id)
            if client is None:
                raise GrantRefusedError(Reason.CLIENT_UNKNOWN)
            if request.form.get("client_id", client_id) != client_id:
                raise GrantRefusedError(Reason.ASSERTION_OTHER_CLIENT)
            return client

        try:
            client: Client | None = super().__call__(known, request)
        except InvalidClientError as error:
            raise GrantRefusedError(Reason.ASSERTION_MALFORMED) from error
        return client

    def resolve_client_public_key(self, client: Client) -> Callable[[Any], RSAKey]:
        """Return how to find the key that the assertion's header names."""
        return lambda signed: self._key(client, signed.headers())

    def _key(self, client: Client, header: dict[str, Any]) -> RSAKey:
        names = {header[name] for name in ("x5t#S256", "x5t") if isinstance(header.get(name), str)}
        if not names and self._server.tenant.name != "microsoft":
            # RFC 7523 leaves it to the client whether it names its key; Entra ID does not.
            named = [item for item in client.certificates if header.get("kid") in {None, item.id, item.x5t_s256}]
            if len(named) > 1 and "kid" not in header:
                raise GrantRefusedError(Reason.ASSERTION_KEY_UNKNOWN)
        else:
            named = [item for item in client.certificates if names and names <= {item.x5t, item.x5t_s256}]
        if not named:
            raise GrantRefusedError(Reason.ASSERTION_KEY_UNKNOWN)
        if not named[0].issued_at <= client.now < named[0].expires_at:
            raise GrantRefusedError(Reason.ASSERTION_KEY_EXPIRED)
        return named[0].key

    def process_assertion_claims(self, assertion: str, resolve_key: Callable[[Any], RSAKey]) -> dict[str, Any]:
        """Return the claims of a good assertion."""
        try:
            token = jwt.decode(assertion, resolve_key, algorithms=ALGORITHMS)
        except (JoseError, ValueError) as error:
            raise GrantRefusedError(Reason.ASSERTION_SIGNATURE) from error
        self.verify_claims(token.claims)
        return dict(token.claims)

    def verify_claims(self, claims: dict[str, Any]) -> None:
        """Refuse an assertion of, for or from another, one that is not short-lived, and one that came before."""
        tenant, now = self._server.tenant, self._server.store.now()
        named = claims.get("aud")
        audiences = {str(item) for item in (named if isinstance(named, list) else [named])}
        if not audiences & {tenant.token_url, tenant.issuer}:
            raise GrantRefusedError(Reason.ASSERTION_AUDIENCE)
        ends, issued, begins = claims.get("exp", 0), claims.get("iat", now), claims.get("nbf", now)
        numbers = all(isinstance(value, (int, float)) for value in (ends, issued, begins))
        if not numbers or claims.get("iss") != claims["sub"]:
            raise GrantRefusedError(Reason.ASSERTION_MALFORMED)
        if not max(issued, begins) - LEEWAY <= now < ends + LEEWAY or ends - issued > LONGEST_LIFE:
            raise GrantRefusedError(Reason.ASSERTION_TIME)
        if not isinstance(claims.get("jti"), str) or not self._server.store.first_use(claims["sub"], claims["jti"]):
            raise GrantRefusedError(Reason.ASSERTION_REPLAYED)
