"""When a token has to be refreshed, and when its grant ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailbearer.definition import Definition
    from mailbearer.token import TokenSet, TokenState

LONGEST_IDLE = 7 * 86_400.0
"""No grant goes unused for longer (seconds), however long its access token lives: unused grants die."""

IN_TESTING, ENDS = "registration_in_testing", "grant_ends"
"""The diagnosis' codes for a grant that ends whatever we do."""

_LEAD, _SHARE = 900.0, 0.25
_SOONEST = 60.0
_TESTING_LIFE = 8 * 86_400.0  # Google says seven days; one more for clocks and for answers that round.
_SAME_END = 3600.0


def refresh_due(
    tokens: TokenSet, definition: Definition, *, grant_ends_at: float, not_before: float, chance: float
) -> float:
    """Say when the schedule should refresh (epoch seconds): ahead of the access token's end, but not `not_before`.

    A grant that ends, or dies of idleness, goes before that: never later than seven days or a quarter of the idle life
    after the last use, and never after the grant's end.
    """
    begin = tokens.obtained_at
    lead = min(_LEAD, (tokens.expires_at - begin) / 2)
    due = max(tokens.expires_at - lead * (1 + _SHARE * chance), not_before)
    idle = min(LONGEST_IDLE, definition.idle_life / 4 or LONGEST_IDLE)
    due = min(due, begin + idle * (1 - _SHARE * chance))
    left = grant_ends_at - begin
    if left <= 0:
        return due
    if definition.keeps_refresh_tokens:
        # Using the token does not put its end off; a use at the end at least shows that it has come.
        return min(due, grant_ends_at)
    return min(due, begin + max(left - _LEAD, left / 2, min(_SOONEST, left)))


def grant_end(
    state: TokenState, definition: Definition, *, ends_in: float | None, consented_at: float, now: float
) -> tuple[float, str]:
    """Say when the grant ends (epoch seconds, 0 = not known to) after an answer, and why if no use puts that off.

    `ends_in` (seconds) is what the answer says; if it says nothing, what was known stays.
    """
    if ends_in is None:
        return state.grant_ends_at, state.ending
    end = now + ends_in
    if not definition.keeps_refresh_tokens:
        return end, ""
    if state.ending and abs(end - state.grant_ends_at) < _SAME_END:
        return state.grant_ends_at, state.ending
    in_testing = definition.kind == "google" and end - (consented_at or now) <= _TESTING_LIFE
    return end, IN_TESTING if in_testing else ENDS


def calls_within(calls: tuple[float, ...], budget: tuple[int, float], now: float) -> tuple[float, ...]:
    """Give the calls (epoch seconds) that still count against a budget of so many in so many seconds."""
    most, window = budget
    return tuple(call for call in calls if call + window > now)[-most:] if most else ()
