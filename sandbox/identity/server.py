"""One tenant's authorization server: Authlib's, with this sandbox's store, settings and wording."""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidClientError
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc9207 import IssuerParameter

from sandbox.identity import claims, endpoints, grants
from sandbox.identity.refusals import Reason, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response
    from joserfc.jwk import RSAKey

    from sandbox.identity.directory import Directory
    from sandbox.identity.records import Client
    from sandbox.identity.store import TokenStore
    from sandbox.identity.tenants import Settings, Tenant


class IdentityServer(AuthorizationServer):  # type: ignore[misc]
    """An OAuth 2.0 authorization server and OpenID provider for one tenant."""

    def __init__(
        self,
        *,
        tenant: Tenant,
        directory: Directory,
        store: TokenStore,
        signing_key: RSAKey,
        new_token: Callable[[], str],
    ) -> None:
        super().__init__()
        self.tenant = tenant
        self.directory = directory
        self.store = store
        self.signing_key = signing_key
        # Two refreshes at once must see each other's rotation, as they would in a provider's transaction.
        self.token_lock = threading.Lock()
        self.register_token_generator(
            "default",
            BearerTokenGenerator(
                lambda **_: f"{tenant.name}-at-{new_token()}",
                lambda **_: f"{tenant.name}-rt-{new_token()}",
                lambda _client, _grant_type: self.settings.access_token_ttl,
            ),
        )
        self.register_grant(grants.CodeGrant, [grants.S256Challenge(required=True), claims.CodeIdToken(self)])
        self.register_grant(grants.RefreshGrant, [claims.RefreshIdToken(self)])
        if "client_credentials" in tenant.grant_types:
            self.register_grant(grants.AppGrant)
        self.register_endpoint(endpoints.Revocation)
        self.register_endpoint(endpoints.Introspection)
        self.register_endpoint(endpoints.UserInfoAnswer(self))
        self.register_extension(_Issuer(self))

    @property
    def settings(self) -> Settings:
        """Return how the tenant behaves now."""
        return self.directory.settings(self.tenant.name)

    def query_client(self, client_id: str) -> Client | None:
        """Return the client of this tenant, or None."""
        return self.directory.client(self.tenant.name, client_id)

    def save_token(self, token: dict[str, Any], request: Any) -> None:
        """Store what is about to be answered, under the grant it belongs to."""
        code, old = request.authorization_code, request.refresh_token
        scope = token.get("scope", "")
        if old is not None:
            grant = old.grant
        else:
            grant = self.store.open_grant(
                tenant=self.tenant.name,
                client_id=request.client.client_id,
                mailbox=code.mailbox if code else None,
                scope=scope,
            )
            if code is not None:
                code.grant = grant
        self.store.put(
            grant=grant,
            kind="access_token",
            value=token["access_token"],
            scope=scope,
            ttl=self.settings.access_token_ttl,
        )
        if "refresh_token" in token:
            self.store.put(
                grant=grant,
                kind="refresh_token",
                value=token["refresh_token"],
                scope=grant.scope,
                ttl=self.settings.refresh_token_ttl,
            )

    def authenticate_client(self, request: Any, methods: list[str], endpoint: str = "token") -> Client:
        """Return the client; on failure, say whether the client or its secret is wrong."""
        try:
            client: Client = super().authenticate_client(request, methods, endpoint)
        except UnicodeDecodeError as error:
            raise InvalidClientError("Malformed Authorization header.", status_code=401) from error
        except InvalidClientError as error:
            presented = extract_basic_authorization(request.headers)[0] or request.form.get("client_id") or ""
            known = self.query_client(presented) is not None
            error.reason = Reason.CLIENT_NOT_AUTHENTICATED if known else Reason.CLIENT_UNKNOWN
            raise
        return client

    def handle_error_response(self, request: Any, error: Any) -> Response:
        """Say no as the provider does where the cause is known, else as the RFC says."""
        reason = getattr(error, "reason", None)
        if reason is None or error.redirect_uri:
            response: Response = super().handle_error_response(request, error)
            return response
        status, body = refusal(self.tenant.name, reason)
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        if status == HTTPStatus.UNAUTHORIZED:
            headers.append(("WWW-Authenticate", f'Basic realm="{self.tenant.name}"'))
        answer: Response = self.handle_response(status, body, headers)
        return answer


class _Issuer(IssuerParameter):  # type: ignore[misc]
    """RFC 9207: `iss` in every answer of the authorization endpoint."""

    def __init__(self, server: IdentityServer) -> None:
        self._server = server

    def get_issuer(self) -> str | None:
        return self._server.tenant.issuer if self._server.settings.iss_in_callback else None
