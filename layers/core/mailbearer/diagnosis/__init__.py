"""What a provider's no means: one table from machine-readable codes to cause, remedy, who acts, and whether to retry.

Codes decide, never prose: the word in `error` (RFC 6749 section 5.2), Google's `error_subtype` and reasons, Microsoft's
`suberror` and numbers, SMTP's reply and enhanced codes. Microsoft calls its numbers no contract, so an unknown one falls
back to its family and its word. What the token side needs is loaded here; the rest comes with its first use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.diagnosis.evidence import Evidence, Explanation
from mailbearer.diagnosis.finding import Answer, Diagnosis, Fate, Who
from mailbearer.diagnosis.tokens import by_codes

if TYPE_CHECKING:
    from mailbearer.errors import GrantRefused

__all__ = [
    "Answer",
    "Diagnosis",
    "Evidence",
    "Explanation",
    "Fate",
    "Judgement",
    "Who",
    "by_code",
    "diagnose",
    "explain",
    "judge_refusal",
]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a refused grant is dead, our stable reason, and how long to wait (seconds) where it is not."""

    dead: bool
    reason: str
    pause: float


def diagnose(error: str, *, error_codes: tuple[int, ...] = (), subtype: str = "") -> Diagnosis:
    """Judge a refusal by its `error` word, and by numbers and subtype where those say more.

    Of several numbers the last known one counts, for the first is the generic one. Numbers explain; only a word of the
    grant's own may bring a grant down.
    """
    by_word = by_codes(error)
    found = by_codes(error, numbers=error_codes, subtype=subtype)
    return by_word if found.answer is Answer.GRANT and by_word.answer is not Answer.GRANT else found


def judge_refusal(refused: GrantRefused, *, first_time: bool) -> Judgement:
    """Judge whether a refused grant is dead; one that is known to come back gets a second try on its first refusal."""
    found = diagnose("invalid_grant", error_codes=refused.error_codes, subtype=refused.subtype)
    if refused.finding:
        # What was found in the whole answer may save a grant; it never brings one down that its codes let live.
        whole = by_code(refused.finding)
        found = whole if whole.answer is Answer.GRANT and whole.fate is Fate.ALIVE else found
    dead = found.fate is Fate.DEAD or (found.fate is Fate.DOUBTFUL and not first_time)
    return Judgement(dead, found.code, found.pause)


def by_code(code: str) -> Diagnosis:
    """Give the row of a code of ours; one that is not in the table gets the row for unknown refusals."""
    from mailbearer.diagnosis.catalogue import row  # noqa: PLC0415 - the other parts of the table, rarely needed

    return row(code)


def explain(evidence: Evidence, **known: str) -> Explanation:
    """Say what an answer of a provider means.

    `known` fills the remedy's places: `account`, `registration`, `client_id`, `tenant`. Never raises for what a
    provider may have sent.
    """
    from mailbearer.diagnosis.explaining import explained  # noqa: PLC0415 - nothing that refreshes or sends needs it

    return explained(evidence, known)
