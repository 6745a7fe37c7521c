"""What the schedule does about incidents: it goes on where a command ended, and looks again while one is open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.errors import MailbearerError, Unavailable

if TYPE_CHECKING:
    from mailbearer.incident import Incident
    from mailbearer.incidents.book import Book
    from mailbearer.incidents.containing import Containment
    from mailbearer.incidents.resolving import Resolution
    from mailbearer.trail import Trail

_ACTOR = "schedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tending:
    """Shut what open incidents cover, and bring back what resolved ones left."""

    book: Book
    containment: Containment
    resolution: Resolution
    trail: Trail

    def run(self, *, deadline: float) -> None:
        """See to every incident until `deadline` (epoch seconds); one that fails keeps no other from it.

        Raises `Unavailable` at the end if one did: it is seen to again with the next run.
        """
        failed = []
        for incident in self.book.incidents.listing():
            try:
                self._tend(incident, deadline)
            except MailbearerError as error:
                self.trail.note("incident.untended", incident.id, "failed", reason=error.code)
                failed.append(incident.id)
        if failed:
            raise Unavailable(f"The schedule could not see to {', '.join(failed)}.")

    def _tend(self, incident: Incident, deadline: float) -> None:
        if incident.is_open:
            self.containment.sweep(incident, actor=_ACTOR, deadline=deadline)
        elif not incident.settled_at:
            self.resolution.come_back(incident, actor=_ACTOR, deadline=deadline)
