"""Webhooks on the deployed local stack: bus, rule, queue, notifier and a receiver that verifies what it gets."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks import Webhook as Verifier

from tests.e2e.local_stack import until
from tests.integration.transports.peers import Peer, Request, answer, read_request

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.once]
ACCOUNT = "orders@acme.example"


class Receiver(Peer):
    """An endpoint of somebody else's, which fails as often as it is told."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.failures = 0
        self._lock = threading.Lock()
        super().__init__(self._receive)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def got(self, path: str, kind: str) -> list[Request]:
        """Give the requests of a type that came to a path."""
        return [
            each
            for each in list(self.requests)
            if each.line.split(" ")[1] == path and json.loads(each.body)["type"] == kind
        ]

    def _receive(self, sock: socket.socket) -> None:
        while request := read_request(sock):
            with self._lock:
                self.requests.append(request)
                failing = self.failures > 0
                self.failures -= failing
            sock.sendall(answer(503 if failing else 204))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as peer:
        yield peer


def test_what_happens_reaches_a_webhook_and_can_be_verified(local_stack: LocalStack, receiver: Receiver) -> None:
    made = local_stack.operate("webhooks", "create", f"{receiver.url}/sent", "--event", "message.sent")
    sent = local_stack.send(ACCOUNT)
    local_stack.settled(sent["id"], "sent")
    (request, *_) = until("the webhook was told", lambda: receiver.got("/sent", "message.sent"))
    body: dict[str, Any] = Verifier(made["secret"]).verify(request.body, request.headers)
    assert body["data"]["message"] == sent["id"]
    assert body["data"]["id"] == request.headers["webhook-id"]
    assert "Hello" not in request.body.decode(), "content has gone out"

    rotated = local_stack.operate("webhooks", "rotate", made["id"], "--overlap", "1h")
    tested = local_stack.operate("webhooks", "test", made["id"])
    (request, *_) = until("the test event came", lambda: receiver.got("/sent", "webhook.test"))
    assert request.headers["webhook-id"] == tested["event"]
    secrets = (made["secret"], rotated["secret"])
    for secret in secrets:
        Verifier(secret).verify(request.body, request.headers)

    local_stack.operate("webhooks", "delete", made["id"], "--yes")
    assert local_stack.operate("webhooks", "list") == []
    assert made["secret"].removeprefix("whsec_") not in local_stack.decisions()


def test_a_receiver_that_fails_is_asked_again_under_the_same_id(local_stack: LocalStack, receiver: Receiver) -> None:
    made = local_stack.operate("webhooks", "create", f"{receiver.url}/shaky", "--event", "message.sent")
    receiver.failures = 1
    local_stack.operate("webhooks", "test", made["id"])
    twice = until("the webhook was told again", lambda: receiver.got("/shaky", "webhook.test")[1:2])
    ids = Counter(each.headers["webhook-id"] for each in receiver.got("/shaky", "webhook.test"))
    assert list(ids.values()) == [2]
    Verifier(made["secret"]).verify(twice[0].body, twice[0].headers)
    until(
        "it counts as well again",
        lambda: local_stack.get(f"/v1/webhooks/{made['id']}")["failures"] == 0 or None,
    )
    local_stack.operate("webhooks", "delete", made["id"], "--yes")
