"""The incidents table, in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mailbearer.errors import NotFound
from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from mailbearer.incident import Incident


class FakeIncidentStore:
    """Incidents."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.incidents: dict[str, Incident] = {}
        self._lock = threading.Lock()

    def create(self, incident: Incident) -> bool:
        with self.faults.around("create"), self._lock:
            if incident.id in self.incidents:
                return False
            self.incidents[incident.id] = incident
            return True

    def get(self, incident_id: str) -> Incident | None:
        with self.faults.around("get"), self._lock:
            return self.incidents.get(incident_id)

    def replace(self, new: Incident, *, expected: Incident) -> Incident:
        with self.faults.around("replace"), self._lock:
            stands = self.incidents.get(new.id)
            if stands is None:
                raise NotFound("There is no such incident.")
            if stands.revision != expected.revision:
                return stands
            self.incidents[new.id] = new
            return new

    def listing(self) -> list[Incident]:
        with self.faults.around("listing"), self._lock:
            return sorted(self.incidents.values(), key=lambda one: (one.declared_at, one.id), reverse=True)
