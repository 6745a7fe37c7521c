"""What the specification wants of a message one of whose calls was struck: semantics.md (Sending), call by call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.message import Status
from proofs.strikes import How, Strike
from proofs.struck_egress import CONTENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proofs.life import Call
    from proofs.roads import Road

RECORDS = "DynamoDB PutItem (messages)"
_HANDINGS = frozenset({"POST send", "POST sendMail", CONTENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """How a message ended, or has to end.

    `mails` are what the provider took, `message_ids` the different ids they bear. `kept` says that a message which is
    not sent can still be sent by whoever decides so. `lost` counts the copies that ended as dead letters.
    """

    status: str
    mails: int
    message_ids: int
    kept: bool
    lost: int = 0

    @property
    def told(self) -> str:
        """Give it in a few words: status and mails, and whatever else is not as it should be."""
        words = [f"{self.status} {self.mails}"]
        if self.message_ids > 1:
            words.append(f"{self.message_ids} Message-IDs")
        if self.status != Status.SENT and not self.kept:
            words.append("content gone")
        if self.lost:
            words.append(f"{self.lost} dead letters")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The calls of one attempt: its intent, the one with which the provider takes the message, and its record."""

    intent: int
    handing: int
    record: int

    def uncertain(self, strike: Strike) -> bool:
        """Tell whether nobody can say what became of it: the intent stands, and no outcome is recorded."""
        if strike.how is How.LOST_ONCE:
            # The SDK asks once more; a provider is never asked twice.
            return strike.call == self.handing
        if self.intent < strike.call <= self.handing and strike.how in {How.REFUSED, How.LOST}:
            # The process lives and knows what has left: only the answer to the message itself leaves it in doubt.
            return strike.call == self.handing and strike.how is How.LOST
        if strike.how in {How.BEFORE, How.REFUSED}:
            return self.intent < strike.call <= self.record
        return self.intent <= strike.call < self.record

    def reached(self, strike: Strike) -> bool:
        """Tell whether the provider has had the message."""
        return strike.call >= self.handing + (strike.how in {How.BEFORE, How.REFUSED})


def attempts(calls: Sequence[Call]) -> list[Attempt]:
    """Find the attempts among the calls of a life that nobody disturbs."""
    names = [call.name for call in calls]
    writes = [number for number, name in enumerate(names) if name == RECORDS]
    return [
        Attempt(
            intent=max(write for write in writes if write < number),
            handing=number,
            record=min(write for write in writes if write > number),
        )
        for number, name in enumerate(names)
        if name in _HANDINGS
    ]


def expected(road: Road, calls: Sequence[Call], strike: Strike) -> Fate:
    """Say how a message has to end.

    One mail, but for the one window that nobody can close: between an intent and what is recorded of it. Then the
    message is `unknown`, with the one mail that was sent or none, or it is sent again because its caller said so.
    """
    found = attempts(calls)
    doubtful = next(((number, each) for number, each in enumerate(found) if each.uncertain(strike)), None)
    if doubtful is None:
        return Fate(status=Status.SENT, mails=road.mails, message_ids=1, kept=False)
    number, attempt = doubtful
    took = attempt.reached(strike) and road.takes[number]
    if road.resends:
        # Where the provider's answer is lost anyway, dying makes no difference.
        mails = road.mails + (took and road.tells[number])
        return Fate(status=Status.SENT, mails=mails, message_ids=1, kept=False)
    return Fate(status=Status.UNKNOWN, mails=int(took), message_ids=int(took), kept=True)
