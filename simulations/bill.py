"""What a simulation's calls would be at AWS, and would cost; a contract test holds the table to the adapters."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.prices import PRICES

if TYPE_CHECKING:
    from collections.abc import Mapping

_READ, _WRITE, _SECRET = "DynamoDB read units", "DynamoDB write units", "Secrets Manager calls"
AUDIT_EVENT_BYTES = 600
"""About what one audit event is in CloudWatch Logs, its chain's hashes and the 26 bytes of the service included."""

MEMORY_GB = 0.5


@dataclass(frozen=True, slots=True)
class Operation:
    """One port call: the AWS calls it makes, and what they are charged as."""

    calls: Mapping[str, int]
    units: Mapping[str, float]


OPERATIONS: dict[str, Operation] = {
    "accounts.get": Operation({"dynamodb:GetItem": 1}, {_READ: 1}),
    "accounts.replace": Operation({"dynamodb:PutItem": 1}, {_WRITE: 1}),
    # Counted beside the replace that moved the due time: the entry of the index is removed and put.
    "accounts.due_moved": Operation({}, {_WRITE: 2}),
    # Of each part of the index, and again for each further page.
    "accounts.due": Operation({"dynamodb:Query": 1}, {_READ: 0.5}),
    "registrations.get": Operation({"dynamodb:GetItem": 1}, {_READ: 1}),
    "vault.read": Operation({"secretsmanager:GetSecretValue": 1}, {_SECRET: 1}),
    "vault.store": Operation({"secretsmanager:PutSecretValue": 1}, {_SECRET: 1}),
    "credentials.read": Operation({"secretsmanager:GetSecretValue": 1}, {_SECRET: 1}),
    "log.write": Operation({"logs:PutLogEvents": 1}, {}),
    "spool.waiting": Operation({"s3:ListObjectsV2": 1}, {"S3 puts": 1}),
    "events.publish": Operation({"events:PutEvents": 1}, {"EventBridge events": 1}),
    "rotation_queue.put": Operation({"sqs:SendMessageBatch": 1}, {"SQS FIFO requests (64 KiB)": 1}),
}
"""What a port call of the simulation is at AWS, for a mailbox of the usual size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """AWS calls by service, and dollars by what is charged."""

    calls: Mapping[str, int]
    dollars: Mapping[str, float]

    @property
    def total(self) -> float:
        """Give the sum."""
        return sum(self.dollars.values())


def bill(port_calls: Mapping[str, int], *, events: int, invocations: int, batches: int, seconds: float) -> Bill:
    """Work out calls and dollars; `batches` came from the queue, `seconds` is what Lambda ran in all."""
    calls: Counter[str] = Counter()
    units: defaultdict[str, float] = defaultdict(float)
    for name, number in port_calls.items():
        operation = OPERATIONS[name]
        for call, times in operation.calls.items():
            calls[call.partition(":")[0]] += times * number
        for unit, share in operation.units.items():
            units[unit] += share * number
    # The mapping receives and deletes each batch with one call.
    calls["sqs"] += 2 * batches
    units["SQS FIFO requests (64 KiB)"] += 2 * batches
    units["Lambda requests"] += invocations
    units["Lambda GB-seconds"] += seconds * MEMORY_GB
    units["CloudWatch Logs bytes"] += events * AUDIT_EVENT_BYTES
    return Bill(calls=calls, dollars={unit: quantity * PRICES[unit] for unit, quantity in units.items() if quantity})
