"""The event bus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mailbearer.aws.failures import calling
from mailbearer.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

_SOURCE = "mailbearer"


class EventBridgeBus:
    """Events from the source `mailbearer`."""

    def __init__(self, client: EventBridgeClient, bus: str) -> None:
        self._client = client
        self._bus = bus

    def publish(self, detail_type: str, detail: Mapping[str, object]) -> None:
        """Publish one event. Raises `Unavailable`."""
        entry: PutEventsRequestEntryTypeDef = {
            "EventBusName": self._bus,
            "Source": _SOURCE,
            "DetailType": detail_type,
            "Detail": json.dumps(dict(detail)),
        }
        with calling("events:PutEvents"):
            answer = self._client.put_events(Entries=[entry])
        # A refused entry comes back in an answer that says 200.
        if answer["FailedEntryCount"]:
            codes = sorted({refused["ErrorCode"] for refused in answer["Entries"] if "ErrorCode" in refused})
            raise Unavailable(f"events:PutEvents failed: {', '.join(codes)}.")
