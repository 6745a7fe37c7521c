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
from sandbox.identity.client_assertion import ClientAssertion
from sandbox.identity.devices import DeviceAuthorization, DeviceGrant
from sandbox.identity.refusals import Reason, refusal
from sandbox.identity.service_accounts import ServiceAccountGrant
from sandbox.identity.tenants import DEVICE_CODE, JWT_BEARER

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response
    from joserfc.jwk import RSAKey

    from sandbox.identity.devices import Devices
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
        devices: Devices,
        signing_key: RSAKey,
        new_token: Callable[[], str],
    ) -> None:
        super().__init__()
        self.tenant = tenant
        self.directory = directory
        self.store = store
        self.devices = devices
        self.new_token = new_token
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
        if DEVICE_CODE in tenant.grant_types:
            self.register_grant(DeviceGrant, [claims.RefreshIdToken(self)])
            self.register_endpoint(DeviceAuthorization)
        if JWT_BEARER in tenant.grant_types:
            self.register_grant(ServiceAccountGrant)
        self.register_client_auth_method(ClientAssertion.CLIENT_AUTH_METHOD, ClientAssertion(self))
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
        scope, settings = token.get("scope", ""), self.settings
        if old is not None:
            grant = old.grant
        else:
            grant = self.store.open_grant(
                tenant=self.tenant.name,
                client_id=request.client.client_id,
                mailbox=request.user.address if request.user else None,
                scope=scope,
                ttl=settings.refresh_token_expires_in if "refresh_token" in token else None,
            )
            if code is not None:
                code.grant = grant
        if settings.access_tokens_per_window is not None:
            self.store.count_access_token(grant, settings.access_tokens_per_window[1])
        self.store.put(
            grant=grant,
            kind="access_token",
            value=token["access_token"],
            scope=scope,
            ttl=settings.access_token_ttl,
        )
        if "refresh_token" in token:
            self.store.put(
                grant=grant,
                kind="refresh_token",
                value=token["refresh_token"],
                scope=grant.scope,
                ttl=settings.refresh_token_ttl,
            )
        if "refresh_token" in token and old is None:
            if settings.refresh_token_expires_in is not None:
                token["refresh_token_expires_in"] = settings.refresh_token_expires_in
            if settings.live_refresh_tokens is not None:
                self.store.keep_newest(grant, settings.live_refresh_tokens)

    def authenticate_client(self, request: Any, methods: list[str], endpoint: str = "token") -> Client:
        """Return the client; on failure, say whether the client or its secret is wrong."""
        try:
            client: Client = super().authenticate_client(request, methods, endpoint)
        except UnicodeDecodeError as error:
            raise InvalidClientError("Malformed Authorization header.", status_code=401) from error
        except InvalidClientError as error:
            error.reason = self._why_not_authenticated(request)
            raise
        return client

    def _why_not_authenticated(self, request: Any) -> Reason:
        name, secret = extract_basic_authorization(request.headers)
        client = self.query_client(name or request.form.get("client_id") or "")
        secret = secret or request.form.get("client_secret")
        if client is None:
            return Reason.CLIENT_UNKNOWN
        if not secret:
            return Reason.CREDENTIAL_MISSING
        return Reason.CREDENTIAL_EXPIRED if client.had_secret(secret) else Reason.CLIENT_NOT_AUTHENTICATED

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
