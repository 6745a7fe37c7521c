"""What may be said of an API key: its name, scopes, accounts and end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailbearer.account import AccountState
from mailbearer.caller import SCOPES
from mailbearer.errors import Fault, InvalidInput
from mailbearer.ids import rfc3339
from mailbearer.lookup import find_account
from mailbearer.wire.values import check_fields, read_line, read_moment

if TYPE_CHECKING:
    from collections.abc import Collection

    from mailbearer.account import Account
    from mailbearer.caller import Caller
    from mailbearer.ports import Clock
    from mailbearer.ports.stores import AccountStore

FIELDS = frozenset({"name", "scopes", "accounts", "expires_at"})

_MAX_NAME, _MAX_ACCOUNTS, _MAX_NAMED = 100, 100, 320


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Read what a key is to be."""

    accounts: AccountStore
    clock: Clock

    def read(self, body: object, caller: Caller, *, needed: Collection[str] = ()) -> dict[str, Any]:
        """Read the fields that are given, and those that are needed; an end that is null is none.

        Raises `InvalidInput` with all faults.
        """
        fields, faults = _object(body), list[Fault]()
        check_fields(fields, FIELDS, "", faults)
        wanted = {name for name, value in fields.items() if value is not None}.union(needed)
        read: dict[str, Any] = {}
        if "name" in wanted:
            read["name"] = _read_name(fields.get("name"), faults)
        if "scopes" in wanted:
            read["scopes"] = _read_scopes(fields.get("scopes"), faults)
        if "accounts" in wanted:
            read["accounts"] = self._read_accounts(fields.get("accounts"), caller, faults)
        if "expires_at" in fields:
            read["expires_at"] = self._read_end(fields["expires_at"], faults)
        if faults:
            raise InvalidInput(tuple(faults))
        return read

    def _read_accounts(self, value: object, caller: Caller, faults: list[Fault]) -> frozenset[str]:
        named = [] if value is None else value
        if not isinstance(named, list) or len(named) > _MAX_ACCOUNTS:
            detail = f"accounts is a list of at most {_MAX_ACCOUNTS} accounts, each by its id or its address."
            faults.append(Fault("/accounts", "not_a_list", detail))
            return frozenset()
        if not named and caller.accounts:
            detail = "Your key is bound to accounts; bind this one to some of them."
            faults.append(Fault("/accounts", "account_missing", detail))
        found = (self._read_account(each, f"/accounts/{index}", caller, faults) for index, each in enumerate(named))
        return frozenset(account.id for account in found if account is not None)

    def _read_account(self, named: object, pointer: str, caller: Caller, faults: list[Fault]) -> Account | None:
        """Find an account, since a key for a misspelled one would only fail later."""
        try:
            account = find_account(self.accounts, named, caller) if isinstance(named, str) else None
        except InvalidInput as error:
            faults.extend(Fault(pointer, fault.code, fault.detail) for fault in error.faults)
            return None
        if account is None or account.state is AccountState.REVOKED:
            detail = f"There is no account {str(named)[:_MAX_NAMED]}."
            faults.append(Fault(pointer, "unknown_account", detail))
            return None
        return account

    def _read_end(self, value: object, faults: list[Fault]) -> float:
        if value is None:
            return 0
        before = len(faults)
        # In whole seconds, as it is kept.
        end = math.ceil(read_moment(value, "/expires_at", faults))
        if len(faults) == before and end <= (now := self.clock()):
            detail = f"expires_at is past: it is {rfc3339(now)} here. To stop a key at once, disable it."
            faults.append(Fault("/expires_at", "expiry_past", detail))
        return end


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InvalidInput((Fault("", "not_an_object", "The body has to be a JSON object."),))
    return body


def _read_name(value: object, faults: list[Fault]) -> str:
    before = len(faults)
    name = read_line(value, "/name", faults, limit=_MAX_NAME)
    if len(faults) == before and not (name.strip() and name.isprintable()):
        detail = "name is one line of text: who has the key, what it is for."
        faults.append(Fault("/name", "name_missing", detail))
    return name


def _read_scopes(value: object, faults: list[Fault]) -> frozenset[str]:
    if not isinstance(value, list) or not value or len(value) > len(SCOPES):
        faults.append(Fault("/scopes", "not_a_list", f"scopes is a list of some of: {', '.join(SCOPES)}."))
        return frozenset()
    faults.extend(
        Fault(f"/scopes/{index}", "invalid_choice", f"A scope is one of: {', '.join(SCOPES)}.")
        for index, scope in enumerate(value)
        if scope not in SCOPES
    )
    return frozenset(scope for scope in value if isinstance(scope, str))
