"""Tokens and the state of their refreshing (semantics.md, Refreshing)."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from dataclasses import dataclass, field

_VERSION_NAMESPACE = uuid.UUID("6f2b3d5e-7c51-4f0a-9b1e-6a1f2e3d4c5b")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSet:
    """What one token answer gave (RFC 6749 section 5.1); times are epoch seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float
    obtained_at: float
    scope: str

    def lives_until(self, moment: float) -> bool:
        """Tell whether the access token is still good at `moment`."""
        return self.expires_at > moment


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenState:
    """The public side of a mailbox's token: lease, version and deadlines, never a token.

    Times are epoch seconds, 0 = none. `grant_ends_at` is when the provider ends the grant as things stand; `ending` is
    the diagnosis' code for why, if no refresh puts that off. `calls` holds when the token endpoint was last asked,
    where the provider counts that. `failure` is the diagnosis' code for the last refusal, `failure_raw` the provider's
    own, `doubted_at` when the grant was first refused in a way that is known to heal.

    `fence` grows with every lease and every shutting off, so whoever holds an older number can no longer store
    anything.
    """

    fence: int = 0
    lease_owner: str = ""
    lease_until: float = 0
    refresh_hash: str = ""
    planned_version: str = ""
    version: str = ""
    expires_at: float = 0
    refreshed_at: float = 0
    due_at: float = 0
    backoff_until: float = 0
    failures: int = 0
    forced_at: float = 0
    answer_lost_at: float = 0
    write_allowance_at: float = 0
    grant_ends_at: float = 0
    ending: str = ""
    calls: tuple[float, ...] = ()
    failure: str = ""
    failure_raw: str = ""
    doubted_at: float = 0

    def lives(self, moment: float) -> bool:
        """Tell whether the stored access token is still good at `moment`."""
        return bool(self.version) and self.expires_at > moment


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token set as the vault holds it, with the id of the secret version."""

    tokens: TokenSet
    version: str


def planned_version(account_id: str, fence: int) -> str:
    """Name the secret version that the holder of `fence` will write: a successor recognises it after a crash."""
    return str(uuid.uuid5(_VERSION_NAMESPACE, f"{account_id}:{fence}"))


def fingerprint(token: str, account_id: str) -> str:
    """Give the keyed-hash prefix (12 hexadecimal digits) that stands for a token in tables and audit events."""
    return hmac.new(account_id.encode(), token.encode(), hashlib.sha256).hexdigest()[:12]
