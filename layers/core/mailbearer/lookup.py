"""The account that somebody names, and whether mail may leave through it: one rule for both APIs and the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailbearer.account import Account, AccountState
from mailbearer.errors import AccountPending, AccountRevoked, Fault, IncidentDeclared, InvalidInput, UnknownAccount
from mailbearer.ids import is_id
from mailbearer.message import Address

if TYPE_CHECKING:
    from mailbearer.caller import Caller
    from mailbearer.ports.stores import AccountStore


_NAMED = 5
_LONGEST_ADDRESS = 320  # local part, @ and domain; addresses are kept in ASCII


def find_account(
    accounts: AccountStore, named: str, caller: Caller | None = None, *, as_it_is: bool = True
) -> Account | None:
    """Find an account by id, or by address if one that is not revoked has it, or only one has.

    With a caller, one that is not the caller's counts as not there. Without `as_it_is` an account that sends may come
    as it was a moment ago, at half the price. Raises `InvalidInput` if the address could mean several.
    """
    if is_id("acc_", named):
        account = accounts.get(named, consistent=as_it_is)
        if not as_it_is and (account is None or account.state is not AccountState.ACTIVE):
            account = accounts.get(named)
        return account if caller is None or caller.may_use(named) else None
    if "@" not in named or not named.isascii() or len(named) > _LONGEST_ADDRESS:
        return None
    found = accounts.by_address(named.lower())
    if caller is not None:
        found = [account for account in found if caller.may_use(account.id)]
    living = [account for account in found if account.state is not AccountState.REVOKED]
    candidates = living or found
    if len(candidates) > 1:
        ids = ", ".join(account.id for account in candidates[:_NAMED])
        detail = f"{len(candidates)} accounts have this address; name one by its id: {ids}."
        raise InvalidInput((Fault("/account", "ambiguous_account", detail),))
    return candidates[0] if candidates else None


def check_sendable(account: Account | None) -> None:
    """Refuse at once what cannot leave; mail for a paused or dead grant is taken in and waits.

    Raises `UnknownAccount`, `AccountPending`, `IncidentDeclared`, `AccountRevoked`.
    """
    if account is None:
        msg = "There is no such account."
        raise UnknownAccount(msg)
    if account.state is AccountState.PENDING_CONSENT:
        msg = f"{account.address} is not connected yet: open its consent link first."
        raise AccountPending(msg)
    if account.is_shut:
        msg = f"{account.address} is shut by an incident; what is accepted already waits until that is resolved."
        raise IncidentDeclared(msg)
    if account.state is AccountState.REVOKED:
        msg = (
            f"{account.address} was revoked: connect it again (POST /v1/accounts/{account.id}/consent) before sending."
        )
        raise AccountRevoked(msg)


def sender_of(account: Account) -> Address:
    """Give the address that mail carries if it names none of its own."""
    return Address(account.address, account.display_name)
