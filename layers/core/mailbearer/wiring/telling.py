"""Telling others: the verbs, joined."""

from __future__ import annotations

# ruff: noqa: PLC0415 - see the comment in `adapters`
from functools import cached_property
from typing import TYPE_CHECKING

from mailbearer.wiring.adapters import Adapters

if TYPE_CHECKING:
    from mailbearer.aws.owner_topic import SNSOwnerTopic
    from mailbearer.notifying.courier import Courier
    from mailbearer.notifying.keeping import WebhookKeeping
    from mailbearer.notifying.notifier import Notifier
    from mailbearer.notifying.owners import Owners
    from mailbearer.notifying.replaying import Replaying


class Telling(Adapters):
    """What is joined here is made when it is first asked for."""

    @cached_property
    def webhook_keeping(self) -> WebhookKeeping:
        """Give the keeping of webhooks."""
        from mailbearer.happenings import EVENTS
        from mailbearer.notifying.keeping import WebhookKeeping
        from mailbearer.notifying.replaying import TEST

        return WebhookKeeping(
            store=self.webhooks,
            vault=self.webhook_secrets,
            accounts=self.accounts,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
            kinds=frozenset(EVENTS) - {TEST},
            local=self.settings.local,
        )

    @cached_property
    def webhook_replaying(self) -> Replaying:
        """Give what sends test events and replays."""
        from mailbearer.notifying.replaying import Replaying

        return Replaying(
            keeping=self.webhook_keeping,
            queue=self.notification_queue,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def courier(self) -> Courier:
        """Give what delivers to webhooks."""
        from mailbearer.news import News
        from mailbearer.notifying.courier import Courier
        from mailbearer.transports.retry_after import asked_pause

        return Courier(
            store=self.webhooks,
            vault=self.webhook_secrets,
            queue=self.notification_queue,
            way_out=self.egress,
            news=News(self.events, self.trail, self.clock),
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
            pause_of=asked_pause,
        )

    @cached_property
    def owners(self) -> Owners:
        """Give what tells people that a mailbox needs them."""
        from mailbearer.notifying.owners import Owners

        return Owners(
            accounts=self.accounts, queue=self.queue, topic=self.owner_topic, trail=self.trail, clock=self.clock
        )

    @cached_property
    def owner_topic(self) -> SNSOwnerTopic | None:
        """Give the topic of those who look after mailboxes, None if there is none."""
        if not self.settings.owner_topic_arn:
            return None
        from mailbearer.aws.owner_topic import SNSOwnerTopic

        return SNSOwnerTopic(self.clients.sns, self.settings.owner_topic_arn)

    @cached_property
    def notifier(self) -> Notifier:
        """Give what takes bodies off the notification queue."""
        from mailbearer.notifying.notifier import Notifier

        return Notifier(
            store=self.webhooks,
            queue=self.notification_queue,
            courier=self.courier,
            trail=self.trail,
            tell_owner=self.owners.tell,
        )
