"""A table of a handful of things, each replaced by its next revision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

Noun = TypeVar("Noun")


class SmallTable(Generic[Noun]):
    """What a store of few things does with its table; `key` names the one attribute of its key, `what` the noun."""

    def __init__(
        self, client: DynamoDBClient, table: str, read: Callable[[dict[str, Any]], Noun], *, what: str, key: str = "id"
    ) -> None:
        self._client = client
        self._table = table
        self._read = read
        self._what = what
        self._key = key

    def create(self, noun: Noun) -> bool:
        """Put it if its key is new; tell whether it was."""
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=items.encode(items.pack(noun)),
                    ConditionExpression="attribute_not_exists(#key)",
                    ExpressionAttributeNames={"#key": self._key},
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def get(self, name: str) -> Noun | None:
        """Read one as it is now."""
        with calling("dynamodb:GetItem"):
            answer = self._client.get_item(TableName=self._table, Key={self._key: {"S": name}}, ConsistentRead=True)
        return self._from_item(answer["Item"]) if "Item" in answer else None

    def replace(self, new: Noun, *, expected: Noun) -> Noun:
        """Write `new` if the stored revision still is that of `expected`; give what stands there.

        Raises `NotFound` if nothing does.
        """
        stands = items.encode(items.pack(expected))
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=items.encode(items.pack(new)),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **items.unchanged(stands, ("revision",), key=self._key).arguments(),
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                if "Item" not in failure:
                    msg = f"There is no such {self._what}."
                    raise NotFound(msg) from error
                return self._from_item(failure["Item"])
        return new

    def delete(self, name: str) -> None:
        """Remove one; no error if there is none."""
        with calling("dynamodb:DeleteItem"):
            self._client.delete_item(TableName=self._table, Key={self._key: {"S": name}})

    def listing(self) -> list[Noun]:
        """Read all, in no order."""
        found: list[Noun] = []
        start: dict[str, Any] = {}
        while True:
            with calling("dynamodb:Scan"):
                answer = self._client.scan(TableName=self._table, ConsistentRead=True, **start)
            found += [self._from_item(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return found
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _from_item(self, item: Any) -> Noun:
        return self._read(items.decode(item))
