"""Registrations in memory, for the warm life of one process: they hardly ever change, and a read per message costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailbearer.ports import Clock
    from mailbearer.ports.stores import RegistrationStore
    from mailbearer.registration import Registration

LIFE = 60.0
"""Seconds until a registration is read anew."""


class RegistrationCache:
    """A registration store that remembers what it has read; what was not there is asked for again."""

    def __init__(self, store: RegistrationStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[float, Registration]] = {}

    def get(self, name: str) -> Registration | None:
        """Read one registration, at most a minute old."""
        now = self._clock()
        read_at, known = self._known.get(name, (now, None))
        if known is not None and 0 <= now - read_at < LIFE:
            return known
        registration = self._store.get(name)
        if registration is not None:
            self._known[name] = (now, registration)
        return registration

    def create(self, registration: Registration) -> bool:
        """Put the registration if its name is new; tell whether it was."""
        return self._store.create(registration)

    def replace(self, new: Registration, *, expected: Registration) -> Registration:
        """Write `new` if the stored revision still is that of `expected`; give the registration that stands there."""
        stands = self._store.replace(new, expected=expected)
        self._known[new.name] = (self._clock(), stands)
        return stands

    def listing(self) -> list[Registration]:
        """List all registrations by name."""
        return self._store.listing()
