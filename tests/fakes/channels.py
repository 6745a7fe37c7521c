"""Queue, content bucket, audit log, spool and event bus, in memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.audit import AuditEvent, Link
from mailbearer.errors import AuditUnavailable
from tests.fakes.events import check_detail
from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mailbearer.happenings import Happened
    from mailbearer.ports import Clock
    from mailbearer.ports.stores import Due

DEDUPLICATION_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Queued:
    """A body on the queue; `delay` in seconds."""

    body: str
    group: str
    delay: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A body on the dead-letter queue."""

    body: str
    problem: Mapping[str, object]
    message_id: str
    key: str = ""


class FakeMessageQueue:
    """What was put on the queue and on the dead-letter queue, in order."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.queued: list[Queued] = []
        self.refused: list[Refused] = []

    def send(self, body: str, *, group: str, delay: int = 0) -> None:
        with self.faults.around("send"):
            self.queued.append(Queued(body, group, delay))

    def refuse(self, body: str, *, problem: Mapping[str, object], message_id: str, key: str) -> None:
        with self.faults.around("refuse"):
            self.refused.append(Refused(body, dict(problem), message_id, key))


class FakeRotationQueue:
    """What the schedule put on its queue, in order; what it puts again within five minutes is swallowed."""

    most = 10

    def __init__(self, clock: Clock) -> None:
        self.faults = Faults()
        self.queued: list[Due] = []
        self._clock = clock
        self._seen: dict[Due, float] = {}

    def put(self, due: Sequence[Due]) -> None:
        assert 0 < len(due) <= self.most
        with self.faults.around("put"):
            now = self._clock()
            for each in due:
                if self._seen.get(each, 0) <= now - DEDUPLICATION_SECONDS:
                    self._seen[each] = now
                    self.queued.append(each)

    def taken(self, most: int = 10) -> list[str]:
        """Take the oldest off the queue, as a consumer gets them."""
        taken, self.queued = self.queued[:most], self.queued[most:]
        return [each.account_id for each in taken]


class FakeContentStore:
    """Content by message id; that of scheduled messages has a `+` behind the id."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.bodies: dict[str, str] = {}

    def put(self, message_id: str, body: str, *, scheduled: bool = False) -> None:
        with self.faults.around("put"):
            self.bodies[_place(message_id, scheduled=scheduled)] = body

    def get(self, message_id: str, *, scheduled: bool = False) -> str | None:
        with self.faults.around("get"):
            return self.bodies.get(_place(message_id, scheduled=scheduled))

    def delete(self, message_id: str, *, scheduled: bool = False) -> None:
        with self.faults.around("delete"):
            self.bodies.pop(_place(message_id, scheduled=scheduled), None)


def _place(message_id: str, *, scheduled: bool) -> str:
    return f"{message_id}+" if scheduled else message_id


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A body that will come at `at` (epoch seconds)."""

    at: float
    body: str
    group: str


class FakeSchedules:
    """What will be put on the queue, by name."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.waiting: dict[str, Scheduled] = {}

    def put(self, name: str, *, at: float, body: str, group: str) -> None:
        with self.faults.around("put"):
            self.waiting[name] = Scheduled(at, body, group)

    def delete(self, name: str) -> None:
        with self.faults.around("delete"):
            self.waiting.pop(name, None)


@dataclass
class FakeAuditLog:
    """Streams of chained lines; as in the adapter, a failed write ends its stream."""

    faults: Faults = field(default_factory=Faults)
    events: list[AuditEvent] = field(default_factory=list)
    streams: list[list[str]] = field(default_factory=lambda: [[]])
    end: Link = field(default_factory=Link)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def actions(self) -> list[str]:
        """Name what was written, as `subject.verb outcome`."""
        return [f"{event.action} {event.outcome}" for event in self.events]

    def write(self, events: Iterable[AuditEvent]) -> None:
        with self.lock:
            try:
                with self.faults.around("write"):
                    for event in events:
                        line, self.end = self.end.extend(event)
                        self.streams[-1].append(line)
                        self.events.append(event)
            except AuditUnavailable:
                self.streams.append([])
                self.end = Link()
                raise


class FakeAuditSpool:
    """Lots of events, oldest first."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.lots: dict[str, list[AuditEvent]] = {}

    def keep(self, events: Sequence[AuditEvent]) -> None:
        with self.faults.around("keep"):
            if events:
                self.lots[f"{events[0].at}-{events[0].id}"] = list(events)

    def waiting(self, limit: int) -> list[tuple[str, list[AuditEvent]]]:
        with self.faults.around("waiting"):
            return sorted(self.lots.items())[:limit]

    def remove(self, name: str) -> None:
        with self.faults.around("remove"):
            self.lots.pop(name, None)


class FakeEventBus:
    """What was published, as type and detail, each held against its schema; what is in `refusing` is not taken."""

    most = 10

    def __init__(self) -> None:
        self.faults = Faults()
        self.published: list[tuple[str, dict[str, object]]] = []
        self.refusing: set[str] = set()

    def publish(self, events: Sequence[Happened]) -> frozenset[str]:
        assert 0 < len(events) <= self.most
        for happened in events:
            check_detail(happened.kind, happened.detail)
        with self.faults.around("publish"):
            taken = [happened for happened in events if happened.kind not in self.refusing]
            self.published += [(happened.kind, dict(happened.detail)) for happened in taken]
        return frozenset(happened.id for happened in events if happened not in taken)


class FakeOwnerTopic:
    """What people were told, as subject and text."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.published: list[tuple[str, str]] = []

    def publish(self, subject: str, text: str) -> None:
        with self.faults.around("publish"):
            self.published.append((subject, text))
