"""What the audit log says was sent, and what was done to each mailbox, read once from its beginning to its end."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from mailbearer.ids import rfc3339

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailbearer.message import MessageRecord
    from mailbearer.ports.proof import AuditReader
    from mailbearer.ports.stores import MessageStore

_RECORDS = 100
_REMEMBERED = 200_000
"""Of so many messages each is told once: a worker that dies before its log is written lets its last be told twice."""

_SENT = frozenset({"message.sent", "message.unknown"})
_AGAIN = "message.seen_again"
_DEEDS = frozenset({"account.revoke", "account.revoked", "token.revoked", "owner.notified", "account.returned"})

Row: TypeAlias = dict[str, Any]


@dataclass(slots=True)
class Read:
    """What was read on the way: of each mailbox the last event of each kind, and how many lines were no events."""

    deeds: dict[str, dict[str, Row]] = field(default_factory=dict)
    unreadable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sends:
    """Find what was sent through mailboxes; at most a page of the log and a hundred records are held."""

    reader: AuditReader
    messages: MessageStore

    def between(self, since: float, until: float, wanted: Callable[[str, str], bool], read: Read) -> Iterator[Row]:
        """Give a row for each message that was sent, or may have been, from `since` on (epoch seconds).

        `wanted` tells by a mailbox's id and its registration, empty if the log does not say, whether it is asked for:
        the mailbox itself may be gone. What else was done to one is put into `read`. Raises
        `Unavailable`.
        """
        found = self._found(since, until, wanted, read)
        while some := list(islice(found, _RECORDS)):
            records = self.messages.get_many([event["subject"] for event in some])
            for event in some:
                yield _row(event, records.get(event["subject"]))

    def _found(self, since: float, until: float, wanted: Callable[[str, str], bool], read: Read) -> Iterator[Row]:
        told: OrderedDict[str, None] = OrderedDict()
        earliest = rfc3339(since)
        # Filed when it was written: what had to wait for the log lies later than it happened, and never earlier.
        for line in self.reader.lines(since=int(since * 1000), until=int(until * 1000) + 1):
            event = _event(line.text)
            if event is None:
                read.unreadable += 1
                continue
            action, subject = str(event.get("action")), str(event.get("subject"))
            if action in _DEEDS and wanted(subject, ""):
                read.deeds.setdefault(subject, {})[f"{action} {event.get('outcome')}"] = event
            if not _may_be_out(event) or str(event.get("at")) < earliest:
                continue
            if not wanted(_fact(event, "account"), _fact(event, "registration")):
                continue
            if subject not in told:
                told[subject] = None
                if len(told) > _REMEMBERED:
                    told.popitem(last=False)
                yield event


def _may_be_out(event: Row) -> bool:
    action, outcome = event.get("action"), event.get("outcome")
    return action in _SENT or (action == _AGAIN and outcome in {"sent", "unknown"})


def _event(text: str) -> Row | None:
    try:
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def _fact(event: Row, name: str) -> str:
    facts = event.get("facts")
    return str(facts.get(name, "")) if isinstance(facts, dict) else ""


def _row(event: Row, record: MessageRecord | None) -> Row:
    """Join an event with its record, which is kept for ninety days; no content is in either."""
    row = {
        "message": event["subject"],
        "account": _fact(event, "account"),
        "at": event.get("at"),
        "outcome": event.get("outcome"),
    }
    if record is None:
        return row | {"record": "not kept any more"}
    return row | {
        "at": rfc3339(record.sent_at) if record.sent_at else event.get("at"),
        "outcome": str(record.status),
        "message_id": record.message_id,
        "provider_id": record.provider_id or None,
        "caller": record.caller,
        "created_at": rfc3339(record.created_at),
        "tags": list(record.tags),
        "metadata": dict(record.metadata),
    }
