"""Audit events and the chain that ties each writer's events together (semantics.md, Audit)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """What happened: `action` is `subject.verb`, `at` RFC 3339 UTC, `facts` never holds a secret or mail content."""

    id: str
    at: str
    actor: str
    action: str
    subject: str
    outcome: str
    reason: str = ""
    request_id: str = ""
    facts: tuple[tuple[str, str], ...] = field(default=())

    def as_dict(self) -> dict[str, object]:
        """Give the event as it is written, without empty fields."""
        body: dict[str, object] = {
            "id": self.id,
            "at": self.at,
            "actor": self.actor,
            "action": self.action,
            "subject": self.subject,
            "outcome": self.outcome,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.request_id:
            body["request_id"] = self.request_id
        if self.facts:
            body["facts"] = dict(self.facts)
        return body


@dataclass(frozen=True, slots=True)
class Link:
    """The end of a chain: the number and the hash of the last event written."""

    seq: int = 0
    hash: str = GENESIS

    def extend(self, event: AuditEvent) -> tuple[str, Link]:
        """Give the event's line with `seq`, `prev` and `hash`, and the chain's new end.

        The hash is SHA-256 over the line as it stands before `hash` is added, so a verifier needs only the bytes.
        """
        body = event.as_dict() | {"seq": self.seq + 1, "prev": self.hash}
        digest = hashlib.sha256(canonical(body)).hexdigest()
        return canonical(body | {"hash": digest}).decode(), Link(self.seq + 1, digest)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A line as it stands in the log: its writer's stream, CloudWatch's time (epoch milliseconds), and its text."""

    stream: str
    timestamp: int
    text: str


def canonical(body: dict[str, object]) -> bytes:
    """Write JSON one way only: sorted names, no blanks, UTF-8."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
