"""The account that somebody names, and whether mail may leave through it: one rule for both APIs and the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.errors import AccountPending, AccountRevoked, Fault, InvalidInput, UnknownAccount
from mailbearer.ids import is_id
from mailbearer.message import Address

if TYPE_CHECKING:
    from mailbearer.ports.stores import AccountStore


_LONGEST_ADDRESS = 320  # local part, @ and domain; addresses are kept in ASCII


def find_account(accounts: AccountStore, named: str, *, as_it_is: bool = True) -> Account | None:
    """Find an account by id, or by address if one that is not revoked has it, or only one has.

    Without `as_it_is` an account that sends may come as it was a moment ago, at half the price. Raises `InvalidInput`
    if the address could mean several.
    """
    if is_id("acc_", named):
        account = accounts.get(named, consistent=as_it_is)
        if as_it_is or (account is not None and account.state is AccountState.ACTIVE):
            return account
        return accounts.get(named)
    if "@" not in named or not named.isascii() or len(named) > _LONGEST_ADDRESS:
        return None
    found = accounts.by_address(named.lower())
    living = [account for account in found if account.state is not AccountState.REVOKED]
    candidates = living or found
    if len(candidates) > 1:
        detail = f"{len(candidates)} accounts have this address; name one by its id."
        raise InvalidInput((Fault("/account", "ambiguous_account", detail),))
    return candidates[0] if candidates else None


def check_sendable(account: Account | None) -> None:
    """Refuse at once what cannot leave; mail for a paused or dead grant is taken in and waits.

    Raises `UnknownAccount`, `AccountPending`, `AccountRevoked`.
    """
    if account is None:
        msg = "There is no such account."
        raise UnknownAccount(msg)
    if account.state is AccountState.PENDING_CONSENT:
        msg = f"{account.address} is not connected yet: open its consent link first."
        raise AccountPending(msg)
    if account.state is AccountState.REVOKED:
        msg = (
            f"{account.address} was revoked: connect it again (POST /v1/accounts/{account.id}/consent) before sending."
        )
        raise AccountRevoked(msg)


def sender_of(account: Account) -> Address:
    """Give the address that mail carries if it names none of its own."""
    return Address(account.address, account.display_name)
