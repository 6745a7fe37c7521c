"""Where verbs note what they did.

One buffer per invocation, written to the audit log before anything is acknowledged.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mailbearer.audit import AuditEvent
from mailbearer.errors import AuditUnavailable
from mailbearer.ids import new_id, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.channels import AuditLog, AuditSpool


@dataclass(frozen=True, slots=True)
class Noted:
    """What metrics want to know of an event; `provider` is the kind of the provider it was about, if of any."""

    action: str
    outcome: str
    reason: str = ""
    provider: str = ""


class _Here(threading.local):
    """What the events of a thread carry; each begins with nothing."""

    def __init__(self) -> None:
        self.facts: Mapping[str, str] = {}


class Trail(Protocol):
    """What a verb needs of the audit trail."""

    @property
    def correlation(self) -> str:
        """Give the id by which everything can be found that came of one request."""

    def about(self, **facts: str) -> AbstractContextManager[None]:
        """Let every event that this thread notes meanwhile carry these facts."""

    def note(self, action: str, subject: str, outcome: str, *, actor: str = "", reason: str = "", **facts: str) -> None:
        """Note an event; it is written with the next flush."""

    def intend(self, action: str, subject: str, *, actor: str = "", reason: str = "", **facts: str) -> None:
        """Write an intent before its effect. Raises `AuditUnavailable`: then the effect must not happen."""

    def flush(self) -> None:
        """Write what was noted; what the log cannot take is kept durably until it can."""


class BufferedTrail:
    """The trail of one function instance; safe for several threads. Subjects, reasons and facts never hold secrets."""

    def __init__(
        self, log: AuditLog, spool: AuditSpool, clock: Clock, random_bytes: RandomBytes, *, actor: str
    ) -> None:
        self._log = log
        self._spool = spool
        self._clock = clock
        self._random_bytes = random_bytes
        self._actor = actor
        self._buffer: list[AuditEvent] = []
        self._noted: Counter[Noted] = Counter()
        self._lock = threading.Lock()
        self._here = _Here()
        self.request_id = ""

    @property
    def correlation(self) -> str:
        """Give the id by which everything can be found that came of one request: this one, unless another is named."""
        return self._here.facts.get("correlation_id") or self.request_id

    @contextmanager
    def about(self, **facts: str) -> Iterator[None]:
        """Let every event that this thread notes meanwhile carry these facts.

        `correlation_id` names the request that all this comes of, `provider` the kind of provider it is about.
        """
        here, before = self._here, self._here.facts
        here.facts = {**before, **facts}
        try:
            yield
        finally:
            here.facts = before

    def note(self, action: str, subject: str, outcome: str, *, actor: str = "", reason: str = "", **facts: str) -> None:
        """Note an event; it is written with the next flush."""
        event = self._event(action, subject, outcome, actor=actor, reason=reason, facts=facts)
        noted = Noted(action, outcome, reason, dict(event.facts).get("provider", ""))
        with self._lock:
            self._buffer.append(event)
            self._noted[noted] += 1

    def take_noted(self) -> Counter[Noted]:
        """Give how often what was noted since this was last asked, for metrics."""
        with self._lock:
            noted, self._noted = self._noted, Counter()
        return noted

    def intend(self, action: str, subject: str, *, actor: str = "", reason: str = "", **facts: str) -> None:
        """Write an intent before its effect. Raises `AuditUnavailable`: then the effect must not happen."""
        self._log.write([self._event(action, subject, "intended", actor=actor, reason=reason, facts=facts)])

    def flush(self) -> None:
        """Write what was noted; what the log cannot take goes to the spool.

        Raises `Unavailable` if neither takes it: the events then stay here for the next flush.
        """
        with self._lock:
            events, self._buffer = self._buffer, []
        if not events:
            return
        kept = False
        try:
            try:
                self._log.write(events)
            except AuditUnavailable:
                self._spool.keep(events)
            kept = True
        finally:
            if not kept:
                with self._lock:
                    self._buffer = events + self._buffer

    def _event(
        self, action: str, subject: str, outcome: str, *, actor: str, reason: str, facts: dict[str, str]
    ) -> AuditEvent:
        now = self._clock()
        facts = {**self._here.facts, **facts}
        return AuditEvent(
            id=new_id("evt_", now, self._random_bytes),
            at=rfc3339(now),
            actor=actor or self._actor,
            action=action,
            subject=subject,
            outcome=outcome,
            reason=reason,
            request_id=self.request_id,
            facts=tuple(sorted((name, value) for name, value in facts.items() if value)),
        )
