"""Accounts and providers over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mailbearer.api.connect import begin, drain
from mailbearer.errors import Conflict, Forbidden, TokenError, Unavailable
from mailbearer.health import health_resource
from mailbearer.http import Request, Response, Route
from mailbearer.ids import rfc3339
from mailbearer.observability import count, logger
from mailbearer.resources import account_resource, registration_resource

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.connecting.granting import Connected
    from mailbearer.ledger import Ledger
    from mailbearer.wiring import Wiring


@dataclass(frozen=True, slots=True)
class Accounts:
    """The routes below `/v1/accounts`, and `/v1/providers`."""

    wiring: Wiring

    def routes(self) -> tuple[Route, ...]:
        """Give the routes."""
        return (
            Route("POST", "/v1/accounts", "accounts:write", self.add),
            Route("GET", "/v1/accounts", "accounts:read", self.list_accounts),
            Route("GET", "/v1/accounts/{id}", "accounts:read", self.show),
            Route("PATCH", "/v1/accounts/{id}", "accounts:write", self.change),
            Route("DELETE", "/v1/accounts/{id}", "accounts:write", self.delete),
            Route("POST", "/v1/accounts/{id}/consent", "accounts:write", self.consent),
            Route("POST", "/v1/accounts/{id}/import", "accounts:write", self.import_token),
            Route("POST", "/v1/accounts/{id}/rotate", "accounts:write", self.rotate),
            Route("POST", "/v1/accounts/{id}/validate", "accounts:write", self.validate),
            Route("POST", "/v1/accounts/{id}/revoke", "accounts:write", self.revoke),
            Route("POST", "/v1/accounts/{id}/pause", "accounts:write", self.pause),
            Route("POST", "/v1/accounts/{id}/resume", "accounts:write", self.resume),
            Route("GET", "/v1/accounts/{id}/health", "accounts:read", self.health),
            Route("GET", "/v1/providers", "accounts:read", self.list_providers),
        )

    def add(self, request: Request) -> Response:
        """Add a mailbox: connected at once if nobody has to consent, else with the link for its owner."""
        caller = request.known_caller
        if caller.accounts:
            # It could not use what it adds, and would learn by a conflict which mailboxes others have.
            raise Forbidden("This key is bound to accounts; adding one needs a key that is not.")
        draft = self.wiring.directory.draft(request.json())
        headers = {"location": f"/v1/accounts/{draft.account.id}"}
        if draft.registration.flow.unattended:
            way = self.wiring.unattended if draft.registration.flow.has_token else self.wiring.tokenless
            connected = way.connect(
                draft.account,
                draft.registration,
                actor=caller.key_id,
                admit=lambda: self.wiring.directory.add(draft, caller),
            )
            drain(self.wiring, connected.account)
            return Response(200 if draft.standing else 201, _connected(connected), headers)
        # Both intents, then the link, then the mailbox: where one cannot be had nothing is added, and the same request
        # again is safe. A link that is left over nobody has seen; it leads to no mailbox, and ends in ten minutes.
        directory = self.wiring.directory
        announce = partial(directory.announce, draft, caller)
        link = begin(self.wiring, draft.account, draft.registration, caller.key_id, announce=announce)
        account = directory.create(draft, caller)
        return Response(201, account_resource(account) | {"consent_url": link}, headers)

    def list_accounts(self, request: Request) -> Response:
        """List the caller's accounts."""
        found, cursor = self.wiring.directory.listing(
            request.known_caller, limit=request.limit(), cursor=request.query.get("cursor", "")
        )
        return Response(200, {"data": [account_resource(account) for account in found], "next_cursor": cursor or None})

    def show(self, request: Request) -> Response:
        """Show one account."""
        return Response(200, account_resource(self._account(request)))

    def change(self, request: Request) -> Response:
        """Change name, aliases, limits, or whom notices go to and through."""
        return Response(
            200,
            account_resource(
                self.wiring.directory.change(self._account(request), request.json(), request.known_caller)
            ),
        )

    def delete(self, request: Request) -> Response:
        """Revoke, delete the secret, and forget the mailbox."""
        account, caller = self._account(request), request.known_caller
        if account.state != "revoked" or account.revocation_pending:
            account = self.wiring.revocation.revoke(account, actor=caller.key_id, reason="deleted").account
        self.wiring.directory.remove(account, caller)
        drain(self.wiring, account)
        return Response(204)

    def consent(self, request: Request) -> Response:
        """Give a new consent link; the account keeps its id."""
        account = self._account(request)
        link = begin(self.wiring, account, self.wiring.tickets.registration_of(account), request.known_caller.key_id)
        return Response(200, account_resource(account) | {"consent_url": link})

    def import_token(self, request: Request) -> Response:
        """Connect the mailbox by a refresh token that its operator has; the account keeps its id."""
        account, body = self._account(request), request.json()
        connected = self.wiring.importing.take(account, body, actor=request.known_caller.key_id)
        drain(self.wiring, connected.account)
        return Response(200, _connected(connected))

    def rotate(self, request: Request) -> Response:
        """Refresh the mailbox's token now."""
        account = self._account(request)
        self.wiring.embargo.check(account)
        try:
            stored = self.wiring.lifecycle.rotate(account)
        except TokenError as error:
            raise Conflict(f"{error.title}: {error.detail}") from error
        # While the provider cannot answer, the old token goes on serving; the health below says when it is asked again.
        count(refreshed=int(stored.tokens.expires_at > account.token.expires_at))
        return self.health(request)

    def validate(self, request: Request) -> Response:
        """Prove that the token opens the mailbox, sending nothing; gives the health afterwards."""
        account = self._account(request)
        try:
            found = self.wiring.prober.probe(account, asked=True)
        except TokenError as error:
            raise Conflict(f"{error.title}: {error.detail}") from error
        return Response(200, self._health(found.account) | {"valid": found.valid})

    def revoke(self, request: Request) -> Response:
        """Refuse every send from now on, tell the provider, retire the secret."""
        done = self.wiring.revocation.revoke(
            self._account(request), actor=request.known_caller.key_id, reason="requested"
        )
        # What was held for a mailbox that was cut off waits for nothing.
        drain(self.wiring, done.account)
        answer = account_resource(done.account) | {
            "provider_told": done.provider_told,
            "secret_retired": done.secret_retired,
            "token_may_live_until": rfc3339(done.token_may_live_until),
            "manual_step": done.manual_step or None,
        }
        return Response(200, answer)

    def pause(self, request: Request) -> Response:
        """Let the mailbox's mail wait."""
        return Response(
            200, account_resource(self.wiring.directory.pause(self._account(request), request.known_caller))
        )

    def resume(self, request: Request) -> Response:
        """Let a paused mailbox send again, what waited first."""
        account = self.wiring.directory.resume(self._account(request), request.known_caller)
        self.wiring.resubmission.drain(account)
        return Response(200, account_resource(account))

    def health(self, request: Request) -> Response:
        """Show how the grant stands, from what is recorded."""
        return Response(200, self._health(self._account(request)))

    def list_providers(self, request: Request) -> Response:
        """List the registrations, without secrets."""
        del request
        found = self.wiring.registrations.listing()
        return Response(200, {"data": [registration_resource(one) for one in found], "next_cursor": None})

    def _account(self, request: Request) -> Account:
        return self.wiring.directory.find(request.params["id"], request.known_caller)

    def _health(self, account: Account) -> dict[str, Any]:
        registration = self.wiring.registrations.get(account.provider)
        return health_resource(
            account,
            self.wiring.clock(),
            f"/v1/accounts/{account.id}/consent",
            registration=registration,
            drift=self.wiring.lifecycle.scope_drift(account, registration),
            limits=self.wiring.limits_of(account, registration) if registration is not None else None,
            ledger=self._ledger(account),
        )

    def _ledger(self, account: Account) -> Ledger | None:
        """Give what the mailbox has used; a mailbox's health is shown without it as well."""
        try:
            return self.wiring.ledgers.get(account.id)
        except Unavailable as error:
            logger().warning("ledger not read", extra={"account": account.id, "reason": error.detail})
            return None


def _connected(connected: Connected) -> dict[str, Any]:
    """Show a mailbox that was connected just now, with the scopes that were granted against those that are wanted."""
    account = connected.account
    scopes = {
        "wanted": sorted(account.scopes_wanted),
        "granted": sorted(account.scopes_granted),
        "missing": list(connected.missing),
        "excessive": list(connected.excessive),
    }
    return account_resource(account) | {"scopes": scopes}
