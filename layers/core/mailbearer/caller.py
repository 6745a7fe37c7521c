"""Who is asking: API keys and what they may do."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

USED_EVERY = 900.0
"""Seconds for which a key's last use is not written again: a caller's every request would cost a write."""

SCOPES = (
    "messages:send",
    "messages:read",
    "accounts:read",
    "accounts:write",
    "templates:read",
    "templates:write",
    "audit:read",
    "admin",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A proven caller; `accounts` empty means every account."""

    key_id: str
    scopes: frozenset[str]
    accounts: frozenset[str] = frozenset()

    def may(self, scope: str) -> bool:
        """Tell whether the caller holds `scope`, itself or through `admin`."""
        return scope in self.scopes or "admin" in self.scopes

    def may_use(self, account_id: str) -> bool:
        """Tell whether the caller may act on this account."""
        return not self.accounts or account_id in self.accounts


class KeyState(StrEnum):
    """Whether a key is good for anything."""

    ACTIVE = "active"
    DISABLED = "disabled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Replaced:
    """A secret that a rotation replaced, as a hash; good until `until` (epoch seconds)."""

    secret_hash: str = field(repr=False)
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A stored key: the secret itself is shown once and kept only as a hash.

    `replaced` are the secrets before this one that may still be used. `reason` is why the key was disabled. Times are
    epoch seconds, 0 = never. `last_used_at` lags by up to `USED_EVERY` and is kept beside the revision: it is no part
    of what two keys are compared by.
    """

    id: str
    name: str
    secret_hash: str = field(repr=False)
    scopes: frozenset[str]
    accounts: frozenset[str] = frozenset()
    created_at: float
    expires_at: float = 0
    disabled: bool = False
    reason: str = ""
    rotated_at: float = 0
    replaced: tuple[Replaced, ...] = ()
    revision: int = 0
    last_used_at: float = field(default=0, compare=False)

    def state(self, now: float) -> KeyState:
        """Tell whether the key is good for anything at `now` (epoch seconds)."""
        if self.disabled:
            return KeyState.DISABLED
        return KeyState.EXPIRED if self.expires_at and now >= self.expires_at else KeyState.ACTIVE

    def proves(self, secret: str, now: float) -> bool:
        """Tell whether `secret` is this key's and the key is in force at `now` (epoch seconds).

        It takes the same time whatever is wrong.
        """
        given = hash_secret(secret)
        right = hmac.compare_digest(self.secret_hash, given)
        for each in self.replaced:
            right |= hmac.compare_digest(each.secret_hash, given) and now < each.until
        return right and self.state(now) is KeyState.ACTIVE

    def use_is_due(self, now: float) -> bool:
        """Tell whether the use at `now` is to be written down."""
        return now - self.last_used_at >= USED_EVERY

    def caller(self) -> Caller:
        """Give the caller that this key stands for."""
        return Caller(key_id=self.id, scopes=self.scopes, accounts=self.accounts)

    def changed(self, **fields: Any) -> Self:
        """Give the key with these fields changed, as the next revision."""
        return replace(self, revision=self.revision + 1, **fields)


NOBODYS_KEY = ApiKey(id="", name="", secret_hash="0" * 64, scopes=frozenset(), created_at=0, disabled=True)
"""What a secret is compared with where there is no key of that id, so that nobody can tell by the time it takes."""


def hash_secret(secret: str) -> str:
    """Hash a key's secret; it carries 256 random bits, so a plain digest cannot be searched."""
    return hashlib.sha256(secret.encode()).hexdigest()


def bearer_of(authorization: str) -> str:
    """Take what comes after `Bearer` out of an `Authorization` header; empty if it has another form."""
    scheme, _, value = authorization.strip().partition(" ")
    return value if scheme.lower() == "bearer" else ""


def split_bearer(authorization: str) -> tuple[str, str] | None:
    """Take key id and secret out of `Bearer mb_<key id>_<secret>`; None if it has another form."""
    value = bearer_of(authorization)
    if not value.startswith("mb_"):
        return None
    key_id, separator, secret = value.removeprefix("mb_").rpartition("_")
    return (key_id, secret) if separator and key_id and secret else None
