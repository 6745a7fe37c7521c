"""Judging what a token endpoint refuses, by its codes alone: what refreshing needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.diagnosis.finding import Answer, Diagnosis, Fate
from mailbearer.diagnosis.tokens import by_codes

if TYPE_CHECKING:
    from mailbearer.errors import GrantRefused


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a refused grant is dead, our stable reason, and how long to wait (seconds) where it is not."""

    dead: bool
    reason: str
    pause: float


def by_word_and_numbers(error: str, numbers: tuple[int, ...], subtype: str) -> Diagnosis:
    """Judge a refusal by its word, and by what says more; numbers explain, they bring no grant down."""
    by_word = by_codes(error)
    found = by_codes(error, numbers=numbers, subtype=subtype)
    return by_word if found.answer is Answer.GRANT and by_word.answer is not Answer.GRANT else found


def of_grant(refused: GrantRefused, *, first_time: bool) -> Judgement:
    """Judge a refused grant."""
    found = by_word_and_numbers("invalid_grant", refused.error_codes, refused.subtype)
    if refused.finding:
        from mailbearer.diagnosis.catalogue import row  # noqa: PLC0415 - the whole table, which few refusals need

        # What was found in the whole answer may save a grant; it never brings one down that its codes let live.
        whole = row(refused.finding)
        found = whole if whole.answer is Answer.GRANT and whole.fate is Fate.ALIVE else found
    dead = found.fate is Fate.DEAD or (found.fate is Fate.DOUBTFUL and not first_time)
    return Judgement(dead, found.code, found.pause)
