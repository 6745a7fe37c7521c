"""What 1000 messages cost at AWS before egress: the real handlers on moto, every call counted and priced."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from moto import mock_aws

from benchmarks import mailbox, peer
from benchmarks.aws_calls import Meter, chunks, log_bytes
from benchmarks.figures import Row, Series
from benchmarks.handlers import Context, api_event, end_worker, environment, load, printed, sqs_event
from benchmarks.init import ENVIRONMENT
from benchmarks.prices import PRICES
from mailbearer.caller import ApiKey, hash_secret
from mailbearer.config import read_settings
from mailbearer.token import TokenSet
from mailbearer.wiring import Wiring
from sandbox.deploy import load_template

if TYPE_CHECKING:
    from types import ModuleType

    from benchmarks.effort import Effort

MUST, STRETCH = 0.0045, 0.0035
BATCH = 10
AUTHORIZED = {BATCH: 100, 1: 1}
"""HTTP requests of one key in the 60 s for which API Gateway keeps the authorizer's answer, by batch size.

Batches are full only when there is traffic; where every message comes alone, each request asks the authorizer.
"""

MARKED = {size: asked * 15 for size, asked in ((BATCH, AUTHORIZED[BATCH]), (1, AUTHORIZED[1]))}
"""Requests of one key in the quarter of an hour for which its last use is not written down again, by batch size."""

API_SECONDS, WORKER_SECONDS = 0.020, 0.400
"""Lambda's duration of one accepted request and of one batch: assumed, it depends on the provider and on AWS."""

_TEMPLATE = Path(__file__).resolve().parent.parent / "template.yaml"
_SECRET = "s" * 43
_KEY = "key_0123456789ABCDEFGHJKMNPQRS"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill, for 1000 messages; `share` is calls, logs or compute."""

    share: str
    part: str
    unit: str
    quantity: float

    @property
    def dollars(self) -> float:
        """Give the price of the quantity."""
        return self.quantity * PRICES[self.unit]

    def as_dict(self) -> dict[str, Any]:
        """Give the line as JSON."""
        return {
            "share": self.share,
            "part": self.part,
            "unit": self.unit,
            "quantity": round(self.quantity, 3),
            "usd": round(self.dollars, 9),
        }


def measure(effort: Effort) -> list[Row]:
    """Measure the usual case, ten messages in a batch, the worst, each message alone, and that every end is told."""
    del effort  # a call counted once is counted
    template = load_template(_TEMPLATE)
    rows = []
    for size, told in ((BATCH, "exceptions"), (1, "exceptions"), (BATCH, "all")):
        lines, calls = count(template, size, told)
        shares = {
            share: sum(line.dollars for line in lines if line.share == share) for share in ("calls", "logs", "compute")
        }
        judged = size == BATCH and told == "exceptions"
        rows.append(
            Row(
                measure="cost",
                name=f"AWS calls for 1000 messages, batches of {size}"
                + (", MessageEvents=all" if told == "all" else ""),
                figure=Series((shares["calls"],)),
                unit="USD",
                must=MUST if judged else None,
                stretch=STRETCH if judged else None,
                details={
                    "shares": shares | {"total": sum(shares.values())},
                    "bill": [line.as_dict() for line in lines],
                    "calls_per_message": {name: number / size for name, number in sorted(calls.items())},
                },
            )
        )
    return rows


def count(template: dict[str, Any], size: int, told: str = "exceptions") -> tuple[list[Line], Counter[str]]:
    """Count one warm batch of `size` messages from `POST /v1/messages` to sent; give the bill of 1000 messages.

    `told` is the stack's parameter MessageEvents; with `all` what happens to a sent message is told on the bus and
    comes to a notifier that finds no webhook.
    """
    tables = _tables(template)
    variables = ENVIRONMENT | {name.upper() + "_TABLE": name for name in ("messages", "accounts", "keys")}
    with peer.running("http") as host, mock_aws(), environment(variables):
        queue_url, notices_url = _make_world(tables, f"http://127.0.0.1:{host.port}", size)
        meter = Meter(tables)
        with meter.listening(), environment({"QUEUE_URL": queue_url, "MESSAGE_EVENTS": told}):
            api, worker, authorizer = load("messages_api"), load("delivery_worker"), load("authorizer")
            notifier = load("notifier")
            marking = _marking(meter, authorizer, size)
            # A warm-up message fills the caches of the instances: tokens, registrations, log streams.
            with printed():
                _post_all(api, size)
                _work(worker, queue_url, size)
                _batch(notifier, notices_url)
            parts = [_part(meter, "authorizer", lambda: _authorize(authorizer), 1 / AUTHORIZED[size])]
            accepting = _part(meter, "messages_api", lambda: _post_all(api, size), 1 / size)
            received = [0]
            sending = _part(meter, "delivery_worker", lambda: received.append(_work(worker, queue_url, size)), 1 / size)
            heard: list[int] = []
            telling = _part(meter, "notifier", lambda: heard.extend(_batch(notifier, notices_url)), 1 / size)
            end_worker(worker)
            notifier.pool().shutdown()
    per_message = [*parts, accepting, sending, telling]
    lines = [
        Line("logs" if "Logs" in unit else "calls", part, unit, 1000 * quantity)
        for part, units, _ in per_message
        for unit, quantity in sorted(units.items())
        if quantity
    ]
    lines.append(marking)
    lines += _around(template, size, received[-1])
    if heard:
        lines += _around_notices(size, heard)
    calls: Counter[str] = Counter()
    for _, _, counted in per_message[1:]:
        calls += counted
    return lines, calls


def _around(template: dict[str, Any], size: int, received: int) -> list[Line]:
    """Give what AWS's own parts add: the API, the invocations, the queue's polling, compute and the access log."""
    access_log = template["Resources"]["HttpApiStage"]["Properties"]["AccessLogSettings"]["Format"]
    # The variables' names in the format are about as long as what will stand in their place.
    access_bytes = log_bytes([access_log])
    batches = 1000 / size
    # An invocation that finds messages has received them in one call and deletes them in another.
    polls = batches * (chunks(received, 65536) + 1)
    memory = template["Globals"]["Function"]["MemorySize"] / 1024
    return [
        Line("calls", "API Gateway", "HTTP API requests", 1000),
        Line("calls", "API Gateway", "Lambda requests", 1000 + 1000 / AUTHORIZED[size]),
        Line("calls", "event source mapping", "Lambda requests", batches),
        Line("calls", "event source mapping", "SQS requests (64 KiB)", polls),
        Line("logs", "access log (about)", "CloudWatch Logs bytes", 1000 * access_bytes),
        Line("compute", "messages_api (assumed)", "Lambda GB-seconds", 1000 * API_SECONDS * memory),
        Line("compute", "delivery_worker (assumed)", "Lambda GB-seconds", batches * WORKER_SECONDS * memory),
    ]


def _around_notices(size: int, heard: list[int]) -> list[Line]:
    """Give what AWS's own parts add for events that come to the notification queue; `heard` are their bytes."""
    batches = 1000 / size
    return [
        Line(
            "calls", "EventBridge to SQS", "SQS requests (64 KiB)", batches * sum(chunks(one, 65536) for one in heard)
        ),
        Line("calls", "notifier's mapping", "SQS requests (64 KiB)", batches * (chunks(sum(heard), 65536) + 1)),
        Line("calls", "notifier's mapping", "Lambda requests", batches),
    ]


def _marking(meter: Meter, authorizer: ModuleType, size: int) -> Line:
    """Let the authorizer see a key for the first time in a quarter of an hour, and give what that adds for 1000."""
    _, units, _ = _part(meter, "authorizer", lambda: _authorize(authorizer), 1 / MARKED[size])
    writes = "DynamoDB write units"
    return Line("calls", "authorizer, a key's last use", writes, 1000 * units[writes])


def _part(meter: Meter, name: str, work: Any, share: float) -> tuple[str, dict[str, float], Counter[str]]:
    """Do some work and give its units for one message, what it printed among them."""
    meter.reset()
    with printed() as out:
        work()
    meter.units["CloudWatch Logs bytes"] += log_bytes(out.getvalue().splitlines())
    return name, {unit: quantity * share for unit, quantity in meter.units.items()}, meter.calls.copy()


def _tables(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the tables of the template by the names they have here."""
    kinds = ("messages", "accounts", "registrations", "keys", "suppressions", "ledgers", "webhooks")
    return {kind: template["Resources"][f"{kind.capitalize()}Table"]["Properties"] for kind in kinds}


def _make_world(tables: dict[str, dict[str, Any]], base_url: str, size: int) -> tuple[str, str]:
    """Make the stack's resources, a registration, a key and a mailbox for each message.

    Give the URLs of the message queue and of the notification queue.
    """
    dynamodb, logs = boto3.client("dynamodb"), boto3.client("logs")
    for name, table in tables.items():
        wanted = {key: table[key] for key in ("AttributeDefinitions", "KeySchema", "BillingMode")}
        indexes = {key: table[key] for key in ("GlobalSecondaryIndexes",) if key in table}
        dynamodb.create_table(TableName=name, **wanted, **indexes)
    logs.create_log_group(logGroupName=ENVIRONMENT["AUDIT_LOG_GROUP"])
    boto3.client("s3").create_bucket(Bucket=ENVIRONMENT["CONTENT_BUCKET"])
    queue_url, notices_url = (
        boto3.client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in ("messages", "notifications")
    )
    _make_bus()
    wiring = Wiring(read_settings(ENVIRONMENT))
    wiring.registrations.create(mailbox.registration("gmail", api_base_url=base_url))
    key = ApiKey(
        id=_KEY, name="bench", secret_hash=hash_secret(_SECRET), scopes=frozenset({"messages:send"}), created_at=1
    )
    wiring.keys.create(key)
    for number in range(size):
        account = mailbox.account("gmail", number)
        tokens = TokenSet(
            access_token=mailbox.ACCESS_TOKEN,
            refresh_token="r" * 100,
            expires_at=account.token.expires_at,
            obtained_at=account.token.refreshed_at,
            scope="mail.send",
        )
        wiring.accounts.create(account)
        wiring.vault.open(account.id, tokens, account.token.version)
    return queue_url, notices_url


def _make_bus() -> None:
    """Make the event bus, and the rule that brings everything to the notification queue."""
    events, bus = boto3.client("events"), ENVIRONMENT["EVENT_BUS"]
    events.create_event_bus(Name=bus)
    events.put_rule(Name="notifications", EventBusName=bus, EventPattern=json.dumps({"source": ["mailbearer"]}))
    arn = "arn:aws:sqs:us-east-1:123456789012:notifications"
    events.put_targets(Rule="notifications", EventBusName=bus, Targets=[{"Id": "notifications", "Arn": arn}])


def _authorize(app: ModuleType) -> None:
    answer = app.lambda_handler({"headers": {"authorization": f"Bearer mb_{_KEY}_{_SECRET}"}}, Context())
    if answer["context"]["key_id"] != _KEY:
        raise RuntimeError(str(answer))


def _post_all(app: ModuleType, size: int) -> None:
    for number in range(size):
        event = api_event("/v1/messages", mailbox.body(mailbox.account("gmail", number).id, number))
        answer = app.lambda_handler(event, Context())
        if answer["statusCode"] != 202:  # noqa: PLR2004 - HTTP
            raise RuntimeError(answer["body"])


def _work(app: ModuleType, queue_url: str, size: int) -> int:
    """Do what the event source mapping does with a batch; give the bytes received."""
    found = _batch(app, queue_url)
    if len(found) != size:
        raise RuntimeError(f"{len(found)} of {size} messages are on the queue")
    return sum(found)


def _batch(app: ModuleType, queue_url: str) -> list[int]:
    """Hand what lies on a queue to a function, as a mapping does; give the bytes of each message."""
    # The default session is older than the meter, so these calls do not count; the mapping's are added in `_around`.
    sqs = boto3.client("sqs")
    found = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
    if not found:
        return []
    answer = app.lambda_handler(sqs_event([message["Body"] for message in found]), Context())
    if answer["batchItemFailures"]:
        raise RuntimeError(str(answer))
    for message in found:
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
    return [len(message["Body"].encode()) for message in found]
