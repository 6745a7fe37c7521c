"""A batch: up to a hundred messages in one request, each accepted or refused by itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mailbearer.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Hashable

    from mailbearer.caller import Caller
    from mailbearer.errors import MailbearerError
    from mailbearer.submission import Accepted, Submission
    from mailbearer.submission.together import Together

MAX_BATCH = 100
FIELDS = frozenset({"messages"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Accept messages together."""

    submission: Submission
    together: Together

    def accept(self, body: object, caller: Caller, key: str = "") -> list[Accepted | MailbearerError]:
        """Accept each message; of two with the same key the later one is the repetition, or the conflict.

        A `key` of the whole batch serves each message that has none of its own, together with its place. Raises
        `InvalidInput` if it is no list of messages.
        """
        messages = body.get("messages") if isinstance(body, dict) else None
        if not isinstance(messages, list) or not 1 <= len(messages) <= MAX_BATCH:
            detail = f"messages is a list of 1 to {MAX_BATCH} messages."
            raise InvalidInput((Fault("/messages", "invalid_batch", detail),))
        return self.together.each(
            [
                (_mark(message, index), partial(self.submission.accept, message, caller, place=(key, index)))
                for index, message in enumerate(messages)
            ]
        )


def _mark(message: object, index: int) -> Hashable:
    key = message.get("idempotency_key") if isinstance(message, dict) else None
    return key if isinstance(key, str) else index
