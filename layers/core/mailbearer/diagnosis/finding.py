from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """What kind of no it is."""

    GRANT = "grant"
    """The grant is not taken; `Fate` says whether for good."""
    CLIENT = "client"
    """The registration is not taken: the operator has to act, no user can."""
    BUSY = "busy"
    """Nothing is wrong with grant or registration; later it works again."""
    OTHER = "other"
    """Something else; trying again changes nothing."""


class Fate(StrEnum):
    """What becomes of a grant that was refused."""

    ALIVE = "alive"
    """The grant is well: wait, and never ask for consent because of it."""
    DOUBTFUL = "doubtful"
    """Known to work again by itself: try once more after a pause, then take it for dead."""
    DEAD = "dead"
    """It is gone: somebody has to consent again."""


class Who(StrEnum):
    """Who has to act."""

    NOBODY = "nobody"
    USER = "user"
    TENANT_ADMIN = "tenant_admin"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Our stable `code`, the cause, the remedy and who applies it; `pause` is in seconds, for what may work again."""

    code: str
    answer: Answer
    fate: Fate = Fate.ALIVE
    who: Who
    cause: str
    remedy: str
    pause: float = 900.0
