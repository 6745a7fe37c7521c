"""What may be said of a rotation: for how long the secret before stays good."""

from __future__ import annotations

from mailbearer.addresses import given
from mailbearer.errors import Fault, InvalidInput
from mailbearer.wire.values import check_fields

ROTATE_FIELDS = frozenset({"overlap"})

OVERLAP, LONGEST_OVERLAP = 86_400, 30 * 86_400
"""Seconds for which a replaced secret stays good: unless a rotation says otherwise, and at most."""


def read_overlap(body: object) -> int:
    """Read for how many seconds the replaced secret stays good. Raises `InvalidInput` with all faults."""
    if not isinstance(body, dict):
        raise InvalidInput((Fault("", "not_an_object", "The body has to be a JSON object."),))
    faults: list[Fault] = []
    check_fields(body, ROTATE_FIELDS, "", faults)
    overlap = given(body, "overlap", OVERLAP)
    # A bool is an int in Python, and no number in JSON.
    if not isinstance(overlap, int) or isinstance(overlap, bool) or not 0 <= overlap <= LONGEST_OVERLAP:
        detail = f"overlap is a whole number of seconds from 0 to {LONGEST_OVERLAP}."
        faults.append(Fault("/overlap", "invalid_overlap", detail))
    if faults:
        raise InvalidInput(tuple(faults))
    return int(overlap)
