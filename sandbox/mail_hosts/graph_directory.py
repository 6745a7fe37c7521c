"""Microsoft Graph's directory: people, and the credentials of applications."""

from __future__ import annotations

import datetime as dt
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from sandbox.mail_hosts.graph_access import BASE, TENANT, permissions
from sandbox.mail_hosts.wording import MailRefusedError, graph_refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.identity.credentials import ClientCertificate, ClientSecret
    from sandbox.identity.records import Client, Token
    from sandbox.mail_hosts.graph_access import GraphAccess

OWNED_BY = "Application.ReadWrite.OwnedBy"
READ_ALL = "Application.Read.All"


class GraphDirectory:
    """`me`, `users` and `applications`, as far as an application that sends mail needs them."""

    def __init__(self, *, access: GraphAccess, new_secret: Callable[[], str]) -> None:
        self._access = access
        self._directory = access.directory
        self._new_secret = new_secret

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("graph_directory", __name__)
        routes.add_url_rule(f"{BASE}/me", view_func=self.person)
        routes.add_url_rule(f"{BASE}/users/<user>", view_func=self.person)
        for key in ("(appId='<app_id>')", "/<object_id>"):
            path = f"{BASE}/applications{key}"
            routes.add_url_rule(path, view_func=self.application)
            routes.add_url_rule(f"{path}/addPassword", view_func=self.add_password, methods=["POST"])
            routes.add_url_rule(f"{path}/removePassword", view_func=self.remove_password, methods=["POST"])
        return routes

    # --- people

    def person(self, user: str | None = None) -> Response:
        """Return the signed-in person, or another one."""
        return self._access.play(lambda token: self._describe(user, token))

    def _describe(self, user: str | None, token: Token) -> Response:
        mailbox = self._access.mailbox_at(user, token)
        needed = {"User.Read.All"} if token.grant.mailbox is None else {"User.Read", "openid"}
        if not permissions(token) & needed or (mailbox and not self._access.is_the_owner(token, mailbox)):
            raise _denied()
        if mailbox is None:
            raise _not_found(user or "me")
        person = {
            "id": mailbox.subject,
            "displayName": mailbox.name,
            "mail": mailbox.address,
            "userPrincipalName": mailbox.address,
        }
        return _json(person)

    # --- applications

    def application(self, app_id: str | None = None, object_id: str | None = None) -> Response:
        """Return an application with its credentials, without their values."""

        def answer(token: Token) -> Response:
            client = self._client(token, app_id, object_id, also=READ_ALL)
            body = {
                "id": client.object_id,
                "appId": client.client_id,
                "displayName": client.client_id,
                "passwordCredentials": [_password(secret) for secret in client.secrets],
                "keyCredentials": [_key(certificate) for certificate in client.certificates],
            }
            return _json(body)

        return self._access.play(answer, endpoint="applications", operation="get")

    def add_password(self, app_id: str | None = None, object_id: str | None = None) -> Response:
        """Make a secret; this answer is the only one that tells it."""

        def answer(token: Token) -> Response:
            client = self._client(token, app_id, object_id)
            wanted = _body().get("passwordCredential") or {}
            ends = _time(wanted.get("endDateTime"))
            if ends is not None and ends <= client.now:
                raise _bad("Property passwordCredentials.endDateTime is invalid.")
            secret = self._directory.add_secret(
                TENANT,
                client.client_id,
                self._new_secret(),
                name=str(wanted.get("displayName") or ""),
                delay=self._directory.settings(TENANT).secret_delay,
                expires_at=ends,
            )
            return _json(_password(secret) | {"secretText": secret.value})

        return self._access.play(answer, endpoint="applications", operation="addPassword")

    def remove_password(self, app_id: str | None = None, object_id: str | None = None) -> Response:
        """Take a secret away."""

        def answer(token: Token) -> Response:
            client = self._client(token, app_id, object_id)
            key_id = str(_body().get("keyId") or "")
            if key_id not in {secret.id for secret in client.secrets}:
                raise _bad(f"No password credential found with keyId '{key_id}'.")
            self._directory.remove_credential(TENANT, client.client_id, key_id)
            return Response(status=HTTPStatus.NO_CONTENT)

        return self._access.play(answer, endpoint="applications", operation="removePassword")

    def _client(self, token: Token, app_id: str | None, object_id: str | None, *, also: str = OWNED_BY) -> Client:
        """Return the application if the token may see it (`also`: the role for those of others)."""
        found = next(
            (
                client.client_id
                for client in self._directory.clients()
                if client.tenant == TENANT and (client.client_id == app_id or client.object_id == object_id)
            ),
            None,
        )
        # An application owns itself here, and nothing else.
        owned = found == token.grant.client_id and OWNED_BY in permissions(token)
        if token.grant.mailbox is not None or not (owned or (also != OWNED_BY and also in permissions(token))):
            raise _denied()
        client = self._directory.client(TENANT, found or "")
        if client is None:
            raise _not_found(app_id or object_id or "")
        return client


def _password(secret: ClientSecret) -> dict[str, Any]:
    return {
        "customKeyIdentifier": None,
        "displayName": secret.name or None,
        "endDateTime": _stamp(secret.expires_at),
        "hint": secret.hint,
        "keyId": secret.id,
        "secretText": None,
        "startDateTime": _stamp(secret.issued_at),
    }


def _key(certificate: ClientCertificate) -> dict[str, Any]:
    return {
        "customKeyIdentifier": certificate.sha1.hex().upper(),
        "displayName": certificate.name,
        "endDateTime": _stamp(certificate.expires_at),
        "key": None,
        "keyId": certificate.id,
        "startDateTime": _stamp(certificate.issued_at),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
    }


def _stamp(epoch: float) -> str:
    return dt.datetime.fromtimestamp(epoch, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(value: object) -> float | None:
    if value is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(str(value))
    except ValueError as error:
        raise _bad("Property passwordCredentials.endDateTime is invalid.") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True) if request.get_data() else {}
    if not isinstance(body, dict) or not isinstance(body.get("passwordCredential") or {}, dict):
        raise graph_refusal(400, "BadRequest", "Unable to read JSON request payload.")
    return body


def _json(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), mimetype="application/json")


def _bad(message: str) -> MailRefusedError:
    return graph_refusal(400, "Request_BadRequest", message)


def _denied() -> MailRefusedError:
    return graph_refusal(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def _not_found(name: str) -> MailRefusedError:
    message = f"Resource '{name}' does not exist or one of its queried reference-property objects are not present."
    return graph_refusal(404, "Request_ResourceNotFound", message)
