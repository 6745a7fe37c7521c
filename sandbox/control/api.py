"""The control API under `/_sandbox/`."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, request

from sandbox.control.bodies import PREFIX, answer, body_of_request, mapping, rows, text, texts, unacceptable
from sandbox.identity.store import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.control.counters import Counters
    from sandbox.control.faults import FaultBoard
    from sandbox.identity.devices import Devices
    from sandbox.identity.directory import Directory
    from sandbox.identity.records import Mailbox
    from sandbox.identity.store import TokenStore
    from sandbox.mail_hosts.capture import CapturedMail, MailStore
    from sandbox.mail_hosts.smtp import SmtpHost


class ControlApi:
    """Set the scene, plan faults, and look at what happened."""

    def __init__(
        self,
        *,
        directory: Directory,
        tokens: TokenStore,
        devices: Devices,
        mails: MailStore,
        faults: FaultBoard,
        counters: Counters,
        smtp: SmtpHost,
    ) -> None:
        self._directory = directory
        self._tokens = tokens
        self._devices = devices
        self._mails = mails
        self._faults = faults
        self._counters = counters
        self._smtp = smtp

    def blueprint(self) -> Blueprint:
        """Return the routes."""
        routes = Blueprint("control", __name__, url_prefix=PREFIX)
        table: list[tuple[str, str, Callable[..., Response]]] = [
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
        routes.register_error_handler(ValueError, unacceptable)
        return routes

    # --- setting the scene

    def mailboxes(self) -> Response:
        """Return every mailbox."""
        return rows([_mailbox(box) for box in self._directory.mailboxes()])

    def add_mailbox(self) -> Response:
        """Add a mailbox, or change its name and aliases."""
        body = body_of_request("tenant", "address", "name", "aliases")
        mailbox = self._directory.add_mailbox(
            tenant=text(body, "tenant"),
            address=text(body, "address"),
            name=text(body, "name", ""),
            aliases=texts(body, "aliases"),
        )
        return answer(_mailbox(mailbox), HTTPStatus.CREATED)

    def settings(self) -> Response:
        """Return the settings of each tenant and of `smtp`."""
        shown = {name: self._directory.settings(name).as_json() for name in self._smtp.tenants}
        return answer({**shown, "smtp": self._smtp.settings.as_json()})

    def change_settings(self) -> Response:
        """Change some settings of a tenant, or of `smtp`."""
        body = body_of_request()
        tenant = text(body, "tenant")
        changes = {name: value for name, value in body.items() if name != "tenant"}
        if tenant == "smtp":
            self._smtp.settings = self._smtp.settings.changed(changes)
            return answer(self._smtp.settings.as_json())
        return answer(self._directory.change_settings(tenant, changes).as_json())

    def faults(self) -> Response:
        """Return every planned fault."""
        return rows(self._faults.as_json())

    def plan_fault(self) -> Response:
        """Plan a fault."""
        body = body_of_request("tenant", "endpoint", "fault", "times", "params", "match")
        tenant = body.get("tenant")
        fault = self._faults.plan(
            endpoint=text(body, "endpoint"),
            kind=text(body, "fault"),
            tenant=None if tenant is None else self._directory.tenant(text(body, "tenant")).name,
            times=body.get("times", 1),
            params=mapping(body, "params"),
            match=mapping(body, "match"),
        )
        return answer(fault.as_json(), HTTPStatus.CREATED)

    def clear_faults(self, fault_id: int | None = None) -> Response:
        """Delete one fault, or all."""
        return answer({"deleted": self._faults.clear(fault_id)})

    def clear(self) -> Response:
        """Put everything back to how it was at the start."""
        self._directory.clear()
        self._tokens.clear()
        self._devices.clear()
        self._mails.clear()
        self._faults.clear()
        self._counters.clear()
        self._smtp.reset()
        return answer({"cleared": True})

    # --- tokens

    def tokens(self) -> Response:
        """Return each grant's state, newest first, without token values."""
        return rows(self._tokens.state())

    def expire_tokens(self) -> Response:
        """Let tokens expire now."""
        body = body_of_request("tenant", "mailbox", "client_id", "kinds")
        kinds = frozenset(texts(body, "kinds") or ("access_token",))
        if not kinds <= {"access_token", "refresh_token"}:
            raise ValueError("kinds are access_token and refresh_token")
        return answer({"expired": self._tokens.expire(_selection(body), kinds)})

    def revoke_tokens(self) -> Response:
        """Revoke grants as the mailbox's owner would at the provider."""
        body = body_of_request("tenant", "mailbox", "client_id")
        return answer({"revoked": self._tokens.revoke(_selection(body), "revoked by the mailbox's owner")})

    def secrets(self) -> Response:
        """Return every code, token, client secret, state and verifier, for tests that look for leaks."""
        issued = [*self._tokens.secrets(), *self._devices.secrets()]
        configured = [
            ("client_secret", secret.value) for client in self._directory.clients() for secret in client.secrets
        ]
        return rows([{"kind": kind, "value": value} for kind, value in issued + configured if value])

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
        return answer({"data": found[: max(0, int(request.args.get("limit", 100)))], **self._mails.counts()})

    def one_mail(self, mail_id: int) -> Response:
        """Return one mail without its source."""
        mail = self._mails.get(mail_id)
        return _missing() if mail is None else answer(mail.as_json())

    def mail_source(self, mail_id: int) -> Response:
        """Return one mail byte for byte."""
        mail = self._mails.get(mail_id)
        return _missing() if mail is None else _source(mail)

    def clear_mail(self) -> Response:
        """Forget captured mail."""
        deleted = self._mails.counts()["kept"]
        self._mails.clear()
        return answer({"deleted": deleted})

    def counters(self) -> Response:
        """Return how often each endpoint was asked, and how it went."""
        return rows(self._counters.as_json())


def _source(mail: CapturedMail) -> Response:
    response = Response(mail.submission.source, mimetype="application/octet-stream")
    response.headers["Content-Disposition"] = f'attachment; filename="mail-{mail.id}.eml"'
    return response


def _selection(body: dict[str, Any]) -> Selection:
    if not any(body.get(name) for name in ("tenant", "mailbox", "client_id")):
        raise ValueError("name a mailbox, a tenant or a client_id")
    return Selection(tenant=body.get("tenant"), mailbox=body.get("mailbox"), client_id=body.get("client_id"))


def _mailbox(mailbox: Mailbox) -> dict[str, Any]:
    return {
        "tenant": mailbox.tenant,
        "address": mailbox.address,
        "name": mailbox.name,
        "aliases": list(mailbox.aliases),
        "sub": mailbox.subject,
    }


def _missing() -> Response:
    return answer({"error": "no such mail (any more)"}, HTTPStatus.NOT_FOUND)
