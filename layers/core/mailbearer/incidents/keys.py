"""The API keys of an incident: those that it disables carry its id as their reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailbearer.caller import ApiKey, Caller
from mailbearer.errors import Conflict, NotFound, Unavailable
from mailbearer.incident import Incident, Reach

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from mailbearer.keyring import Keyring
    from mailbearer.ports.stores import KeyStore

_PAGE = 100


@dataclass(frozen=True, slots=True)
class KeyLock:
    """Disable keys, and enable again those that an incident disabled."""

    keys: KeyStore
    keyring: Keyring

    def disable(self, incident: Incident, covered: Collection[str], *, actor: str) -> int:
        """Disable the keys that reach nothing but the `covered` mailboxes, or all if all are; gives how many.

        Raises `Unavailable` if some could not be; the same again is safe.
        """
        spared = [key.id for key in self._all() if not _holds(incident, covered, key)]
        return self.keyring.disable_all(except_ids=spared, actor=actor, reason=incident.id)

    def disabled(self, incident: Incident) -> list[str]:
        """Name the keys that the incident disabled and that are so still."""
        return sorted(key.id for key in self._all() if key.disabled and key.reason == incident.id)

    def enable(self, incident: Incident, holding: Iterable[tuple[Incident, Collection[str]]], *, actor: str) -> int:
        """Enable the keys that the incident disabled; gives how many. Raises `Unavailable`.

        Those that another incident of `holding` disables too, each with the mailboxes it covers, stay so by that.
        """
        operator = Caller(key_id=actor, scopes=frozenset({"admin"}))
        enabled, left, holding = 0, 0, list(holding)
        for key in [key for key in self._all() if key.disabled and key.reason == incident.id]:
            other = next((one for one, covered in holding if _holds(one, covered, key)), None)
            try:
                if other is not None:
                    self.keyring.keep_disabled(key, actor=actor, reason=other.id)
                    continue
                self.keyring.enable(key.id, operator)
            except NotFound:
                continue
            except Conflict:
                left += 1
            else:
                enabled += 1
        if left:
            raise Unavailable(f"{enabled} API keys were enabled and {left} could not be.")
        return enabled

    def _all(self) -> Iterator[ApiKey]:
        cursor = ""
        while True:
            page, cursor = self.keys.listing(limit=_PAGE, cursor=cursor)
            yield from page
            if not cursor:
                return


def _holds(incident: Incident, covered: Collection[str], key: ApiKey) -> bool:
    return incident.reach is Reach.ALL or _within(key, covered)


def _within(key: ApiKey, covered: Collection[str]) -> bool:
    return bool(key.accounts) and all(account in covered for account in key.accounts)
