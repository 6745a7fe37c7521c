"""The registrations table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.errors import NotFound
from mailbearer.registration import Endpoints, Flow, Registration, SmtpServer

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

    def replace(self, new: Registration, *, expected: Registration) -> Registration:
        """Write `new` if the stored revision still is that of `expected`; give the registration that stands there."""
        condition = "attribute_exists(#name) AND #revision = :revision"
        values: dict[str, Any] = {"ExpressionAttributeValues": items.encode({":revision": expected.revision})}
        if not expected.revision:
            condition, values = "attribute_exists(#name) AND attribute_not_exists(#revision)", {}
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=items.encode(items.pack(new)),
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#name": "name", "#revision": "revision"},
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **values,
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                if "Item" not in failure:
                    raise NotFound("There is no such registration.") from error
                return _from_item(failure["Item"])
        return new

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
    better: dict[str, Any] = {"flow": Flow(values["flow"]), "endpoints": items.unpack(Endpoints, values["endpoints"])}
    if "smtp" in values:
        better["smtp"] = items.unpack(SmtpServer, values["smtp"])
    return items.unpack(Registration, values, **better)
