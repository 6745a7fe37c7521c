"""Finding the account that somebody names, by id or by address: one rule for both APIs and the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.errors import Fault, InvalidInput
from mailbearer.ids import is_id

if TYPE_CHECKING:
    from mailbearer.ports import AccountStore


_LONGEST_ADDRESS = 320  # local part, @ and domain; addresses are kept in ASCII


def find_account(accounts: AccountStore, named: str, *, consistent: bool = True) -> Account | None:
    """Find an account by id, or by address if one that is not revoked has it, or only one has.

    Raises `InvalidInput` if the address could mean several.
    """
    if is_id("acc_", named):
        return accounts.get(named, consistent=consistent)
    if "@" not in named or not named.isascii() or len(named) > _LONGEST_ADDRESS:
        return None
    found = accounts.by_address(named.lower())
    living = [account for account in found if account.state is not AccountState.REVOKED]
    candidates = living or found
    if len(candidates) > 1:
        detail = f"{len(candidates)} accounts have this address; name one by its id."
        raise InvalidInput((Fault("/account", "ambiguous_account", detail),))
    return candidates[0] if candidates else None
