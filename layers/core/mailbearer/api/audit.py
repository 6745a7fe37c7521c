"""The audit log over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailbearer.errors import Fault, InvalidInput
from mailbearer.http import Request, Response, Route
from mailbearer.wire import read_moment

if TYPE_CHECKING:
    from mailbearer.auditing.entries import Entry
    from mailbearer.wiring import Wiring

_DAY = 86_400.0
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Audit:
    """The route `/v1/audit`."""

    wiring: Wiring

    def routes(self) -> tuple[Route, ...]:
        """Give the route."""
        return (Route("GET", "/v1/audit", "audit:read", self.list_events),)

    def list_events(self, request: Request) -> Response:
        """List events by time; a key that is bound to accounts sees those that are about them."""
        from mailbearer.auditing.searching import Wanted  # noqa: PLC0415 - whoever keeps keys and webhooks needs none

        since, until, filters = self._read(request)
        found, cursor = self.wiring.audit_search.page(
            Wanted(**filters, accounts=request.known_caller.accounts),
            since=since,
            until=until,
            limit=request.limit(),
            cursor=request.query.get("cursor", ""),
        )
        return Response(200, {"data": [_resource(entry) for entry in found], "next_cursor": cursor or None})

    def _read(self, request: Request) -> tuple[int, int, dict[str, str]]:
        """Read the times (epoch milliseconds) and the filters. Raises `InvalidInput` with all faults."""
        faults: list[Fault] = []
        now = self.wiring.clock()
        until = read_moment(text, "/until", faults) if (text := request.query.get("until", "")) else now
        since = read_moment(text, "/since", faults) if (text := request.query.get("since", "")) else until - _DAY
        filters = {
            "action": request.query.get("action", ""),
            "subject": request.query.get("subject", ""),
            "actor": request.query.get("actor", ""),
            "outcome": request.query.get("outcome", ""),
            "account": request.query.get("account", ""),
        }
        faults.extend(
            Fault(f"/{name}", "too_long", f"{name} has at most {_LONGEST} characters.")
            for name, text in filters.items()
            if len(text) > _LONGEST
        )
        if not faults and (since < 0 or since > until):
            faults.append(Fault("/since", "invalid_time", "since is a time after 1970 and before until."))
        if faults:
            raise InvalidInput(tuple(faults))
        return int(since * 1000), int(until * 1000), filters


def _resource(entry: Entry) -> dict[str, Any]:
    event = entry.event
    return {
        **{name: event[name] for name in ("id", "at", "actor", "action", "subject", "outcome")},
        # What was tampered with is shown as well, and may hold anything.
        "reason": str(event.get("reason") or "") or None,
        "request_id": str(event.get("request_id") or "") or None,
        "facts": {str(name): str(value) for name, value in event.get("facts", {}).items()},
        "stream": entry.stream,
        "seq": entry.seq,
        "prev": entry.prev,
        "hash": entry.hash,
    }
