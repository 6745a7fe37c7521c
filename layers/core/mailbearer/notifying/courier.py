"""Bringing one notice to one webhook: signed, guarded, tried again through the queue, given up in the end."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from mailbearer.errors import NotFound, SecretMissing, Unavailable
from mailbearer.happenings import of_webhook
from mailbearer.notifying.bodies import payload, write_delivery
from mailbearer.notifying.calling import SECONDS, Verdict, call
from mailbearer.notifying.signing import header_fields
from mailbearer.notifying.told import Told, Verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.news import News
    from mailbearer.notifying.calling import PauseOf, Reply, WayOut
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.channels import NotificationQueue
    from mailbearer.ports.stores import WebhookStore
    from mailbearer.ports.vaults import WebhookVault
    from mailbearer.trail import Trail
    from mailbearer.webhook import Delivery, SigningSecrets, Webhook

    Change: TypeAlias = Callable[[Webhook], Webhook]

PAUSES = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each further try, as the specification recommends; a fifth more at most, by chance."""

GIVE_UP_AFTER = 5 * 86_400
"""A webhook that has failed for so many seconds, and never once not, is disabled."""

LONGEST_HOP = 900
"""The longest delay of a queue, in seconds; longer ways go in hops."""

REMEMBERED = 60.0
"""Seconds for which a process remembers a webhook's secrets."""

AT_ONCE = 4
"""So many calls one process has under way to one webhook."""

_MARGIN = 5.0
_PUT_BACK = 2
_BUSY = 15
_FRESH = 300.0
_TRIES = 5
_USER_AGENT = "Mailbearer-Webhooks/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """Deliver notices; safe for several threads.

    `patience` is for how many seconds a delivery waits for others to the same webhook before it goes back.

    Nothing is repeated here: what failed goes back on the queue, so a slow endpoint holds up nobody but itself. A crash
    anywhere means that a receiver hears the same notice again, under the same id.
    """

    store: WebhookStore
    vault: WebhookVault
    queue: NotificationQueue
    way_out: WayOut
    news: News
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes
    pause_of: PauseOf
    patience: float = 5.0
    _secrets: dict[str, tuple[float, float, SigningSecrets]] = field(default_factory=dict, init=False, repr=False)
    _lanes: dict[str, threading.BoundedSemaphore] = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def deliver(self, delivery: Delivery, *, deadline: float) -> Told:
        """Try one delivery, if it is time and there is time before `deadline` (epoch seconds). Raises `Unavailable`."""
        if (wait := delivery.not_before - self.clock()) > 0:
            return self._put_back(delivery, wait)
        webhook = self.store.get(delivery.webhook)
        if webhook is None:
            return _told(delivery, Verb.DROPPED)
        if webhook.disabled:
            return self._give_up(delivery, "disabled")
        lane = self._lane(webhook.id)
        if not lane.acquire(timeout=self.patience):
            # Only a slow endpoint comes here; asking for a turn every other second would cost more than its deliveries.
            return self._put_back(delivery, self._jittered(_BUSY))
        try:
            if deadline - self.clock() < SECONDS + _MARGIN:
                return self._put_back(delivery, _PUT_BACK)
            reply = self._call(webhook, delivery)
        finally:
            lane.release()
        return self._settle(webhook, delivery, reply)

    def _call(self, webhook: Webhook, delivery: Delivery) -> Reply | None:
        """Make the call; None if there is no secret to sign with."""
        secrets, now = self._secrets_of(webhook), self.clock()
        if secrets is None:
            return None
        body = payload(delivery.notice)
        proof = header_fields(secrets.in_force(now), delivery.notice.id, body, at=int(now))
        headers = {"content-type": "application/json", "user-agent": _USER_AGENT, **proof}
        return call(self.way_out, webhook.url, headers, body, pause_of=self.pause_of, now=now)

    def _settle(self, webhook: Webhook, delivery: Delivery, reply: Reply | None) -> Told:
        now = self.clock()
        if reply is not None and reply.verdict is Verdict.TAKEN:
            if webhook.failures or not 0 <= now - webhook.delivered_at < _FRESH:
                # What was taken must not go out again because this could not be written; the next success writes it.
                with suppress(Unavailable):
                    self._change(
                        webhook,
                        lambda stands: stands.changed(failures=0, failing_since=0, last_failure="", delivered_at=now),
                    )
            return _told(delivery, Verb.DELIVERED)
        code, pause, said = ("no_secret", 0.0, "") if reply is None else (reply.code, reply.pause, reply.said)
        tried = replace(delivery, attempt=delivery.attempt + 1)
        if reply is not None and reply.verdict is Verdict.GONE:
            self._disable(webhook, "gone", code)
            return replace(self._give_up(tried, code), said=said, disabled=True)
        failing = self._change(
            webhook,
            lambda stands: stands.changed(
                failures=stands.failures + 1, failing_since=stands.failing_since or now, last_failure=code
            ),
        )
        if failing is not None and failing.failing_since and now - failing.failing_since >= GIVE_UP_AFTER:
            self._disable(failing, "failing", code)
            return replace(self._give_up(tried, code), said=said, disabled=True)
        if tried.attempt > len(PAUSES):
            return replace(self._give_up(tried, code), said=said)
        wait = max(self._jittered(PAUSES[tried.attempt - 1]), pause)
        self._queue(replace(tried, not_before=now + wait), wait)
        return _told(tried, Verb.RETRIED, code=code, said=said)

    def _put_back(self, delivery: Delivery, seconds: float) -> Told:
        self._queue(delivery, seconds)
        return _told(delivery, Verb.WAITING)

    def _queue(self, delivery: Delivery, seconds: float) -> None:
        delay = max(1, min(LONGEST_HOP, -int(-seconds // 1)))
        self.queue.put(write_delivery(delivery), group=delivery.webhook, delay=delay)

    def _give_up(self, delivery: Delivery, code: str) -> Told:
        self.queue.refuse(write_delivery(delivery), reason=code)
        facts = {"notice": delivery.notice.id, "type": delivery.notice.kind, "attempts": str(delivery.attempt)}
        self.trail.note("webhook.gave_up", delivery.webhook, "gave_up", reason=code, **facts)
        return _told(delivery, Verb.GAVE_UP, code=code)

    def _disable(self, webhook: Webhook, reason: str, code: str) -> None:
        """Deliver nothing any more, and say so; once, however many deliveries find it at the same time."""
        now = self.clock()
        done: list[Webhook] = []

        def disable(stands: Webhook) -> Webhook:
            done[:] = [] if stands.disabled else [stands]
            return (
                stands
                if stands.disabled
                else stands.changed(disabled=True, reason=reason, updated_at=now, last_failure=code)
            )

        stands = self._change(webhook, disable)
        if stands is None or not stands.disabled or not done:
            return
        self.trail.note("webhook.disabled", webhook.id, "disabled", reason=reason, code=code)
        facts = of_webhook(webhook) | {"reason": reason}
        self.news.tell("webhook.disabled", webhook.id, str(done[0].revision), facts)

    def _change(self, webhook: Webhook, change: Change) -> Webhook | None:
        """Change a webhook as it stands now, and give it; None if it was deleted.

        Where many deliveries write at the same time some give up: what they saw the next one sees as well.
        """
        for _ in range(_TRIES):
            wanted = change(webhook)
            if wanted == webhook:
                return webhook
            try:
                stands = self.store.replace(wanted, expected=webhook)
            except NotFound:
                return None
            if stands == wanted:
                return wanted
            webhook = stands
        return webhook

    def _secrets_of(self, webhook: Webhook) -> SigningSecrets | None:
        now = self.clock()
        kept = self._secrets.get(webhook.id)
        if kept is not None and kept[0] == webhook.rotated_at and 0 <= now - kept[1] < REMEMBERED:
            return kept[2]
        try:
            secrets = self.vault.read(webhook.id)
        except SecretMissing:
            return None
        # While a rotation is under way the vault may still have the secrets from before it.
        since = now - webhook.rotated_at
        if secrets is not None and (secrets.rotated_at == webhook.rotated_at or since >= REMEMBERED):
            self._secrets[webhook.id] = (webhook.rotated_at, now, secrets)
        return secrets

    def _lane(self, webhook_id: str) -> threading.BoundedSemaphore:
        with self._lock:
            return self._lanes.setdefault(webhook_id, threading.BoundedSemaphore(AT_ONCE))

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 + int.from_bytes(self.random_bytes(2), "big") / 0xFFFF / 5)


def _told(delivery: Delivery, verb: Verb, *, code: str = "", said: str = "") -> Told:
    notice = delivery.notice
    return Told(
        verb=verb,
        webhook=delivery.webhook,
        notice=notice.id,
        kind=notice.kind,
        code=code,
        said=said,
        attempt=delivery.attempt,
    )
