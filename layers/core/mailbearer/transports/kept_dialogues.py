"""SMTP connections that wait, signed in, for the next message of their mailbox."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mailbearer.ports import Clock
    from mailbearer.transports.smtp_dialogue import Dialogue

_IDLE_LIMIT = 60.0
_IN_ALL = 32


class Key(NamedTuple):
    """What a connection is good for; `fingerprint` stands for the token and the authorities it was opened with."""

    account: str
    host: str
    port: int
    security: str
    fingerprint: bytes


class KeptDialogues:
    """Keeps up to `per_mailbox` idle connections of a mailbox and 32 in all, none of them longer than a minute.

    Idle time is wall-clock time: a frozen Lambda's other clocks may stand still, its peers do not.
    """

    def __init__(self, per_mailbox: int, clock: Clock) -> None:
        self._per_mailbox = per_mailbox
        self._clock = clock
        self._lock = threading.Lock()
        self._idle: list[tuple[Key, Dialogue]] = []

    def take(self, key: Key) -> Dialogue | None:
        """Give the connection for `key` that was used last and still lives; it is the caller's until it is put back."""
        now = self._clock()
        with self._lock:
            fresh, closing, taken = [], [], None
            for kept, dialogue in reversed(self._idle):
                foreign = kept.account == key.account and kept != key
                if foreign or not 0 <= now - dialogue.used_at < _IDLE_LIMIT:
                    closing.append(dialogue)
                elif taken is None and kept == key:
                    if dialogue.alive:
                        taken = dialogue
                    else:
                        closing.append(dialogue)
                else:
                    fresh.append((kept, dialogue))
            self._idle = fresh[::-1]
        for dialogue in closing:
            dialogue.close()
        return taken

    def put(self, key: Key, dialogue: Dialogue) -> None:
        """Keep a connection for the next message, or close it if it is spent or one too many."""
        if not dialogue.reusable:
            dialogue.close()
            return
        dialogue.used_at = self._clock()
        dialogue.kept = True
        closing = None
        with self._lock:
            if sum(kept == key for kept, _ in self._idle) >= self._per_mailbox:
                closing = dialogue
            else:
                self._idle.append((key, dialogue))
                if len(self._idle) > _IN_ALL:
                    closing = self._idle.pop(0)[1]
        if closing is not None:
            closing.close()

    def close(self) -> None:
        """Close them all."""
        with self._lock:
            closing, self._idle = self._idle, []
        for _, dialogue in closing:
            dialogue.close()
