"""Keeping a short-lived secret in a table so that the table alone does not give it away."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


def seal(text: str, ticket: str) -> str:
    """Encrypt a text so that only whoever has the ticket can read it."""
    return _box(ticket).encrypt(text.encode()).decode()


def unseal(sealed: str, ticket: str) -> str:
    """Give the text back. Raises `ValueError` if it was sealed with another ticket, or is damaged."""
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 - see `_box`

    try:
        return _box(ticket).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise ValueError("sealed with another ticket") from error


def _box(ticket: str) -> Fernet:
    from cryptography.fernet import Fernet  # noqa: PLC0415 - 30 ms that only a device code needs

    # A ticket holds 256 random bits, so a plain hash of it is a key.
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"seal:{ticket}".encode()).digest()))
