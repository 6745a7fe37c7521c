"""The link by which the owner of a mailbox whose grant died connects it again, whenever he comes to read of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState, Consent
from mailbearer.connecting.tickets import hash_of, unknown_state
from mailbearer.errors import ConsentRefused
from mailbearer.ids import rfc3339
from mailbearer.news import News

if TYPE_CHECKING:
    from mailbearer.connecting.tickets import Tickets
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import EventBus
    from mailbearer.ports.stores import ConsentStore
    from mailbearer.trail import Trail

INVITATION_LIFE = 7 * 86_400.0
"""Seconds for which the link is good: as long as mail waits for the mailbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitations:
    """Tell owners that they are needed.

    An invitation holds no state and no verifier: whoever opens it begins a consent of ten minutes, as often as it takes
    until the mailbox is connected, and the consent pins the mailbox as any other does.
    """

    tickets: Tickets
    consents: ConsentStore
    events: EventBus
    trail: Trail
    clock: Clock

    def send(self, account: Account) -> None:
        """Publish that a mailbox has to be connected again, with the link for its owner. Raises `Unavailable`.

        The fact is the grant that died, not the link: told again, it is the same event with another link.
        """
        ticket, now = self.tickets.text(), self.clock()
        self.consents.put(
            Consent(
                state_hash=_hash(ticket),
                account_id=account.id,
                registration=account.provider,
                created_at=now,
                expires_at=now + INVITATION_LIFE,
            )
        )
        link = {"reconnect_url": self.tickets.link(ticket), "expires_at": rfc3339(now + INVITATION_LIFE)}
        news = News(self.events, self.trail, self.clock)
        news.insist("account.reconnect_wanted", account, reason=account.reason, **link)
        self.trail.note("account.reconnect_wanted", account.id, "published", reason=account.reason)

    def opened(self, ticket: str) -> Account:
        """Give the mailbox that a link is for. Raises `ConsentRefused` if it is not needed (any more)."""
        invitation = self.consents.get(_hash(ticket))
        if invitation is None or invitation.expires_at <= self.clock():
            raise unknown_state()
        account = self.tickets.accounts.get(invitation.account_id)
        if account is None or account.state is not AccountState.CONSENT_REQUIRED:
            msg = "The mailbox does not have to be connected any more."
            raise ConsentRefused(msg, reason="not_needed", status=410)
        return account


def _hash(ticket: str) -> str:
    return hash_of(f"invitation:{ticket}")
