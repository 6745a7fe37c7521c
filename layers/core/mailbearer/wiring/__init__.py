"""The one place that joins everything: cached, lazy factories from settings to ports and verbs."""

from __future__ import annotations

# ruff: noqa: PLC0415 - see the comment in `adapters`
from functools import cached_property
from typing import TYPE_CHECKING

from mailbearer.wiring.connecting import Connecting
from mailbearer.wiring.delivering import Delivering
from mailbearer.wiring.emergencies import Emergencies
from mailbearer.wiring.guarding import Guarding
from mailbearer.wiring.proving import Proving
from mailbearer.wiring.telling import Telling

if TYPE_CHECKING:
    from mailbearer.schedule.census import Census
    from mailbearer.schedule.rotation import Rotation
    from mailbearer.schedule.upkeep import Upkeep


def _tell_waiting(grants: int) -> None:
    from mailbearer.observability import level

    level(grants_waiting=grants)


class Wiring(Delivering, Emergencies, Connecting, Guarding, Telling, Proving):
    """Everything a process needs, made when it is first asked for and kept for its warm life."""

    @cached_property
    def rotation(self) -> Rotation:
        """Give the scheduled run."""
        from mailbearer.schedule.rotation import Rotation

        return Rotation(
            accounts=self.accounts,
            queue=self.rotation_queue,
            upkeep=self.upkeep,
            emergencies=lambda deadline: self.tending.run(deadline=deadline),
            log=self.audit_log,
            spool=self.audit_spool,
            trail=self.trail,
            clock=self.clock,
            watches=(self.credential_watch.run, self.census.run),
        )

    @cached_property
    def census(self) -> Census:
        """Give the counting of mailboxes that wait for their owners."""
        from mailbearer.schedule.census import Census

        return Census(accounts=self.accounts, tell=_tell_waiting)

    @cached_property
    def upkeep(self) -> Upkeep:
        """Give what the schedule does for one account."""
        from mailbearer.schedule.upkeep import Upkeep

        return Upkeep(
            accounts=self.accounts,
            lifecycle=self.lifecycle,
            prober=self.prober,
            revocation=self.revocation,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
            drain=self.resubmission.drain,
            invite=self.invitations.send,
        )
