"""Telling others what happened to a mailbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.errors import Unavailable
from mailbearer.ids import rfc3339

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.ports.channels import EventBus
    from mailbearer.token import TokenState
    from mailbearer.trail import Trail


@dataclass(frozen=True, slots=True)
class News:
    """Publish on the event bus; the audit log has it already, so a bus that is down changes nothing."""

    events: EventBus
    trail: Trail

    def publish(self, detail_type: str, account: Account, **detail: object) -> None:
        """Publish an event about a mailbox."""
        try:
            self.events.publish(detail_type, {"account": account.id, "address": account.address, **detail})
        except Unavailable as error:
            self.trail.note("event.unpublished", account.id, "failed", reason=error.code)

    def tell_end(self, account: Account, before: TokenState) -> None:
        """Audit and publish that the grant ends whatever we do, and when mail would stop; once for each end."""
        now = account.token
        if now.ending and (now.ending, now.grant_ends_at) != (before.ending, before.grant_ends_at):
            date = rfc3339(now.grant_ends_at)
            self.trail.note("grant.ends", account.id, "ends", reason=now.ending, ends_at=date)
            self.publish("account.grant_ends", account, reason=now.ending, ends_at=date)
