"""How many provider calls run at once for one mailbox in this process."""

from __future__ import annotations

import threading


class _Slot:
    """Waits for one of a mailbox's slots and gives it back."""

    def __init__(self, gate: threading.BoundedSemaphore, patience: float) -> None:
        self._gate, self._patience, self._granted = gate, patience, False

    def __enter__(self) -> bool:
        self._granted = self._gate.acquire(timeout=self._patience)
        return self._granted

    def __exit__(self, *_: object) -> None:
        if self._granted:
            self._gate.release()


class MailboxSlots:
    """How many calls run at once for one mailbox in this process."""

    def __init__(self) -> None:
        self._gates: dict[str, threading.BoundedSemaphore] = {}
        self._lock = threading.Lock()

    def one(self, account_id: str, size: int, patience: float) -> _Slot:
        """Give one of `size` slots as a context manager.

        It yields False if none came free within `patience` seconds.
        """
        with self._lock:
            gate = self._gates.setdefault(account_id, threading.BoundedSemaphore(size))
        return _Slot(gate, patience)
