"""Suppressions over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from mailbearer.errors import Fault, Forbidden, InvalidInput, NotFound
from mailbearer.http import Request, Response, Route, problem_response
from mailbearer.ids import rfc3339
from mailbearer.suppression import EVERY_ACCOUNT, Suppression

if TYPE_CHECKING:
    from mailbearer.wiring import Wiring

_MAX_BATCH = 500
"""Each is a write of its own; these take a few seconds of the function's twenty."""


@dataclass(frozen=True, slots=True)
class Suppressions:
    """The routes below `/v1/suppressions`.

    Who may send may say to whom not; a key that is bound to accounts reaches their lists only.
    """

    wiring: Wiring

    def routes(self) -> tuple[Route, ...]:
        """Give the routes."""
        return (
            Route("GET", "/v1/suppressions", "messages:read", self.list_suppressions),
            Route("POST", "/v1/suppressions", "messages:send", self.add),
            Route("GET", "/v1/suppressions/{address}", "messages:read", self.show),
            Route("DELETE", "/v1/suppressions/{address}", "messages:send", self.remove),
        )

    def list_suppressions(self, request: Request) -> Response:
        """List the addresses of one list, in their order."""
        found, cursor = self.wiring.suppressing.listing(
            request.query.get("account", ""),
            request.known_caller,
            limit=request.limit(),
            cursor=request.query.get("cursor", ""),
        )
        return Response(200, {"data": [_resource(each) for each in found], "next_cursor": cursor or None})

    def add(self, request: Request) -> Response:
        """Suppress one address, or up to 500 with a result for each in its own place."""
        body = request.json()
        if isinstance(body, dict) and "suppressions" in body:
            return self._add_all(body, request)
        added = self.wiring.suppressing.add(body, request.known_caller)
        return Response(
            200 if added.stood else 201, _resource(added.suppression), {"location": _path(added.suppression)}
        )

    def _add_all(self, body: dict[str, Any], request: Request) -> Response:
        wanted = body["suppressions"]
        if set(body) != {"suppressions"} or not isinstance(wanted, list) or not 1 <= len(wanted) <= _MAX_BATCH:
            detail = f"suppressions is a list of 1 to {_MAX_BATCH}, and no other field stands beside it."
            raise InvalidInput((Fault("/suppressions", "invalid_batch", detail),))
        results: list[dict[str, object]] = []
        for each in wanted:
            try:
                added = self.wiring.suppressing.add(each, request.known_caller)
                results.append({"status": 200 if added.stood else 201, "suppression": _resource(added.suppression)})
            except (InvalidInput, Forbidden, NotFound) as error:
                answer = problem_response(error)
                results.append({"status": answer.status, "problem": answer.body})
        return Response(200, {"results": results})

    def show(self, request: Request) -> Response:
        """Tell whether and why an address is suppressed."""
        found = self.wiring.suppressing.get(_address(request), request.query.get("account", ""), request.known_caller)
        return Response(200, _resource(found))

    def remove(self, request: Request) -> Response:
        """Let an address be written to again."""
        self.wiring.suppressing.remove(_address(request), request.query.get("account", ""), request.known_caller)
        return Response(204)


def _address(request: Request) -> str:
    # API Gateway decodes every escape but %25 before it routes: what would end the segment has to come escaped twice.
    return unquote(request.params["address"]).replace("%2F", "/").replace("%3F", "?")


def _path(suppression: Suppression) -> str:
    account = "" if suppression.account == EVERY_ACCOUNT else f"?account={suppression.account}"
    segment = quote(suppression.address, safe="@").replace("%2F", "%252F").replace("%3F", "%253F")
    return f"/v1/suppressions/{segment}{account}"


def _resource(suppression: Suppression) -> dict[str, object]:
    return {
        "address": suppression.address,
        "account": None if suppression.account == EVERY_ACCOUNT else suppression.account,
        "reason": suppression.reason or None,
        "created_at": rfc3339(suppression.created_at),
        "created_by": suppression.created_by or None,
    }
