"""Where things go: queues, the content bucket, the audit log, the event bus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mailbearer.audit import AuditEvent
    from mailbearer.ports.stores import Due


class MessageQueue(Protocol):
    """The one queue behind both front doors, and its dead-letter queue."""

    def send(self, body: str, *, group: str, delay: int = 0) -> None:
        """Queue a body for `group` (an account) after `delay` seconds (0-900). Raises `Unavailable`."""

    def refuse(self, body: str, *, problem: Mapping[str, object], message_id: str) -> None:
        """Keep a body that can never be sent on the dead-letter queue, with its problem document.

        Raises `Unavailable`.
        """


class RotationQueue(Protocol):
    """Where the schedule puts the accounts that are more than one run should take."""

    most: int
    """How many accounts one call takes."""

    def put(self, due: Sequence[Due]) -> None:
        """Queue accounts, each by itself.

        The same account with the same time is queued once in five minutes. Raises `Unavailable`: then some may be
        queued all the same.
        """


class ContentStore(Protocol):
    """The content bucket: content that does not fit a queue, or that waits."""

    def put(self, message_id: str, body: str) -> None:
        """Keep a message's content. Raises `Unavailable`."""

    def get(self, message_id: str) -> str | None:
        """Read a message's content; None if it is gone."""

    def delete(self, message_id: str) -> None:
        """Remove a message's content; no error if there is none."""


class AuditLog(Protocol):
    """The append-only log of what was done."""

    def write(self, events: Iterable[AuditEvent]) -> None:
        """Append events to this writer's chain. Raises `AuditUnavailable`."""


class AuditSpool(Protocol):
    """Where events wait while the audit log cannot be written."""

    def keep(self, events: Sequence[AuditEvent]) -> None:
        """Keep events durably. Raises `Unavailable`."""

    def waiting(self, limit: int) -> list[tuple[str, list[AuditEvent]]]:
        """Give up to `limit` kept lots, oldest first, each with the name to remove it by."""

    def remove(self, name: str) -> None:
        """Remove a lot that has been written."""


class EventBus(Protocol):
    """Where others hear what happened."""

    def publish(self, detail_type: str, detail: Mapping[str, object]) -> None:
        """Publish one event. Raises `Unavailable`."""
