"""What the schedule does for one account: refresh, validate, finish a revocation (semantics.md, Scheduled rotation)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.errors import Conflict, NotFound
from mailbearer.pauses import backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.stores import AccountStore
    from mailbearer.probing.prober import Prober
    from mailbearer.refreshing.lifecycle import Lifecycle
    from mailbearer.revocation import Revocation
    from mailbearer.trail import Trail

SHORTEST_PAUSE, LONGEST_PAUSE = 300.0, 3600.0
_TRIES = 5
_WITH_GRANT = frozenset({AccountState.ACTIVE, AccountState.PAUSED})


class Deed(StrEnum):
    """What was done for an account; one look at it may bring several."""

    REFRESHED = "refreshed"
    PROBED = "probed"
    INVALID = "invalid"
    REVOCATION_FINISHED = "revocations_finished"
    REVOCATION_OPEN = "revocations_open"
    DRAINED = "drained"
    OWNER_TOLD = "owners_told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """Do what an account is due for, and see that one which cannot be helped does not stay due for ever."""

    accounts: AccountStore
    lifecycle: Lifecycle
    prober: Prober
    revocation: Revocation
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes
    drain: Callable[[Account], None]
    invite: Callable[[Account], None]

    def work(self, account_id: str, *, begin_until: float) -> set[Deed]:
        """Refresh and probe, or finish a revocation; nothing if the account is not due any more.

        After `begin_until` (epoch seconds) no probe is begun: it stays due. Raises what kept the work from being done;
        `put_off` then has to be called.
        """
        account = self.accounts.get(account_id)
        if account is None or not 0 < account.due_at <= self.clock():
            return set()
        if account.state is AccountState.REVOKED:
            try:
                done = self.revocation.finish(account, actor="schedule")
            except Conflict:
                return set()  # somebody else is at it
            return {Deed.REVOCATION_FINISHED if done.secret_retired else Deed.REVOCATION_OPEN}
        if account.state is AccountState.CONSENT_REQUIRED:
            return self._tell_owner(account)
        deeds: set[Deed] = set()
        if _has_come(account.token.due_at, self.clock()):
            # Due means now, ahead of the token's end: ask for one that outlives it.
            stored = self.lifecycle.refresh(account_id, needed_until=account.token.expires_at + 1)
            if stored.version != account.token.version:
                deeds.add(Deed.REFRESHED)
            # So the probe need not read again what was just stored.
            self.lifecycle.cache.put(account_id, stored)
            account = self.accounts.get(account_id) or account
        # Whoever was never probed is after a refresh; from then on the prober says when.
        wanted = _has_come(account.probe.due_at, self.clock()) or (deeds and not account.probe.due_at)
        if wanted and account.state in _WITH_GRANT and self.clock() < begin_until:
            deeds |= self._probe(account)
            account = self.accounts.get(account_id) or account
        if _has_come(account.drain_due_at, self.clock()):
            self._drain(account)
            deeds.add(Deed.DRAINED)
        return deeds

    def put_off(self, account_id: str, *, failure: str = "") -> None:
        """See that an account whose work failed comes again later, if nobody has seen to it: from 5 minutes to an hour.

        Its health names the `failure`, our code for what kept the work from being done.

        A lease that backed off, a grant that died and a revocation that is open have set their own time.
        """
        account = self.accounts.get(account_id)
        for _ in range(_TRIES):
            if account is None or not 0 < account.due_at <= self.clock():
                return
            later = self._later(account, failure)
            try:
                stored = self.accounts.replace(later, expected=account)
            except NotFound:
                return
            if stored == later:
                self.trail.note("account.put_off", account.id, "put_off")
                return
            account = stored

    def _later(self, account: Account, failure: str) -> Account:
        now = self.clock()
        token, probe = account.token, account.probe
        pause = backoff(token.failures + 1, least=SHORTEST_PAUSE, longest=LONGEST_PAUSE, random_bytes=self.random_bytes)
        if _has_come(token.due_at, now):
            token = replace(token, due_at=now + pause, failures=token.failures + 1, failure=failure or token.failure)
        if _has_come(probe.due_at, now):
            probe = replace(probe, due_at=now + pause)
        drain_from = now if _has_come(account.drain_due_at, now) else account.drain_from
        notice_at = now + pause if _has_come(account.notice_at, now) else account.notice_at
        return account.changed(updated_at=now, token=token, probe=probe, drain_from=drain_from, notice_at=notice_at)

    def _tell_owner(self, account: Account) -> set[Deed]:
        """Tell the owner of a dead grant; once, unless we die between the telling and the note of it."""
        self.invite(account)
        self.accounts.replace(account.changed(notice_at=0.0), expected=account)
        return {Deed.OWNER_TOLD}

    def _drain(self, account: Account) -> None:
        """Ask again for held mail to be sent: whoever made the mailbox active may have died before he asked."""
        self.drain(account)
        asked = account.changed(drain_from=self.clock())
        if self.accounts.replace(asked, expected=account) == asked:
            self.trail.note("account.drain_asked", account.id, "queued")

    def _probe(self, account: Account) -> set[Deed]:
        valid = self.prober.probe(account).valid
        return {Deed.PROBED, Deed.INVALID} if valid is False else {Deed.PROBED}


def _has_come(due_at: float, now: float) -> bool:
    return 0 < due_at <= now
