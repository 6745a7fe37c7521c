"""What a server says of each recipient (RFC 5321 section 3.3), and what it comes to for the message."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.message import Outcome, RefusedRecipient, Remedy
from mailbearer.transports.outcomes import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailbearer.transports.smtp_answers import Reply

_PERMANENT = 500
_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """One recipient that was refused, by which reply, and what that means."""

    recipient: str
    reply: Reply
    outcome: Outcome

    @property
    def again(self) -> bool:
        """Tell whether it may be taken later: said so, or refused for what is not about this recipient."""
        return self.reply.code < _PERMANENT or self.outcome.remedy is not Remedy.NONE


def refusals(
    recipients: Sequence[str], replies: Sequence[Reply], classify: Callable[[Reply], Outcome]
) -> list[Refusal]:
    """Find the recipients that were refused; those that were not asked about have no reply."""
    judged: dict[str, Outcome] = {}
    found = []
    for recipient, reply in zip(recipients, replies, strict=False):
        if not reply.good:
            # Servers say the same of many.
            outcome = judged.get(reply.raw) or judged.setdefault(reply.raw, classify(reply))
            found.append(Refusal(recipient, reply, outcome))
    return found


def reported(found: Sequence[Refusal]) -> tuple[RefusedRecipient, ...]:
    """Write refusals as the outcome names them."""
    return tuple(
        RefusedRecipient(
            recipient=refusal.recipient,
            code=refusal.outcome.code,
            detail=refusal.outcome.detail,
            again=refusal.again,
        )
        for refusal in found
    )


def nobody_left(found: Sequence[Refusal]) -> Outcome:
    """Say what it means that every recipient was refused: nothing helps, unless one of them may be taken later."""
    later = [refusal.outcome for refusal in found if refusal.again]
    # What stands in the way of the whole mailbox weighs more than what stands before one recipient.
    mailbox = (outcome for outcome in later if outcome.remedy in {Remedy.HOLD, Remedy.REFRESH})
    worst = next(mailbox, (later or [found[0].outcome])[0])
    named = ", ".join(f"{refusal.recipient} ({refusal.reply.provider_code})" for refusal in found[:_MOST_NAMED])
    outcome = refused(worst.code, f"Refused: {named}. {worst.detail}")
    return replace(outcome, remedy=Remedy.RETRY) if later and outcome.remedy is Remedy.NONE else outcome
