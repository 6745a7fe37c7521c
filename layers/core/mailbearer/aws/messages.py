"""The messages table."""

from __future__ import annotations

import time
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.errors import NotFound, Unavailable
from mailbearer.ids import rfc3339
from mailbearer.message import Attempt, MessageRecord, RefusedRecipient, Status
from mailbearer.ports.stores import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

_ATTEMPT_FIELDS = tuple(field.name for field in fields(Attempt))
_REFUSED_FIELDS = tuple(field.name for field in fields(RefusedRecipient))
_BATCH_PAUSES = (0, 0.05, 0.1, 0.2, 0.4)  # seconds before each try


class DynamoDBMessageStore:
    """Message records; a usual one is less than 1 KB, so each write costs one write unit."""

    def __init__(self, client: DynamoDBClient, table: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep

    def create(self, record: MessageRecord) -> MessageRecord:
        """Put the record if its id is new; give the record that stands there."""
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=to_item(record),
                    ConditionExpression="attribute_not_exists(id)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                return _what_stands(error.response, record)
        return record

    def get(self, message_id: str) -> MessageRecord | None:
        """Read one record."""
        with calling("dynamodb:GetItem"):
            answer = self._client.get_item(TableName=self._table, Key={"id": {"S": message_id}}, ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def get_many(self, message_ids: Sequence[str]) -> dict[str, MessageRecord]:
        """Read up to 100 records by id; missing ones are left out."""
        found: dict[str, MessageRecord] = {}
        keys: list[Any] = [{"id": {"S": message_id}} for message_id in dict.fromkeys(message_ids)]
        for pause in _BATCH_PAUSES:
            if not keys:
                break
            self._sleep(pause)
            with calling("dynamodb:BatchGetItem"):
                answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": keys, "ConsistentRead": True}})
            for item in answer["Responses"].get(self._table, []):
                record = from_item(item)
                found[record.id] = record
            # DynamoDB gives back the keys that it could not read in time.
            left = answer["UnprocessedKeys"].get(self._table)
            keys = list(left["Keys"]) if left else []
        if keys:
            raise Unavailable("dynamodb:BatchGetItem left records unread.")
        return {message_id: found[message_id] for message_id in message_ids if message_id in found}

    def replace(self, new: MessageRecord, *, expected: MessageRecord) -> MessageRecord:
        """Write `new` if `expected` still stands: its status, attempt, owner and `retry_at`; give what stands there."""
        condition = items.unchanged(to_item(expected), ("status", "attempt", "owner", "retry_at"))
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=to_item(new),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **condition.arguments(),
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                return _what_stands(error.response, new)
        return new

    def by_account(self, account_id: str, *, since: float, limit: int, cursor: str) -> Page:
        """List an account's messages created at or after `since`, newest first."""
        oldest = rfc3339(since)
        query: dict[str, Any] = {}
        if cursor:
            owner, last_id, last_created = items.read_cursor(cursor, 3)
            if owner != account_id:
                raise items.bad_cursor()
            if last_created < oldest:
                # DynamoDB refuses a start outside of the range, and nothing older is asked for.
                return Page(())
            query["ExclusiveStartKey"] = {
                "account": {"S": account_id},
                "created_at": {"S": last_created},
                "id": {"S": last_id},
            }
        with calling("dynamodb:Query"):
            answer = self._client.query(
                TableName=self._table,
                IndexName="by_account",
                KeyConditionExpression="#account = :account AND created_at >= :oldest",
                ExpressionAttributeNames={"#account": "account"},
                ExpressionAttributeValues={":account": {"S": account_id}, ":oldest": {"S": oldest}},
                ScanIndexForward=False,
                # One more than asked for tells whether the list goes on; DynamoDB's own key could lead to nothing.
                Limit=limit + 1,
                **query,
            )
        rows = [(item["id"]["S"], item["created_at"]["S"]) for item in answer["Items"]]
        page = rows[:limit]
        goes_on = len(rows) > limit
        return Page(tuple(row[0] for row in page), items.write_cursor(account_id, *page[-1]) if goes_on else "")

    def held(self, account_id: str, *, limit: int) -> tuple[str, ...]:
        """Give the ids of messages that are held for a mailbox (not for its quota), the oldest first."""
        with calling("dynamodb:Query"):
            answer = self._client.query(
                TableName=self._table,
                IndexName="by_holder",
                KeyConditionExpression="held_for = :account",
                ExpressionAttributeValues={":account": {"S": account_id}},
                Limit=limit,
            )
        return tuple(item["id"]["S"] for item in answer["Items"])


def to_item(record: MessageRecord) -> items.Item:
    """Write a record as an item: `created_at` is the indexes' sort key, attempts are rows without names.

    `held_for` is there while the message waits for its mailbox: the index of these holds nothing else.
    """
    values = items.pack(record)
    if record.is_drained:
        values["held_for"] = record.account
    values["created_at"] = rfc3339(record.created_at)
    if record.expires_at:
        values["expires_at"] = items.whole_seconds(record.expires_at)
    if record.attempts:
        values["attempts"] = [[getattr(attempt, name) for name in _ATTEMPT_FIELDS] for attempt in record.attempts]
    if record.refused:
        values["refused"] = [[getattr(each, name) for name in _REFUSED_FIELDS] for each in record.refused]
    return items.encode(values)


def from_item(item: Any) -> MessageRecord:
    """Read a record from an item."""
    values = items.decode(item)
    return items.unpack(
        MessageRecord,
        values,
        status=Status(values["status"]),
        created_at=datetime.fromisoformat(values["created_at"]).timestamp(),
        # A row written before a field was added is shorter.
        attempts=tuple(Attempt(**dict(zip(_ATTEMPT_FIELDS, row, strict=False))) for row in values.get("attempts", ())),
        refused=tuple(
            RefusedRecipient(**dict(zip(_REFUSED_FIELDS, row, strict=False))) for row in values.get("refused", ())
        ),
    )


def _what_stands(failure: Any, wanted: MessageRecord) -> MessageRecord:
    """Give what a failed condition found: `wanted` itself if the SDK repeated a write that had gone through."""
    if "Item" not in failure:
        raise NotFound("There is no such message.")
    stands = from_item(failure["Item"])
    # Compared as it would be read back, because `created_at` is kept in milliseconds and `expires_at` in seconds.
    return wanted if stands == from_item(to_item(wanted)) else stands
