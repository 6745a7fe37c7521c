"""The accounts table, with the lease on each token."""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from mailbearer.account import Account, AccountState, Probe
from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.errors import Conflict, NotFound
from mailbearer.ports.stores import Due
from mailbearer.token import TokenState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

_SHARDS = 4
# A hundred entries of the index are about 10 KB, so 1.5 read units.
_DUE_PAGE = 100
# Every attribute an account can have: `due_shard` and `due_at` follow from these.
_COMPARED = (*(field.name for field in fields(Account) if field.name != "id"), "address_as_given")


class DynamoDBAccountStore:
    """Accounts; a condition compares the whole account and not its revision alone.

    So a change is noticed even if whoever made it forgot to count it.
    """

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def create(self, account: Account) -> bool:
        """Put the account if its id is new; tell whether it was."""
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=to_item(account),
                    ConditionExpression="attribute_not_exists(id)",
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def get(self, account_id: str, *, consistent: bool = True) -> Account | None:
        """Read one account; without `consistent` for half the price, perhaps as it was a moment ago."""
        with calling("dynamodb:GetItem"):
            answer = self._client.get_item(
                TableName=self._table, Key={"id": {"S": account_id}}, ConsistentRead=consistent
            )
        return from_item(answer["Item"]) if "Item" in answer else None

    def replace(self, new: Account, *, expected: Account) -> Account:
        """Write `new` if nobody has changed the account since `expected` was read; give the account that stands."""
        condition = items.unchanged(to_item(expected), _COMPARED)
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=to_item(new),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **condition.arguments(),
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                if "Item" not in failure:
                    raise NotFound("There is no such account.") from error
                return from_item(failure["Item"])
        return new

    def delete(self, account: Account) -> None:
        """Remove the account if nobody has changed it since it was read. Raises `Conflict` if somebody has."""
        condition = items.unchanged(to_item(account), _COMPARED)
        with calling("dynamodb:DeleteItem"):
            try:
                self._client.delete_item(
                    TableName=self._table,
                    Key={"id": {"S": account.id}},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **condition.arguments(),
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                if "Item" in failure:
                    raise Conflict("The account was changed meanwhile. Read it again before deleting it.") from error

    def by_address(self, address: str) -> list[Account]:
        """Find the accounts of an address, compared without case."""
        wanted = address.lower()
        with calling("dynamodb:Query"):
            answer = self._client.query(
                TableName=self._table,
                IndexName="by_address",
                KeyConditionExpression="address = :address",
                ExpressionAttributeValues={":address": {"S": wanted}},
            )
        found = (self.get(item["id"]["S"]) for item in answer["Items"])
        # The index may still show what the table no longer holds.
        return [account for account in found if account and account.address.lower() == wanted]

    def listing(self, *, limit: int, cursor: str) -> tuple[list[Account], str]:
        """List accounts, in no order that means anything; the second value continues the list, empty at its end."""
        accounts: list[Account] = []
        start: dict[str, Any] = {"ExclusiveStartKey": {"id": {"S": items.read_cursor(cursor, 1)[0]}}} if cursor else {}
        # One more than asked for tells whether the list goes on. A page of a scan may end early, at 1 MB.
        while True:
            with calling("dynamodb:Scan"):
                answer = self._client.scan(
                    TableName=self._table, ConsistentRead=True, Limit=limit + 1 - len(accounts), **start
                )
            accounts += [from_item(item) for item in answer["Items"]]
            if len(accounts) > limit:
                return accounts[:limit], items.write_cursor(accounts[limit - 1].id)
            if "LastEvaluatedKey" not in answer:
                return accounts, ""
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def due(self, now: float) -> Iterator[Due]:
        """Give the accounts whose `due_at` has come, the longest overdue first; each once, read as they are asked for.

        At most one page of each part of the index is held, however many are due.
        """
        return heapq.merge(*(self._due_in_shard(str(shard), now) for shard in range(_SHARDS)))

    def _due_in_shard(self, shard: str, now: float) -> Iterator[Due]:
        start: dict[str, Any] = {}
        while True:
            with calling("dynamodb:Query"):
                answer = self._client.query(
                    TableName=self._table,
                    IndexName="by_due",
                    KeyConditionExpression="due_shard = :shard AND due_at <= :now",
                    ExpressionAttributeValues=items.encode({":shard": shard, ":now": now}),
                    Limit=_DUE_PAGE,
                    **start,
                )
            yield from (Due(float(item["due_at"]["N"]), item["id"]["S"]) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def to_item(account: Account) -> items.Item:
    """Write an account as an item, with what its two indexes need."""
    values = items.pack(account)
    values["address"] = account.address.lower()
    if values["address"] != account.address:
        values["address_as_given"] = account.address
    if account.due_at:
        values["due_shard"] = shard_of(account.id)
        values["due_at"] = account.due_at
    return items.encode(values)


def from_item(item: Any) -> Account:
    """Read an account from an item."""
    values = items.decode(item)
    return items.unpack(
        Account,
        values,
        address=values.get("address_as_given", values["address"]),
        state=AccountState(values["state"]),
        token=items.unpack(TokenState, values.get("token", {})),
        probe=items.unpack(Probe, values.get("probe", {})),
    )


def shard_of(account_id: str) -> str:
    """Spread the index over a few partitions; one partition of an index takes 1000 writes a second."""
    return str(hashlib.sha256(account_id.encode()).digest()[0] % _SHARDS)
