"""Counts what AWS would put on the bill, by looking at every call that botocore makes."""

from __future__ import annotations

import contextlib
import math
import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import botocore.handlers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WRITE_UNIT, READ_UNIT, SQS_UNIT = 1024, 4096, 65536
LOG_EVENT_OVERHEAD = 26
"""Bytes that CloudWatch Logs adds to each event's own."""

_PARAMS = "mailbearer_bench_params"
_S3_PUTS = {"PutObject", "CopyObject", "ListObjectsV2"}

Item = dict[str, dict[str, Any]]


class Meter:
    """Units by their name in `prices`; `calls` holds every call as `service:Operation`."""

    def __init__(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        self.units: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._tables = tables
        self._items: dict[tuple[str, str], Item] = {}
        self._lock = threading.Lock()

    def reset(self) -> None:
        """Begin anew; the items in the tables stay known."""
        self.units.clear()
        self.calls.clear()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Count the calls of every session that is made meanwhile."""
        hooks: list[tuple[Any, ...]] = [
            ("provide-client-params", self._before),
            ("after-call", self._after),
        ]
        # The handlers that botocore gives each new session.
        builtin: list[tuple[Any, ...]] = botocore.handlers.BUILTIN_HANDLERS
        builtin.extend(hooks)
        try:
            yield
        finally:
            for hook in hooks:
                builtin.remove(hook)

    def _before(self, params: Any, context: dict[str, Any], **_: Any) -> None:
        context[_PARAMS] = params

    def _after(self, model: Any, parsed: Any, context: dict[str, Any], **_: Any) -> None:
        with self._lock:
            self.count(model.service_model.service_name, model.name, context[_PARAMS], parsed)

    def count(self, service: str, operation: str, params: Any, parsed: Any) -> None:
        """Count one call. Raises `LookupError` for one whose price is not known here."""
        self.calls[f"{service}:{operation}"] += 1
        match service:
            case "dynamodb":
                self._count_dynamodb(operation, params, parsed)
            case "sqs" if operation == "SendMessage":
                self.units["SQS requests (64 KiB)"] += chunks(len(params["MessageBody"].encode()), SQS_UNIT)
                self.units["SQS fair queue requests"] += int("MessageGroupId" in params)
            case "sqs" if operation == "SendMessageBatch":
                size = sum(len(entry["MessageBody"].encode()) for entry in params["Entries"])
                fifo = params["QueueUrl"].endswith(".fifo")
                self.units["SQS FIFO requests (64 KiB)" if fifo else "SQS requests (64 KiB)"] += chunks(size, SQS_UNIT)
            case "secretsmanager":
                self.units["Secrets Manager calls"] += 1
            case "s3":
                self.units["S3 puts" if operation in _S3_PUTS else "S3 gets"] += int(operation != "DeleteObject")
            case "events" if operation == "PutEvents":
                self.units["EventBridge events"] += len(params["Entries"])
            case "logs" if operation == "PutLogEvents":
                lines = [event["message"] for event in params["logEvents"]]
                self.units["CloudWatch Logs bytes"] += log_bytes(lines)
            case "logs" if operation == "CreateLogStream":
                pass  # free
            case _:
                raise LookupError(f"{service}:{operation} has no price here.")

    def _count_dynamodb(self, operation: str, params: Any, parsed: Any) -> None:
        table = params.get("TableName", "")
        match operation:
            case "PutItem":
                self._put(table, params["Item"], written="Error" not in parsed)
            case "UpdateItem":
                self._update(table, params["Key"], params.get("ExpressionAttributeValues", {}))
            case "GetItem":
                self._read(item_size(parsed.get("Item", {})), consistent=params.get("ConsistentRead", False))
            case "Query" | "Scan":
                # All that one touches counts as one item.
                size = sum(item_size(item) for item in parsed.get("Items", ()))
                self._read(size, consistent=params.get("ConsistentRead", False))
            case _:
                raise LookupError(f"dynamodb:{operation} has no price here.")

    def _put(self, table: str, item: Item, *, written: bool) -> None:
        where = (table, str(item[self._hash_key(table)]))
        old = self._items.get(where, {})
        size = max(item_size(item), item_size(old))
        units = chunks(size, WRITE_UNIT)
        if written:
            units += sum(_index_writes(projected(old, keys), projected(item, keys)) for keys in self._indexes(table))
            self._items[where] = item
        self.units["DynamoDB write units"] += units

    def _update(self, table: str, key: Item, values: Item) -> None:
        """Count a change of some attributes, as if it added all the values that it names: an upper bound."""
        if self._indexes(table):
            raise LookupError(f"An update of {table}, which has indexes, has no price here.")
        old = self._items.get((table, str(key[self._hash_key(table)])), key)
        self.units["DynamoDB write units"] += chunks(item_size(old) + item_size(values), WRITE_UNIT)

    def _read(self, size: int, *, consistent: bool) -> None:
        self.units["DynamoDB read units"] += chunks(size, READ_UNIT) * (1.0 if consistent else 0.5)

    def _hash_key(self, table: str) -> str:
        return str(next(key["AttributeName"] for key in self._tables[table]["KeySchema"] if key["KeyType"] == "HASH"))

    def _indexes(self, table: str) -> list[frozenset[str]]:
        """Give the attributes that each index holds; ours project keys only."""
        indexes = self._tables[table].get("GlobalSecondaryIndexes", ())
        if any(index["Projection"]["ProjectionType"] != "KEYS_ONLY" for index in indexes):
            raise LookupError(f"An index of {table} projects more than keys.")
        own = self._hash_key(table)
        return [frozenset({own, *(key["AttributeName"] for key in index["KeySchema"])}) for index in indexes]


def chunks(size: int, unit: int) -> int:
    """Give the begun units of a size; an empty one counts as one."""
    return max(1, math.ceil(size / unit))


def log_bytes(lines: list[str]) -> int:
    """Give what CloudWatch Logs charges for lines."""
    return sum(len(line.encode()) + LOG_EVENT_OVERHEAD for line in lines)


def item_size(item: Item) -> int:
    """Give an item's size as DynamoDB counts it: names and values, numbers by their digits."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def projected(item: Item, keys: frozenset[str]) -> Item:
    """Give what a keys-only index holds of an item: nothing unless all keys are there."""
    return {name: item[name] for name in sorted(keys)} if keys <= item.keys() else {}


def _index_writes(old: Item, new: Item) -> int:
    if old == new:
        return 0
    # A changed key is one entry removed and one put.
    return sum(chunks(item_size(entry), WRITE_UNIT) for entry in (old, new) if entry)


def _value_size(value: dict[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return len(content.strip("-").replace(".", "").strip("0")) // 2 + 2
        case "L":
            return 3 + sum(1 + _value_size(entry) for entry in content)
        case "M":
            return 3 + len(content) + item_size(content)
        case "BOOL" | "NULL":
            return 1
        case _:
            raise LookupError(f"The size of a DynamoDB {kind} is not known here.")
