"""What a diagnosis is made of."""

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
    TOKEN = "token"  # noqa: S105 - a kind of no
    """The access token is not taken; a fresh one may be."""
    MESSAGE = "message"
    """The message itself is not taken; nothing that is mended at the mailbox helps it."""
    LIMIT = "limit"
    """As much was sent as may be; it waits for hours, and then it works again."""
    OTHER = "other"
    """Something else; it says nothing about the grant."""


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


UNKNOWN_OUTCOME = "unknown_outcome"
"""The `kind` of an answer after which nobody can tell whether the mail went out."""


class _Known(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return name.upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Our stable `code`, the cause, the remedy, who applies it, and whether trying again by itself may help.

    `pause` is in seconds, for what may work again. A remedy has places for `account`, `registration`, `client_id` and
    `tenant` in braces.
    """

    code: str
    answer: Answer = Answer.OTHER
    fate: Fate = Fate.ALIVE
    who: Who
    retry: bool = False
    cause: str
    remedy: str
    pause: float = 900.0
    kind: str = ""
    asides: tuple[tuple[str, str], ...] = ()
    """What has to be said beside the remedy at one provider, by its kind."""

    def remedy_for(self, *, provider: str = "", **known: str) -> str:
        """Write the remedy with what is known; what is not stays as a name in capitals.

        Asides are those of `provider`, of all while it is not known.
        """
        unknown = provider in {"", "generic", "oidc"}
        asides = [
            f"{kind.capitalize()}: {aside}" if unknown else f"{aside[0].upper()}{aside[1:]}"
            for kind, aside in self.asides
            if unknown or kind == provider
        ]
        places = _Known({name: value for name, value in known.items() if value})
        return " ".join([self.remedy, *asides]).format_map(places)
