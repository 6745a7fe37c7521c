"""The incidents table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.errors import NotFound
from mailbearer.incident import Incident, IncidentState, Reach

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDBIncidentStore:
    """Incidents, kept for good; there are a handful, so listing them is a scan."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def create(self, incident: Incident) -> bool:
        """Put the incident if its id is new; tell whether it was."""
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=items.encode(items.pack(incident)),
                    ConditionExpression="attribute_not_exists(id)",
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def get(self, incident_id: str) -> Incident | None:
        """Read one."""
        with calling("dynamodb:GetItem"):
            answer = self._client.get_item(TableName=self._table, Key={"id": {"S": incident_id}}, ConsistentRead=True)
        return _from_item(answer["Item"]) if "Item" in answer else None

    def replace(self, new: Incident, *, expected: Incident) -> Incident:
        """Write `new` if the stored revision still is that of `expected`; give the incident that stands there."""
        condition = items.unchanged(items.encode(items.pack(expected)), ("revision",))
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=items.encode(items.pack(new)),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **condition.arguments(),
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                if "Item" not in failure:
                    raise NotFound("There is no such incident.") from error
                return _from_item(failure["Item"])
        return new

    def listing(self) -> list[Incident]:
        """List all, the newest first."""
        found: list[Incident] = []
        start: dict[str, Any] = {}
        while True:
            with calling("dynamodb:Scan"):
                answer = self._client.scan(TableName=self._table, ConsistentRead=True, **start)
            found += [_from_item(item) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return sorted(found, key=lambda incident: (incident.declared_at, incident.id), reverse=True)
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _from_item(item: Any) -> Incident:
    values = items.decode(item)
    return items.unpack(Incident, values, reach=Reach(values["reach"]), state=IncidentState(values["state"]))
