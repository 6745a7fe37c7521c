"""The control API's part about clients: their credentials, what they may do alone, and Google's service accounts."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response

from sandbox.control.bodies import PREFIX, answer, body_of_request, rows, text, texts, unacceptable
from sandbox.identity.service_accounts import ServiceAccount, read_public_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.identity.credentials import ClientCertificate, ClientSecret
    from sandbox.identity.directory import Directory
    from sandbox.identity.records import Client


class ClientsApi:
    """Register clients and change what they prove themselves with."""

    def __init__(self, *, directory: Directory, new_secret: Callable[[], str], clock: Callable[[], float]) -> None:
        self._directory = directory
        self._new_secret = new_secret
        self._clock = clock

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("clients", __name__, url_prefix=PREFIX)
        routes.add_url_rule("/clients", view_func=self.clients)
        routes.add_url_rule("/clients", view_func=self.add_client, methods=["POST"])
        routes.add_url_rule("/clients/application", view_func=self.allow_application, methods=["POST"])
        routes.add_url_rule("/clients/secrets", view_func=self.add_secret, methods=["POST"])
        routes.add_url_rule("/clients/certificates", view_func=self.add_certificate, methods=["POST"])
        routes.add_url_rule("/clients/credentials/expire", view_func=self.expire_credential, methods=["POST"])
        routes.add_url_rule("/clients/credentials/remove", view_func=self.remove_credential, methods=["POST"])
        routes.add_url_rule("/service-accounts", view_func=self.add_service_account, methods=["POST"])
        routes.register_error_handler(ValueError, unacceptable)
        return routes

    def clients(self) -> Response:
        """Return every client, without its secrets' values."""
        return rows([_client(client) for client in self._directory.clients()])

    def add_client(self) -> Response:
        """Register an OAuth client."""
        body = body_of_request(
            "tenant",
            "client_id",
            "client_secret",
            "certificate",
            "redirect_uris",
            "public",
            "app_mailboxes",
            "app_roles",
        )
        client = self._directory.register_client(
            tenant=text(body, "tenant"),
            client_id=text(body, "client_id"),
            client_secret=text(body, "client_secret", ""),
            certificate=text(body, "certificate", ""),
            redirect_uris=texts(body, "redirect_uris"),
            public=body.get("public") is True,
            app_mailboxes=None if body.get("app_mailboxes") is None else texts(body, "app_mailboxes"),
            app_roles=None if body.get("app_roles") is None else texts(body, "app_roles"),
        )
        return answer(_client(client), HTTPStatus.CREATED)

    def allow_application(self) -> Response:
        """Say which mailboxes and roles a client has without a person; what is left out stays."""
        body = body_of_request("tenant", "client_id", "app_mailboxes", "app_roles")
        changes: dict[str, Any] = {}
        if "app_mailboxes" in body:
            names = None if body["app_mailboxes"] is None else texts(body, "app_mailboxes")
            changes["app_mailboxes"] = None if names is None else frozenset(name.casefold() for name in names)
        if "app_roles" in body:
            changes["app_roles"] = texts(body, "app_roles")
        return answer(_client(self._directory.change_client(text(body, "tenant"), text(body, "client_id"), **changes)))

    def add_secret(self) -> Response:
        """Give a client one more secret, made here unless named; the answer tells it."""
        body = body_of_request("tenant", "client_id", "client_secret", "name", "delay", "expires_in")
        secret = self._directory.add_secret(
            text(body, "tenant"),
            text(body, "client_id"),
            text(body, "client_secret", self._new_secret()),
            name=text(body, "name", ""),
            delay=_seconds(body, "delay") or 0.0,
            expires_at=self._expiry(body),
        )
        return answer(_secret(secret) | {"client_secret": secret.value}, HTTPStatus.CREATED)

    def add_certificate(self) -> Response:
        """Give a client one more certificate."""
        body = body_of_request("tenant", "client_id", "certificate", "name", "expires_in")
        certificate = self._directory.add_certificate(
            text(body, "tenant"),
            text(body, "client_id"),
            text(body, "certificate"),
            name=text(body, "name", ""),
            expires_at=self._expiry(body),
        )
        return answer(_certificate(certificate), HTTPStatus.CREATED)

    def expire_credential(self) -> Response:
        """Let a secret or certificate expire now."""
        body = body_of_request("tenant", "client_id", "id")
        done = self._directory.expire_credential(text(body, "tenant"), text(body, "client_id"), text(body, "id"))
        return answer({"expired": int(done)})

    def remove_credential(self) -> Response:
        """Take a secret or certificate away."""
        body = body_of_request("tenant", "client_id", "id")
        done = self._directory.remove_credential(text(body, "tenant"), text(body, "client_id"), text(body, "id"))
        return answer({"removed": int(done)})

    def add_service_account(self) -> Response:
        """Register a service account of Google's, or replace the one with this address."""
        body = body_of_request("email", "client_id", "public_key", "key_id", "domain", "scopes", "disabled")
        account = ServiceAccount(
            email=text(body, "email"),
            client_id=text(body, "client_id"),
            key=read_public_key(text(body, "public_key")),
            key_id=text(body, "key_id", ""),
            domain=text(body, "domain").casefold(),
            scopes=texts(body, "scopes"),
            disabled=body.get("disabled") is True,
        )
        self._directory.register_service_account(account)
        shown = {"email": account.email, "client_id": account.client_id, "domain": account.domain}
        return answer({**shown, "scopes": list(account.scopes), "disabled": account.disabled}, HTTPStatus.CREATED)

    def _expiry(self, body: dict[str, Any]) -> float | None:
        seconds = _seconds(body, "expires_in")
        return None if seconds is None else self._clock() + seconds


def _seconds(body: dict[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is not None and type(value) not in {int, float}:
        raise ValueError(f"{name} must be a number of seconds")
    return value


def _client(client: Client) -> dict[str, Any]:
    return {
        "tenant": client.tenant,
        "client_id": client.client_id,
        "object_id": client.object_id,
        "redirect_uris": list(client.redirect_uris),
        "public": client.public,
        "app_mailboxes": None if client.app_mailboxes is None else sorted(client.app_mailboxes),
        "app_roles": list(client.app_roles),
        "secrets": [_secret(secret) for secret in client.secrets],
        "certificates": [_certificate(certificate) for certificate in client.certificates],
    }


def _secret(secret: ClientSecret) -> dict[str, Any]:
    return {
        "id": secret.id,
        "hint": secret.hint,
        "name": secret.name,
        "effective_at": secret.effective_at,
        "expires_at": secret.expires_at,
    }


def _certificate(certificate: ClientCertificate) -> dict[str, Any]:
    return {
        "id": certificate.id,
        "hint": certificate.sha1.hex().upper(),
        "name": certificate.name,
        "x5t": certificate.x5t,
        "x5t#S256": certificate.x5t_s256,
        "expires_at": certificate.expires_at,
    }
