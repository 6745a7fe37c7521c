"""Proving that a token still opens its mailbox, sending nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.errors import ClientRefused, TokenRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Account
    from mailbearer.client import Client
    from mailbearer.lifecycle import Lifecycle
    from mailbearer.ports import AccountStore, Clock, RegistrationStore, Transport
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail

_NEEDED_FOR = 30.0


@dataclass(frozen=True, slots=True)
class Probed:
    """The account after the probe, and whether the token opened it; None if nothing there can tell."""

    account: Account
    valid: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prober:
    """Ask userinfo, or the mail server, whether a token is good."""

    accounts: AccountStore
    registrations: RegistrationStore
    lifecycle: Lifecycle
    client: Client
    transport: Callable[[str], Transport]
    trail: Trail
    clock: Clock

    def probe(self, account: Account) -> Probed:
        """Use the token for nothing but a look.

        Where userinfo refuses the token the mail server has the last word, for a token may be good there alone.
        Raises the `TokenError` family if nobody could be asked.
        """
        registration = self.registrations.get(account.provider)
        if registration is None:
            raise ClientRefused(f"The registration {account.provider} does not exist.")
        token = self.lifecycle.usable(account, needed_for=_NEEDED_FOR)
        valid = self._ask_userinfo(registration, token)
        if not valid:
            transport = self.transport(account.transport)
            told = transport.verify(account=account, registration=registration, access_token=token)
            valid = valid if told is None else told
        outcome = {True: "valid", False: "invalid", None: "unknown"}[valid]
        self.trail.note("token.validated", account.id, outcome)
        current = self.accounts.get(account.id) or account
        if valid:
            now = self.clock()
            probed = current.changed(probe=replace(current.probe, at=now, valid_at=now, outcome=outcome))
            current = self.accounts.replace(probed, expected=current)
        return Probed(current, valid)

    def _ask_userinfo(self, registration: Registration, token: str) -> bool | None:
        try:
            return None if self.client.userinfo(registration, token) is None else True
        except TokenRefused:
            return False
