"""Who is asking: API keys and what they may do."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A stored key: the secret itself is shown once and kept only as a hash."""

    id: str
    name: str
    secret_hash: str = field(repr=False)
    scopes: frozenset[str]
    accounts: frozenset[str] = frozenset()
    created_at: float
    expires_at: float = 0
    disabled: bool = False

    def proves(self, secret: str, now: float) -> bool:
        """Tell whether `secret` is this key's and the key is in force at `now` (epoch seconds)."""
        in_force = not self.disabled and (not self.expires_at or now < self.expires_at)
        return hmac.compare_digest(self.secret_hash, hash_secret(secret)) and in_force

    def caller(self) -> Caller:
        """Give the caller that this key stands for."""
        return Caller(key_id=self.id, scopes=self.scopes, accounts=self.accounts)


def hash_secret(secret: str) -> str:
    """Hash a key's secret; it carries 256 random bits, so a plain digest cannot be searched."""
    return hashlib.sha256(secret.encode()).hexdigest()


def split_bearer(authorization: str) -> tuple[str, str] | None:
    """Take key id and secret out of `Bearer mb_<key id>_<secret>`; None if it has another form."""
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not value.startswith("mb_"):
        return None
    key_id, separator, secret = value.strip().removeprefix("mb_").rpartition("_")
    return (key_id, secret) if separator and key_id and secret else None
