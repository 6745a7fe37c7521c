"""The scheduled run: refresh what is due, validate it, finish revocations (semantics.md, Scheduled rotation)."""

from __future__ import annotations

from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.errors import GrantDead, MailbearerError

if TYPE_CHECKING:
    from mailbearer.lifecycle import Lifecycle
    from mailbearer.ports import AccountStore, AuditLog, AuditSpool, Clock
    from mailbearer.revocation import Revocation
    from mailbearer.trail import Trail

CONCURRENCY = 16
_PAGE = 100
_MARGIN = 45.0
_SPOOL_LOTS = 20


@dataclass(slots=True)
class Summary:
    """What one run did, by count; `left` says whether accounts that are due were left to the next run."""

    refreshed: int = 0
    unneeded: int = 0
    failed: int = 0
    revocations_finished: int = 0
    left: bool = False
    problems: dict[str, str] = field(default_factory=dict)
    defects: list[BaseException] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """Work all due accounts concurrently within one run's time."""

    accounts: AccountStore
    lifecycle: Lifecycle
    revocation: Revocation
    log: AuditLog
    spool: AuditSpool
    trail: Trail
    clock: Clock

    def run(self, *, deadline: float) -> Summary:
        """Work accounts until none is due or `deadline` (epoch seconds) is near; one failure never stops the rest."""
        summary = Summary()
        self._write_spooled()
        try:
            self._work_due(summary, deadline)
        finally:
            self.trail.flush()
        if summary.defects:
            raise summary.defects[0]
        return summary

    def _work_due(self, summary: Summary, deadline: float) -> None:
        seen: set[str] = set()
        under_way: dict[Future[str], str] = {}
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            while self.clock() < deadline - _MARGIN:
                # Whoever stays due in spite of our work must not hide those behind him, so the page grows with `seen`.
                page = self.accounts.due(self.clock(), limit=_PAGE + len(seen))
                due = [account_id for account_id in page if account_id not in seen]
                if not due and not under_way:
                    break
                for account_id in due:
                    seen.add(account_id)
                    under_way[pool.submit(self._work, account_id)] = account_id
                finished, _ = wait(under_way, timeout=5, return_when=FIRST_COMPLETED if due else ALL_COMPLETED)
                for future in finished:
                    self._count(summary, under_way.pop(future), future)
            else:
                summary.left = True
            # Only what has begun is brought to its end.
            begun = {future: account_id for future, account_id in under_way.items() if not future.cancel()}
            for future, account_id in begun.items():
                self._count(summary, account_id, future)

    def _work(self, account_id: str) -> str:
        """Do what one account needs; gives the name of the count."""
        account = self.accounts.get(account_id)
        if account is None:
            return "unneeded"
        if account.state is AccountState.REVOKED:
            return self._finish_revocation(account)
        if account.state not in {AccountState.ACTIVE, AccountState.PAUSED}:
            return "unneeded"
        before = account.token.version
        # Due means that it is to be refreshed now, ahead of its end: ask for a token that outlives the present one.
        stored = self.lifecycle.refresh(account_id, needed_until=account.token.expires_at + 1)
        return "refreshed" if stored.version != before else "unneeded"

    def _finish_revocation(self, account: Account) -> str:
        if not account.revocation_pending:
            return "unneeded"
        done = self.revocation.finish(account, actor="schedule")
        return "revocations_finished" if done.secret_retired else "failed"

    def _count(self, summary: Summary, account_id: str, future: Future[str]) -> None:
        error = future.exception()
        if error is None:
            name = future.result()
            setattr(summary, name, getattr(summary, name) + 1)
            return
        summary.failed += 1
        if isinstance(error, MailbearerError):
            summary.problems[account_id] = error.reason if isinstance(error, GrantDead) else error.code
        else:
            # A defect of ours: the other accounts go on, and the run itself fails at its end so that its alarm rings.
            summary.problems[account_id] = type(error).__name__
            summary.defects.append(error)

    def _write_spooled(self) -> None:
        """Write events that waited for the audit log; what it still cannot take stays where it is."""
        try:
            for name, events in self.spool.waiting(_SPOOL_LOTS):
                self.log.write(events)
                self.spool.remove(name)
        except MailbearerError as error:
            self.trail.note("audit.spool_kept", "audit", "kept", reason=error.code)
