"""API keys: making, showing, changing, replacing and stopping them, for the API and the operator alike."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.caller import ApiKey, Caller, KeyState, Replaced, hash_secret
from mailbearer.errors import (
    Conflict,
    Fault,
    Forbidden,
    InvalidInput,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from mailbearer.ids import is_id, new_id, rfc3339
from mailbearer.wire.rotations import read_overlap

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from mailbearer.keyring.reading import Reader
    from mailbearer.ports import Clock, RandomBytes
    from mailbearer.ports.stores import KeyStore
    from mailbearer.trail import Trail

_SECRET_BYTES, _MAX_REPLACED = 32, 4
_PAGE = 100
_TRIES = 10
_PASSES = 3


@dataclass(frozen=True, slots=True)
class Issued:
    """A key with its secret, which is shown this once."""

    key: ApiKey
    secret: str = field(repr=False)

    @property
    def shown(self) -> str:
        """Give the key as its holder sends it."""
        return f"mb_{self.key.id}_{self.secret}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """Keep the API keys.

    A caller that is bound to accounts sees and makes only keys that are bound to some of these. Who comes with a key is
    believed no longer than that key lives: the authorizer's word may be a minute old, and a key that was disabled in
    that minute makes no other.
    """

    keys: KeyStore
    reader: Reader
    trail: Trail
    clock: Clock
    random_bytes: RandomBytes

    # --- giving access: not without the audit log -------------------------------------------------------------------

    def create(self, body: object, caller: Caller) -> Issued:
        """Make a key. Raises `InvalidInput` with all faults, `AuditUnavailable`, `Unauthenticated`, `Forbidden`."""
        caller, now = self._living(caller), self.clock()
        given = self.reader.read(body, caller, needed=("name", "scopes", "accounts"))
        secret = self._secret()
        key = ApiKey(
            id=new_id("key_", now, self.random_bytes), secret_hash=hash_secret(secret), created_at=now, **given
        )
        facts = _facts(key)
        self.trail.intend("key.create", key.id, actor=caller.key_id, **facts)
        if not self.keys.create(key):
            raise Conflict("The new key met another with the same id; try again.")
        self.trail.note("key.created", key.id, "created", actor=caller.key_id, **facts)
        return Issued(key, secret)

    def change(self, key_id: str, body: object, caller: Caller) -> ApiKey:
        """Change name, scopes, accounts or end of a key.

        Raises `InvalidInput` with all faults, `NotFound`, `AuditUnavailable`, `Conflict`.
        """
        caller = self._living(caller)
        key = self._visible(key_id, caller)
        given = self.reader.read(body, caller)
        facts = _facts(key.changed(**given))
        self.trail.intend("key.change", key.id, actor=caller.key_id, **facts)
        changed = self._replace(key, caller, lambda stands: stands.changed(**given))
        self.trail.note("key.changed", key.id, "changed", actor=caller.key_id, **facts)
        return changed

    def enable(self, key_id: str, caller: Caller) -> ApiKey:
        """Let a disabled key be used again. Raises `NotFound`, `AuditUnavailable`, `Conflict`."""
        caller = self._living(caller)
        key = self._visible(key_id, caller)
        if not key.disabled:
            return key
        self.trail.intend("key.enable", key.id, actor=caller.key_id)
        enabled = self._replace(key, caller, lambda stands: stands.changed(disabled=False, reason=""))
        self.trail.note("key.enabled", key.id, "enabled", actor=caller.key_id)
        return enabled

    def rotate(self, key_id: str, body: object, caller: Caller) -> Issued:
        """Give the key a new secret; the ones before stay good until the overlap ends, with an overlap of 0 none does.

        The id stays, since ids of messages derive from it. Raises `InvalidInput` with all faults, `NotFound`,
        `AuditUnavailable`, `Conflict`.
        """
        caller = self._living(caller)
        key, overlap = self._visible(key_id, caller), read_overlap(body)
        if key.state(self.clock()) is KeyState.EXPIRED:
            raise Conflict("The key has expired, and so would a new secret; give it another expires_at first.")
        secret = self._secret()

        def replaced(stands: ApiKey) -> ApiKey:
            now = self.clock()
            good = (each for each in stands.replaced if each.until > now)
            before = (*good, Replaced(stands.secret_hash, now + overlap))
            if overlap and len(before) > _MAX_REPLACED:
                raise Conflict(
                    f"{_MAX_REPLACED} replaced secrets of this key are still good. Wait until "
                    f"{rfc3339(min(each.until for each in before))}, or rotate with an overlap of 0, which ends them."
                )
            return stands.changed(secret_hash=hash_secret(secret), rotated_at=now, replaced=before if overlap else ())

        replaced(key)
        facts = {"overlap": str(overlap)}
        self.trail.intend("key.rotate", key.id, actor=caller.key_id, **facts)
        rotated = self._replace(key, caller, replaced)
        self.trail.note("key.rotated", key.id, "rotated", actor=caller.key_id, **facts)
        return Issued(rotated, secret)

    # --- taking it away: whatever the audit log does ----------------------------------------------------------------

    def disable(self, key_id: str, caller: Caller, *, reason: str = "requested") -> ApiKey:
        """Stop a key: it is refused from the authorizer's next look on, 60 s at the latest.

        Raises `NotFound`, `Conflict`, `Unavailable`.
        """
        key = self._visible(key_id, self._living(caller))
        if key.disabled:
            return key
        self._announce([key], actor=caller.key_id, reason=reason)
        return self._disable(key, actor=caller.key_id, reason=reason)

    def keep_disabled(self, key: ApiKey, *, actor: str, reason: str) -> None:
        """Let a stopped key stay so for another reason than before. Raises `NotFound`, `Conflict`, `Unavailable`."""
        self._disable(key, actor=actor, reason=reason)

    def disable_all(self, *, except_ids: Collection[str] = (), actor: str, reason: str) -> int:
        """Stop every key but these and give how many that were.

        One that cannot be stopped keeps no other from it; `Unavailable` then tells of it at the end, and the same call
        again is safe.
        """
        stopped, failed = 0, 0
        # Somebody who holds a key that is still good may make another behind our back.
        for _ in range(_PASSES):
            standing = [key for key in self._all() if not key.disabled and key.id not in except_ids]
            if not standing:
                return stopped
            self._announce(standing, actor=actor, reason=reason)
            failed = 0
            for key in standing:
                try:
                    self._disable(key, actor=actor, reason=reason)
                    stopped += 1
                except NotFound:
                    continue
                except (Conflict, Unavailable):
                    failed += 1
            if failed:
                break
        if failed:
            raise Unavailable(f"{stopped} API keys were disabled and {failed} could not be.")
        return stopped

    def delete(self, key_id: str, caller: Caller) -> None:
        """Forget a key that is good for nothing any more. Raises `NotFound`, `Conflict` while it is in force."""
        caller = self._living(caller)
        key = self._visible(key_id, caller)
        if key.state(self.clock()) is KeyState.ACTIVE:
            raise Conflict("The key is in force. Disable it first: that can be taken back, and deleting cannot.")
        self.keys.delete(key)
        self.trail.note("key.deleted", key.id, "deleted", actor=caller.key_id, name=key.name)

    # --- looking ----------------------------------------------------------------------------------------------------

    def find(self, key_id: str, caller: Caller) -> ApiKey:
        """Give one key. Raises `NotFound`, the same for one that is not the caller's to see."""
        return self._visible(key_id, self._living(caller))

    def listing(self, caller: Caller, *, limit: int, cursor: str) -> tuple[list[ApiKey], str]:
        """List the keys that a caller may see, the oldest first; the second value continues the list.

        It is the id of the last key shown, so it names none that is not to be seen. Raises `InvalidInput`.
        """
        caller = self._living(caller)
        if cursor and not is_id("key_", cursor):
            detail = "Use next_cursor of the same list as it was given."
            raise InvalidInput((Fault("/cursor", "invalid_cursor", detail),))
        seen = sorted((key for key in self._all() if key.id > cursor and _may_see(caller, key)), key=lambda key: key.id)
        return seen[:limit], seen[limit - 1].id if len(seen) > limit else ""

    # --- within -----------------------------------------------------------------------------------------------------

    def _living(self, caller: Caller) -> Caller:
        """Give a caller with what its key may do now. Raises `Unauthenticated`, `Forbidden`."""
        if not is_id("key_", caller.key_id):
            return caller
        key = self.keys.get(caller.key_id)
        if key is None or key.state(self.clock()) is not KeyState.ACTIVE:
            raise Unauthenticated("This key is not in force any more.")
        if not key.caller().may("admin"):
            raise Forbidden("This needs a key with the scope admin.")
        return key.caller()

    def _visible(self, key_id: str, caller: Caller) -> ApiKey:
        key = self.keys.get(key_id) if is_id("key_", key_id) else None
        if key is None or not _may_see(caller, key):
            raise _unknown_key()
        return key

    def _all(self) -> Iterator[ApiKey]:
        """Give every key; there are as many as applications, not as many as messages."""
        cursor = ""
        while True:
            page, cursor = self.keys.listing(limit=_PAGE, cursor=cursor)
            yield from page
            if not cursor:
                return

    def _replace(self, key: ApiKey, caller: Caller, change: Callable[[ApiKey], ApiKey]) -> ApiKey:
        """Change a key as it stands when it is written, while it is the caller's to see."""
        for _ in range(_TRIES):
            if not _may_see(caller, key):
                raise _unknown_key()
            changed = change(key)
            stands = self.keys.replace(changed, expected=key)
            if stands == changed:
                return stands
            key = stands
        raise Conflict("Others change this key at the same time; try again.")

    def _announce(self, keys: Collection[ApiKey], *, actor: str, reason: str) -> None:
        for key in keys:
            self.trail.note("key.disable", key.id, "intended", actor=actor, reason=reason)
        # With log and spool both down the events wait in memory: an emergency does not.
        with suppress(Unavailable):
            self.trail.flush()

    def _disable(self, key: ApiKey, *, actor: str, reason: str) -> ApiKey:
        operator = Caller(key_id=actor, scopes=frozenset({"admin"}))
        disabled = self._replace(key, operator, lambda stands: stands.changed(disabled=True, reason=reason))
        self.trail.note("key.disabled", key.id, "disabled", actor=actor, reason=reason)
        return disabled

    def _secret(self) -> str:
        return self.random_bytes(_SECRET_BYTES).hex()


def _may_see(caller: Caller, key: ApiKey) -> bool:
    """Tell whether a key may do no more than the caller: whoever could change or rotate it could use it."""
    return not caller.accounts or (bool(key.accounts) and key.accounts <= caller.accounts)


def _unknown_key() -> NotFound:
    return NotFound("There is no such key.")


def _facts(key: ApiKey) -> dict[str, str]:
    return {
        "name": key.name,
        "scopes": " ".join(sorted(key.scopes)),
        "accounts": " ".join(sorted(key.accounts)),
        "expires_at": rfc3339(key.expires_at) if key.expires_at else "",
    }
