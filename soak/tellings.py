"""What a webhook was told of how messages ended."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from mailbearer.message import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailbearer.message import MessageRecord
    from soak.ears import Heard

_TOLD = frozenset({Status.SENT, Status.FAILED, Status.UNKNOWN})


class Tellings:
    """The ids under which each end came, one for each time."""

    def __init__(self, heard: Iterable[Heard]) -> None:
        self._notices: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for each in heard:
            self._notices[each.message, each.kind].append(each.notice)

    def of(self, record: MessageRecord) -> Sequence[str]:
        """Give the ids under which this message's end came."""
        return tuple(self._notices.get((record.id, f"message.{record.status}"), ()))

    def faults(self, record: MessageRecord) -> list[str]:
        """Say what is wrong: each end has to come at least once, and always under one id."""
        if not is_told(record):
            return []
        ids = len(set(self.of(record)))
        return [] if ids == 1 else [f"{record.status}, of which the webhook was told under {ids} ids"]


def is_told(record: MessageRecord) -> bool:
    """Tell whether the message has come to an end of which the webhook hears."""
    return record.status in _TOLD


def untold(records: Iterable[MessageRecord], heard: Iterable[Heard]) -> int:
    """Count the messages of whose end the webhook was not told yet."""
    tellings = Tellings(heard)
    return sum(is_told(record) and not tellings.of(record) for record in records)
