"""The front door that is a queue: what a body means, and what becomes of one that can never be sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.envelope import Dropped, Pointer, read_body, read_pointed
from mailbearer.errors import IdempotencyConflict, InvalidInput, MalformedBody, PointerUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.envelope import Drain, Job
    from mailbearer.message import MessageRecord
    from mailbearer.ports.channels import PointedContent
    from mailbearer.submission import Submission


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Take bodies off the queue."""

    submission: Submission
    pointed: Callable[[], PointedContent]

    def take(self, text: str, sqs_message_id: str) -> Job | Drain | MessageRecord:
        """Give what is to be done now, or the record of a message with which nothing is.

        Such a message is for later, or it failed: for want of a mailbox, or because it can never be sent, and then it
        is kept on the dead-letter queue. Raises `Unavailable`: then the body has to stay on the queue.
        """
        key, account = f"sqs:{sqs_message_id}", ""
        try:
            taken = read_body(text, sqs_message_id)
            if isinstance(taken, Pointer):
                key = taken.key
                taken = self._follow(taken)
            if not isinstance(taken, Dropped):
                return taken
            key, named = taken.key, taken.body.get("account")
            account = named if isinstance(named, str) else ""
            return self.submission.adopt(taken)
        except (MalformedBody, InvalidInput, IdempotencyConflict) as error:
            return self.submission.refuse(text, error, key=key, account=account)

    def _follow(self, pointer: Pointer) -> Dropped:
        text = self.pointed().read(pointer.bucket, pointer.object_key)
        if text is None:
            msg = (
                f"Nothing can be read at {pointer.object_key[:200]!r} of the bucket {pointer.bucket[:63]!r}: it has to "
                "be in the content bucket under inbox/, no larger than the limit, and not older than 14 days."
            )
            raise PointerUnreadable(msg)
        return read_pointed(text, pointer)
