"""What a rotation leaves to be done later: dates that nobody gave, and credentials that were replaced."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from mailbearer.credentials.edits import find_listed
from mailbearer.errors import MailbearerError, TokenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.client import Client
    from mailbearer.credential import Credential, CredentialSet
    from mailbearer.credentials.edits import CredentialEdits
    from mailbearer.ports import Clock
    from mailbearer.ports.stores import RegistrationStore
    from mailbearer.ports.vaults import CredentialMinter, CredentialVault, ListedCredential
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail


@dataclass(slots=True)
class Tended:
    """What one look at all registrations did, by count; `problems` names what it could not do and why."""

    dated: int = 0
    retired: int = 0
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialTending:
    """Look after the credentials of every registration whose provider can be asked about them.

    `minter` gives a kind's way to make client secrets, None if it has none.
    """

    registrations: RegistrationStore
    credentials: CredentialVault
    client: Client
    edits: CredentialEdits
    minter: Callable[[str], CredentialMinter | None]
    trail: Trail
    clock: Clock

    def run(self) -> Tended:
        """Read the dates that nobody gave, and take away what was replaced and whose overlap is over."""
        tended = Tended()
        for registration in self.registrations.listing():
            minter = self.minter(registration.kind)
            if minter is None:
                continue
            try:
                self._date(registration, minter, tended)
                self._retire(registration, minter, tended)
            except MailbearerError as error:
                # One registration's trouble (most often: it may not read itself) must not keep the others waiting.
                tended.problems[registration.name] = (isinstance(error, TokenError) and error.finding) or error.code
        self.trail.flush()
        return tended

    def _date(self, registration: Registration, minter: CredentialMinter, tended: Tended) -> None:
        kept = self.credentials.stored(registration.name)
        if all(credential.expires_at or credential.kind == "none" for credential in kept.credentials):
            return
        listed = minter.listing(registration)
        before, after = self.edits.change(
            registration.name,
            lambda kept: replace(kept, credentials=tuple(_dated(one, listed) for one in kept.credentials)),
        )
        changed = [new for old, new in zip(before.credentials, after.credentials, strict=False) if new != old]
        for credential in changed:
            self.trail.note("credential.dated", registration.name, "dated", credential=credential.name)
        tended.dated += len(changed)

    def _retire(self, registration: Registration, minter: CredentialMinter, tended: Tended) -> None:
        """Take away what was replaced: at the provider first, since what lies nowhere but there is forgotten."""
        kept = self.credentials.stored(registration.name).credentials
        first, *others = kept
        over = [credential for credential in others if 0 < credential.retire_at <= self.clock()]
        if not over:
            return
        if not self.client.prove(registration, first):
            tended.problems[registration.name] = "credential_unproven"
            return
        if shared := [credential for credential in over if self.edits.also_used_by(registration, credential)]:
            # It stays until the operator has given the other registration the new one too.
            tended.problems[registration.name] = "credential_shared"
            over = [credential for credential in over if credential not in shared]
            if not over:
                return
        listed = minter.listing(registration)
        for credential in over:
            self.trail.intend("credential.retire", registration.name, credential=credential.name)
            found = find_listed(credential, listed)
            if found is not None and found.id not in {one.id for one in kept if one != credential}:
                minter.remove(registration, found.id)
            self.edits.change(registration.name, partial(_without, credential))
            self.trail.note("credential.retired", registration.name, "retired", credential=credential.name)
            tended.retired += 1


def _dated(credential: Credential, listed: tuple[ListedCredential, ...]) -> Credential:
    found = None if credential.expires_at or credential.kind == "none" else find_listed(credential, listed)
    if found is None:
        return credential
    return replace(
        credential,
        id=found.id,
        created_at=credential.created_at or found.created_at,
        expires_at=found.expires_at,
    )


def _without(gone: Credential, kept: CredentialSet) -> CredentialSet:
    """Leave a credential out, unless it has become the first or the only one."""
    first, *others = kept.credentials
    return replace(kept, credentials=(first, *(credential for credential in others if not credential.is_same(gone))))
