"""What lies on the notification queue: events as the bus brings them, and deliveries of our own."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mailbearer.errors import MalformedBody
from mailbearer.ids import derived_id, is_id
from mailbearer.webhook import Delivery, Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = "mailbearer"
_MARK = "webhook_delivery"
_MOST_TRIES = 1000
_LATEST = 253_402_300_799.0  # the year 9999, epoch seconds


def write_delivery(delivery: Delivery) -> str:
    """Write a delivery as a body of the queue."""
    return json.dumps({_MARK: asdict(delivery)}, separators=(",", ":"))


def read_body(body: str) -> Notice | Delivery:
    """Read a body of the queue. Raises `MalformedBody` for what neither the bus nor we wrote."""
    try:
        fields = json.loads(body)
        if not isinstance(fields, dict):
            raise _unreadable()
        return _read_delivery(fields[_MARK]) if _MARK in fields else _read_event(fields)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        # What stood there may be anything, so it is not repeated.
        raise _unreadable() from error


def payload(notice: Notice) -> bytes:
    """Write what a webhook is sent; the same bytes with every try."""
    body = {"type": notice.kind, "timestamp": notice.at, "data": notice.data}
    return json.dumps(body, separators=(",", ":")).encode()


def _read_delivery(fields: Mapping[str, Any]) -> Delivery:
    said = fields["notice"]
    notice = Notice(
        id=_event_id(said["id"]),
        kind=_text(said["kind"]),
        at=_text(said["at"]),
        account=str(said["account"]),
        data=dict(said["data"]),
    )
    return Delivery(
        webhook=_text(fields["webhook"]),
        notice=notice,
        attempt=int(_number(fields["attempt"], most=_MOST_TRIES)),
        not_before=_number(fields["not_before"], most=_LATEST),
    )


def _read_event(envelope: Mapping[str, Any]) -> Notice:
    """Read an EventBridge event; where its detail does not say which fact it is, the envelope does."""
    if envelope["source"] != SOURCE:
        raise _unreadable()
    detail = dict(envelope["detail"])
    told = detail.get("id")
    known = isinstance(told, str) and is_id("evt_", told)
    return Notice(
        id=str(told) if known else derived_id("evt_", _text(envelope["id"])),
        kind=_text(envelope["detail-type"]),
        at=_text(detail.get("at") or envelope["time"]),
        account=str(detail.get("account") or ""),
        data=detail,
    )


def _event_id(value: object) -> str:
    """Read what becomes a header field."""
    if not isinstance(value, str) or not is_id("evt_", value):
        raise _unreadable()
    return value


def _number(value: object, *, most: float) -> float:
    # What is no number at all, as JSON of Python's kind may say (NaN, 1e999), is not below `most` either.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise _unreadable()
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise _unreadable()
    return value


def _unreadable() -> MalformedBody:
    return MalformedBody("The body is neither an event of the bus nor a delivery of ours.")
