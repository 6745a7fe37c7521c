"""The registrations that every stack has without anybody adding them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.registration import SANDBOX

if TYPE_CHECKING:
    from mailbearer.ports.stores import RegistrationStore
    from mailbearer.registration import Registration


class BuiltInRegistrations:
    """A registration store in which the sandbox stands as well, never changed, and its name is taken."""

    def __init__(self, store: RegistrationStore) -> None:
        self._store = store

    def create(self, registration: Registration) -> bool:
        """Put the registration if its name is new; tell whether it was."""
        return registration.name != SANDBOX.name and self._store.create(registration)

    def replace(self, new: Registration, *, expected: Registration) -> Registration:
        """Write `new` if the stored revision still is that of `expected`; give the registration that stands there."""
        return SANDBOX if new.name == SANDBOX.name else self._store.replace(new, expected=expected)

    def get(self, name: str) -> Registration | None:
        """Read one registration."""
        return SANDBOX if name == SANDBOX.name else self._store.get(name)

    def listing(self) -> list[Registration]:
        """List all registrations by name."""
        kept = (one for one in self._store.listing() if one.name != SANDBOX.name)
        return sorted((SANDBOX, *kept), key=lambda registration: registration.name)
