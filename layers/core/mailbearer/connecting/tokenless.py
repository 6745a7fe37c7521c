"""Connecting a mailbox that needs no token: one of the built-in sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.connecting.granting import Connected
from mailbearer.errors import Conflict
from mailbearer.news import News
from mailbearer.token import TokenState

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.embargo import Embargo
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import EventBus
    from mailbearer.ports.stores import AccountStore
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail

_TRIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenlessFlow:
    """Make mailboxes active that nobody has to be asked for."""

    accounts: AccountStore
    embargo: Embargo
    events: EventBus
    trail: Trail
    clock: Clock

    def connect(
        self, account: Account, registration: Registration, *, actor: str, admit: Callable[[], Account]
    ) -> Connected:
        """Admit the account and make it active; one that was paused stays so.

        Raises `Conflict` if somebody cuts it off meanwhile or an incident forbids it, `NotFound` if it was removed,
        `Unavailable`; the same again is safe.
        """
        self.trail.intend("consent.grant", account.id, actor=actor, registration=registration.name)
        admitted = admit()
        self.embargo.check(admitted)
        active = self._activate(admitted, registration)
        self.trail.note(
            "consent.granted", active.id, "granted", actor=actor, registration=registration.name, proof="none_needed"
        )
        News(self.events, self.trail, self.clock).publish("account.connected", active)
        return Connected(active, (), ())

    def _activate(self, account: Account, registration: Registration) -> Account:
        before = account.state
        for _ in range(_TRIES):
            paused = account.state is AccountState.PAUSED or account.pause_kept
            active = account.changed(
                state=AccountState.PAUSED if paused else AccountState.ACTIVE,
                reason="",
                updated_at=self.clock(),
                incident="",
                shut_from="",
                pause_kept=False,
                revocation_pending=False,
                scopes_wanted=registration.scopes,
                # What a revocation left to be done for a secret: there never was one.
                token=TokenState(fence=account.token.fence + 1),
                # Only what was connected once can have mail that waits.
                drain_from=0 if before is AccountState.PENDING_CONSENT else self.clock(),
            )
            stored = self.accounts.replace(active, expected=account)
            if stored == active:
                return active
            if stored.state is AccountState.REVOKED and before is not AccountState.REVOKED:
                break
            account = stored
        msg = "The account was changed meanwhile; look at it again."
        raise Conflict(msg)
