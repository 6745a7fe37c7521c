"""Changing the credentials of a registration, without losing what somebody else changes at the same time."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.certificates import sha1_thumbprint
from mailbearer.errors import Conflict, MailbearerError, NotFound, SecretMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mailbearer.credential import Credential, CredentialSet
    from mailbearer.ports.stores import RegistrationStore
    from mailbearer.ports.vaults import CredentialMinter, CredentialVault, ListedCredential
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail

OWN_IDS = "cred_"
"""The beginning of the ids that we give ourselves, where the operator has not said the provider's."""

_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialEdits:
    """What an operator does to the credentials of a registration."""

    registrations: RegistrationStore
    credentials: CredentialVault
    trail: Trail

    def add(self, registration: str, credential: Credential, *, actor: str = "") -> CredentialSet:
        """Put a credential before the others; one that is there already stays where it is.

        Raises `Conflict` if another has its id, and what the vault and the audit log raise.
        """

        def put_first(kept: CredentialSet) -> CredentialSet:
            if any(one.is_same(credential) for one in kept.credentials):
                return kept
            if any(one.name == credential.name for one in kept.credentials):
                raise Conflict(f"The registration {registration} has another credential {credential.name}.")
            return replace(kept, credentials=(credential, *kept.credentials))

        facts = {"credential": credential.name, "kind": credential.kind}
        self.trail.intend("credential.add", registration, actor=actor, **facts)
        try:
            before, after = self.change(registration, put_first)
        except MailbearerError as error:
            self.trail.note("credential.added", registration, "failed", actor=actor, reason=error.code, **facts)
            raise
        outcome = "repeated" if after == before else "added"
        self.trail.note("credential.added", registration, outcome, actor=actor, **facts)
        return after

    def remove(
        self, registration: Registration, name: str, *, actor: str = "", minter: CredentialMinter | None = None
    ) -> CredentialSet:
        """Take a credential away, with `minter` at the provider too, and there first: what is left is what works.

        Raises `NotFound` if there is none of this name, `Conflict` if it is the last, and what vault, audit log and
        minter raise.
        """

        def leave_out(kept: CredentialSet) -> CredentialSet:
            rest = tuple(credential for credential in kept.credentials if credential.name != name)
            if len(rest) == len(kept.credentials):
                raise NotFound(f"The registration {registration.name} has no credential {name}.")
            if not rest:
                raise Conflict("This is the last credential of the registration. Add its successor first.")
            return replace(kept, credentials=rest)

        kept = self.credentials.stored(registration.name)
        leave_out(kept)
        facts = {"credential": name, "at_provider": "yes" if minter else ""}
        self.trail.intend("credential.remove", registration.name, actor=actor, **facts)
        try:
            if minter is not None:
                (credential,) = (one for one in kept.credentials if one.name == name)
                self._remove_there(registration, credential, minter)
            _, after = self.change(registration.name, leave_out)
        except MailbearerError as error:
            self.trail.note("credential.removed", registration.name, "failed", actor=actor, reason=error.code, **facts)
            raise
        self.trail.note("credential.removed", registration.name, "removed", actor=actor, **facts)
        return after

    def also_used_by(self, registration: Registration, credential: Credential) -> str:
        """Name another registration of the same client that has this credential, empty if there is none.

        Ended at the provider it would end for that one too.
        """
        for other in self.registrations.listing():
            same_client = (other.kind, other.client_id) == (registration.kind, registration.client_id)
            if other.name == registration.name or not same_client:
                continue
            with suppress(SecretMissing):
                if any(kept.is_same(credential) for kept in self.credentials.read(other.name)):
                    return other.name
        return ""

    def change(
        self, registration: str, edit: Callable[[CredentialSet], CredentialSet]
    ) -> tuple[CredentialSet, CredentialSet]:
        """Give the set as it was and as it is after `edit`, which may be asked again if somebody else was faster.

        Raises `Conflict` if somebody always was.
        """
        for _ in range(_TRIES):
            before = self.credentials.stored(registration)
            wanted = edit(before)
            if wanted == before:
                return before, before
            stands = self.credentials.replace(registration, wanted, expected=before)
            if stands == wanted:
                return before, stands
        raise Conflict(f"The credentials of {registration} are being changed by others. Do it again.")

    def _remove_there(self, registration: Registration, credential: Credential, minter: CredentialMinter) -> None:
        if credential.kind != "client_secret":
            raise Conflict("Only client secrets can be removed at the provider from here; remove a certificate there.")
        if other := self.also_used_by(registration, credential):
            raise Conflict(f"The registration {other} has this secret too; give it the new one first.")
        found = find_listed(credential, minter.listing(registration))
        if found is None and (not credential.id or credential.id.startswith(OWN_IDS)):
            raise Conflict("Which of the provider's client secrets this is cannot be told; remove it there yourself.")
        if found is not None:
            minter.remove(registration, found.id)


def find_listed(credential: Credential, listed: Iterable[ListedCredential]) -> ListedCredential | None:
    """Find a credential among those that the provider lists: by id, thumbprint, or a hint that just one has."""
    entries = list(listed)
    if by_id := [entry for entry in entries if credential.id and entry.id == credential.id]:
        return by_id[0]
    if credential.certificate:
        thumbprint = sha1_thumbprint(credential.certificate)
        return next((entry for entry in entries if entry.thumbprint == thumbprint), None)
    hints = Counter(entry.hint for entry in entries if not entry.thumbprint)
    if credential.hint and hints[credential.hint] == 1:
        return next(entry for entry in entries if entry.hint == credential.hint)
    return None
