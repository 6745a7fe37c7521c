"""Where things go: queues, the content bucket, the audit log, the event bus."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mailbearer.audit import AuditEvent
    from mailbearer.capture import Capture
    from mailbearer.happenings import Happened
    from mailbearer.ports.stores import Due
    from mailbearer.upload import Upload


class MessageQueue(Protocol):
    """The one queue behind both front doors, and its dead-letter queue."""

    def send(self, body: str, *, group: str, delay: int = 0) -> None:
        """Queue a body for `group` (an account) after `delay` seconds (0-900). Raises `Unavailable`."""

    def refuse(self, body: str, *, problem: Mapping[str, object], message_id: str, key: str) -> None:
        """Keep a body that can never be sent on the dead-letter queue, with its problem document.

        `key` is the idempotency key that it came with, or what served as one: a redrive keeps it. Raises `Unavailable`.
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


class Schedules(Protocol):
    """What brings a body onto the message queue at a moment farther off than the queue itself can wait."""

    def put(self, name: str, *, at: float, body: str, group: str) -> None:
        """Let `body` come onto the queue for `group` at `at` (epoch seconds), never before and about a minute late.

        The same name again moves it and changes its body. A moment that is past means now. Raises `Unavailable`.
        """

    def delete(self, name: str) -> None:
        """Let it not come; no error if there is none (any more). Raises `Unavailable`."""


class ContentStore(Protocol):
    """The content bucket: content that does not fit a queue, or that waits.

    `scheduled` content is kept for a year and a month, all other for a month; whoever reads or removes it says which it
    is.
    """

    def put(self, message_id: str, body: str, *, scheduled: bool = False) -> None:
        """Keep a message's content. Raises `Unavailable`."""

    def get(self, message_id: str, *, scheduled: bool = False) -> str | None:
        """Read a message's content; None if it is gone. Raises `Unavailable`."""

    def delete(self, message_id: str, *, scheduled: bool = False) -> None:
        """Remove a message's content; no error if there is none. Raises `Unavailable`."""


class UploadStore(Protocol):
    """Attachments that their senders put into the content bucket themselves."""

    def presign(self, upload: Upload, *, seconds: int) -> tuple[str, dict[str, str]]:
        """Give a URL, and the header fields that have to go with it, to which exactly this upload can be put.

        It is good for so many seconds, for one object of just this size and type.
        """

    def find(self, upload_id: str) -> Upload | None:
        """Tell what was put there, None if nothing was or it is gone. Raises `Unavailable`."""

    def read(self, upload_id: str) -> bytes | None:
        """Read what was put there, None if it is gone. Raises `Unavailable`."""

    def keep(self, upload_id: str) -> None:
        """See that it lasts as long as scheduled content does; safe to repeat. Raises `Unavailable`."""


class PointedContent(Protocol):
    """Bodies for the queue that are too big for it, put into the content bucket under `inbox/` by their senders."""

    def read(self, bucket: str, key: str) -> str | None:
        """Read one; None if it is gone, is none of ours to read, or is larger than a message may be.

        Raises `Unavailable`.
        """


class CaptureStore(Protocol):
    """What the sandbox transport took instead of sending it, for 30 days. Every call raises `Unavailable`."""

    def put(self, capture: Capture, mime: bytes) -> str:
        """Keep a captured message; the same again takes its place. Gives the name under which it lies."""

    def find(self, account_id: str, message_id: str) -> Capture | None:
        """Read the envelope of a captured message by its RFC 5322 Message-ID; None if there is none."""

    def read(self, account_id: str, message_id: str) -> bytes | None:
        """Read the MIME of a captured message; None if there is none."""

    def listing(self, account_id: str, *, limit: int) -> list[Capture]:
        """List what was captured for an account, the newest first."""

    def count_try(self, account_id: str, message_id: str) -> int:
        """Count one more try at a message; gives how many there have been."""


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


class NotificationQueue(Protocol):
    """Where notices wait until they have reached the webhooks and people they are for."""

    def put(self, body: str, *, group: str, delay: int = 0) -> None:
        """Queue a body for `group` (a webhook) after `delay` seconds (0-900). Raises `Unavailable`."""

    def refuse(self, body: str, *, reason: str) -> None:
        """Keep a body that could not be delivered on the dead-letter queue, with the reason. Raises `Unavailable`."""

    def given_up(self, most: int) -> Iterator[GivenUp]:
        """Take up to `most` bodies off the dead-letter queue to look at, in no order; read as they are asked for.

        What is not forgotten lies there again after two minutes. Raises `Unavailable`.
        """

    def forget(self, receipt: str) -> None:
        """Remove a body from the dead-letter queue; no error if it is gone. Raises `Unavailable`."""


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A body on the dead-letter queue of notices, and by what it is removed."""

    body: str = field(repr=False)
    receipt: str = field(repr=False)


class OwnerTopic(Protocol):
    """The SNS topic of those who look after mailboxes."""

    def publish(self, subject: str, text: str) -> None:
        """Publish a text for people. Raises `Unavailable`."""


class EventBus(Protocol):
    """Where others hear what happened."""

    most: int
    """How many events one call takes."""

    def publish(self, events: Sequence[Happened]) -> frozenset[str]:
        """Publish events; gives the ids of those that were not taken.

        Raises `Unavailable`: then nobody can say which were.
        """
