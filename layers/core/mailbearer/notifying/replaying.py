"""Sending a test event, and telling a webhook again what was given up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from mailbearer.errors import Conflict, Fault, InvalidInput, MalformedBody
from mailbearer.happenings import happened, of_webhook
from mailbearer.ids import new_id, rfc3339
from mailbearer.notifying.bodies import read_body, write_delivery
from mailbearer.notifying.reading import check_names, read_object, read_span
from mailbearer.webhook import Delivery, Notice

if TYPE_CHECKING:
    from mailbearer.caller import Caller
    from mailbearer.notifying.keeping import WebhookKeeping
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.channels import NotificationQueue
    from mailbearer.trail import Trail
    from mailbearer.webhook import Webhook

TEST = "webhook.test"
LOOKS_AT = 1000
"""So many dead letters one replay looks at."""

REPLAY_FIELDS = frozenset({"since", "until"})
SECONDS = 15.0
"""So long it looks, within the function's 28."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many deliveries were put back on the queue, and whether there may be more to do."""

    replayed: int
    looked_at: int
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaying:
    """Put deliveries on the queue because somebody asked for it."""

    keeping: WebhookKeeping
    queue: NotificationQueue
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes

    def test(self, webhook_id: str, caller: Caller) -> Notice:
        """Send a test event to this webhook, whatever events it wants. Raises `NotFound`, `Conflict`, `Unavailable`."""
        webhook = self._enabled(webhook_id, caller)
        now = self.clock()
        told = happened(TEST, webhook.id, new_id("", now, self.random_bytes), now, of_webhook(webhook))
        notice = Notice(id=told.id, kind=TEST, at=rfc3339(now), account="", data=dict(told.detail))
        self.queue.put(write_delivery(Delivery(webhook=webhook.id, notice=notice)), group=webhook.id)
        self.trail.note("webhook.tested", webhook.id, "queued", actor=caller.key_id, notice=notice.id)
        return notice

    def replay(self, webhook_id: str, body: object, caller: Caller) -> Replayed:
        """Tell again what was given up, of events from `since` until before `until`; first tried at once, as if new.

        Raises `InvalidInput` with all faults, `NotFound`, `Conflict`, `Unavailable`: some may be on their way then.
        """
        webhook = self._enabled(webhook_id, caller)
        fields, faults = read_object(body), list[Fault]()
        check_names(fields, REPLAY_FIELDS, faults)
        began = self.clock()
        since, until = read_span(fields, began, faults)
        if faults:
            raise InvalidInput(tuple(faults))
        self.trail.intend("webhook.replay", webhook.id, actor=caller.key_id, since=rfc3339(since), until=rfc3339(until))
        replayed = looked_at = 0
        late = False
        for letter in self.queue.given_up(LOOKS_AT):
            looked_at += 1
            delivery = _delivery_in(letter.body)
            if delivery is not None and delivery.webhook == webhook.id and since <= _moment(delivery.notice) < until:
                again = replace(delivery, attempt=0, not_before=0)
                # On the queue before it leaves the dead letters: dying in between tells it twice, and never not.
                self.queue.put(write_delivery(again), group=webhook.id)
                self.queue.forget(letter.receipt)
                replayed += 1
            if late := self.clock() - began >= SECONDS:
                break
        self.trail.note("webhook.replayed", webhook.id, "queued", actor=caller.key_id, count=str(replayed))
        return Replayed(replayed, looked_at, more=late or looked_at >= LOOKS_AT)

    def _enabled(self, webhook_id: str, caller: Caller) -> Webhook:
        webhook = self.keeping.get(webhook_id, caller)
        if webhook.disabled:
            raise Conflict("This webhook is disabled; enable it first (PATCH with disabled: false).")
        return webhook


def _delivery_in(body: str) -> Delivery | None:
    """Read a dead letter; None if it is no delivery of ours."""
    try:
        found = read_body(body)
    except MalformedBody:
        return None
    return found if isinstance(found, Delivery) else None


def _moment(notice: Notice) -> float:
    """Give when it happened in epoch seconds, 0 if nobody can tell."""
    try:
        return datetime.fromisoformat(notice.at).timestamp()
    except ValueError:
        return 0.0
