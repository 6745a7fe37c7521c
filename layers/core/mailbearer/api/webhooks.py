"""Webhooks over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailbearer.http import Request, Response, Route
from mailbearer.ids import rfc3339

if TYPE_CHECKING:
    from mailbearer.webhook import Webhook
    from mailbearer.wiring import Wiring


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The routes below `/v1/webhooks`."""

    wiring: Wiring

    def routes(self) -> tuple[Route, ...]:
        """Give the routes."""
        return (
            Route("GET", "/v1/webhooks", "admin", self.list_webhooks),
            Route("POST", "/v1/webhooks", "admin", self.create),
            Route("GET", "/v1/webhooks/{id}", "admin", self.show),
            Route("PATCH", "/v1/webhooks/{id}", "admin", self.change),
            Route("DELETE", "/v1/webhooks/{id}", "admin", self.delete),
            Route("POST", "/v1/webhooks/{id}/rotate", "admin", self.rotate),
            Route("POST", "/v1/webhooks/{id}/test", "admin", self.test),
            Route("POST", "/v1/webhooks/{id}/replay", "admin", self.replay),
        )

    def list_webhooks(self, request: Request) -> Response:
        """List the caller's webhooks, the oldest first."""
        found, cursor = self.wiring.webhook_keeping.listing(
            request.known_caller, limit=request.limit(), cursor=request.query.get("cursor", "")
        )
        return Response(200, {"data": [_resource(each) for each in found], "next_cursor": cursor or None})

    def create(self, request: Request) -> Response:
        """Make a webhook; its secret is shown this once."""
        webhook, secret = self.wiring.webhook_keeping.create(request.json(), request.known_caller)
        headers = {"location": f"/v1/webhooks/{webhook.id}"}
        return Response(201, _resource(webhook) | {"secret": secret}, headers)

    def show(self, request: Request) -> Response:
        """Show one webhook."""
        return Response(200, _resource(self.wiring.webhook_keeping.get(request.params["id"], request.known_caller)))

    def change(self, request: Request) -> Response:
        """Change address, events or description, disable or enable."""
        keeping = self.wiring.webhook_keeping
        return Response(200, _resource(keeping.change(request.params["id"], request.json(), request.known_caller)))

    def delete(self, request: Request) -> Response:
        """Forget a webhook and its secrets."""
        self.wiring.webhook_keeping.delete(request.params["id"], request.known_caller)
        return Response(204)

    def rotate(self, request: Request) -> Response:
        """Make a new secret, shown this once."""
        keeping = self.wiring.webhook_keeping
        webhook, secret = keeping.rotate(request.params["id"], _body(request), request.known_caller)
        return Response(200, _resource(webhook) | {"secret": secret})

    def test(self, request: Request) -> Response:
        """Send a test event to this webhook."""
        notice = self.wiring.webhook_replaying.test(request.params["id"], request.known_caller)
        return Response(202, {"event": notice.id, "type": notice.kind})

    def replay(self, request: Request) -> Response:
        """Tell again what was given up."""
        replaying = self.wiring.webhook_replaying
        done = replaying.replay(request.params["id"], request.json(), request.known_caller)
        return Response(202, {"replayed": done.replayed, "looked_at": done.looked_at, "more": done.more})


def _body(request: Request) -> Any:
    """Read a body that may be left out."""
    return request.json() if request.body else {}


def _resource(webhook: Webhook) -> dict[str, object]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "accounts": sorted(webhook.accounts),
        "description": webhook.description or None,
        "disabled": webhook.disabled,
        "reason": webhook.reason or None,
        "failures": webhook.failures,
        "failing_since": _moment(webhook.failing_since),
        "last_failure": webhook.last_failure or None,
        "delivered_at": _moment(webhook.delivered_at),
        "rotated_at": _moment(webhook.rotated_at),
        "created_at": rfc3339(webhook.created_at),
        "created_by": webhook.created_by,
        "updated_at": rfc3339(webhook.updated_at),
    }


def _moment(at: float) -> str | None:
    return rfc3339(at) if at else None
