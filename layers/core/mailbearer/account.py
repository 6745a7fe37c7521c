"""Mailboxes and their states."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

from mailbearer.token import TokenState

DRAIN_PATIENCE = 600.0
"""Seconds after which the schedule asks again for held mail to be sent, should the first asking have been lost."""


class AccountState(StrEnum):
    """Where a mailbox stands; only `active` sends."""

    PENDING_CONSENT = "pending_consent"
    ACTIVE = "active"
    CONSENT_REQUIRED = "consent_required"
    PAUSED = "paused"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What came of the last look whether the token opens the mailbox; times are epoch seconds, 0 = none.

    `outcome` is `valid`, `invalid` or `unknown`; `how` names what was asked, `code` is the diagnosis' word if even a
    fresh token was refused. `identity` is whose mailbox it is in the provider's words, `scopes` are those it named.
    `due_at` is when to look again.
    """

    at: float = 0
    valid_at: float = 0
    due_at: float = 0
    outcome: str = ""
    how: str = ""
    code: str = ""
    identity: str = ""
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One mailbox; `provider` names its registration, times are epoch seconds.

    `mail_refusal` is the diagnosis' code for why the mail side takes no mail from it, empty while it does.
    `circuit_until` is the moment until which it is left alone because its mail side failed `circuit_failures` times in
    a row; both are 0 from the next mail on that goes.
    `grants` are the moments at which consents gave refresh tokens that may still live: some providers cap their number.
    `drain_from` is since when mail that was held is to be sent, 0 = there is none, or it has been.
    `notice_at` is when its owner is to be told that the grant died, or others that it was revoked; 0 = they need not
    be, or have been.
    `pause_kept` says that the operator had paused the mailbox when its grant died, so that it comes back paused.
    `incident` is the id of the incident that shut it, empty if none did: its mail then waits instead of failing.
    `shut_from` is the state in which that incident found it.
    `contacts` are told when the mailbox needs its owner, its own address if there are none. `carries_notices` says that
    such notices about other mailboxes may be sent through it.
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
    pause_kept: bool = False
    revocation_pending: bool = False
    revoked_at: float = 0
    revision: int = 0
    token: TokenState = field(default_factory=TokenState)
    probe: Probe = field(default_factory=Probe)
    mail_refusal: str = ""
    circuit_until: float = 0
    circuit_failures: int = 0
    drain_from: float = 0
    notice_at: float = 0
    grants: tuple[float, ...] = ()
    incident: str = ""
    shut_from: str = ""
    contacts: tuple[str, ...] = ()
    carries_notices: bool = False

    @property
    def is_shut(self) -> bool:
        """Tell whether an incident shuts it: nothing is sent or connected, and its mail waits."""
        return self.state is AccountState.REVOKED and bool(self.incident)

    @property
    def is_gone(self) -> bool:
        """Tell whether its mail has nothing to wait for: it was revoked, and by no incident."""
        return self.state is AccountState.REVOKED and not self.incident

    @property
    def due_at(self) -> float:
        """Give when the schedule has work with this mailbox (epoch seconds), 0 = never."""
        if self.state in {AccountState.ACTIVE, AccountState.PAUSED}:
            return min(filter(None, (self.token.due_at, self.probe.due_at, self.drain_due_at)), default=0)
        if self.state is AccountState.CONSENT_REQUIRED:
            return self.notice_at
        return self.token.due_at if self.revocation_pending else self.notice_at

    @property
    def drain_due_at(self) -> float:
        """Give when to look whether held mail is being sent (epoch seconds), 0 = there is none."""
        return self.drain_from + DRAIN_PATIENCE if self.drain_from and self.state is AccountState.ACTIVE else 0

    def changed(self, **fields: Any) -> Self:
        """Give the account with these fields changed, as the next revision."""
        return replace(self, revision=self.revision + 1, **fields)

    def may_send_as(self, address: str) -> bool:
        """Tell whether mail from `address` may leave through this mailbox.

        Domains and the own address compare without case.
        """
        # Some letters beyond ASCII (the Kelvin sign) become ASCII ones when they are made small.
        if not address.isascii():
            return False
        wanted = address.lower()
        return wanted == self.address.lower() or wanted in (alias.lower() for alias in self.aliases)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCode:
    """A device code (RFC 8628) and when to ask for its tokens: not before `ask_at`, then every `interval` seconds.

    `code` is sealed with the link's ticket, which the table does not know. `asked_by` is a random mark of whoever asked
    last, so that of many who want to ask at once one does.
    """

    code: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str = ""
    interval: float
    ask_at: float
    asked_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A consent under way; lives ten minutes at most and is consumed once.

    `device` is there if the owner consents by a device code; there is no verifier, nonce or redirect URI then.
    """

    state_hash: str
    account_id: str
    registration: str
    verifier: str = field(default="", repr=False)
    nonce: str = field(default="", repr=False)
    redirect_uri: str = ""
    created_at: float
    expires_at: float
    device: DeviceCode | None = None
