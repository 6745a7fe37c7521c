"""The control API under `/_sandbox/`."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from sandbox.identity.store import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.control.counters import Counters
    from sandbox.control.faults import FaultBoard
    from sandbox.identity.directory import Directory
    from sandbox.identity.records import Mailbox
    from sandbox.identity.store import TokenStore
    from sandbox.mail_hosts.capture import CapturedMail, MailStore
    from sandbox.mail_hosts.smtp import SmtpHost

PREFIX = "/_sandbox"


class ControlApi:
    """Set the scene, plan faults, and look at what happened."""

    def __init__(
        self,
        *,
        directory: Directory,
        tokens: TokenStore,
        mails: MailStore,
        faults: FaultBoard,
        counters: Counters,
        smtp: SmtpHost,
    ) -> None:
        self._directory = directory
        self._tokens = tokens
        self._mails = mails
        self._faults = faults
        self._counters = counters
        self._smtp = smtp

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("control", __name__, url_prefix=PREFIX)
        table: list[tuple[str, str, Callable[..., Response]]] = [
            ("GET", "/clients", self.clients),
            ("POST", "/clients", self.add_client),
            ("GET", "/mailboxes", self.mailboxes),
            ("POST", "/mailboxes", self.add_mailbox),
            ("GET", "/settings", self.settings),
            ("POST", "/settings", self.change_settings),
            ("GET", "/faults", self.faults),
            ("POST", "/faults", self.plan_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("DELETE", "/faults/<int:fault_id>", self.clear_faults),
            ("GET", "/tokens", self.tokens),
            ("POST", "/tokens/expire", self.expire_tokens),
            ("POST", "/tokens/revoke", self.revoke_tokens),
            ("GET", "/secrets", self.secrets),
            ("GET", "/mail", self.mail),
            ("GET", "/mail/<int:mail_id>", self.one_mail),
            ("GET", "/mail/<int:mail_id>/source", self.mail_source),
            ("DELETE", "/mail", self.clear_mail),
            ("GET", "/counters", self.counters),
            ("POST", "/clear", self.clear),
        ]
        for method, path, view in table:
            name = f"{method}{path}".replace(".", "_")
            routes.add_url_rule(path, endpoint=name, view_func=view, methods=[method])
        routes.register_error_handler(ValueError, _unacceptable)
        return routes

    # --- setting the scene

    def clients(self) -> Response:
        """Return every client, without its secret."""
        return _data([_client(client) for client in self._directory.clients()])

    def add_client(self) -> Response:
        """Register an OAuth client."""
        body = _body("tenant", "client_id", "client_secret", "redirect_uris", "public")
        client = self._directory.register_client(
            tenant=_text(body, "tenant"),
            client_id=_text(body, "client_id"),
            client_secret=_text(body, "client_secret", ""),
            redirect_uris=_texts(body, "redirect_uris"),
            public=body.get("public") is True,
        )
        return _json(_client(client), HTTPStatus.CREATED)

    def mailboxes(self) -> Response:
        """Return every mailbox."""
        return _data([_mailbox(box) for box in self._directory.mailboxes()])

    def add_mailbox(self) -> Response:
        """Add a mailbox, or change its name and aliases."""
        body = _body("tenant", "address", "name", "aliases")
        mailbox = self._directory.add_mailbox(
            tenant=_text(body, "tenant"),
            address=_text(body, "address"),
            name=_text(body, "name", ""),
            aliases=_texts(body, "aliases"),
        )
        return _json(_mailbox(mailbox), HTTPStatus.CREATED)

    def settings(self) -> Response:
        """Return the settings of each tenant and of `smtp`."""
        shown = {name: self._directory.settings(name).as_json() for name in self._smtp.tenants}
        return _json({**shown, "smtp": self._smtp.settings.as_json()})

    def change_settings(self) -> Response:
        """Change some settings of a tenant, or of `smtp`."""
        body = _body()
        tenant = _text(body, "tenant")
        changes = {name: value for name, value in body.items() if name != "tenant"}
        if tenant == "smtp":
            self._smtp.settings = self._smtp.settings.changed(changes)
            return _json(self._smtp.settings.as_json())
        return _json(self._directory.change_settings(tenant, changes).as_json())

    def faults(self) -> Response:
        """Return every planned fault."""
        return _data(self._faults.as_json())

    def plan_fault(self) -> Response:
        """Plan a fault."""
        body = _body("tenant", "endpoint", "fault", "times", "params", "match")
        tenant = body.get("tenant")
        fault = self._faults.plan(
            endpoint=_text(body, "endpoint"),
            kind=_text(body, "fault"),
            tenant=None if tenant is None else self._directory.tenant(_text(body, "tenant")).name,
            times=body.get("times", 1),
            params=_object(body, "params"),
            match=_object(body, "match"),
        )
        return _json(fault.as_json(), HTTPStatus.CREATED)

    def clear_faults(self, fault_id: int | None = None) -> Response:
        """Delete one fault, or all."""
        return _json({"deleted": self._faults.clear(fault_id)})

    def clear(self) -> Response:
        """Put everything back to how it was at the start."""
        self._directory.clear()
        self._tokens.clear()
        self._mails.clear()
        self._faults.clear()
        self._counters.clear()
        self._smtp.reset()
        return _json({"cleared": True})

    # --- tokens

    def tokens(self) -> Response:
        """Return each grant's state, newest first, without token values."""
        return _data(self._tokens.state())

    def expire_tokens(self) -> Response:
        """Let tokens expire now."""
        body = _body("tenant", "mailbox", "client_id", "kinds")
        kinds = frozenset(_texts(body, "kinds") or ("access_token",))
        if not kinds <= {"access_token", "refresh_token"}:
            raise ValueError("kinds are access_token and refresh_token")
        return _json({"expired": self._tokens.expire(_selection(body), kinds)})

    def revoke_tokens(self) -> Response:
        """Revoke grants as the mailbox's owner would at the provider."""
        body = _body("tenant", "mailbox", "client_id")
        return _json({"revoked": self._tokens.revoke(_selection(body), "revoked by the mailbox's owner")})

    def secrets(self) -> Response:
        """Return every code, token and client secret, so that a test can look for them where they must not be."""
        issued = [{"kind": kind, "value": value} for kind, value in self._tokens.secrets()]
        configured = [
            {"kind": "client_secret", "value": client.client_secret}
            for client in self._directory.clients()
            if client.client_secret
        ]
        return _data(issued + configured)

    # --- what happened

    def mail(self) -> Response:
        """Return captured mail, newest first, with how many were accepted in all."""
        wanted = {name: request.args[name].casefold() for name in ("mailbox", "tenant", "via") if name in request.args}
        message_id = request.args.get("message_id")
        rcpt_to = request.args.get("rcpt_to", "").casefold()
        chosen = [
            mail.as_json()
            for mail in self._mails.newest()
            if mail.id > int(request.args.get("after", 0))
            and message_id in {None, mail.headers.get("message-id")}
            and (not rcpt_to or rcpt_to in {address.casefold() for address in mail.submission.rcpt_to})
        ]
        found = [mail for mail in chosen if all(str(mail[name]).casefold() == value for name, value in wanted.items())]
        return _json({"data": found[: max(0, int(request.args.get("limit", 100)))], **self._mails.counts()})

    def one_mail(self, mail_id: int) -> Response:
        """Return one mail without its source."""
        mail = self._mails.get(mail_id)
        return _missing() if mail is None else _json(mail.as_json())

    def mail_source(self, mail_id: int) -> Response:
        """Return one mail byte for byte."""
        mail = self._mails.get(mail_id)
        return _missing() if mail is None else _source(mail)

    def clear_mail(self) -> Response:
        """Forget captured mail."""
        deleted = self._mails.counts()["kept"]
        self._mails.clear()
        return _json({"deleted": deleted})

    def counters(self) -> Response:
        """Return how often each endpoint was asked, and how it went."""
        return _data(self._counters.as_json())


def _source(mail: CapturedMail) -> Response:
    response = Response(mail.submission.source, mimetype="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="mail-{mail.id}.eml"'
    return response


def _body(*known: str) -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object, sent as application/json")  # noqa: TRY004 - a 400 all the same
    if known and (unknown := sorted(set(body) - set(known))):
        raise ValueError(f"unknown field: {', '.join(unknown)}; known: {', '.join(known)}")
    return body


def _text(body: dict[str, Any], name: str, default: str | None = None) -> str:
    value = body.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string")  # noqa: TRY004 - a 400 all the same
    return value


def _texts(body: dict[str, Any], name: str) -> tuple[str, ...]:
    value = body.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{name} must be a list of strings")
    return tuple(value)


def _object(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object")  # noqa: TRY004 - a 400 all the same
    return value


def _selection(body: dict[str, Any]) -> Selection:
    if not any(body.get(name) for name in ("tenant", "mailbox", "client_id")):
        raise ValueError("name a mailbox, a tenant or a client_id")
    return Selection(tenant=body.get("tenant"), mailbox=body.get("mailbox"), client_id=body.get("client_id"))


def _client(client: Any) -> dict[str, Any]:
    return {
        "tenant": client.tenant,
        "client_id": client.client_id,
        "redirect_uris": list(client.redirect_uris),
        "public": client.public,
    }


def _mailbox(mailbox: Mailbox) -> dict[str, Any]:
    return {
        "tenant": mailbox.tenant,
        "address": mailbox.address,
        "name": mailbox.name,
        "aliases": list(mailbox.aliases),
        "sub": mailbox.subject,
    }


def _json(body: dict[str, Any], status: int = HTTPStatus.OK) -> Response:
    return Response(json.dumps(body), status, mimetype="application/json")


def _data(rows: list[dict[str, Any]]) -> Response:
    return _json({"data": rows})


def _missing() -> Response:
    return _json({"error": "no such mail (any more)"}, HTTPStatus.NOT_FOUND)


def _unacceptable(error: ValueError) -> Response:
    return _json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
