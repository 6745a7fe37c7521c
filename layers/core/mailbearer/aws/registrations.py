"""The registrations table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.registration import Endpoints, Registration, SmtpServer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDBRegistrationStore:
    """Registrations; there are a handful, so listing them is a scan."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def create(self, registration: Registration) -> bool:
        """Put the registration if its name is new; tell whether it was."""
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=items.encode(items.pack(registration)),
                    ConditionExpression="attribute_not_exists(#name)",
                    ExpressionAttributeNames={"#name": "name"},
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def get(self, name: str) -> Registration | None:
        """Read one registration."""
        with calling("dynamodb:GetItem"):
            answer = self._client.get_item(TableName=self._table, Key={"name": {"S": name}}, ConsistentRead=True)
        return _from_item(answer["Item"]) if "Item" in answer else None

    def listing(self) -> list[Registration]:
        """List all registrations by name."""
        found: list[Registration] = []
        start: dict[str, Any] = {}
        while True:
            with calling("dynamodb:Scan"):
                answer = self._client.scan(TableName=self._table, ConsistentRead=True, **start)
            found += [_from_item(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return sorted(found, key=lambda registration: registration.name)
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _from_item(item: Any) -> Registration:
    values = items.decode(item)
    better: dict[str, Any] = {"endpoints": items.unpack(Endpoints, values["endpoints"])}
    if "smtp" in values:
        better["smtp"] = items.unpack(SmtpServer, values["smtp"])
    return items.unpack(Registration, values, **better)
