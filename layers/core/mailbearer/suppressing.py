"""Who is not written to: the lists of each mailbox and of all, and the look at them before each message."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailbearer.addresses import escape_pointer, read_address, unsafe_in_header
from mailbearer.errors import Fault, Forbidden, InvalidInput, NotFound
from mailbearer.lookup import find_account
from mailbearer.suppression import EVERY_ACCOUNT, Suppression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailbearer.caller import Caller
    from mailbearer.ports import Clock
    from mailbearer.ports.stores import AccountStore, SuppressionStore
    from mailbearer.trail import Trail

REMEMBERED = 30.0
"""Seconds for which a process remembers whether a list is empty: so late may a first entry take effect."""

MAX_REASON = 200
_FIELDS = frozenset({"address", "account", "reason"})


@dataclass(frozen=True, slots=True)
class Added:
    """The suppression that stands, and whether it stood before."""

    suppression: Suppression
    stood: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressions:
    """Keep the lists and check recipients against them; safe for several threads.

    Addresses compare in small letters, domains in ASCII form. `a+b@c` is another address than `a@c`.
    """

    store: SuppressionStore
    accounts: AccountStore
    trail: Trail
    clock: Clock
    # By list: when it was looked at, and whether it had anything.
    _seen: dict[str, tuple[float, bool]] = field(default_factory=dict, init=False, repr=False, compare=False)

    # --- before sending -----------------------------------------------------------------------------------------

    def among(self, account_id: str, addresses: Sequence[str]) -> frozenset[str]:
        """Give those of the addresses, as they are written there, to which this mailbox does not send.

        Costs nothing while both lists are known to be empty. Raises `Unavailable`.
        """
        compared = {address: address.lower() for address in addresses}
        suppressed: set[str] = set()
        for name in (EVERY_ACCOUNT, account_id):
            if compared and self._has_any(name):
                suppressed |= self.store.among(name, sorted(set(compared.values())))
        return frozenset(address for address, form in compared.items() if form in suppressed)

    def _has_any(self, name: str) -> bool:
        now = self.clock()
        at, known = self._seen.get(name, (-REMEMBERED, False))
        if not 0 <= now - at < REMEMBERED:
            known = self.store.any_of(name)
            self._seen[name] = (now, known)
        return known

    # --- the lists ----------------------------------------------------------------------------------------------

    def add(self, body: object, caller: Caller) -> Added:
        """Suppress an address for one mailbox or for all; one that is suppressed already stays as it is.

        Raises `InvalidInput` with all faults, `Forbidden`, `NotFound` if the account is not there or not the caller's.
        """
        address, named, reason = _read(body)
        wanted = Suppression(
            address=address,
            account=self.list_of(named, caller),
            reason=reason,
            created_at=self.clock(),
            created_by=caller.key_id,
        )
        stands = self.store.put(wanted)
        if stands == wanted:
            self._note("suppression.added", wanted, caller, "added")
        return Added(stands, stood=stands != wanted)

    def get(self, written: str, named: str, caller: Caller) -> Suppression:
        """Read one. Raises `NotFound`, and else as `add` does."""
        found = self.store.get(self.list_of(named, caller), _canonical(written))
        if found is None:
            msg = "This address is not on this list."
            raise NotFound(msg)
        return found

    def remove(self, written: str, named: str, caller: Caller) -> None:
        """Let an address be written to again. Raises `NotFound`, and else as `add` does."""
        gone = self.get(written, named, caller)
        self.store.delete(gone.account, gone.address)
        self._note("suppression.removed", gone, caller, "removed")

    def listing(self, named: str, caller: Caller, *, limit: int, cursor: str) -> tuple[list[Suppression], str]:
        """List the addresses of one mailbox's list, or of that of all; the second value continues the list.

        Raises as `add` does.
        """
        return self.store.listing(self.list_of(named, caller), limit=limit, cursor=cursor)

    def list_of(self, named: str, caller: Caller) -> str:
        """Find which list a caller means by an account's id or address, none (or `*`) being that of all mailboxes.

        Raises `Forbidden` if that is not the caller's to see, `NotFound` if the account is not there or not the
        caller's.
        """
        if named in ("", EVERY_ACCOUNT):
            if caller.accounts:
                msg = "This key is bound to accounts; name one. The list of all mailboxes needs an unbound key."
                raise Forbidden(msg)
            return EVERY_ACCOUNT
        account = find_account(self.accounts, named, caller)
        if account is None:
            msg = "There is no such account."
            raise NotFound(msg)
        return account.id

    def _note(self, action: str, suppression: Suppression, caller: Caller, outcome: str) -> None:
        # The trail names no recipients; whoever has an address can find its events.
        subject = hashlib.sha256(suppression.address.encode()).hexdigest()
        self.trail.note(action, subject, outcome, actor=caller.key_id, account=suppression.account)


def _read(body: object) -> tuple[str, str, str]:
    """Read address, account and reason, the last two perhaps empty. Raises `InvalidInput` with all faults."""
    if not isinstance(body, dict):
        detail = "A suppression is a JSON object with address, and if wanted account and reason."
        raise InvalidInput((Fault("", "not_an_object", detail),))
    faults = [
        Fault(f"/{escape_pointer(name)}", "unknown_field", "There is no such field; take it out.")
        for name in body
        if name not in _FIELDS
    ]
    address = read_address(body.get("address"), "/address", faults, utf8=True)
    account, reason = _read_text(body, "account", 320, faults), _read_text(body, "reason", MAX_REASON, faults)
    if faults or address is None:
        raise InvalidInput(tuple(faults))
    return address.email.lower(), account, reason


def _read_text(body: Mapping[str, Any], name: str, limit: int, faults: list[Fault]) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        faults.append(Fault(f"/{name}", "not_a_string", f"{name} has to be a string."))
    elif unsafe_in_header(value):
        detail = f"Line breaks and control characters may not stand in {name}."
        faults.append(Fault(f"/{name}", "unsafe_character", detail))
    elif len(value) > limit:
        faults.append(Fault(f"/{name}", "too_long", f"{name} has at most {limit} characters."))
    else:
        return value
    return ""


def _canonical(written: str) -> str:
    faults: list[Fault] = []
    address = read_address(written, "/address", faults, utf8=True)
    if address is None:
        raise InvalidInput(tuple(faults))
    return address.email.lower()
