"""What came of one body of the notification queue."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verb(StrEnum):
    """What was done with a body.

    `expanded`: an event became deliveries. `waiting`: it goes on later, untried. `retried`: it failed, and goes on
    later. `dropped`: its webhook is gone. `refused`: nobody can read it.
    """

    EXPANDED = "expanded"
    DELIVERED = "delivered"
    WAITING = "waiting"
    RETRIED = "retried"
    GAVE_UP = "gave_up"
    DROPPED = "dropped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The outcome: for which webhook and notice, and if it failed why, in the receiver's words too."""

    verb: Verb
    webhook: str = ""
    notice: str = ""
    kind: str = ""
    code: str = ""
    said: str = ""
    attempt: int = 0
    disabled: bool = False
