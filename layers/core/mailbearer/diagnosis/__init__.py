"""What a token endpoint's no means: the one table from machine-readable codes to cause, remedy and who has to act.

Only codes decide, never prose: the word in `error` (RFC 6749 section 5.2), Google's `error_subtype`, Microsoft's
`suberror` and numbers. Microsoft calls its numbers no contract, so an unknown one falls back to its word. Sources: RFC
6749, OpenID Connect Core section 3.1.2.6, Google's and Microsoft's pages on OAuth errors, and answers seen in the wild.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.diagnosis.finding import Answer, Diagnosis, Fate, Who
from mailbearer.diagnosis.table import NUMBERS, SUBTYPES, UNKNOWN, WORDS

if TYPE_CHECKING:
    from mailbearer.errors import GrantRefused

__all__ = ["Answer", "Diagnosis", "Fate", "Judgement", "Who", "diagnose", "judge_refusal"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a refused grant is dead, our stable reason, and how long to wait (seconds) where it is not."""

    dead: bool
    reason: str
    pause: float


def diagnose(error: str, *, error_codes: tuple[int, ...] = (), subtype: str = "") -> Diagnosis:
    """Judge a refusal by its `error` word, and by numbers and subtype where those say more.

    Of several numbers the last known one counts, for the first is the generic one.
    """
    by_word = WORDS.get(error.strip().lower(), UNKNOWN)
    if by_word.answer is Answer.BUSY:
        return by_word
    by_number = next((NUMBERS[code] for code in reversed(error_codes) if code in NUMBERS), None)
    # Numbers explain; only a word of the grant's own may bring a grant down.
    if by_number and (by_word.answer is Answer.GRANT or by_number.answer is not Answer.GRANT):
        return by_number
    return SUBTYPES.get(subtype.lower(), by_word) if by_word.answer is Answer.GRANT else by_word


def judge_refusal(refused: GrantRefused, *, first_time: bool) -> Judgement:
    """Judge whether a refused grant is dead; one that is known to come back gets a second try on its first refusal."""
    found = diagnose("invalid_grant", error_codes=refused.error_codes, subtype=refused.subtype)
    dead = found.fate is Fate.DEAD or (found.fate is Fate.DOUBTFUL and not first_time)
    return Judgement(dead, found.code, found.pause)
