"""Rotation of a registration's own client secret, in the four steps in which Secrets Manager asks for it.

Secrets Manager labels a version AWSPENDING, whose id is the rotation's token, and calls createSecret, setSecret,
testSecret and finishSecret; when one fails it begins again at createSecret, some time later, with the same token. So
each step is safe to repeat, after a crash at any call within it:

- The provider shows a new secret once. One that was made but not stored is useless: it bears the rotation's token as
  its label, is found by it, removed, and made anew. Once the secret is stored, nothing is made any more.
- AWSCURRENT moves only from the version whose credentials stand in the new one too. If somebody has edited them
  meanwhile, the edit and the new secret are joined in a further version.
- The old secret stays behind the new one until the overlap is over, and goes only while the first one is proven.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailbearer.errors import (
    ClientRefused,
    Conflict,
    CredentialUnproven,
    RotationRefused,
    TokenEndpointBusy,
    Unavailable,
)
from mailbearer.registration import Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.client import Client
    from mailbearer.credential import Credential, CredentialSet
    from mailbearer.ports import Clock
    from mailbearer.ports.stores import RegistrationStore
    from mailbearer.ports.vaults import CredentialMinter, CredentialVault
    from mailbearer.registration import Registration
    from mailbearer.trail import Trail

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
DAY = 86_400.0

_SHORTEST_LIFE, _LONGEST_LIFE = 180 * DAY, 730 * DAY  # Entra gives none for longer than two years
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 20.0
_MARGIN = 40.0
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRotation:
    """Carry out the steps of Secrets Manager.

    `minter` gives a kind's way to make client secrets, None if it has none.
    """

    registrations: RegistrationStore
    credentials: CredentialVault
    client: Client
    minter: Callable[[str], CredentialMinter | None]
    trail: Trail
    clock: Clock
    sleep: Callable[[float], None]

    def step(self, name: str, *, step: str, token: str, deadline: float) -> str:
        """Do one step for the registration `name`; gives a word for what was done. `deadline` is in epoch seconds.

        Raises `RotationRefused` if an operator has to act first; every other error is worth another try.
        """
        registration = self.registrations.get(name)
        if registration is None:
            raise RotationRefused(f"There is no registration {name}.")
        minter = self._minter(registration)
        stages = self.credentials.stages(name, token)
        if not stages.enabled:
            raise RotationRefused(f"Rotation is not enabled for the secret of {name}.")
        if stages.current or self.credentials.stored(name).rotation == token:
            self.credentials.settle(name, token)
            return "already_current"
        if not stages.pending:
            raise RotationRefused(f"The version {token} of the secret of {name} is not pending.")
        match step:
            case "createSecret":
                return self._create(registration, minter, token, life=stages.every)
            case "setSecret":
                return self._set(registration, minter, token, deadline)
            case "testSecret":
                return self._test(registration, token, deadline)
            case "finishSecret":
                return self._finish(registration, minter, token)
            case _:
                raise RotationRefused(f"There is no step {step!r}.")

    def _create(self, registration: Registration, minter: CredentialMinter, token: str, *, life: float) -> str:
        pending = self.credentials.pending(registration.name, token)
        if pending is not None:
            self._remove_orphans(registration, minter, token, but=pending.credentials[0].id)
            return "already_created"
        current = self.credentials.stored(registration.name)
        self._remove_orphans(registration, minter, token, but="")
        self.trail.intend("credential.mint", registration.name, rotation=token)
        lifetime = min(max(_SHORTEST_LIFE, 2 * life + current.overlap), _LONGEST_LIFE)
        minted = minter.mint(registration, label=_label(token), expires_at=self.clock() + lifetime)
        wanted = self._joined(minted, current, token)
        stands = self.credentials.propose(registration.name, token, wanted)
        if not stands.credentials[0].is_same(minted):
            # Another call of this very step was faster.
            minter.remove(registration, minted.id)
            return "already_created"
        self.trail.note("credential.minted", registration.name, "minted", rotation=token, credential=minted.id)
        return "created"

    def _set(self, registration: Registration, minter: CredentialMinter, token: str, deadline: float) -> str:
        """Wait until the provider lists the new secret: it has it already, but not everywhere at once."""
        minted = self._new(registration, token)

        def listed() -> bool:
            return any(entry.id == minted.id for entry in minter.listing(registration))

        self._wait(listed, deadline, f"The provider does not list the new client secret {minted.id}.")
        return "set"

    def _test(self, registration: Registration, token: str, deadline: float) -> str:
        """Ask the provider for a token with the new secret; it may take minutes until the provider knows it."""
        pending = self.credentials.pending(registration.name, token)
        # When a schedule is set without rotating at once, Secrets Manager tries this step alone, with nothing new.
        credential = (pending or self.credentials.stored(registration.name)).credentials[0]

        def taken() -> bool:
            try:
                return self.client.prove(registration, credential)
            except ClientRefused:
                return False

        self._wait(taken, deadline, f"The provider does not take the client secret {credential.name}.")
        self.trail.note("credential.tested", registration.name, "taken", rotation=token, credential=credential.name)
        return "tested"

    def _finish(self, registration: Registration, minter: CredentialMinter, token: str) -> str:
        minted = self._new(registration, token)
        self.trail.intend("credential.rotate", registration.name, rotation=token, credential=minted.id)
        self._make_current(registration.name, minted, token)
        self.credentials.settle(registration.name, token)
        self._remove_orphans(registration, minter, token, but=minted.id)
        self.trail.note("credential.rotated", registration.name, "rotated", rotation=token, credential=minted.id)
        return "rotated"

    def _make_current(self, name: str, minted: Credential, token: str) -> None:
        for _ in range(_TRIES):
            pending, current = self.credentials.pending(name, token), self.credentials.stored(name)
            if current.rotation == token:
                return
            joined = self._joined(minted, current, token)
            if pending is not None and _are_same(pending, joined):
                try:
                    self.credentials.promote(name, token, expected=current)
                except Conflict:
                    continue
                return
            if self.credentials.replace(name, joined, expected=current) == joined:
                return
        raise Conflict(f"The credentials of {name} are being changed by others; the step can be repeated.")

    def _joined(self, minted: Credential, current: CredentialSet, token: str) -> CredentialSet:
        """Put the new secret before the present ones, which are to go when the overlap is over; certificates stay."""
        over = self.clock() + current.overlap
        kept = tuple(
            replace(credential, retire_at=over)
            if credential.kind == "client_secret" and not credential.retire_at
            else credential
            for credential in current.credentials
        )
        return replace(current, credentials=(minted, *kept), rotation=token)

    def _new(self, registration: Registration, token: str) -> Credential:
        pending = self.credentials.pending(registration.name, token)
        if pending is None:
            raise RotationRefused(f"The rotation {token} of {registration.name} has not created anything yet.")
        return pending.credentials[0]

    def _remove_orphans(self, registration: Registration, minter: CredentialMinter, token: str, *, but: str) -> None:
        """Remove what this rotation made at the provider and could not store."""
        for entry in minter.listing(registration):
            if entry.label == _label(token) and entry.id != but:
                minter.remove(registration, entry.id)
                self.trail.note(
                    "credential.orphan_removed", registration.name, "removed", rotation=token, credential=entry.id
                )

    def _wait(self, ready: Callable[[], bool], deadline: float, failure: str) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                if ready():
                    return
            except (Unavailable, TokenEndpointBusy) as error:
                if self.clock() + pause > deadline - _MARGIN:
                    raise CredentialUnproven(f"{failure} {error.detail}") from error
            if self.clock() + pause > deadline - _MARGIN:
                raise CredentialUnproven(failure)
            self.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _minter(self, registration: Registration) -> CredentialMinter:
        minter = self.minter(registration.kind)
        if minter is None:
            raise RotationRefused(
                f"Client secrets of kind {registration.kind} cannot be made by software. Make one at the provider and "
                f"add it: mailbearer providers credentials add {registration.name} --client-secret-stdin"
            )
        if registration.flow is Flow.JWT_BEARER or registration.token_auth_method == "none":  # noqa: S105 - a method
            raise RotationRefused(f"The registration {registration.name} has no client secret to rotate.")
        return minter


def _label(token: str) -> str:
    return f"mailbearer {token}"


def _are_same(one: CredentialSet, other: CredentialSet) -> bool:
    """Tell whether two sets hold the same credentials, whenever they are to go."""
    return replace(one, credentials=_staying(one)) == replace(other, credentials=_staying(other))


def _staying(kept: CredentialSet) -> tuple[Credential, ...]:
    return tuple(replace(credential, retire_at=0) for credential in kept.credentials)
