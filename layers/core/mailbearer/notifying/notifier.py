"""Taking bodies off the notification queue: events become deliveries, deliveries are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.errors import MalformedBody
from mailbearer.notifying.bodies import read_body, write_delivery
from mailbearer.notifying.told import Told, Verb
from mailbearer.webhook import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.notifying.courier import Courier
    from mailbearer.ports.channels import NotificationQueue
    from mailbearer.ports.stores import WebhookStore
    from mailbearer.trail import Trail
    from mailbearer.webhook import Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Tell webhooks and owners; `tell_owner` is given every notice and knows which concern an owner."""

    store: WebhookStore
    queue: NotificationQueue
    courier: Courier
    trail: Trail
    tell_owner: Callable[[Notice], None]

    def take(self, body: str, *, deadline: float) -> Told:
        """Do what a body asks for before `deadline` (epoch seconds). Raises `Unavailable`: then it comes again."""
        try:
            asked = read_body(body)
        except MalformedBody as error:
            self.queue.refuse(body, reason=error.code)
            self.trail.note("notice.refused", "notification-queue", "refused", reason=error.code)
            return Told(verb=Verb.REFUSED, code=error.code)
        if isinstance(asked, Delivery):
            return self.courier.deliver(asked, deadline=deadline)
        return self._expand(asked)

    def _expand(self, notice: Notice) -> Told:
        """Make a delivery for each webhook that wants the notice.

        Dying in between means that some webhooks are told again, under the same id.
        """
        for webhook in self.store.listing():
            if webhook.wants(notice.kind, notice.account):
                self.queue.put(write_delivery(Delivery(webhook=webhook.id, notice=notice)), group=webhook.id)
        self.tell_owner(notice)
        return Told(verb=Verb.EXPANDED, notice=notice.id, kind=notice.kind)
