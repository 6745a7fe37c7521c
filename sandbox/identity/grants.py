"""Authlib's grants, joined to this sandbox's store.

Authlib ships no types, hence the ignores on its base classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, grants
from authlib.oauth2.rfc7636 import CodeChallenge

from sandbox.identity.records import AuthorizationCode, Client, Mailbox, Token
from sandbox.identity.refusals import GrantRefusedError, Reason
from sandbox.identity.store import Selection
from sandbox.identity.tenants import GRAPH, SMTP_SEND_AS_APP, RefreshTokenRule

if TYPE_CHECKING:
    from sandbox.identity.server import IdentityServer

CONFIDENTIAL = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
CLIENT_AUTH_METHODS = [*CONFIDENTIAL, "none"]
DEFAULT = "/.default"
_ROLES_OF = {
    "https://graph.microsoft.com": frozenset(
        {"Mail.Send", "User.Read.All", "Application.Read.All", "Application.ReadWrite.OwnedBy"}
    ),
    "https://outlook.office365.com": frozenset({SMTP_SEND_AS_APP}),
    "https://outlook.office.com": frozenset({SMTP_SEND_AS_APP}),
}
"""Which roles belong to which resource; the rest of what a client was given is for another one."""


class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """Authorization code grant (RFC 6749, section 4.1)."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS
    server: IdentityServer

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Remember the code, with the scopes that stayed ticked."""
        asked = request.payload.data
        granted = asked.getlist("granted_scope")
        scope = " ".join(name for name in request.scope.split() if name in granted)
        store, tenant = self.server.store, self.server.tenant
        offline = {
            RefreshTokenRule.ALWAYS: True,
            RefreshTokenRule.OFFLINE_ACCESS: "offline_access" in scope.split(),
            RefreshTokenRule.ACCESS_TYPE_OFFLINE: asked.get("access_type") == "offline"
            and (
                "consent" in asked.get("prompt", "").split()
                or not store.has_live_grant(
                    Selection(tenant=tenant.name, mailbox=request.user.address, client_id=request.client.client_id)
                )
            ),
        }[self.server.settings.refresh_token_rule]
        store.remember_proof("state", asked.get("state", ""))
        store.save_code(
            AuthorizationCode(
                code=code,
                client_id=request.client.client_id,
                mailbox=request.user.address,
                redirect_uri=request.payload.redirect_uri or "",
                scope=scope,
                nonce=asked.get("nonce"),
                code_challenge=asked.get("code_challenge"),
                code_challenge_method=asked.get("code_challenge_method"),
                offline=offline,
                issued_at=store.now(),
            )
        )

    def query_authorization_code(self, code: str, client: Client) -> AuthorizationCode:
        """Return the code if it may be used now by this client, else refuse it with the cause."""
        store = self.server.store
        found = store.code(code)
        if found is None or found.client_id != client.client_id:
            raise GrantRefusedError(Reason.CODE_UNKNOWN)
        if found.grant is not None:
            # RFC 6749, section 4.1.2: a code that comes twice was stolen once.
            store.revoke_grant(found.grant, Reason.CODE_USED.value)
            raise GrantRefusedError(Reason.CODE_USED)
        if store.code_has_expired(found):
            raise GrantRefusedError(Reason.CODE_EXPIRED)
        if found.redirect_uri and self.request.payload.redirect_uri != found.redirect_uri:
            raise GrantRefusedError(Reason.REDIRECT_MISMATCH)
        return found

    def delete_authorization_code(self, authorization_code: AuthorizationCode) -> None:
        """Keep the code, for the store marked it as used: its second use has to be recognised."""

    def authenticate_user(self, authorization_code: AuthorizationCode) -> Mailbox | None:
        """Return the mailbox the code is for."""
        return self.server.directory.mailbox(self.server.tenant.name, authorization_code.mailbox)

    def generate_token(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Make the tokens; a refresh token only if the code is worth one."""
        kwargs["include_refresh_token"] = self.request.authorization_code.offline
        token: dict[str, Any] = super().generate_token(*args, **kwargs)
        return token


class RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    """Refresh token grant (RFC 6749, section 6), with rotation and family revocation as the tenant is set."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS
    server: IdentityServer

    def authenticate_refresh_token(self, refresh_token: str) -> Token:
        """Return the refresh token if it may be used now, else refuse it with the cause."""
        store, settings = self.server.store, self.server.settings
        token = store.find(refresh_token, tenant=self.server.tenant.name, kind="refresh_token")
        if token is None:
            raise GrantRefusedError(Reason.REFRESH_UNKNOWN)
        if token.is_revoked():
            raise GrantRefusedError(Reason.GRANT_REVOKED)
        if token.is_expired():
            raise GrantRefusedError(Reason.REFRESH_EXPIRED)
        if token.rotated and not settings.rotated_tokens_stay_valid:
            if settings.revoke_family_on_reuse:
                # RFC 9700, section 4.14.2.
                store.revoke_grant(token.grant, Reason.REFRESH_REUSED.value)
            raise GrantRefusedError(Reason.REFRESH_REUSED)
        limit = settings.access_tokens_per_window
        if limit is not None and store.has_used_up(token.grant, *limit):
            raise GrantRefusedError(Reason.TOO_MANY_TOKENS)
        return token

    def _validate_token_scope(self, token: Token) -> None:
        asked = _bare(self.request.payload.scope or "")
        if not asked <= _bare(token.grant.scope) | {"offline_access"}:
            raise GrantRefusedError(Reason.SCOPE_NOT_GRANTED)

    def authenticate_user(self, refresh_token: Token) -> Mailbox | None:
        """Return the mailbox the refresh token is for."""
        return self.server.directory.mailbox(self.server.tenant.name, refresh_token.grant.mailbox)

    def issue_token(self, user: Mailbox, refresh_token: Token) -> dict[str, Any]:
        """Make the new tokens, for the scopes asked or for all that were granted."""
        asked = _bare(self.request.payload.scope or refresh_token.grant.scope)
        token: dict[str, Any] = self.generate_token(
            user=user,
            scope=" ".join(name for name in refresh_token.grant.scope.split() if _bare(name) <= asked),
            include_refresh_token=self.server.settings.rotate_refresh_tokens,
        )
        return token

    def revoke_old_credential(self, refresh_token: Token) -> None:
        """Mark the old refresh token as rotated if the tenant rotates."""
        self.server.store.count_refresh(refresh_token.grant)
        if self.server.settings.rotate_refresh_tokens:
            self.server.store.mark_rotated(refresh_token.value)


class AppGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    """Client credentials grant (RFC 6749, section 4.4): a token for every mailbox that the client may use."""

    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL
    server: IdentityServer

    def validate_token_request(self) -> None:
        """Turn the scope into what the token will be good for: at Microsoft, the client's roles at one resource."""
        super().validate_token_request()
        self._scope = self.request.payload.scope or ""
        if self.server.tenant.name == "microsoft":
            resource = self._scope.removesuffix(DEFAULT)
            if resource == self._scope or " " in resource:
                raise GrantRefusedError(Reason.SCOPE_NOT_DEFAULT)
            if resource not in _ROLES_OF:
                raise GrantRefusedError(Reason.RESOURCE_UNKNOWN)
            self._scope = " ".join(role for role in self.request.client.app_roles if role in _ROLES_OF[resource])

    def generate_token(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Make the access token."""
        token: dict[str, Any] = super().generate_token(*args, **{**kwargs, "scope": self._scope})
        return token


class S256Challenge(CodeChallenge):  # type: ignore[misc]
    """PKCE (RFC 7636) with S256 alone, required of public clients and honoured for all."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 - Authlib's declaration

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        """Refuse anything but S256, and a public client without a challenge."""
        asked = grant.request.payload.data
        if not asked.get("code_challenge") and grant.request.client.public:
            raise InvalidRequestError("A public client needs a 'code_challenge'")
        if asked.get("code_challenge") and not asked.get("code_challenge_method"):
            raise InvalidRequestError("Without 'code_challenge_method' it would be 'plain', which is not supported")
        super().validate_code_challenge(grant, redirect_uri)

    def validate_code_verifier(self, grant: CodeGrant, result: None) -> None:
        """Refuse a wrong verifier with its cause."""
        grant.server.store.remember_proof("verifier", grant.request.form.get("code_verifier", ""))
        try:
            super().validate_code_verifier(grant, result)
        except InvalidGrantError as error:
            raise GrantRefusedError(Reason.VERIFIER_MISMATCH) from error


def _bare(scope: str) -> frozenset[str]:
    """Return the scopes as a set; Graph's may be written with or without their resource."""
    return frozenset(name.removeprefix(GRAPH) for name in scope.split())
