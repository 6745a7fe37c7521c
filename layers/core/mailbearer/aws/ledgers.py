"""The ledgers table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.ledger import Ledger

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Whoever changed it has left a mark of his own.
_COMPARED = ("revision", "mark")


class DynamoDBLedgerStore:
    """Ledgers; DynamoDB removes one some time after nothing of it counts any more."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def get(self, account_id: str) -> Ledger:
        """Read a mailbox's ledger; an empty one if there is none."""
        with calling("dynamodb:GetItem"):
            answer = self._client.get_item(
                TableName=self._table, Key={"account": {"S": account_id}}, ConsistentRead=True
            )
        return _from_item(account_id, answer.get("Item"))

    def replace(self, new: Ledger, *, expected: Ledger) -> Ledger:
        """Write `new` if the stored ledger still is `expected`, or there is none and that is new; give what stands."""
        condition = items.Condition("attribute_not_exists(#account)", {"#account": "account"}, {})
        if expected.revision:
            condition = items.unchanged(_to_item(expected), _COMPARED, key="account")
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_to_item(new) | items.encode({"expires_at": items.whole_seconds(new.matters_until)}),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **condition.arguments(),
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                return _from_item(new.account, failure.get("Item"))
        return new


def _to_item(ledger: Ledger) -> items.Item:
    return items.encode(items.pack(ledger))


def _from_item(account_id: str, item: Any) -> Ledger:
    return items.unpack(Ledger, items.decode(item)) if item else Ledger(account=account_id)
