"""Init of each function: from the first import until the handler could run, each time in a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Row, Series

if TYPE_CHECKING:
    from benchmarks.effort import Effort

ROOT = Path(__file__).resolve().parent.parent
# The Lambda runtime's version, where `make test` or `make bench` found one.
OTHER_PYTHONS = (ROOT / ".venv-3.13/bin/python",)
_SECONDS = 60
_API = "Powertools resolver + validation + Metrics + Logger + boto3 SQS and DynamoDB clients"
_WORKER = "Logger + Metrics + batch + boto3 Secrets Manager and DynamoDB clients + Authlib + Requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function, what its main road needs of `wiring()`, its yardstick and its budget."""

    name: str
    joins: tuple[str, ...]
    yardstick: str
    against: str
    must: float | None
    stretch: float | None


def _made(*services: str) -> tuple[str, ...]:
    """Name the AWS clients that a function's usual work uses; all others are made if something is in the way."""
    return tuple(f"client:{service}" for service in services)


FUNCTIONS = (
    Function(
        name="messages_api",
        joins=("submission", "trail", *_made("dynamodb", "sqs", "logs")),
        yardstick="api",
        against=_API,
        must=0.50,
        stretch=0.33,
    ),
    Function(
        name="accounts_api",
        joins=("directory", "consent", "trail", *_made("dynamodb", "secretsmanager", "logs")),
        yardstick="api",
        against=_API,
        must=0.50,
        stretch=0.33,
    ),
    Function(
        name="delivery_worker",
        joins=("submission", "delivery", "transport=gmail", "trail", *_made("dynamodb", "secretsmanager", "logs")),
        yardstick="worker",
        against=_WORKER,
        must=0.45,
        stretch=0.28,
    ),
    Function(
        name="token_rotator",
        joins=("rotation", "server=", "trail", *_made("dynamodb", "s3", "secretsmanager", "logs")),
        yardstick="worker",
        against=_WORKER,
        must=0.45,
        stretch=0.28,
    ),
    Function(
        name="admin_api",
        joins=("keyring", "webhook_keeping", "audit_search", "trail", *_made("dynamodb", "secretsmanager", "logs")),
        yardstick="api",
        against=_API,
        must=0.50,
        stretch=0.33,
    ),
    Function(
        name="notifier",
        joins=("notifier", "trail", *_made("dynamodb", "secretsmanager", "sqs", "logs")),
        yardstick="worker",
        against=_WORKER,
        must=0.45,
        stretch=0.28,
    ),
    Function(
        name="auditor",
        joins=("digester", "trail", *_made("logs", "s3", "kms")),
        yardstick="worker",
        against=_WORKER,
        must=0.45,
        stretch=0.28,
    ),
    Function(
        name="authorizer",
        joins=("admission", *_made("dynamodb")),
        yardstick="worker",
        against=_WORKER,
        must=0.45,
        stretch=0.28,
    ),
)

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "us-east-1",
    "POWERTOOLS_SERVICE_NAME": "bench",
    "POWERTOOLS_METRICS_NAMESPACE": "Mailbearer",
    "MAILBEARER_LOCAL": "true",
    "API_URL": "http://127.0.0.1",
    "MESSAGES_TABLE": "messages",
    "ACCOUNTS_TABLE": "accounts",
    "CONSENTS_TABLE": "consents",
    "KEYS_TABLE": "keys",
    "REGISTRATIONS_TABLE": "registrations",
    "SUPPRESSIONS_TABLE": "suppressions",
    "LEDGERS_TABLE": "ledgers",
    "TEMPLATES_TABLE": "templates",
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/messages",
    "QUEUE_ARN": "arn:aws:sqs:us-east-1:123456789012:messages",
    "DEAD_LETTER_QUEUE_ARN": "arn:aws:sqs:us-east-1:123456789012:dead-letters",
    "SCHEDULE_GROUP": "mailbearer-bench",
    "SCHEDULE_ROLE_ARN": "arn:aws:iam::123456789012:role/mailbearer-bench-schedules",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters",
    "ROTATION_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/rotation.fifo",
    "CONTENT_BUCKET": "content",
    "SECRETS_PREFIX": "mailbearer/bench",
    "AUDIT_LOG_GROUP": "/mailbearer/bench/audit",
    "EVENT_BUS": "mailbearer-bench",
    "INCIDENTS_TABLE": "incidents",
    "WEBHOOKS_TABLE": "webhooks",
    "NOTIFICATION_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/notifications",
    "NOTIFICATION_DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/notifications-dead",
    "ARCHIVE_BUCKET": "archive",
    "SIGNING_KEY_ARN": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000",
}
"""What a function is told by its environment, for all of them."""


def measure(effort: Effort) -> list[Row]:
    """Give each function twice: to its handler, which is the budget's figure, and to everything its main road needs."""
    pythons = [Path(sys.executable)]
    if effort.other_pythons:
        pythons += [python for python in OTHER_PYTHONS if python.is_file() and python != pythons[0]]
    return [row for python in pythons for row in _under(python, effort.starts)]


def _under(python: Path, rounds: int) -> list[Row]:
    yardsticks = sorted({function.yardstick for function in FUNCTIONS})
    taken: dict[str, list[tuple[float, float]]] = {}
    version = ""
    for round_number in range(rounds + 1):
        for yardstick in yardsticks:
            taken.setdefault(yardstick, []).append(start(python, ROOT / "benchmarks/yardsticks", yardstick))
            for function in FUNCTIONS:
                if function.yardstick == yardstick:
                    folder = ROOT / "functions" / function.name
                    taken.setdefault(function.name, []).append(start(python, folder, "app", *function.joins))
        if not round_number:
            # The first round wrote bytecode and filled the caches.
            taken.clear()
            version = _version(python)
    return [row for function in FUNCTIONS for row in _rows(function, taken, version)]


def start(python: Path, folder: Path, module: str, *joins: str) -> tuple[float, float]:
    """Start an interpreter; give the seconds until the handler could run and until all is joined."""
    probe = ROOT / "benchmarks/start_probe.py"
    done = subprocess.run(
        [str(python), "-I", str(probe), str(folder), module, *joins],
        env={"PATH": os.environ.get("PATH", "")} | ENVIRONMENT,
        check=True,
        stdout=subprocess.PIPE,
        timeout=_SECONDS,
    )
    handler, joined = json.loads(done.stdout)
    return float(handler), float(joined)


def _rows(function: Function, taken: dict[str, list[tuple[float, float]]], version: str) -> list[Row]:
    yardstick = Series(tuple(handler for handler, _ in taken[function.yardstick]))
    handlers, joined = zip(*taken[function.name], strict=True)
    return [
        Row(
            measure="init",
            name=f"{function.name}, Python {version}",
            figure=Series(handlers),
            against=function.against,
            yardstick=yardstick,
            must=function.must,
            stretch=function.stretch,
        ),
        Row(
            measure="init",
            name=f"{function.name} + clients, Python {version}",
            figure=Series(joined),
            against=function.against,
            yardstick=yardstick,
            details={"joined": list(function.joins)},
        ),
    ]


def _version(python: Path) -> str:
    asked = [str(python), "-c", "import sys; print('.'.join(map(str, sys.version_info[:2])))"]
    done = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True, timeout=_SECONDS)
    return done.stdout.strip()
