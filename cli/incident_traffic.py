"""A steady stream of mail through the queue, and what becomes of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from mailbearer.ids import derived_id
from mailbearer.message import MessageRecord, Status
from mailbearer.submission import QUEUE_CALLER
from mailbearer.wiring import Wiring

_PAUSE = 0.2  # seconds between two messages of one mailbox
_MOST = 1000
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox of the drill."""

    id: str
    address: str


@dataclass(slots=True)
class Traffic:
    """Messages for mailboxes in turn, dropped on the queue as any application does; `mark` tells one drill's apart."""

    wiring: Wiring
    mailboxes: Sequence[Mailbox]
    mark: str
    _ids: dict[str, list[str]] = field(default_factory=dict)
    _broken: list[Exception] = field(default_factory=list)

    @contextmanager
    def flowing(self, sleep: Callable[[float], None]) -> Iterator[None]:
        """Let the stream flow; raises what broke it."""
        ended = threading.Event()

        def flow() -> None:
            for number in range(_MOST):
                if ended.is_set():
                    return
                try:
                    for mailbox in self.mailboxes:
                        self._drop(mailbox, number)
                except Exception as error:  # noqa: BLE001 - a thread's error is raised where it is waited for
                    self._broken.append(error)
                    return
                sleep(_PAUSE)

        thread = threading.Thread(target=flow, name="drill", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
        if self._broken:
            raise self._broken[0]

    def count(self, mailbox: Mailbox) -> int:
        """Tell how many messages were dropped for a mailbox."""
        return len(self._ids.get(mailbox.id, ()))

    def sent(self) -> dict[str, list[MessageRecord]]:
        """Give what was sent through each mailbox."""
        return {one.id: self.in_state(one, Status.SENT) for one in self.mailboxes}

    def in_state(self, mailbox: Mailbox, status: Status) -> list[MessageRecord]:
        """Give a mailbox's messages in one status."""
        return [record for record in self._records(mailbox) if record.status is status]

    def settled(self, shut: Mailbox, spared: Mailbox) -> bool:
        """Tell whether every message is where it stays: sent, or held for the mailbox that is shut."""
        at_rest = [record for record in self._records(shut) if record.status in {Status.SENT, Status.HELD}]
        return len(at_rest) == self.count(shut) and len(self.in_state(spared, Status.SENT)) == self.count(spared)

    def _records(self, mailbox: Mailbox) -> list[MessageRecord]:
        ids = list(self._ids.get(mailbox.id, ()))
        found: list[MessageRecord] = []
        for start in range(0, len(ids), _PAGE):
            found += self.wiring.messages.get_many(ids[start : start + _PAGE]).values()
        return found

    def _drop(self, mailbox: Mailbox, number: int) -> None:
        key = f"drill:{self.mark}:{mailbox.id}:{number}"
        body = {
            "account": mailbox.id,
            "to": ["drill@drill.example"],
            "subject": f"Incident drill {number}",
            "text": "A drill; the sandbox keeps it for thirty days.",
            "tags": ["incident-drill"],
            "idempotency_key": key,
        }
        self.wiring.queue.send(json.dumps(body), group=mailbox.id)
        self._ids.setdefault(mailbox.id, []).append(derived_id("msg_", QUEUE_CALLER, key))
