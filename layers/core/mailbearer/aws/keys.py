"""The keys table."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.caller import USED_EVERY, ApiKey, Replaced
from mailbearer.errors import Conflict, NotFound

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# The last use is written beside all these, by another function and at any time.
_WRITTEN = tuple(field.name for field in fields(ApiKey) if field.name not in {"id", "last_used_at"})


class DynamoDBKeyStore:
    """API keys; DynamoDB removes a key some time after its `expires_at`.

    A condition compares the whole key and not its revision alone, its last use excepted.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def create(self, key: ApiKey) -> bool:
        """Put the key if its id is new; tell whether it was."""
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_to_item(key),
                    ConditionExpression="attribute_not_exists(id)",
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def get(self, key_id: str) -> ApiKey | None:
        """Read one key."""
        with calling("dynamodb:GetItem"):
            answer = self._client.get_item(TableName=self._table, Key={"id": {"S": key_id}}, ConsistentRead=True)
        return _from_item(answer["Item"]) if "Item" in answer else None

    def replace(self, new: ApiKey, *, expected: ApiKey) -> ApiKey:
        """Write `new` if nobody has changed the key since `expected` was read; give the key that stands."""
        condition = items.unchanged(_to_item(expected), _WRITTEN).arguments()
        wanted = _to_item(new)
        # The condition has named every attribute: #n0, #n1 and so on.
        present = [number for number, name in enumerate(_WRITTEN) if name in wanted]
        absent = [number for number, name in enumerate(_WRITTEN) if name not in wanted]
        expression = "SET " + ", ".join(f"#n{number} = :w{number}" for number in present)
        if absent:
            expression += " REMOVE " + ", ".join(f"#n{number}" for number in absent)
        condition["ExpressionAttributeValues"] |= {f":w{number}": wanted[_WRITTEN[number]] for number in present}
        with calling("dynamodb:UpdateItem"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key={"id": {"S": new.id}},
                    UpdateExpression=expression,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **condition,
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                if "Item" not in failure:
                    raise NotFound("There is no such key.") from error
                return _from_item(failure["Item"])
        return new

    def delete(self, key: ApiKey) -> None:
        """Remove the key if nobody has changed it since it was read. Raises `Conflict` if somebody has."""
        with calling("dynamodb:DeleteItem"):
            try:
                self._client.delete_item(
                    TableName=self._table,
                    Key={"id": {"S": key.id}},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **items.unchanged(_to_item(key), _WRITTEN).arguments(),
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                if "Item" in failure:
                    raise Conflict("The key was changed meanwhile. Read it again before deleting it.") from error

    def listing(self, *, limit: int, cursor: str) -> tuple[list[ApiKey], str]:
        """List keys, in no order that means anything; the second value continues the list, empty at its end."""
        found: list[ApiKey] = []
        start: dict[str, Any] = {"ExclusiveStartKey": {"id": {"S": items.read_cursor(cursor, 1)[0]}}} if cursor else {}
        # One more than asked for tells whether the list goes on. A page of a scan may end early, at 1 MB.
        while True:
            with calling("dynamodb:Scan"):
                answer = self._client.scan(
                    TableName=self._table, ConsistentRead=True, Limit=limit + 1 - len(found), **start
                )
            found += [_from_item(item) for item in answer["Items"]]
            if len(found) > limit:
                return found[:limit], items.write_cursor(found[limit - 1].id)
            if "LastEvaluatedKey" not in answer:
                return found, ""
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def mark_used(self, key_id: str, at: float) -> None:
        """Keep when the key was last used, unless it is gone or that is known closely enough."""
        gone_or_known = self._client.exceptions.ConditionalCheckFailedException
        with calling("dynamodb:UpdateItem"), suppress(gone_or_known):
            self._client.update_item(
                TableName=self._table,
                Key={"id": {"S": key_id}},
                UpdateExpression="SET last_used_at = :at",
                ConditionExpression="attribute_exists(id) AND NOT last_used_at > :known",
                ExpressionAttributeValues=items.encode({":at": at, ":known": at - USED_EVERY}),
            )


def _to_item(key: ApiKey) -> items.Item:
    values = items.pack(key)
    if key.expires_at:
        values["expires_at"] = items.whole_seconds(key.expires_at)
    return items.encode(values)


def _from_item(item: Any) -> ApiKey:
    values = items.decode(item)
    return items.unpack(
        ApiKey,
        values,
        scopes=frozenset(values["scopes"]),
        accounts=frozenset(values.get("accounts", ())),
        replaced=tuple(items.unpack(Replaced, each) for each in values.get("replaced", ())),
    )
