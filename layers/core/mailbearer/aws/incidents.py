"""The incidents table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.aws import items
from mailbearer.aws.small_tables import SmallTable
from mailbearer.incident import Incident, IncidentState, Reach

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDBIncidentStore:
    """Incidents, kept for good; there are a handful."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = SmallTable(client, table, _read, what="incident")

    def create(self, incident: Incident) -> bool:
        """Put the incident if its id is new; tell whether it was."""
        return self._table.create(incident)

    def get(self, incident_id: str) -> Incident | None:
        """Read one."""
        return self._table.get(incident_id)

    def replace(self, new: Incident, *, expected: Incident) -> Incident:
        """Write `new` if the stored revision still is that of `expected`; give the incident that stands there.

        Raises `NotFound` if there is none.
        """
        return self._table.replace(new, expected=expected)

    def listing(self) -> list[Incident]:
        """List all, the newest first."""
        found = self._table.listing()
        return sorted(found, key=lambda incident: (incident.declared_at, incident.id), reverse=True)


def _read(values: dict[str, Any]) -> Incident:
    return items.unpack(Incident, values, reach=Reach(values["reach"]), state=IncidentState(values["state"]))
