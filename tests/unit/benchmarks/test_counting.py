from __future__ import annotations

from typing import Any

import pytest

from benchmarks.aws_calls import Meter, chunks, item_size, log_bytes
from benchmarks.prices import PRICES

TABLES: dict[str, dict[str, Any]] = {
    "messages": {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            {
                "KeySchema": [{"AttributeName": "account", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    }
}
ITEM: dict[str, dict[str, Any]] = {"id": {"S": "m1"}, "account": {"S": "a1"}}


@pytest.fixture
def meter() -> Meter:
    return Meter(TABLES)


def put(meter: Meter, **attributes: dict[str, Any]) -> float:
    """Put an item and give the units that this took."""
    before = meter.units["DynamoDB write units"]
    meter.count("dynamodb", "PutItem", {"TableName": "messages", "Item": ITEM | attributes}, {})
    return meter.units["DynamoDB write units"] - before


def test_a_new_item_is_written_once_and_once_into_each_index(meter: Meter) -> None:
    assert put(meter) == 2


def test_a_change_beside_the_keys_leaves_the_index_alone(meter: Meter) -> None:
    put(meter)
    assert put(meter, status={"S": "sent"}) == 1


def test_a_changed_key_is_one_entry_removed_and_one_put(meter: Meter) -> None:
    put(meter)
    assert put(meter, account={"S": "a2"}) == 3


def test_each_begun_kilobyte_of_the_larger_state_is_a_write_unit(meter: Meter) -> None:
    assert put(meter, text={"S": "x" * 1024}) == 3
    assert put(meter) == 2


def test_a_refused_write_costs_the_item_and_no_index(meter: Meter) -> None:
    meter.count("dynamodb", "PutItem", {"TableName": "messages", "Item": ITEM}, {"Error": {"Code": "no"}})
    assert meter.units["DynamoDB write units"] == 1


@pytest.mark.parametrize(("length", "units"), [(10, 1), (1024, 2)])
def test_an_update_is_a_write_of_the_item_with_all_that_it_names(length: int, units: float) -> None:
    meter = Meter({"keys": {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}})
    change = {
        "TableName": "keys",
        "Key": {"id": {"S": "k1"}},
        "ExpressionAttributeValues": {":at": {"S": "x" * length}},
    }
    meter.count("dynamodb", "UpdateItem", change, {})
    assert meter.units["DynamoDB write units"] == units


def test_an_update_of_what_is_known_weighs_that_too() -> None:
    meter = Meter({"keys": {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]}})
    item = {"id": {"S": "k1"}, "text": {"S": "x" * 1024}}
    meter.count("dynamodb", "PutItem", {"TableName": "keys", "Item": item}, {})
    meter.reset()
    meter.count("dynamodb", "UpdateItem", {"TableName": "keys", "Key": {"id": {"S": "k1"}}}, {})
    assert meter.units["DynamoDB write units"] == 2


def test_an_update_of_a_table_with_indexes_has_no_price(meter: Meter) -> None:
    with pytest.raises(LookupError, match="indexes"):
        meter.count("dynamodb", "UpdateItem", {"TableName": "messages", "Key": {"id": {"S": "m1"}}}, {})


@pytest.mark.parametrize(("consistent", "units"), [(True, 2), (False, 1)])
def test_each_begun_four_kilobytes_are_a_read_unit_or_half_of_one(meter: Meter, consistent: bool, units: float) -> None:
    answer = {"Item": ITEM | {"text": {"S": "x" * 4096}}}
    meter.count("dynamodb", "GetItem", {"TableName": "messages", "ConsistentRead": consistent}, answer)
    assert meter.units["DynamoDB read units"] == units


def test_a_send_counts_by_64_kib_and_by_its_message_group(meter: Meter) -> None:
    meter.count("sqs", "SendMessage", {"MessageBody": "x" * 65537, "MessageGroupId": "a1"}, {})
    assert dict(meter.units) == {"SQS requests (64 KiB)": 2, "SQS fair queue requests": 1}


@pytest.mark.parametrize(
    ("name", "unit"), [("rotation.fifo", "SQS FIFO requests (64 KiB)"), ("messages", "SQS requests (64 KiB)")]
)
def test_a_batch_of_messages_counts_by_64_kib_in_all_at_its_queues_price(meter: Meter, name: str, unit: str) -> None:
    entries = [{"MessageBody": "x" * 40_000}, {"MessageBody": "x" * 40_000}]
    meter.count("sqs", "SendMessageBatch", {"QueueUrl": f"https://sqs.example/1/{name}", "Entries": entries}, {})
    assert dict(meter.units) == {unit: 2}


def test_log_events_count_26_bytes_more_than_their_text(meter: Meter) -> None:
    assert log_bytes(["abc", "ä"]) == 3 + 2 + 2 * 26
    meter.count("logs", "PutLogEvents", {"logEvents": [{"message": "abc"}]}, {})
    meter.count("logs", "CreateLogStream", {}, {})
    assert dict(meter.units) == {"CloudWatch Logs bytes": 29}


def test_other_services_count_by_call(meter: Meter) -> None:
    meter.count("secretsmanager", "GetSecretValue", {}, {})
    meter.count("s3", "PutObject", {}, {})
    meter.count("s3", "GetObject", {}, {})
    meter.count("s3", "DeleteObject", {}, {})
    meter.count("events", "PutEvents", {"Entries": [{}, {}]}, {})
    used = {name: number for name, number in meter.units.items() if number}
    assert used == {"Secrets Manager calls": 1, "S3 puts": 1, "S3 gets": 1, "EventBridge events": 2}
    assert used.keys() <= PRICES.keys()


@pytest.mark.parametrize(
    ("service", "operation"), [("dynamodb", "TransactWriteItems"), ("sqs", "PurgeQueue"), ("iam", "GetUser")]
)
def test_a_call_without_a_price_stops_the_measure(meter: Meter, service: str, operation: str) -> None:
    with pytest.raises(LookupError, match=operation):
        meter.count(service, operation, {"TableName": "messages"}, {})


def test_an_item_weighs_its_names_and_values() -> None:
    item: dict[str, dict[str, Any]] = {
        "n": {"N": "1234"},
        "l": {"L": [{"S": "ab"}]},
        "b": {"BOOL": True},
        "m": {"M": {"k": {"S": "v"}}},
    }
    assert item_size(item) == (1 + 4) + (1 + 3 + 1 + 2) + (1 + 1) + (1 + 3 + 1 + 2)


def test_nothing_counts_as_one_unit() -> None:
    assert [chunks(size, 1024) for size in (0, 1, 1024, 1025)] == [1, 1, 1, 2]
