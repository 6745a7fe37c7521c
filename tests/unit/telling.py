"""What tells webhooks, joined on fakes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mailbearer.caller import Caller
from mailbearer.happenings import EVENTS
from mailbearer.ids import derived_id
from mailbearer.news import News
from mailbearer.notifying.courier import Courier
from mailbearer.notifying.keeping import WebhookKeeping
from mailbearer.notifying.notifier import Notifier
from mailbearer.notifying.replaying import Replaying
from mailbearer.trail import BufferedTrail
from mailbearer.transports.retry_after import asked_pause
from mailbearer.webhook import Delivery, Notice, SigningSecrets, Webhook
from tests.fakes import (
    CountedBytes,
    FakeAccountStore,
    FakeAuditLog,
    FakeAuditSpool,
    FakeClock,
    FakeEventBus,
    FakeNotificationQueue,
    FakeWebhookStore,
    FakeWebhookVault,
    ScriptedWayOut,
)

if TYPE_CHECKING:
    from mailbearer.notifying.told import Told

ADMIN = Caller(key_id="key_admin", scopes=frozenset({"admin"}))
SECRET = b"s" * 32
HOUR = 3600.0


@dataclass
class Desk:
    """Everything that tells webhooks, on fakes; randomness is so small that nothing is jittered."""

    clock: FakeClock = field(default_factory=FakeClock)
    store: FakeWebhookStore = field(default_factory=FakeWebhookStore)
    vault: FakeWebhookVault = field(default_factory=FakeWebhookVault)
    accounts: FakeAccountStore = field(default_factory=FakeAccountStore)
    queue: FakeNotificationQueue = field(default_factory=FakeNotificationQueue)
    out: ScriptedWayOut = field(default_factory=ScriptedWayOut)
    bus: FakeEventBus = field(default_factory=FakeEventBus)
    log: FakeAuditLog = field(default_factory=FakeAuditLog)
    owners: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random_bytes = CountedBytes()
        self.trail = BufferedTrail(self.log, FakeAuditSpool(), self.clock, self.random_bytes, actor="notifier")
        self.keeping = WebhookKeeping(
            store=self.store,
            vault=self.vault,
            accounts=self.accounts,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
            kinds=EVENTS,
            local=False,
        )
        self.replaying = Replaying(
            keeping=self.keeping, queue=self.queue, trail=self.trail, clock=self.clock, random_bytes=self.random_bytes
        )
        self.courier = Courier(
            store=self.store,
            vault=self.vault,
            queue=self.queue,
            way_out=self.out,
            news=News(self.bus, self.trail, self.clock),
            trail=self.trail,
            clock=self.clock,
            random_bytes=bytes,
            pause_of=asked_pause,
            patience=0.05,
        )
        self.notifier = Notifier(
            store=self.store,
            queue=self.queue,
            courier=self.courier,
            trail=self.trail,
            tell_owner=self.owners.append,
        )

    def webhook(self, name: str = "one", **changes: object) -> Webhook:
        """Keep a webhook with its secret."""
        plain = Webhook(
            id=derived_id("whk_", name),
            url=f"https://{name}.example/in",
            events=("*",),
            created_at=1,
            created_by="key_admin",
            updated_at=1,
            delivered_at=self.clock(),
        )
        webhook = replace(plain, **changes)  # type: ignore[arg-type]
        self.store.create(webhook)
        self.vault.put(webhook.id, SigningSecrets(SECRET))
        return webhook

    def stands(self, webhook: Webhook) -> Webhook:
        """Read a webhook again."""
        found = self.store.get(webhook.id)
        assert found is not None
        return found

    def take(self, body: str, *, seconds: float = 60) -> Told:
        """Take a body, with so much time left."""
        return self.notifier.take(body, deadline=self.clock() + seconds)

    def try_once(self, webhook: Webhook, **changes: object) -> Told:
        """Try a delivery to a webhook."""
        delivery = Delivery(webhook=webhook.id, notice=notice())
        delivery = replace(delivery, **changes)  # type: ignore[arg-type]
        return self.courier.deliver(delivery, deadline=self.clock() + 60)

    @property
    def actions(self) -> list[str]:
        """Name what was audited."""
        self.trail.flush()
        return self.log.actions


def notice(name: str = "fact", kind: str = "message.failed", account: str = "acc_1") -> Notice:
    """Give a notice."""
    told = derived_id("evt_", name)
    at = "2025-06-15T15:06:40.000Z"
    return Notice(
        id=told, kind=kind, at=at, account=account, data={"id": told, "at": at, "account": account, "message": "msg_1"}
    )


def envelope(said: Notice) -> str:
    """Give the body that the bus makes of a notice."""
    return json.dumps(
        {
            "version": "0",
            "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
            "detail-type": said.kind,
            "source": "mailbearer",
            "account": "123456789012",
            "time": "2025-06-15T15:06:41Z",
            "region": "eu-central-1",
            "resources": [],
            "detail": said.data,
        }
    )
