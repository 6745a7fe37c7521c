"""Emergencies: what was shut, why, and how far that has come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self


class Reach(StrEnum):
    """How much an incident shuts."""

    ACCOUNT = "account"
    PROVIDER = "provider"
    ALL = "all"


class IncidentState(StrEnum):
    """How far an incident has come.

    `declared`: mailboxes are being shut. `contained`: all are shut, and what could not be revoked is being retried.
    `resolved`: what may come back has come back.
    """

    DECLARED = "declared"
    CONTAINED = "contained"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One emergency; `target` is an account's id or a registration's name, empty for all; times are epoch seconds.

    `since` is from when on what was sent is part of the report. `enable_keys` says that its resolution
    enables the API keys again that it disabled. `settled_at` is when, after that, all had come back that can.
    `revision` grows by one with every change.
    """

    id: str
    reach: Reach
    target: str
    reason: str
    state: IncidentState
    declared_at: float
    declared_by: str
    since: float
    contained_at: float = 0
    resolved_at: float = 0
    resolved_by: str = ""
    disable_keys: bool = False
    enable_keys: bool = False
    settled_at: float = 0
    drill: bool = False
    revision: int = 0

    @property
    def is_open(self) -> bool:
        """Tell whether it still shuts what it covers."""
        return self.state is not IncidentState.RESOLVED

    def covers(self, account_id: str, registration: str) -> bool:
        """Tell whether an account of this registration is shut by this incident, as long as it is not resolved."""
        return self.is_open and self.reaches(account_id, registration)

    def reaches(self, account_id: str, registration: str) -> bool:
        """Tell whether an account of this registration is one of those that it is about, open or resolved."""
        match self.reach:
            case Reach.ACCOUNT:
                return account_id == self.target
            case Reach.PROVIDER:
                return registration == self.target
            case Reach.ALL:
                return True

    def changed(self, **fields: Any) -> Self:
        """Give the incident with these fields changed, as the next revision."""
        return replace(self, revision=self.revision + 1, **fields)
