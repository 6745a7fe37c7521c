"""The keys table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.caller import ApiKey

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDBKeyStore:
    """API keys; DynamoDB removes a key some time after its `expires_at`."""

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
        if "Item" not in answer:
            return None
        values = items.decode(answer["Item"])
        return items.unpack(
            ApiKey,
            values,
            scopes=frozenset(values["scopes"]),
            accounts=frozenset(values.get("accounts", ())),
        )


def _to_item(key: ApiKey) -> items.Item:
    values = items.pack(key)
    if key.expires_at:
        values["expires_at"] = items.whole_seconds(key.expires_at)
    return items.encode(values)
