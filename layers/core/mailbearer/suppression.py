"""Addresses to which nothing is sent."""

from __future__ import annotations

from dataclasses import dataclass

EVERY_ACCOUNT = "*"
"""Stands for all mailboxes where a suppression is not for one alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One address to which one mailbox (`account`), or none at all (`*`), sends.

    `address` is in small letters and ASCII form; `created_at` is epoch seconds, `created_by` a key's id.
    """

    address: str
    account: str = EVERY_ACCOUNT
    reason: str = ""
    created_at: float
    created_by: str = ""
