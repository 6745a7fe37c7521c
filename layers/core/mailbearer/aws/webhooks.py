"""The webhooks table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.errors import NotFound
from mailbearer.webhook import Webhook

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDBWebhookStore:
    """Webhooks; there are at most a hundred, so listing them is a scan."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def create(self, webhook: Webhook) -> bool:
        """Put the webhook if its id is new; tell whether it was."""
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=items.encode(items.pack(webhook)),
                    ConditionExpression="attribute_not_exists(id)",
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def get(self, webhook_id: str) -> Webhook | None:
        """Read one."""
        with calling("dynamodb:GetItem"):
            answer = self._client.get_item(TableName=self._table, Key=_key(webhook_id), ConsistentRead=True)
        return _from_item(answer["Item"]) if "Item" in answer else None

    def replace(self, new: Webhook, *, expected: Webhook) -> Webhook:
        """Write `new` if the stored revision still is that of `expected`; give the webhook that stands there.

        Raises `NotFound` if there is none.
        """
        stands = items.encode(items.pack(expected))
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=items.encode(items.pack(new)),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **items.unchanged(stands, ["revision"]).arguments(),
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                if "Item" not in failure:
                    raise NotFound("There is no such webhook.") from error
                return _from_item(failure["Item"])
        return new

    def delete(self, webhook_id: str) -> None:
        """Remove one; no error if there is none."""
        with calling("dynamodb:DeleteItem"):
            self._client.delete_item(TableName=self._table, Key=_key(webhook_id))

    def listing(self) -> list[Webhook]:
        """List all by id."""
        found: list[Webhook] = []
        start: dict[str, Any] = {}
        while True:
            with calling("dynamodb:Scan"):
                answer = self._client.scan(TableName=self._table, ConsistentRead=True, **start)
            found += [_from_item(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return sorted(found, key=lambda webhook: webhook.id)
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _key(webhook_id: str) -> items.Item:
    return {"id": {"S": webhook_id}}


def _from_item(item: Any) -> Webhook:
    values = items.decode(item)
    return items.unpack(Webhook, values, accounts=frozenset(values.get("accounts", ())))
