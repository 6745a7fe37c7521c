"""Who may ask Microsoft Graph what: the bearer token, its owner, and the mailbox that is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Response, request

from sandbox.identity.tenants import GRAPH
from sandbox.mail_hosts.wording import MailRefusedError, graph_refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.control.playing import FaultPlayer
    from sandbox.identity.directory import Directory
    from sandbox.identity.records import Mailbox, Token
    from sandbox.identity.store import TokenStore

TENANT = "microsoft"
BASE = f"/{TENANT}/v1.0"


class GraphAccess:
    """What every part of Graph does first."""

    def __init__(
        self, *, directory: Directory, tokens: TokenStore, player: FaultPlayer, random_id: Callable[[], str]
    ) -> None:
        self.directory = directory
        self._tokens = tokens
        self._player = player
        self._random_id = random_id

    def play(
        self, work: Callable[[Token], Response], *, endpoint: str = "graph", operation: str | None = None
    ) -> Response:
        """Answer with `work` for the request's token, or refuse, or misbehave as planned."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        token = self._tokens.find(value.strip(), tenant=TENANT, kind="access_token")

        def answer() -> Response:
            try:
                if scheme.lower() != "bearer" or not value.strip():
                    raise graph_refusal(401, "InvalidAuthenticationToken", "Access token is empty.")
                if token is None or token.is_revoked():
                    raise graph_refusal(401, "InvalidAuthenticationToken", "Access token validation failure.")
                if token.is_expired():
                    message = "Lifetime validation failed, the token is expired."
                    raise graph_refusal(401, "InvalidAuthenticationToken", message)
                response = work(token)
            except MailRefusedError as refusal:
                response = refusal.response()
            response.headers["request-id"] = self._random_id()
            return response

        facts = {
            "mailbox": token.grant.mailbox if token else None,
            "client_id": token.grant.client_id if token else None,
            "operation": operation,
        }
        return self._player.play(answer, endpoint=endpoint, tenant=TENANT, facts=facts)

    def play_open(self, work: Callable[[], Response], *, operation: str) -> Response:
        """Answer with `work` for whoever asks, or refuse, or misbehave as planned."""

        def answer() -> Response:
            try:
                response = work()
            except MailRefusedError as refusal:
                response = refusal.response()
            response.headers["request-id"] = self._random_id()
            return response

        return self._player.play(answer, endpoint="graph", tenant=TENANT, facts={"operation": operation})

    def mailbox_at(self, user: str | None, token: Token) -> Mailbox | None:
        """Return the mailbox at this address or with this id; None for `user` is the signed-in person's."""
        if token.grant.mailbox is None and user is None:
            raise graph_refusal(400, "BadRequest", "/me request is only valid with delegated authentication flow.")
        address = token.grant.mailbox if user is None else user
        mailbox = self.directory.mailbox(TENANT, address)
        if mailbox is None:
            mailbox = next((box for box in self.directory.mailboxes(TENANT) if box.subject == address), None)
        return mailbox

    def sending_mailbox(self, user: str | None, token: Token) -> Mailbox:
        """Return the mailbox that is to send, or refuse."""
        return self.own_mailbox(user, token, frozenset({"Mail.Send"}))

    def own_mailbox(self, user: str | None, token: Token, needed: frozenset[str]) -> Mailbox:
        """Return the mailbox that is meant, or refuse; one of the permissions has to be there."""
        if not permissions(token) & needed:
            raise graph_refusal(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        mailbox = self.mailbox_at(user, token)
        if mailbox is None:
            raise graph_refusal(404, "ErrorInvalidUser", f"The requested user '{user}' is invalid.")
        if not self.is_the_owner(token, mailbox):
            raise graph_refusal(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
        client_id = token.grant.client_id
        if not (token.grant.mailbox or self.directory.application_may_use(TENANT, client_id, mailbox.address)):
            message = (
                "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings."
            )
            raise graph_refusal(403, "ErrorAccessDenied", message)
        return mailbox

    def is_the_owner(self, token: Token, mailbox: Mailbox) -> bool:
        """Tell whether a person's token means this mailbox; an application's means all of them."""
        return token.grant.mailbox is None or token.grant.mailbox.casefold() == mailbox.address.casefold()


def permissions(token: Token) -> frozenset[str]:
    """Return what the token is good for at Graph: a person's scopes, or an application's roles."""
    return frozenset(name.removeprefix(GRAPH) for name in token.scopes)
