"""When no new token comes: what becomes of lease, grant and whoever waits (semantics.md, Refreshing, 6 and 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from mailbearer.account import Account, AccountState
from mailbearer.diagnosis import Who, by_code, judge_refusal
from mailbearer.errors import (
    ClientRefused,
    GrantDead,
    GrantRefused,
    RefreshDeferred,
    SecretMissing,
    TokenAnswerInvalid,
    TokenAnswerLost,
    TokenEndpointBusy,
    TokenError,
    Unavailable,
)
from mailbearer.pauses import backoff, chance

if TYPE_CHECKING:
    from mailbearer.client import Client
    from mailbearer.definition import Definitions
    from mailbearer.errors import LeaseLost
    from mailbearer.news import News
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.stores import AccountStore
    from mailbearer.ports.vaults import TokenVault
    from mailbearer.refreshing.lease import Lease
    from mailbearer.registration import Registration
    from mailbearer.token import StoredToken, TokenSet
    from mailbearer.trail import Trail

OVERTAKEN_PAUSE = 5.0
_BUSY_BACKOFF, _BUSY_CAP = 15.0, 900.0
_REFUSED_BACKOFF, _REFUSED_CAP = 300.0, 3600.0
_LOST_ANSWER_PAUSE = 30.0
_LONGEST_RETRY_AFTER = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants of a mailbox's token: that it lives until `needed_until` (epoch seconds).

    With `refused_version` the stored set counts as stale while it still is that version. `at_once` means that somebody
    who mended something asks, so that a back-off does not count.
    """

    account_id: str
    needed_until: float
    refused_version: str | None = None
    at_once: bool = False

    def promised_by(self, account: Account) -> bool:
        """Tell whether the account says that such a token is stored."""
        return account.token.version != self.refused_version and account.token.lives(self.needed_until)

    def met_by(self, stored: StoredToken, account: Account) -> bool:
        """Tell whether the stored set is such a token, and is the one that stands.

        One from before a forced refresh is what the mail side refused; what came instead may live in another process
        alone, for the secret's write budget was spent.
        """
        stands = stored.version == account.token.version != self.refused_version
        fresh = stored.tokens.obtained_at >= account.token.forced_at
        return stands and fresh and stored.tokens.lives_until(self.needed_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Bring a refresh that gave nothing to its end."""

    accounts: AccountStore
    lease: Lease
    definitions: Definitions
    vault: TokenVault
    client: Client
    news: News
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes

    def grant_refused(
        self, account: Account, registration: Registration, stored: StoredToken, error: GrantRefused, wish: Wish
    ) -> StoredToken:
        """Look for a newer token that somebody else stored meanwhile, before a grant is called dead."""
        try:
            again = self.vault.read(account.id)
        except Unavailable as failure:
            # Without the second look nothing is called dead; the refusal comes again. No answer was lost either.
            return self.unanswered(account, stored, TokenEndpointBusy(failure.detail), wish)
        if again is not None and again.version != stored.version:
            definition = self.definitions(registration.kind)
            self.lease.release(
                account, again, previous=account.token.version, definition=definition, scope=again.tokens.scope
            )
            return again
        judgement = judge_refusal(error, first_time=True)
        if account.token.doubted_at and self.clock() >= account.token.doubted_at + judgement.pause:
            # The retry has to be late: whoever asks at once asks about the same bad moment.
            judgement = judge_refusal(error, first_time=False)
        if registration.flow.unattended:
            # Nobody consented, so nobody can again: it works once somebody has mended the registration or its rights.
            pause = self._refused_pause(account)
            self._back_off(account, pause, error, failure=judgement.reason)
            if by_code(judgement.reason).who is not Who.NOBODY:
                self._alarm(account, judgement.reason, error)
            return self.make_do(stored, self.clock() + pause, wish, error.detail)
        if not judgement.dead:
            doubted = judge_refusal(error, first_time=False).dead
            self._back_off(account, judgement.pause, error, failure=judgement.reason, doubted=doubted)
            return self.make_do(stored, self.clock() + judgement.pause, wish, error.detail)
        reason = "rotation_lost_or_revoked" if account.token.answer_lost_at else judgement.reason
        self.lease.give_up(account, reason, raw=error.raw)
        self.trail.note(
            "token.rejected",
            account.id,
            "rejected",
            reason=reason,
            token=account.token.refresh_hash,
            raw=error.raw,
        )
        self.trail.flush()
        self.news.publish("token.rejected", account, reason=reason)
        raise GrantDead(error.detail, reason=reason, raw=error.raw) from error

    def client_refused(self, account: Account, error: ClientRefused) -> ClientRefused:
        """Back off and alarm the operator, for no user can mend a registration; gives the error to raise.

        The pauses grow to an hour, for all of its mailboxes ask, each by itself.
        """
        self._back_off(account, self._refused_pause(account), error)
        self._alarm(account, error.finding or error.code, error)
        return error

    def unanswered(self, account: Account, stored: StoredToken, error: TokenError, wish: Wish) -> StoredToken:
        """Back off when the token endpoint gave nothing that can be used.

        The old access token serves while it lives.
        """
        # What came may have held the next refresh token. Without a refresh token there is nothing to lose.
        lost = isinstance(error, (TokenAnswerLost, TokenAnswerInvalid)) and bool(stored.tokens.refresh_token)
        wanted = error.retry_after if isinstance(error, TokenEndpointBusy) else None
        ceiling = min(_BUSY_CAP, _BUSY_BACKOFF * 2 ** min(account.token.failures, 8))
        pause = ceiling * (0.5 + 0.5 * chance(self.random_bytes))
        pause = max(pause, _LOST_ANSWER_PAUSE if lost else 0, min(wanted or 0, _LONGEST_RETRY_AFTER))
        self._back_off(account, pause, error, lost=lost)
        return self.make_do(stored, self.clock() + pause, wish, error.detail)

    def overtaken(
        self, account: Account, registration: Registration, tokens: TokenSet, error: LeaseLost | SecretMissing
    ) -> NoReturn:
        """Give up a token that may not be stored any more.

        If the mailbox was shut off meanwhile, take it back at once.
        """
        current = self.accounts.get(account.id)
        if current is None or current.state is AccountState.REVOKED:
            token, hint = tokens.refresh_token, "refresh_token"
            if not token:
                token, hint = tokens.access_token, "access_token"
            try:
                self.client.revoke(registration, token=token, hint=hint)
            except (TokenError, SecretMissing, Unavailable) as failure:
                self.trail.note("token.revoke_failed", account.id, "failed", reason=failure.code)
            else:
                self.trail.note("token.revoked", account.id, "revoked", reason="refreshed_while_revoked")
            msg = "The mailbox was revoked during the refresh."
            raise GrantDead(msg, reason="revoked") from error
        raise RefreshDeferred(error.detail, retry_at=self.clock() + OVERTAKEN_PAUSE) from error

    def make_do(self, stored: StoredToken, retry_at: float, wish: Wish, why: str) -> StoredToken:
        """Use the old access token while it lives, or say when to come again."""
        if wish.refused_version is None and stored.tokens.lives_until(self.clock() + 5):
            return stored
        raise RefreshDeferred(why, retry_at=retry_at)

    def _refused_pause(self, account: Account) -> float:
        return backoff(
            account.token.failures, least=_REFUSED_BACKOFF, longest=_REFUSED_CAP, random_bytes=self.random_bytes
        )

    def _back_off(
        self,
        account: Account,
        pause: float,
        error: TokenError,
        *,
        failure: str = "",
        lost: bool = False,
        doubted: bool = False,
    ) -> None:
        failure = failure or error.finding or error.code
        self.lease.back_off(account, pause, failure=failure, raw=error.raw, lost=lost, doubted=doubted)
        self.trail.note(
            "token.refresh_failed",
            account.id,
            "failed",
            reason=error.code,
            finding=failure if failure != error.code else "",
            raw=error.raw,
            token=account.token.refresh_hash,
        )

    def _alarm(self, account: Account, finding: str, error: TokenError) -> None:
        """Tell the operator; the bus hears it once for a mailbox, not at each try."""
        self.trail.note(
            "registration.refused", account.provider, "refused", reason=error.code, finding=finding, raw=error.raw
        )
        if account.token.failure != finding:
            self.news.publish("registration.refused", account, registration=account.provider, reason=finding)
