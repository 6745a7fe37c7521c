"""The functions as Lambda runs them: `app.py` of a folder, an environment, events and a context."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Context:
    """As much of Lambda's context as the functions read."""

    aws_request_id: str = "00000000-1111-4222-8333-444444444444"

    def get_remaining_time_in_millis(self) -> int:
        """Give plenty."""
        return 120_000


def load(name: str) -> ModuleType:
    """Load a function anew, with caches of its own, as a cold start does."""
    spec = importlib.util.spec_from_file_location(f"benchmarked_{name}", ROOT / "functions" / name / "app.py")
    if spec is None or spec.loader is None:
        raise LookupError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def end_worker(app: ModuleType) -> None:
    """Let go of a delivery worker's threads and connections, which Lambda's end of life does otherwise."""
    app.pool().shutdown()
    app.wiring().egress.close()


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for a while; everything is put back as it was."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def printed() -> Iterator[io.StringIO]:
    """Catch what a function prints: its log."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        yield out


def sqs_event(bodies: Sequence[str]) -> dict[str, Any]:
    """Give the event that carries these bodies from the queue."""
    return {
        "Records": [
            {
                "messageId": f"00000000-0000-4000-8000-{number:012}",
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1763800000000"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:messages",
                "awsRegion": "us-east-1",
            }
            for number, body in enumerate(bodies)
        ]
    }


def api_event(path: str, body: object) -> dict[str, Any]:
    """Give the event of one POST by a known caller (payload format 2.0)."""
    caller = {"key_id": "key_bench", "scopes": "messages:send messages:read", "accounts": ""}
    return {
        "version": "2.0",
        "routeKey": "ANY /v1/messages",
        "rawPath": path,
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "stage": "$default",
            "requestId": "JKJaXmPLvHcESHA=",
            "http": {"method": "POST", "path": path},
            "authorizer": {"lambda": caller},
        },
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
