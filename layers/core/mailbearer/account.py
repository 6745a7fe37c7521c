"""Mailboxes and their states."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from mailbearer.token import TokenState


class AccountState(StrEnum):
    """Where a mailbox stands; only `active` sends."""

    PENDING_CONSENT = "pending_consent"
    ACTIVE = "active"
    CONSENT_REQUIRED = "consent_required"
    PAUSED = "paused"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One mailbox; `provider` names its registration, times are epoch seconds.

    `revocation_pending` says that the provider or the vault has still to be told of a revocation. `revision` grows by
    one with every change, so that no writer overwrites what it has not read.
    """

    id: str
    provider: str
    address: str
    transport: str
    state: AccountState
    display_name: str = ""
    aliases: tuple[str, ...] = ()
    limits: tuple[tuple[str, int], ...] = ()
    reason: str = ""
    scopes_wanted: tuple[str, ...] = ()
    scopes_granted: tuple[str, ...] = ()
    created_at: float
    updated_at: float
    validated_at: float = 0
    revocation_pending: bool = False
    revision: int = 0
    token: TokenState = field(default_factory=TokenState)

    def changed(self, **fields: Any) -> Self:
        """Give the account with these fields changed, as the next revision."""
        return replace(self, revision=self.revision + 1, **fields)

    def may_send_as(self, address: str) -> bool:
        """Tell whether mail from `address` may leave through this mailbox.

        Domains and the own address compare without case.
        """
        wanted = address.lower()
        return wanted == self.address.lower() or wanted in (alias.lower() for alias in self.aliases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A consent under way; lives ten minutes and is consumed by one conditional delete."""

    state_hash: str
    account_id: str
    registration: str
    verifier: str = field(repr=False)
    nonce: str = field(repr=False)
    redirect_uri: str
    created_at: float
    expires_at: float
