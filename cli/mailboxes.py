"""Finding mailboxes by id or address, and showing one."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.api import Api
from cli.output import details, plain
from cli.refusal import Refused
from mailbearer.account import AccountState


def find(api: Api, address: str, provider: str) -> str:
    """Find the account of an address at a provider, one that was revoked last of all; nothing if there is none."""
    found = [
        account
        for account in api.listing("/v1/accounts", {})
        if str(account.get("address")).lower() == address.lower() and account.get("provider") == provider
    ]
    found.sort(key=lambda account: (account.get("status") == AccountState.REVOKED, str(account.get("updated_at"))))
    return str(found[0].get("id")) if found else ""


def resolve(api: Api, reference: str) -> str:
    """Find the id that an address stands for; an id stands for itself."""
    if "@" not in reference:
        return reference
    found = [
        account
        for account in api.listing("/v1/accounts", {})
        if str(account.get("address")).lower() == reference.lower()
    ]
    # An address that was revoked and connected anew means the one in use.
    in_use = [account for account in found if account.get("status") != AccountState.REVOKED]
    candidates = in_use or found
    if not candidates:
        raise Refused(f"There is no account {reference}.", remedy="`mailbearer accounts list` shows them all.")
    if len(candidates) > 1:
        ids = ", ".join(str(account.get("id")) for account in candidates)
        raise Refused(
            f"{reference} stands for {len(candidates)} accounts: {ids}.", remedy="Give the id of one of them."
        )
    return str(candidates[0].get("id"))


def print_account(console: Console, account: Mapping[str, Any]) -> None:
    """Show a mailbox, and beside it what was granted otherwise than wanted."""
    console.print(details((name, value) for name, value in account.items() if not isinstance(value, dict)))
    scopes = account.get("scopes")
    if isinstance(scopes, dict):
        for word, name in (
            ("Not granted, though it is needed", "missing"),
            ("Granted, though nobody asked", "excessive"),
        ):
            if scopes.get(name):
                console.print(Text(plain(f"{word}: {' '.join(map(str, scopes[name]))}")))
