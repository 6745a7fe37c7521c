"""The demonstration's receiver believes what a library of the specification signs, and nothing else."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
import requests
from standardwebhooks import Webhook

from sandbox import receiver

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
BODY = '{"type":"message.sent"}'


@pytest.mark.parametrize(
    ("secret", "body", "status"),
    [
        pytest.param(SECRET, BODY, 204, id="signed"),
        pytest.param(SECRET, BODY.replace("sent", "lost"), 401, id="changed"),
        pytest.param("whsec_" + base64.b64encode(b"t" * 32).decode(), BODY, 401, id="another secret"),
    ],
)
def test_only_what_was_signed_with_the_secret_is_taken(secret: str, body: str, status: int) -> None:
    now = datetime.now(UTC)
    fields = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", now, BODY),
    }
    with receiver.listening() as listener:
        listener.secret = SECRET
        answer = requests.post(listener.url, data=body, headers=fields, timeout=5)
        assert (answer.status_code, listener.taken.qsize()) == (status, int(status == 204))


def test_what_does_not_come_is_said_to_be_missing() -> None:
    with receiver.listening() as listener, pytest.raises(TimeoutError, match="no signed event"):
        listener.event(seconds=0)
