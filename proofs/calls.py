"""Every call that leaves a process, seen from outside the product; and the process's end at one of them."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mailbearer.egress import Egress
from mailbearer.egress.session import GuardedAdapter, GuardedSession
from proofs.processes import die

if TYPE_CHECKING:
    from collections.abc import Mapping

    import boto3
    import requests

    from mailbearer.config import Settings

# What says in an AWS request what it is about, and what it is called in a table.
_TARGETS = ("TableName", "SecretId", "logGroupName")
_TABLES = ("accounts", "registrations", "messages", "ledgers", "suppressions", "templates", "incidents", "webhooks")
_SERVICES = {
    "dynamodb": "DynamoDB",
    "secrets-manager": "Secrets Manager",
    "cloudwatch-logs": "Logs",
    "eventbridge": "EventBridge",
    "sqs": "SQS",
    "s3": "S3",
    "scheduler": "Scheduler",
    "kms": "KMS",
}


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A place to die: before call number `call` (from 0) leaves, or after the server did it and before we know."""

    call: int
    answered: bool


@dataclass(slots=True)
class Calls:
    """The calls of one process, of all its threads, in their order; it dies at `end`, if that is set."""

    settings: Settings
    end: Point | None = None
    seen: list[str] = field(default_factory=list)
    _under_way: threading.local = field(default_factory=threading.local, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def watch(self, session: boto3.Session) -> None:
        """See what clients send that are made of this session from now on."""
        session.events.register("before-send", self._aws_leaves)
        session.events.register("response-received", self._aws_answered)

    def leaves(self, name: str) -> None:
        """Note a call that is about to leave."""
        with self._lock:
            number = self._under_way.number = len(self.seen)
            self.seen.append(name)
        if self.end == Point(number, answered=False):
            die()

    def answered(self) -> None:
        """Note that the server has done the last call of this thread."""
        if self.end == Point(self._under_way.number, answered=True):
            die()

    def _aws_leaves(self, request: Any, event_name: str, **_: Any) -> None:
        body = request.body
        self.leaves(aws_call(self.settings, event_name, body if isinstance(body, bytes | str) else None))

    def _aws_answered(self, **_: Any) -> None:
        self.answered()


def aws_call(settings: Settings, event_name: str, body: bytes | str | None) -> str:
    """Name a call as the tables show it; `event_name` is botocore's: `<moment>.<service>.<operation>`."""
    service, operation = event_name.split(".")[1:]
    return f"{_SERVICES.get(service, service)} {operation}{_about(settings, body)}"


def http_call(method: str | None, url: str | None) -> str:
    """Name a call to a provider."""
    return f"{method} {urlsplit(url or '').path.rpartition('/')[2]}"


def _about(settings: Settings, body: bytes | str | None) -> str:
    try:
        request: Mapping[str, Any] = json.loads(body or "{}")
    except ValueError:
        return ""
    named = (str(request[name]) for name in _TARGETS if name in request)
    target = next(named, "") or next(iter(request.get("RequestItems", ())), "")
    prefix = f"{settings.secrets_prefix}/"
    if target.startswith(prefix):
        return f" ({target.removeprefix(prefix).partition('/')[0]})"
    tables = {getattr(settings, f"{table}_table"): table for table in _TABLES}
    return f" ({tables[target]})" if target and target in tables else ""


class WatchedEgress(Egress):
    """The guarded way out, with somebody at the door."""

    def __init__(self, calls: Calls, *, local: bool) -> None:
        super().__init__(local=local)
        self._calls = calls

    def session(self, ca_pem: str = "") -> GuardedSession:
        """Give a session whose calls are seen."""
        return GuardedSession(_WatchedAdapter(self.adapter(ca_pem), self._calls))


class _WatchedAdapter(GuardedAdapter):
    def __init__(self, adapter: GuardedAdapter, calls: Calls) -> None:  # the way out is the other adapter's
        self._adapter = adapter
        self._calls = calls

    def send(self, request: requests.PreparedRequest, *arguments: Any, **named: Any) -> requests.Response:
        self._calls.leaves(http_call(request.method, request.url))
        response = self._adapter.send(request, *arguments, **named)
        self._calls.answered()
        return response
