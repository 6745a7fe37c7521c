"""Signatures as in Standard Webhooks: how a receiver knows that it was us, and when."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailbearer.ports import RandomBytes

SECRET_BYTES = 32
"""The specification asks for 24 to 64."""

_PREFIX = "whsec_"


def new_secret(random_bytes: RandomBytes) -> bytes:
    """Make a signing secret."""
    return random_bytes(SECRET_BYTES)


def shown(secret: bytes) -> str:
    """Write a secret as its receiver needs it."""
    return _PREFIX + base64.b64encode(secret).decode()


def header_fields(secrets: Iterable[bytes], notice_id: str, payload: bytes, *, at: int) -> dict[str, str]:
    """Give the header fields that prove a payload sent at `at` (epoch seconds): one signature for each secret."""
    signed = f"{notice_id}.{at}.".encode() + payload
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
