"""The HTTP face of the authorization servers."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from authlib.common.urls import add_params_to_uri
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.base import invalid_error_characters
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from flask import Blueprint, Response, render_template, request

from sandbox.identity.client_assertion import ALGORITHMS
from sandbox.identity.grants import CLIENT_AUTH_METHODS
from sandbox.identity.pages import page, refused_page, with_meaning
from sandbox.identity.token_info import token_info

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.control.playing import FaultPlayer
    from sandbox.identity.directory import Directory
    from sandbox.identity.records import Mailbox
    from sandbox.identity.server import IdentityServer

ASKED = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "access_type",
    "prompt",
    "login_hint",
)
"""The parameters of an authorization request that the form carries on."""


class IdentityViews:
    """Authorize, token, revoke, introspect, userinfo and metadata of every tenant."""

    def __init__(self, *, servers: Mapping[str, IdentityServer], directory: Directory, player: FaultPlayer) -> None:
        self._servers = servers
        self._directory = directory
        self._player = player

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        pages = Blueprint(
            "identity",
            __name__,
            template_folder="templates",
            static_folder="assets",
            static_url_path="/assets/identity",
        )
        tenant = f"/<any({','.join(self._servers)}):tenant>"
        pages.add_url_rule(f"{tenant}/authorize", view_func=self.authorize, methods=["GET", "POST"])
        pages.add_url_rule(f"{tenant}/token", view_func=self.token, methods=["POST"])
        pages.add_url_rule(f"{tenant}/revoke", view_func=self.revoke, methods=["POST"])
        pages.add_url_rule(f"{tenant}/introspect", view_func=self.introspect, methods=["POST"])
        pages.add_url_rule(f"{tenant}/userinfo", view_func=self.userinfo, methods=["GET", "POST"])
        pages.add_url_rule("/google/tokeninfo", view_func=self.tokeninfo, methods=["GET", "POST"])
        pages.add_url_rule(f"{tenant}/jwks", view_func=self.jwks)
        pages.add_url_rule(f"{tenant}/.well-known/openid-configuration", view_func=self.metadata)
        pages.add_url_rule(f"/.well-known/oauth-authorization-server{tenant}", view_func=self.metadata)
        return pages

    # --- authorization endpoint

    def authorize(self, tenant: str) -> Response:
        """Show the sign-in and consent page; take its answer back to the client."""
        facts = {"mailbox": request.values.get("mailbox") or request.values.get("login_hint")}
        answer = self._decide if request.method == "POST" else self._ask
        return self._player.play(lambda: answer(tenant), endpoint="authorize", tenant=tenant, facts=facts)

    def _ask(self, tenant: str) -> Response:
        server = self._servers[tenant]
        try:
            grant = _consent_grant(server)
        except OAuth2Error as error:
            return self._refused(server, error)
        hint = request.args.get("login_hint", "").strip()
        html = render_template(
            "consent.html",
            tenant=server.tenant,
            client=grant.client,
            redirect_uri=grant.redirect_uri,
            scopes=with_meaning(grant.request.scope.split()),
            mailboxes=self._directory.mailboxes(tenant),
            hint=hint,
            new_mailbox=self._may_be_made(tenant, hint),
            asked={name: request.args[name] for name in ASKED if name in request.args},
        )
        return page(html)

    def _decide(self, tenant: str) -> Response:
        server = self._servers[tenant]
        try:
            grant = _consent_grant(server)
        except OAuth2Error as error:
            return self._refused(server, error)
        chosen: Mailbox | None = None
        if request.form.get("decision") == "allow" and request.form.getlist("granted_scope"):
            address = request.form.get("mailbox", "")
            chosen = self._directory.mailbox(tenant, address)
            if chosen is None and self._may_be_made(tenant, address):
                chosen = self._directory.add_mailbox(tenant=tenant, address=address)
            if chosen is None:
                return refused_page(f"No mailbox {address!r} here.")
        response: Response = server.create_authorization_response(request, grant_user=chosen, grant=grant)
        return response

    def _may_be_made(self, tenant: str, address: str) -> bool:
        return (
            self._directory.settings(tenant).create_hinted_mailbox
            and address == request.values.get("login_hint", "").strip()
            and "@" in address.strip("@")
            and self._directory.mailbox(tenant, address) is None
        )

    def _refused(self, server: IdentityServer, error: Any) -> Response:
        """Redirect only to a redirect URI that was found good (RFC 6749, section 4.1.2.1)."""
        if not error.redirect_uri:
            return refused_page(f"{error.error}: {error.description}")
        response: Response = server.handle_error_response(request, error)
        if server.settings.iss_in_callback:
            response.location = add_params_to_uri(response.location, {"iss": server.tenant.issuer})
        return response

    # --- what clients call

    def token(self, tenant: str) -> Response:
        """Answer a token request (RFC 6749, section 3.2)."""
        server, form = self._servers[tenant], request.form
        old = server.store.find(form.get("refresh_token", ""), tenant=tenant)
        presented = (
            old.grant if old else None,
            server.store.code(form.get("code", "")),
            server.devices.by_device_code(form.get("device_code", ""), tenant=tenant),
        )
        facts = {
            "grant_type": form.get("grant_type"),
            "mailbox": next((found.mailbox for found in presented if found is not None), None),
            "client_id": form.get("client_id") or _basic_user(),
        }

        def answer() -> Response:
            with server.token_lock:
                response: Response = server.create_token_response(request)
            return _as_the_provider(server, response)

        return self._player.play(answer, endpoint="token", tenant=tenant, facts=facts)

    def revoke(self, tenant: str) -> Response:
        """Answer a revocation request (RFC 7009)."""
        return self._endpoint(tenant, "revocation", "revoke", request.form.get("token", ""))

    def introspect(self, tenant: str) -> Response:
        """Answer an introspection request (RFC 7662)."""
        return self._endpoint(tenant, "introspection", "introspect", request.form.get("token", ""))

    def tokeninfo(self) -> Response:
        """Answer Google's own question about an access token."""
        server, value = self._servers["google"], request.values.get("access_token", "")
        known = server.store.find(value, tenant="google", kind="access_token")
        facts = {"mailbox": known.grant.mailbox if known else None}

        def answer() -> Response:
            status, body = token_info(server, known)
            return _json(body, status)

        return self._player.play(answer, endpoint="tokeninfo", tenant="google", facts=facts)

    def userinfo(self, tenant: str) -> Response:
        """Answer a userinfo request."""
        return self._endpoint(tenant, "userinfo", "userinfo", request.headers.get("Authorization", "")[7:])

    def _endpoint(self, tenant: str, name: str, fault_name: str, token: str) -> Response:
        server = self._servers[tenant]
        known = server.store.find(token, tenant=tenant)

        def answer() -> Response:
            response: Response = server.create_endpoint_response(name, request)
            return response

        facts = {"mailbox": known.grant.mailbox if known else None}
        return self._player.play(answer, endpoint=fault_name, tenant=tenant, facts=facts)

    # --- metadata

    def jwks(self, tenant: str) -> Response:
        """Return the public signing key (RFC 7517)."""
        return _json({"keys": [self._servers[tenant].signing_key.as_dict(private=False)]})

    def metadata(self, tenant: str) -> Response:
        """Return the discovery document (OpenID Connect Discovery; RFC 8414)."""
        about = self._servers[tenant].tenant
        document: dict[str, Any] = {
            "issuer": about.issuer,
            "authorization_endpoint": about.authorize_url,
            "token_endpoint": about.token_url,
            "userinfo_endpoint": about.userinfo_url,
            "jwks_uri": f"{about.url}/jwks",
            "scopes_supported": about.scopes,
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": about.grant_types,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": CLIENT_AUTH_METHODS,
            "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "device_authorization_endpoint": about.device_authorization_url,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": self._servers[tenant].settings.iss_in_callback,
        }
        if about.publishes_revocation:
            document["revocation_endpoint"] = about.revoke_url
        if about.publishes_introspection:
            document["introspection_endpoint"] = about.introspection_url
        return _json(document)


def _consent_grant(server: IdentityServer) -> Any:
    """Return Authlib's grant for this request, or raise OAuth2Error."""
    for name in ("redirect_uri", "response_type"):
        # Authlib repeats these in its error, and fails on what RFC 6749, section 4.1.2.1 does not allow there.
        if invalid_error_characters(request.values.get(name, "")):
            raise InvalidRequestError(f"Malformed '{name}' in request.")
    return server.get_consent_grant(request)


def _as_the_provider(server: IdentityServer, response: Response) -> Response:
    """Give a good token answer the provider's habits."""
    body = response.get_json(silent=True)
    if response.status_code != HTTPStatus.OK or not isinstance(body, dict):
        return response
    body["expires_in"] = server.settings.access_token_ttl
    if server.settings.expires_in_style == "string":
        body["expires_in"] = str(body["expires_in"])
    elif server.settings.expires_in_style == "missing":
        del body["expires_in"]
    if server.tenant.name == "microsoft":
        # Entra ID never names offline_access in the scope it answers.
        body["scope"] = " ".join(name for name in body.get("scope", "").split() if name != "offline_access")
        if request.form.get("grant_type") == "client_credentials":
            # What an application may do is written into its token, and nowhere else.
            del body["scope"]
        body["ext_expires_in"] = server.settings.access_token_ttl
    response.set_data(json.dumps(body))
    return response


def _basic_user() -> str | None:
    try:
        name: str | None = extract_basic_authorization(request.headers)[0]
    except UnicodeDecodeError:
        return None
    return name


def _json(body: dict[str, Any], status: int = HTTPStatus.OK) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")
