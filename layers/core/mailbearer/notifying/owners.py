"""Telling people that a mailbox needs them: by mail through another healthy mailbox, and over an SNS topic."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.account import AccountState
from mailbearer.ids import derived_id
from mailbearer.notifying.letters import concerns_people, letter_for

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.notifying.letters import Letter
    from mailbearer.ports import Clock
    from mailbearer.ports.channels import MessageQueue, OwnerTopic
    from mailbearer.ports.stores import AccountStore
    from mailbearer.trail import Trail
    from mailbearer.webhook import Notice

CARRIERS_KNOWN_FOR = 60.0
"""Seconds for which it is remembered which mailboxes carry notices: finding them means reading all accounts."""

NONE_KNOWN_FOR = 5.0
"""Seconds after which they are looked for again where none of them is well: somebody may just have named one."""

_PAGE = 500
_CAPTURING = "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Tell the people behind a mailbox what they have to know; other notices are not for them.

    Notices are about mailboxes, never about the mail that carries a notice, and a mailbox never carries one about
    itself: so none brings about another. `topic` is None where the stack has none.
    """

    accounts: AccountStore
    queue: MessageQueue
    topic: OwnerTopic | None
    trail: Trail
    clock: Clock
    _carriers: list[str] = field(default_factory=list, init=False, repr=False)
    _found_at: list[float] = field(default_factory=lambda: [-math.inf], init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def tell(self, notice: Notice) -> None:
        """Tell the owner of what concerns him; told twice it is one mail. Raises `Unavailable`: then tell it again.

        The topic comes last, for it knows no keys: what is told again because of it sends no second mail.
        """
        if not concerns_people(notice.kind):
            return
        account = self.accounts.get(notice.account) if notice.account else None
        letter = letter_for(notice, account) if account is not None else None
        if account is None or letter is None:
            return
        if not letter.needed:
            self.trail.note("notice.unsent", account.id, "unsent", reason="not_needed", event=notice.id)
            return
        if letter.for_owner:
            self._mail(notice, account, letter)
        if self.topic is not None:
            self.topic.publish(letter.subject, letter.text)
            self._told(notice, how="topic")

    def _mail(self, notice: Notice, account: Account, letter: Letter) -> None:
        """Put the letter on the message queue, as anybody's message through the mailbox that carries it."""
        carrier = self._carrier_for(account)
        if carrier is None:
            self.trail.note("notice.unsent", account.id, "unsent", reason="no_carrier", event=notice.id)
            return
        message = {
            "account": carrier.id,
            "to": list(account.contacts or (account.address,)),
            "subject": letter.subject,
            "text": letter.text,
            # RFC 3834: nobody's out-of-office assistant answers it.
            "headers": {"Auto-Submitted": "auto-generated"},
            "tags": ["mailbearer-notice"],
            "metadata": {"event": notice.id},
        }
        # Told again through another carrier, or with another link, it is another mail: under the key of the first one
        # it would be refused.
        key = derived_id("notice_", json.dumps(message))
        self.queue.send(json.dumps(message | {"idempotency_key": key}), group=carrier.id)
        self._told(notice, how="mail", carrier=carrier.id)

    def _told(self, notice: Notice, *, how: str, carrier: str = "") -> None:
        self.trail.note(
            "owner.notified",
            notice.account,
            "queued" if carrier else "published",
            how=how,
            carrier=carrier,
            event=notice.id,
        )

    def _carrier_for(self, account: Account) -> Account | None:
        """Find the first healthy mailbox that carries notices, as it stands now."""
        for known_for in (CARRIERS_KNOWN_FOR, NONE_KNOWN_FOR):
            for account_id in self._who_carries(known_for):
                carrier = self.accounts.get(account_id) if account_id != account.id else None
                if carrier is not None and self._carries(carrier, account):
                    return carrier
        return None

    def _carries(self, carrier: Account, account: Account) -> bool:
        # What a sandbox mailbox captures reaches nobody, and a drill shall reach nobody.
        same_world = (carrier.transport == _CAPTURING) == (account.transport == _CAPTURING)
        healthy = carrier.state is AccountState.ACTIVE and not carrier.mail_refusal
        return carrier.carries_notices and same_world and healthy and carrier.circuit_until <= self.clock()

    def _who_carries(self, known_for: float) -> list[str]:
        """Name the mailboxes that carry notices, the oldest first, as they were within so many seconds."""
        with self._lock:
            if self._found_at[0] + known_for <= self.clock():
                found, cursor = self.accounts.listing(limit=_PAGE, cursor="")
                carriers = [one.id for one in found if one.carries_notices]
                while cursor:
                    found, cursor = self.accounts.listing(limit=_PAGE, cursor=cursor)
                    carriers += [one.id for one in found if one.carries_notices]
                self._carriers[:] = sorted(carriers)
                self._found_at[0] = self.clock()
            return list(self._carriers)
