"""Keeping tokens and the credentials behind them: the verbs, joined."""

from __future__ import annotations

# ruff: noqa: PLC0415 - see the comment in `adapters`
from functools import cached_property
from typing import TYPE_CHECKING

from mailbearer.wiring.adapters import Adapters

if TYPE_CHECKING:
    from mailbearer.client import Client
    from mailbearer.credentials.edits import CredentialEdits
    from mailbearer.credentials.rotation import CredentialRotation
    from mailbearer.credentials.tending import CredentialTending
    from mailbearer.credentials.watch import CredentialWatch, Watched
    from mailbearer.definition import Definition
    from mailbearer.ports.vaults import CredentialMinter
    from mailbearer.probing.prober import Prober
    from mailbearer.refreshing.lifecycle import Lifecycle
    from mailbearer.revocation import Revocation


def definition_of(kind: str) -> Definition:
    """Give a kind's definition; the providers are imported when one is asked for."""
    from mailbearer import providers

    return providers.definition_of(kind)


def _tell_watched(watched: Watched) -> None:
    from mailbearer.observability import level, logger

    if watched.days_left is not None:
        level(credential_days_left=watched.days_left)
    if watched.problems:
        logger().warning("credentials not looked at", extra={"problems": watched.problems})


_AT_ONCE = 8
"""Messages of one request that are recorded and queued at the same time; a client keeps ten connections."""


class Tokens(Adapters):
    """What keeps tokens alive, proves them and ends them."""

    @cached_property
    def client(self) -> Client:
        """Give our side of every registration."""
        from mailbearer.client import Client

        return Client(credentials=self.credentials, definitions=definition_of, server=self.server, trail=self.trail)

    @cached_property
    def lifecycle(self) -> Lifecycle:
        """Give the keeping of tokens."""
        from mailbearer.refreshing.lease import Lease
        from mailbearer.refreshing.lifecycle import Lifecycle

        return Lifecycle(
            accounts=self.accounts,
            lease=Lease(accounts=self.accounts, clock=self.clock, random_bytes=self.random_bytes),
            registrations=self.registrations,
            definitions=definition_of,
            vault=self.vault,
            client=self.client,
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
            sleep=self._sleep,
        )

    @cached_property
    def revocation(self) -> Revocation:
        """Give the shutting off of mailboxes."""
        from mailbearer.revocation import Revocation

        return Revocation(
            accounts=self.accounts,
            registrations=self.registrations,
            vault=self.vault,
            client=self.client,
            definitions=definition_of,
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def prober(self) -> Prober:
        """Give the proving of tokens."""
        from mailbearer.probing.prober import Prober

        return Prober(
            accounts=self.accounts,
            registrations=self.registrations,
            definitions=definition_of,
            lifecycle=self.lifecycle,
            client=self.client,
            transport=self.transport,
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @cached_property
    def credential_edits(self) -> CredentialEdits:
        """Give the changing of registrations' credentials."""
        from mailbearer.credentials.edits import CredentialEdits

        return CredentialEdits(registrations=self.registrations, credentials=self.credentials, trail=self.trail)

    def minter(self, kind: str) -> CredentialMinter | None:
        """Give a kind's way to make client secrets, None if it has none."""
        if kind != "microsoft":
            return None
        from mailbearer.minters.entra import EntraMinter

        return EntraMinter(self.egress, definition_of, self.client.own_token)

    @cached_property
    def credential_rotation(self) -> CredentialRotation:
        """Give the rotation of registrations' client secrets."""
        from mailbearer.credentials.rotation import CredentialRotation

        return CredentialRotation(
            registrations=self.registrations,
            credentials=self.credentials,
            client=self.client,
            minter=self.minter,
            trail=self.trail,
            clock=self.clock,
            sleep=self._sleep,
        )

    @cached_property
    def credential_tending(self) -> CredentialTending:
        """Give what a rotation leaves to be done later."""
        from mailbearer.credentials.tending import CredentialTending

        return CredentialTending(
            registrations=self.registrations,
            credentials=self.credentials,
            client=self.client,
            edits=self.credential_edits,
            minter=self.minter,
            trail=self.trail,
            clock=self.clock,
        )

    @cached_property
    def credential_watch(self) -> CredentialWatch:
        """Give the warnings of credentials that are about to expire."""
        from mailbearer.credentials.watch import CredentialWatch

        return CredentialWatch(
            registrations=self.registrations,
            credentials=self.credentials,
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            tell=_tell_watched,
        )
