"""Accounts, providers, the consent pages and the OAuth callback. This function alone may create a token's secret."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from mailbearer import pages
from mailbearer.config import read_settings
from mailbearer.errors import Conflict, ConsentRefused, TokenError, Unavailable
from mailbearer.health import health_resource
from mailbearer.http import Request, Response, Route, respond
from mailbearer.ids import rfc3339
from mailbearer.observability import count, logger
from mailbearer.registration import Flow
from mailbearer.resources import account_resource, registration_resource
from mailbearer.wiring import Wiring

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.connecting.granting import Connected
    from mailbearer.ledger import Ledger
    from mailbearer.registration import Registration

_NEEDS = (
    "api_url",
    "accounts_table",
    "consents_table",
    "registrations_table",
    "ledgers_table",
    "queue_url",
    "content_bucket",
    "secrets_prefix",
    "audit_log_group",
    "event_bus",
)


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, *_NEEDS))


def add(request: Request) -> Response:
    """Add a mailbox: connected at once if nobody has to consent, else with the link for its owner."""
    caller = request.known_caller
    draft = wiring().directory.draft(request.json())
    headers = {"location": f"/v1/accounts/{draft.account.id}"}
    if draft.registration.flow.unattended:
        way = wiring().unattended if draft.registration.flow.has_token else wiring().tokenless
        connected = way.connect(
            draft.account,
            draft.registration,
            actor=caller.key_id,
            admit=lambda: wiring().directory.add(draft, caller),
        )
        _drain(connected.account)
        return Response(200 if draft.standing else 201, _connected(connected), headers)
    # The link first: where it cannot be had nothing is added, and the same request again is safe.
    link = _begin(draft.account, draft.registration, caller.key_id)
    account = wiring().directory.add(draft, caller)
    return Response(201, account_resource(account) | {"consent_url": link}, headers)


def list_accounts(request: Request) -> Response:
    """List the caller's accounts."""
    found, cursor = wiring().directory.listing(
        request.known_caller, limit=request.limit(), cursor=request.query.get("cursor", "")
    )
    return Response(200, {"data": [account_resource(account) for account in found], "next_cursor": cursor or None})


def show(request: Request) -> Response:
    """Show one account."""
    return Response(200, account_resource(_account(request)))


def change(request: Request) -> Response:
    """Change name, aliases or limits."""
    return Response(
        200, account_resource(wiring().directory.change(_account(request), request.json(), request.known_caller))
    )


def delete(request: Request) -> Response:
    """Revoke, delete the secret, and forget the mailbox."""
    account, caller = _account(request), request.known_caller
    if account.state != "revoked" or account.revocation_pending:
        account = wiring().revocation.revoke(account, actor=caller.key_id, reason="deleted").account
    wiring().directory.remove(account, caller)
    return Response(204)


def consent(request: Request) -> Response:
    """Give a new consent link; the account keeps its id."""
    account = _account(request)
    link = _begin(account, wiring().tickets.registration_of(account), request.known_caller.key_id)
    return Response(200, account_resource(account) | {"consent_url": link})


def import_token(request: Request) -> Response:
    """Connect the mailbox by a refresh token that its operator has; the account keeps its id."""
    account, body = _account(request), request.json()
    connected = wiring().importing.take(account, body, actor=request.known_caller.key_id)
    _drain(connected.account)
    return Response(200, _connected(connected))


def rotate(request: Request) -> Response:
    """Refresh the mailbox's token now."""
    account = _account(request)
    try:
        stored = wiring().lifecycle.rotate(account)
    except TokenError as error:
        raise Conflict(f"{error.title}: {error.detail}") from error
    # While the provider cannot answer, the old token goes on serving; the health below says when it is asked again.
    count(refreshed=int(stored.tokens.expires_at > account.token.expires_at))
    return health(request)


def validate(request: Request) -> Response:
    """Prove that the token opens the mailbox, sending nothing; gives the health afterwards."""
    account = _account(request)
    try:
        found = wiring().prober.probe(account, asked=True)
    except TokenError as error:
        raise Conflict(f"{error.title}: {error.detail}") from error
    return Response(200, _health(found.account) | {"valid": found.valid})


def revoke(request: Request) -> Response:
    """Refuse every send from now on, tell the provider, retire the secret."""
    done = wiring().revocation.revoke(_account(request), actor=request.known_caller.key_id, reason="requested")
    answer = account_resource(done.account) | {
        "provider_told": done.provider_told,
        "secret_retired": done.secret_retired,
        "token_may_live_until": rfc3339(done.token_may_live_until),
        "manual_step": done.manual_step or None,
    }
    return Response(200, answer)


def pause(request: Request) -> Response:
    """Let the mailbox's mail wait."""
    return Response(200, account_resource(wiring().directory.pause(_account(request), request.known_caller)))


def resume(request: Request) -> Response:
    """Let a paused mailbox send again, what waited first."""
    account = wiring().directory.resume(_account(request), request.known_caller)
    wiring().resubmission.drain(account)
    return Response(200, account_resource(account))


def health(request: Request) -> Response:
    """Show how the grant stands, from what is recorded."""
    return Response(200, _health(_account(request)))


def list_providers(request: Request) -> Response:
    """List the registrations, without secrets."""
    del request
    found = wiring().registrations.listing()
    return Response(200, {"data": [registration_resource(one) for one in found], "next_cursor": None})


def connect(request: Request) -> Response:
    """Show the owner of a mailbox what is asked, or the code to type, until the mailbox is connected.

    The link of an invitation leads to a consent that begins with its opening.
    """

    def show() -> str | Response:
        from mailbearer.connecting.device import DevicePage  # noqa: PLC0415 - most requests are not of a device's page

        ticket = request.params["ticket"]
        try:
            found = wiring().tickets.find(ticket)
        except ConsentRefused:
            account = wiring().invitations.opened(ticket)
            link = _begin(account, wiring().tickets.registration_of(account), actor="owner")
            return Response(303, "", pages.page_headers() | {"location": link})
        if found.device is None:
            page = wiring().consent.page(ticket, found)
            return pages.consent_page(page.account, page.registration, page.authorization_url)
        seen = wiring().device.look(found, ticket)
        if isinstance(seen, DevicePage):
            return pages.device_page(seen.account, seen.registration, seen.device, again_in=seen.again_in)
        return _connected_page(seen)

    return _page(show, "We could not look just now. Open this link again in a minute.")


def callback(request: Request) -> Response:
    """Take the provider's answer; mail that was held for the mailbox goes out."""
    return _page(
        lambda: _connected_page(wiring().consent.finish(request.query)),
        "We could not finish this just now. Ask for a new link in a few minutes.",
    )


ROUTES = (
    Route("POST", "/v1/accounts", "accounts:write", add),
    Route("GET", "/v1/accounts", "accounts:read", list_accounts),
    Route("GET", "/v1/accounts/{id}", "accounts:read", show),
    Route("PATCH", "/v1/accounts/{id}", "accounts:write", change),
    Route("DELETE", "/v1/accounts/{id}", "accounts:write", delete),
    Route("POST", "/v1/accounts/{id}/consent", "accounts:write", consent),
    Route("POST", "/v1/accounts/{id}/import", "accounts:write", import_token),
    Route("POST", "/v1/accounts/{id}/rotate", "accounts:write", rotate),
    Route("POST", "/v1/accounts/{id}/validate", "accounts:write", validate),
    Route("POST", "/v1/accounts/{id}/revoke", "accounts:write", revoke),
    Route("POST", "/v1/accounts/{id}/pause", "accounts:write", pause),
    Route("POST", "/v1/accounts/{id}/resume", "accounts:write", resume),
    Route("GET", "/v1/accounts/{id}/health", "accounts:read", health),
    Route("GET", "/v1/providers", "accounts:read", list_providers),
    Route("GET", "/connect/{ticket}", "", connect),
    Route("GET", "/oauth/callback", "", callback),
)


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one API Gateway request (payload format 2.0)."""
    wiring().trail.request_id = event["requestContext"].get("requestId", "")
    answer = respond(event, ROUTES, unexpected=_log_unexpected(event))
    try:
        wiring().trail.flush()
    except Unavailable as error:
        # What was done is done; the events stay here for the next request, and an answer that hid the effect would
        # mislead.
        logger().error("audit events wait in memory", extra={"reason": error.detail})
    return answer


def _log_unexpected(event: dict[str, Any]) -> Callable[[], None]:
    def log() -> None:
        request_id = event["requestContext"].get("requestId", "")
        logger().exception("request failed", extra={"request_id": request_id, "route": event.get("routeKey", "")})

    return log


def _account(request: Request) -> Account:
    return wiring().directory.find(request.params["id"], request.known_caller)


def _begin(account: Account, registration: Registration, actor: str) -> str:
    """Give the link by which the owner of a mailbox consents, in the registration's own way."""
    flow = registration.flow
    if flow.unattended:
        raise Conflict(
            f"{registration.name} works without anybody's consent ({flow}), so there is no link. "
            f"To connect {account.address} again, add it again: POST /v1/accounts."
        )
    way = wiring().device if flow is Flow.DEVICE_CODE else wiring().consent
    return way.begin(account, actor=actor)


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


def _connected_page(connected: Connected) -> str:
    _drain(connected.account)
    return pages.connected_page(connected.account, connected.missing, connected.excessive)


def _drain(account: Account) -> None:
    """Send on its way what was held for a mailbox."""
    try:
        wiring().resubmission.drain(account)
    except Unavailable as error:
        # The mailbox is connected all the same, and the schedule sees that its mail is not forgotten.
        logger().error("held mail not drained", extra={"account": account.id, "reason": error.detail})


def _page(show: Callable[[], str | Response], if_unavailable: str) -> Response:
    """Answer a browser: with a page, also where it comes to nothing."""
    try:
        status, shown = 200, show()
        if isinstance(shown, Response):
            return shown
        text = shown
    except ConsentRefused as error:
        status, text = error.status, pages.refused_page(error.detail)
    except Conflict as error:
        status, text = 409, pages.refused_page(error.detail)
    except Unavailable as error:
        logger().error("consent not finished", extra={"reason": error.detail})
        status, text = 503, pages.refused_page(if_unavailable)
    return Response(status, text, pages.page_headers())


def _health(account: Account) -> dict[str, Any]:
    registration = wiring().registrations.get(account.provider)
    return health_resource(
        account,
        wiring().clock(),
        f"/v1/accounts/{account.id}/consent",
        registration=registration,
        drift=wiring().lifecycle.scope_drift(account, registration),
        limits=wiring().limits_of(account, registration) if registration is not None else None,
        ledger=_ledger(account),
    )


def _ledger(account: Account) -> Ledger | None:
    """Give what the mailbox has used; a mailbox's health is shown without it as well."""
    try:
        return wiring().ledgers.get(account.id)
    except Unavailable as error:
        logger().warning("ledger not read", extra={"account": account.id, "reason": error.detail})
        return None
