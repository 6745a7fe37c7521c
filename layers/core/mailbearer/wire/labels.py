"""What a sender puts on a message for himself: tags and metadata. They come back, and never leave by mail."""

from __future__ import annotations

# ruff: noqa: PLR2004 - each bound stands once, beside the words that explain it
from collections.abc import Mapping

from mailbearer.addresses import unsafe_in_header
from mailbearer.errors import Fault
from mailbearer.wire.values import BODY_FORBIDDEN

MAX_TAGS = 10
MAX_METADATA = 20


def read_tags(value: object, pointer: str, faults: list[Fault]) -> tuple[str, ...]:
    """Read the tags."""
    if value is None:
        return ()
    if (
        not isinstance(value, list)
        or len(value) > MAX_TAGS
        or not all(isinstance(tag, str) and 0 < len(tag) <= 64 and not unsafe_in_header(tag) for tag in value)
    ):
        detail = f"tags is a list of up to {MAX_TAGS} strings of 1 to 64 characters."
        faults.append(Fault(pointer, "invalid_tags", detail))
        return ()
    return tuple(value)


def read_metadata(value: object, pointer: str, faults: list[Fault]) -> tuple[tuple[str, str], ...]:
    """Read the metadata."""
    if value is None:
        return ()
    if (
        not isinstance(value, Mapping)
        or len(value) > MAX_METADATA
        or not all(
            0 < len(key) <= 64 and isinstance(text, str) and len(text) <= 500 and not BODY_FORBIDDEN.search(key + text)
            for key, text in value.items()
        )
    ):
        detail = f"metadata is an object of up to {MAX_METADATA} strings (names to 64, values to 500 characters)."
        faults.append(Fault(pointer, "invalid_metadata", detail))
        return ()
    return tuple(value.items())
