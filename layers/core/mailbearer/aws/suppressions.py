"""The suppressions table."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.errors import Unavailable
from mailbearer.suppression import Suppression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

_AT_ONCE = 100  # keys that one BatchGetItem takes
_BATCH_PAUSES = (0, 0.05, 0.1, 0.2, 0.4)  # seconds before each try


class DynamoDBSuppressionStore:
    """Suppressions by account and address.

    What every message asks (`any_of`, `among`) is read as it perhaps was a moment ago, for half the price.
    """

    def __init__(self, client: DynamoDBClient, table: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._table = table
        self._sleep = sleep

    def put(self, suppression: Suppression) -> Suppression:
        """Put the suppression if there is none of this address and account; give the one that stands there."""
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_to_item(suppression),
                    ConditionExpression="attribute_not_exists(address)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                return _from_item(failure["Item"])
        return suppression

    def get(self, account: str, address: str) -> Suppression | None:
        """Read one."""
        with calling("dynamodb:GetItem"):
            answer = self._client.get_item(TableName=self._table, Key=_key(account, address), ConsistentRead=True)
        return _from_item(answer["Item"]) if "Item" in answer else None

    def delete(self, account: str, address: str) -> bool:
        """Remove one; tell whether there was one.

        That may be said wrongly only if an answer is lost and the SDK repeats the call.
        """
        with calling("dynamodb:DeleteItem"):
            answer = self._client.delete_item(TableName=self._table, Key=_key(account, address), ReturnValues="ALL_OLD")
        return bool(answer.get("Attributes"))

    def listing(self, account: str, *, limit: int, cursor: str) -> tuple[list[Suppression], str]:
        """List those of an account (or of all, `*`) by address; the second value continues the list."""
        start: dict[str, Any] = {}
        if cursor:
            owner, last = items.read_cursor(cursor, 2)
            if owner != account:
                raise items.bad_cursor()
            start = {"ExclusiveStartKey": _key(account, last)}
        # One more than asked for tells whether the list goes on; DynamoDB's own key could lead to nothing.
        answer = self._query(account, Limit=limit + 1, ConsistentRead=True, **start)
        found = [_from_item(item) for item in answer["Items"]]
        more = items.write_cursor(account, found[limit - 1].address) if len(found) > limit else ""
        return found[:limit], more

    def any_of(self, account: str) -> bool:
        """Tell whether an account (or `*`) has any at all."""
        return bool(self._query(account, Limit=1, Select="COUNT")["Count"])

    def among(self, account: str, addresses: Sequence[str]) -> frozenset[str]:
        """Give those of the addresses that are suppressed for the account (or for `*`)."""
        unique = list(dict.fromkeys(addresses))
        lots = (unique[start : start + _AT_ONCE] for start in range(0, len(unique), _AT_ONCE))
        return frozenset(address for lot in lots for address in self._among(account, lot))

    def _among(self, account: str, addresses: Sequence[str]) -> Iterator[str]:
        keys: list[Any] = [_key(account, address) for address in addresses]
        for pause in _BATCH_PAUSES:
            self._sleep(pause)
            wanted: Any = {self._table: {"Keys": keys, "ProjectionExpression": "address"}}
            with calling("dynamodb:BatchGetItem"):
                answer = self._client.batch_get_item(RequestItems=wanted)
            for item in answer["Responses"].get(self._table, []):
                yield item["address"]["S"]
            # DynamoDB gives back the keys that it could not read in time.
            left = answer["UnprocessedKeys"].get(self._table)
            if not left:
                return
            keys = list(left["Keys"])
        raise Unavailable("dynamodb:BatchGetItem left suppressions unread.")

    def _query(self, account: str, **arguments: Any) -> Any:
        with calling("dynamodb:Query"):
            return self._client.query(
                TableName=self._table,
                KeyConditionExpression="#account = :account",
                ExpressionAttributeNames={"#account": "account"},
                ExpressionAttributeValues={":account": {"S": account}},
                **arguments,
            )


def _key(account: str, address: str) -> items.Item:
    return {"account": {"S": account}, "address": {"S": address}}


def _to_item(suppression: Suppression) -> items.Item:
    # The account is part of the key, so it is there also where it is the default.
    return items.encode({"account": suppression.account, **items.pack(suppression)})


def _from_item(item: Any) -> Suppression:
    return items.unpack(Suppression, items.decode(item))
