"""What a provider's no means: one table from machine-readable codes to cause, remedy, who acts, and whether to retry.

Codes decide, never prose: the word in `error` (RFC 6749 section 5.2), Google's `error_subtype` and reasons, Microsoft's
`suberror` and numbers, SMTP's reply and enhanced codes. Microsoft calls its numbers no contract, so an unknown one
falls back to its family and its word. The table is loaded with its first use: whoever meets no refusal does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.diagnosis.finding import Answer, Diagnosis, Fate, Who

if TYPE_CHECKING:
    from mailbearer.diagnosis.evidence import Evidence, Explanation
    from mailbearer.diagnosis.judging import Judgement
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


def __getattr__(name: str) -> object:
    """Load a class that not everybody needs with its first use (PEP 562)."""
    if name == "Judgement":
        from mailbearer.diagnosis.judging import Judgement  # noqa: PLC0415 - see above

        return Judgement
    if name in {"Evidence", "Explanation"}:
        from mailbearer.diagnosis import evidence  # noqa: PLC0415 - see above

        return getattr(evidence, name)
    raise AttributeError(name)


def diagnose(error: str, *, error_codes: tuple[int, ...] = (), subtype: str = "") -> Diagnosis:
    """Judge a refusal by its `error` word, and by numbers and subtype where those say more.

    Of several numbers the last known one counts, for the first is the generic one. Numbers explain; only a word of the
    grant's own may bring a grant down.
    """
    from mailbearer.diagnosis.judging import by_word_and_numbers  # noqa: PLC0415 - most refreshes are not refused

    return by_word_and_numbers(error, error_codes, subtype)


def judge_refusal(refused: GrantRefused, *, first_time: bool) -> Judgement:
    """Judge whether a refused grant is dead; one that is known to come back gets a second try on its first refusal."""
    from mailbearer.diagnosis.judging import of_grant  # noqa: PLC0415 - as above

    return of_grant(refused, first_time=first_time)


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
