"""An attachment that its sender puts into the content bucket himself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One upload, `id` being `upl_` and a ULID; `size` in bytes, `caller` the key that may use it.

    Whoever sends through the queue may use every upload whose id he knows: ids cannot be guessed.
    """

    id: str
    caller: str
    filename: str
    content_type: str
    size: int
