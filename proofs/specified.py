"""What the specification wants of a crash: semantics.md (Refreshing, 2 to 6), point by point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proofs.calls import Point

if TYPE_CHECKING:
    from collections.abc import Sequence

OLD_ENDS_IN = 600.0
"""Life that the old access token has left, in seconds: a refresh is wanted, and the old one still serves."""
WANTED_FOR = 1800.0
"""Life that a token has to have, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """What came of one crash, or what has to come of it.

    `found` is what the dead process left behind. `meanwhile` is the token that was used until its lease ended.
    """

    found: str
    meanwhile: str
    outcome: str
    token_calls: int
    kept: bool


NOTHING, NEW = "no lease, the old token", "no lease, the new token"
LEASE, PLANNED = "a lapsed lease, the old token", "a lapsed lease, the planned version"
GONE = "no lease, a dead grant"
LOST = "consent_required (rotation_lost_or_revoked)"
ENDED = "consent_required (grant_expired_or_revoked)"
REVOKED = "revoked"
"""Not a provider's habit but an owner's act: the grant was ended at Google before the refresh, which is refused."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The points of a refresh after which something else is true, in their order."""

    leased: Point
    asked: Point
    stored: Point | None
    """None if the provider refuses: then there is nothing to store."""
    settled: Point

    def in_the_window(self, point: Point) -> bool:
        """Tell whether the provider has answered, and the vault does not hold its answer yet."""
        return self.stored is not None and self.asked <= point < self.stored


def marks(calls: Sequence[str]) -> Marks:
    """Find the marks among the calls of one refresh."""
    writes = [number for number, call in enumerate(calls) if call == "DynamoDB PutItem (accounts)"]
    puts = [number for number, call in enumerate(calls) if call == "Secrets Manager PutSecretValue (accounts)"]
    return Marks(
        leased=Point(writes[0], answered=True),
        asked=Point(calls.index("POST token"), answered=True),
        stored=Point(puts[0], answered=True) if puts else None,
        settled=Point(writes[-1], answered=True),
    )


def expected(at: Marks, point: Point, case: str) -> Crash:
    """Say what has to come of a crash."""
    if case == REVOKED:
        return _expected_of_a_dead_grant(at, point)
    if point < at.leased:
        return Crash(found=NOTHING, meanwhile="", outcome="refreshed", token_calls=1, kept=True)
    if point < at.asked:
        return Crash(found=LEASE, meanwhile="old", outcome="refreshed", token_calls=1, kept=True)
    if at.in_the_window(point):
        kept = case != "rotated"
        outcome = "refreshed" if kept else LOST
        return Crash(found=LEASE, meanwhile="old", outcome=outcome, token_calls=2, kept=kept)
    if point < at.settled:
        return Crash(found=PLANNED, meanwhile="new", outcome="adopted", token_calls=1, kept=True)
    return Crash(found=NEW, meanwhile="", outcome="used", token_calls=1, kept=True)


def _expected_of_a_dead_grant(at: Marks, point: Point) -> Crash:
    """Say how it ends where the provider refuses: a dead grant each time, and never a third question."""
    if point < at.leased:
        return Crash(found=NOTHING, meanwhile="", outcome=ENDED, token_calls=1, kept=False)
    if point >= at.settled:
        return Crash(found=GONE, meanwhile="", outcome=ENDED, token_calls=1, kept=False)
    # Whoever comes after a lease that was never let go cannot know whether the dead process rotated the token.
    return Crash(found=LEASE, meanwhile="old", outcome=LOST, token_calls=1 if point < at.asked else 2, kept=False)
