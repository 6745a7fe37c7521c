"""How a token endpoint's codes are weighed against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.diagnosis import client_table as client
from mailbearer.diagnosis import table
from mailbearer.diagnosis.finding import Answer, Diagnosis
from mailbearer.diagnosis.token_codes import FAMILIES, MARKERS, NUMBER_MARKERS, NUMBERS, SUBTYPES, WORDS

if TYPE_CHECKING:
    from mailbearer.diagnosis.refusal import Refusal


def by_number(numbers: tuple[int, ...]) -> Diagnosis | None:
    """Give what the last known number means; of two the first is the generic one."""
    named = next((NUMBERS[number] for number in reversed(numbers) if number in NUMBERS), None)
    if named:
        return named
    return next((found for number in reversed(numbers) for family, found in FAMILIES if number in family), None)


def by_codes(word: str, *, numbers: tuple[int, ...] = (), subtype: str = "") -> Diagnosis:
    """Weigh word, numbers and subtype: a busy server is believed, then the most exact code counts."""
    by_word = WORDS.get(word.strip().lower(), table.UNKNOWN)
    if by_word.answer is Answer.BUSY:
        return by_word
    if numbers and (found := by_number(numbers)):
        return found
    return SUBTYPES.get(subtype.lower(), by_word) if by_word.answer is Answer.GRANT else by_word


def by_refusal(refusal: Refusal, *, provider: str = "") -> Diagnosis:
    """Say what a whole refusal means; where codes say the same for different things, known wordings tell them apart."""
    found = by_codes(refusal.word, numbers=refusal.numbers, subtype=refusal.subtype)
    said = " ".join(refusal.description.lower().split())
    if refusal.numbers:
        marker, other = NUMBER_MARKERS.get(refusal.numbers[-1], ("", found))
        return other if marker and marker in said else found
    if refusal.subtype.lower() in SUBTYPES:
        return found
    named = next((other for start, other in MARKERS.get(refusal.word, ()) if said.startswith(start)), None)
    if named:
        return named
    if provider == "google" and said != "unauthorized":
        # Google has these words for what a Workspace administrator has to allow.
        return {"unauthorized_client": table.DELEGATION, "access_denied": table.DENIED}.get(refusal.word, found)
    return client.CLIENT if (refusal.word, said) == ("unauthorized_client", "unauthorized") else found
