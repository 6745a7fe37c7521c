"""What the mail side's refusals say of a mailbox, kept on its account so that its health shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.errors import NotFound, Unavailable
from mailbearer.news import News

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import EventBus
    from mailbearer.ports.stores import AccountStore
    from mailbearer.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Keep why a mailbox's mail waits for somebody to act, told once, and forget it with the first mail that goes.

    It costs a write when it changes, and nothing while it stays. What cannot be kept now is kept with the next mail.
    """

    accounts: AccountStore
    events: EventBus
    trail: Trail
    clock: Clock

    def refused(self, account: Account, code: str) -> None:
        """Keep that mail is refused for a reason that somebody has to mend."""
        from mailbearer.diagnosis import Answer, Who, by_code  # noqa: PLC0415 - mail that goes needs none of it

        row = by_code(code)
        # A limit ends by itself.
        if row.who is Who.NOBODY or row.answer is Answer.LIMIT or account.mail_refusal == code:
            return
        if self._keep(account, code):
            self.trail.note("account.mail_refused", account.id, "refused", reason=code)
            News(self.events, self.trail, self.clock).publish("account.mail_refused", account, reason=code)

    def accepted(self, account: Account) -> None:
        """Keep that mail goes again."""
        if account.mail_refusal and self._keep(account, ""):
            self.trail.note("account.mail_accepted", account.id, "accepted")
            News(self.events, self.trail, self.clock).publish("account.mail_accepted", account)

    def _keep(self, account: Account, code: str) -> bool:
        changed = account.changed(mail_refusal=code)
        try:
            return self.accounts.replace(changed, expected=account) == changed
        except (NotFound, Unavailable) as error:
            self.trail.note("account.mail_unnoted", account.id, "failed", reason=error.code)
            return False
