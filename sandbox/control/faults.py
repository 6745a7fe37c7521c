"""Faults on demand: which request is to go wrong, how, and how often."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ANY_HTTP = frozenset(
    {
        "status",
        "503",
        "429",
        "html",
        "hang",
        "delay_then_answer",
        "truncated",
        "too_large",
        "answer_lost",
        "cut_before",
    }
)
TOKEN = frozenset(
    {
        "no_access_token",
        "expires_in",
        "token_type",
        "no_refresh_token",
        "narrowed_scope",
        "invalid_grant",
        "invalid_client",
    }
)
KINDS: Mapping[str, frozenset[str]] = {
    "token": ANY_HTTP | TOKEN,
    "authorize": ANY_HTTP,
    "revoke": ANY_HTTP,
    "userinfo": ANY_HTTP,
    "introspect": ANY_HTTP,
    "tokeninfo": ANY_HTTP,
    "device_authorization": ANY_HTTP,
    "applications": ANY_HTTP | {"throttle"},
    "gmail": ANY_HTTP | {"throttle"},
    "graph": ANY_HTTP | {"throttle"},
    "smtp": frozenset({"reply", "drop", "hang", "answer_lost", "cut_before", "throttle"}),
}
"""The faults each endpoint can play."""

STAGES = ("ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot")
"""The moments of an SMTP session; `dot` is when the whole content has arrived."""
_STAGE_OF = {"answer_lost": "dot", "cut_before": "dot", "throttle": "mail"}
MATCHABLE = ("grant_type", "mailbox", "client_id", "operation", "recipient")
"""What a fault may be bound to; `recipient` is of endpoint `smtp` at stage `rcpt`.

`operation` is of endpoint `applications` (get, addPassword, removePassword), of `gmail` (send, list) and of `graph`
(sendMail, createMessage, addAttachment, createUploadSession, upload, send, delete, list).
"""
LONGEST_HANG = 300.0
"""Seconds."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One planned misbehaviour."""

    id: int
    endpoint: str
    kind: str
    tenant: str | None = None
    """None: any tenant."""
    left: int | None = 1
    """How many more times; None: until deleted."""
    params: Mapping[str, Any] = field(default_factory=dict)
    match: Mapping[str, str] = field(default_factory=dict)
    """Further conditions, by the names in `MATCHABLE`."""
    played: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it as the control API shows it."""
        return {
            "id": self.id,
            "tenant": self.tenant,
            "endpoint": self.endpoint,
            "fault": self.kind,
            "times": self.left,
            "params": dict(self.params),
            "match": dict(self.match),
            "played": self.played,
        }


class FaultBoard:
    """The faults that are due; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._faults: list[Fault] = []

    def plan(
        self,
        *,
        endpoint: str,
        kind: str,
        tenant: str | None = None,
        times: int | None = 1,
        params: Mapping[str, Any] | None = None,
        match: Mapping[str, str] | None = None,
    ) -> Fault:
        """Plan a fault; raise ValueError if it cannot be played."""
        given, conditions = dict(params or {}), dict(match or {})
        if kind not in KINDS.get(endpoint, frozenset()):
            known = ", ".join(sorted(KINDS[endpoint])) if endpoint in KINDS else f"endpoints {', '.join(KINDS)}"
            raise ValueError(f"no fault {kind!r} at endpoint {endpoint!r}; there are {known}")
        if times is not None and (type(times) is not int or times < 1):
            raise ValueError("times is a whole number above 0, or null for ever")
        if unknown := sorted(set(conditions) - set(MATCHABLE)):
            raise ValueError(f"cannot match on {', '.join(unknown)}; only on {', '.join(MATCHABLE)}")
        if kind in {"hang", "delay_then_answer"} and not 0 < float(given.setdefault("seconds", 5)) <= LONGEST_HANG:
            raise ValueError(f"seconds is above 0 and at most {LONGEST_HANG:.0f}")
        if kind == "status" and not 200 <= int(given.setdefault("status", 500)) <= 599:  # noqa: PLR2004 - HTTP
            raise ValueError("status is between 200 and 599")
        if endpoint == "smtp":
            given.setdefault("stage", _STAGE_OF.get(kind, "mail"))
            _check_smtp(kind, tenant, given, conditions)
        with self._lock:
            fault = Fault(
                id=next(self._ids),
                endpoint=endpoint,
                kind=kind,
                tenant=tenant,
                left=times,
                params=given,
                match=conditions,
            )
            self._faults.append(fault)
            return fault

    def take(
        self,
        endpoint: str,
        *,
        tenant: str | None,
        stage: str | None = None,
        facts: Mapping[str, str | None] | None = None,
    ) -> Fault | None:
        """Return the oldest fault that fits this request and use it once, or None."""
        known = facts or {}
        with self._lock:
            for fault in self._faults:
                if (
                    fault.endpoint == endpoint
                    and fault.left != 0
                    and fault.tenant in {None, tenant}
                    and fault.params.get("stage") == stage
                    and all((known.get(name) or "").casefold() == want.casefold() for name, want in fault.match.items())
                ):
                    fault.played += 1
                    if fault.left is not None:
                        fault.left -= 1
                    return fault
        return None

    def clear(self, fault_id: int | None = None) -> int:
        """Delete one fault, or all; return how many there were."""
        with self._lock:
            kept = [fault for fault in self._faults if fault_id not in {None, fault.id}]
            gone = len(self._faults) - len(kept)
            self._faults = kept
            return gone

    def as_json(self) -> list[dict[str, Any]]:
        """Return every planned fault, those already played included."""
        with self._lock:
            return [fault.as_json() for fault in self._faults]


def _check_smtp(kind: str, tenant: str | None, params: Mapping[str, Any], match: Mapping[str, str]) -> None:
    stage = params["stage"]
    if stage not in STAGES:
        raise ValueError(f"stage is one of {', '.join(STAGES)}")
    if kind in {"answer_lost", "cut_before"} and stage != "dot":
        raise ValueError(f"{kind} happens at the dot")
    if stage in {"ehlo", "starttls"} and (tenant or match):
        raise ValueError(f"at {stage} nobody has said who he is: leave out tenant and match")
    if kind == "reply" and not (200 <= int(params.get("code", 0)) <= 599 and params.get("text")):  # noqa: PLR2004
        raise ValueError("a reply needs params code (200-599) and text")
