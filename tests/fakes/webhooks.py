"""Webhooks, their secrets and the notification queue, in memory; and endpoints that answer as they are told."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.errors import NotFound
from mailbearer.ports.channels import GivenUp
from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mailbearer.webhook import SigningSecrets, Webhook


class FakeWebhookStore:
    """Webhooks."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.webhooks: dict[str, Webhook] = {}
        self._lock = threading.Lock()

    def create(self, webhook: Webhook) -> bool:
        with self.faults.around("create"), self._lock:
            if webhook.id in self.webhooks:
                return False
            self.webhooks[webhook.id] = webhook
            return True

    def get(self, webhook_id: str) -> Webhook | None:
        with self.faults.around("get"), self._lock:
            return self.webhooks.get(webhook_id)

    def replace(self, new: Webhook, *, expected: Webhook) -> Webhook:
        with self.faults.around("replace"), self._lock:
            stands = self.webhooks.get(new.id)
            if stands is None:
                raise NotFound("There is no such webhook.")
            if stands.revision != expected.revision:
                return stands
            self.webhooks[new.id] = new
            return new

    def delete(self, webhook_id: str) -> None:
        with self.faults.around("delete"), self._lock:
            self.webhooks.pop(webhook_id, None)

    def listing(self) -> list[Webhook]:
        with self.faults.around("listing"), self._lock:
            return sorted(self.webhooks.values(), key=lambda webhook: webhook.id)


class FakeWebhookVault:
    """Signing secrets by webhook."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.secrets: dict[str, SigningSecrets] = {}

    def put(self, webhook_id: str, secrets: SigningSecrets) -> None:
        with self.faults.around("put"):
            self.secrets[webhook_id] = secrets

    def read(self, webhook_id: str) -> SigningSecrets | None:
        with self.faults.around("read"):
            return self.secrets.get(webhook_id)

    def retire(self, webhook_id: str) -> None:
        with self.faults.around("retire"):
            self.secrets.pop(webhook_id, None)


@dataclass(frozen=True, slots=True)
class Notified:
    """A body on the notification queue; `delay` in seconds."""

    body: str
    group: str
    delay: int


class FakeNotificationQueue:
    """What was put on the queue, in order, and the dead letters by receipt, each with its reason."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.queued: deque[Notified] = deque()
        self.dead: dict[str, tuple[str, str]] = {}
        self._numbers = 0
        self._lock = threading.Lock()

    @property
    def reasons(self) -> list[str]:
        """Give why each dead letter lies there, the oldest first."""
        return [reason for _, reason in self.dead.values()]

    def put(self, body: str, *, group: str, delay: int = 0) -> None:
        assert 0 <= delay <= 900
        with self.faults.around("put"), self._lock:
            self.queued.append(Notified(body, group, delay))

    def refuse(self, body: str, *, reason: str) -> None:
        with self.faults.around("refuse"), self._lock:
            self._numbers += 1
            self.dead[str(self._numbers)] = body, reason

    def given_up(self, most: int) -> Iterator[GivenUp]:
        with self.faults.around("given_up"), self._lock:
            found = [GivenUp(body, receipt) for receipt, (body, _) in self.dead.items()]
        yield from found[:most]

    def forget(self, receipt: str) -> None:
        with self.faults.around("forget"), self._lock:
            self.dead.pop(receipt, None)


@dataclass(frozen=True, slots=True)
class Called:
    """A request that an endpoint was sent."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class ScriptedWayOut:
    """A way out behind which endpoints answer as they are told: a status with header fields, or an error.

    What is not told is answered 204. `before` happens while a call is under way.
    """

    called: list[Called] = field(default_factory=list)
    answers: deque[tuple[int, dict[str, str], bytes] | Exception] = field(default_factory=deque)
    before: Faults = field(default_factory=Faults)

    def exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, ca_pem: str, deadline: float
    ) -> tuple[int, Mapping[str, str], bytes, bool]:
        assert (method, ca_pem) == ("POST", "")
        assert 0 < deadline <= 15
        assert body is not None
        self.called.append(Called(url, dict(headers), body))
        with self.before.around("exchange"):
            answer = self.answers.popleft() if self.answers else (204, {}, b"")
        if isinstance(answer, Exception):
            raise answer
        return (*answer, True)
