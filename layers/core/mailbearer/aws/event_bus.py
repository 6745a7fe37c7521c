"""The event bus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mailbearer.aws.failures import calling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

    from mailbearer.happenings import Happened

_SOURCE = "mailbearer"
_MOST_BYTES = 240_000
"""EventBridge takes 256 KB in one call, types and times included."""


class EventBridgeBus:
    """Events from the source `mailbearer`."""

    most = 10

    def __init__(self, client: EventBridgeClient, bus: str) -> None:
        self._client = client
        self._bus = bus

    def publish(self, events: Sequence[Happened]) -> frozenset[str]:
        """Publish events; gives the ids of those that were not taken. Raises `Unavailable`."""
        refused: set[str] = set()
        for some in self._calls(events):
            with calling("events:PutEvents"):
                answer = self._client.put_events(Entries=[entry for _, entry in some])
            # A refused entry comes back in an answer that says 200; the answers stand in the entries' order.
            refused |= {
                happened.id
                for (happened, _), taken in zip(some, answer["Entries"], strict=True)
                if "ErrorCode" in taken
            }
        return frozenset(refused)

    def _calls(self, events: Sequence[Happened]) -> Iterator[list[tuple[Happened, PutEventsRequestEntryTypeDef]]]:
        """Share events out among as few calls as hold them: one, but for the largest."""
        some: list[tuple[Happened, PutEventsRequestEntryTypeDef]] = []
        size = 0
        for happened in events:
            text = json.dumps(dict(happened.detail))
            if some and (len(some) == self.most or size + len(text) > _MOST_BYTES):
                yield some
                some, size = [], 0
            some.append(
                (
                    happened,
                    {"EventBusName": self._bus, "Source": _SOURCE, "DetailType": happened.kind, "Detail": text},
                )
            )
            size += len(text)
        if some:
            yield some
