"""API keys over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailbearer.http import Request, Response, Route
from mailbearer.resources import key_resource

if TYPE_CHECKING:
    from mailbearer.keyring import Issued
    from mailbearer.wiring import Wiring


@dataclass(frozen=True, slots=True)
class Keys:
    """The routes below `/v1/keys`."""

    wiring: Wiring

    def routes(self) -> tuple[Route, ...]:
        """Give the routes."""
        return (
            Route("POST", "/v1/keys", "admin", self.create),
            Route("GET", "/v1/keys", "admin", self.list_keys),
            Route("GET", "/v1/keys/{id}", "admin", self.show),
            Route("PATCH", "/v1/keys/{id}", "admin", self.change),
            Route("DELETE", "/v1/keys/{id}", "admin", self.delete),
            Route("POST", "/v1/keys/{id}/disable", "admin", self.disable),
            Route("POST", "/v1/keys/{id}/enable", "admin", self.enable),
            Route("POST", "/v1/keys/{id}/rotate", "admin", self.rotate),
        )

    def create(self, request: Request) -> Response:
        """Make a key and show it, this once."""
        issued = self.wiring.keyring.create(request.json(), request.known_caller)
        return Response(201, self._issued(issued), {"location": f"/v1/keys/{issued.key.id}"})

    def list_keys(self, request: Request) -> Response:
        """List the keys that the caller may see."""
        found, cursor = self.wiring.keyring.listing(
            request.known_caller, limit=request.limit(), cursor=request.query.get("cursor", "")
        )
        now = self.wiring.clock()
        return Response(200, {"data": [key_resource(key, now) for key in found], "next_cursor": cursor or None})

    def show(self, request: Request) -> Response:
        """Show one key, without its secret."""
        key = self.wiring.keyring.find(request.params["id"], request.known_caller)
        return Response(200, key_resource(key, self.wiring.clock()))

    def change(self, request: Request) -> Response:
        """Change name, scopes, accounts or end."""
        key = self.wiring.keyring.change(request.params["id"], request.json(), request.known_caller)
        return Response(200, key_resource(key, self.wiring.clock()))

    def delete(self, request: Request) -> Response:
        """Forget a key that is not in force."""
        self.wiring.keyring.delete(request.params["id"], request.known_caller)
        return Response(204)

    def disable(self, request: Request) -> Response:
        """Stop a key."""
        key = self.wiring.keyring.disable(request.params["id"], request.known_caller)
        return Response(200, key_resource(key, self.wiring.clock()))

    def enable(self, request: Request) -> Response:
        """Let a disabled key be used again."""
        key = self.wiring.keyring.enable(request.params["id"], request.known_caller)
        return Response(200, key_resource(key, self.wiring.clock()))

    def rotate(self, request: Request) -> Response:
        """Give a key a new secret and show it, this once; a request without a body takes the usual overlap."""
        body = request.json() if request.body else {}
        issued = self.wiring.keyring.rotate(request.params["id"], body, request.known_caller)
        return Response(200, self._issued(issued))

    def _issued(self, issued: Issued) -> dict[str, Any]:
        return key_resource(issued.key, self.wiring.clock()) | {"key": issued.shown}
