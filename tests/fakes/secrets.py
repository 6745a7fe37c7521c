"""Secrets Manager as AWS documents it, in memory: versions, labels, and puts that are idempotent by token."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from dataclasses import replace as with_version
from typing import TYPE_CHECKING

from mailbearer.credential import CredentialSet
from mailbearer.errors import Conflict, LeaseLost, SecretMissing
from mailbearer.ports.vaults import RotationStages
from mailbearer.token import StoredToken, TokenSet
from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from mailbearer.credential import Credential


@dataclass
class FakeSecret:
    """Versions by id (None is a tombstone), labels to version ids."""

    versions: dict[str, TokenSet | None] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    deleted: bool = False

    def put(self, tokens: TokenSet | None, version: str) -> None:
        """Make a new version current; a repeated put changes nothing, even if the version is not current any more."""
        if version in self.versions:
            if self.versions[version] != tokens:
                raise LeaseLost(f"Version {version} holds other tokens.")
            return
        self.versions[version] = tokens
        if "AWSCURRENT" in self.labels:
            self.labels["AWSPREVIOUS"] = self.labels["AWSCURRENT"]
        self.labels["AWSCURRENT"] = version


class FakeTokenVault:
    """The token sets of mailboxes; `puts` counts what would be written to AWS."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.secrets: dict[str, FakeSecret] = {}
        self.puts: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def read(self, account_id: str) -> StoredToken | None:
        with self.faults.around("read"), self._lock:
            secret = self.secrets.get(account_id)
            if secret is None or secret.deleted:
                return None
            version = secret.labels["AWSCURRENT"]
            tokens = secret.versions[version]
            return StoredToken(tokens, version) if tokens else None

    def store(self, account_id: str, tokens: TokenSet, version: str) -> None:
        with self.faults.around("store"), self._lock:
            secret = self.secrets.get(account_id)
            if secret is None or secret.deleted:
                raise SecretMissing(f"There is no secret of {account_id}. Connect the mailbox again.")
            self.puts.append((account_id, version))
            secret.put(tokens, version)

    def open(self, account_id: str, tokens: TokenSet, version: str) -> None:
        with self.faults.around("open"), self._lock:
            secret = self.secrets.setdefault(account_id, FakeSecret())
            secret.deleted = False
            self.puts.append((account_id, version))
            secret.put(tokens, version)

    def retire(self, account_id: str) -> None:
        with self.faults.around("retire"), self._lock:
            secret = self.secrets.get(account_id)
            if secret is None or secret.deleted:
                return
            secret.put(None, f"tombstone-{len(secret.versions)}")
            secret.labels.pop("AWSPREVIOUS", None)
            secret.deleted = True


class FakeCredentialVault:
    """The credentials of registrations; `every` is the time between rotations, in seconds."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.secrets: dict[str, tuple[Credential, ...]] = {}
        self.proposed: dict[tuple[str, str], CredentialSet] = {}
        self.rotating: set[tuple[str, str]] = set()
        self.every = 0.0
        self._sets: dict[str, CredentialSet] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def begin(self, registration: str, token: str) -> None:
        """Begin a rotation, as Secrets Manager does before it calls the function."""
        self.rotating.add((registration, token))

    def read(self, registration: str) -> tuple[Credential, ...]:
        with self.faults.around("read"), self._lock:
            return self._there(registration).credentials

    def stored(self, registration: str) -> CredentialSet:
        with self.faults.around("stored"), self._lock:
            return self._there(registration)

    def create(self, registration: str, credential: Credential) -> None:
        with self.faults.around("create"), self._lock:
            if registration not in self.secrets:
                self._write(registration, CredentialSet(credentials=(credential,)), self._new_version())
            elif not any(credential.is_same(one) for one in self.secrets[registration]):
                raise Conflict(f"The registration {registration} has other credentials.")

    def replace(self, registration: str, new: CredentialSet, *, expected: CredentialSet) -> CredentialSet:
        with self.faults.around("replace"), self._lock:
            if self._there(registration).version == expected.version:
                self._write(registration, new, self._new_version())
            return self._there(registration)

    def schedule(self, registration: str, *, function: str, every: float, at_once: bool) -> None:
        with self.faults.around("schedule"), self._lock:
            self._there(registration)
            assert function.startswith("arn:")
            if any(name == registration for name, _ in self.rotating):
                raise Conflict(f"A rotation of {registration} is under way and has not ended.")
            self.every = every
            if at_once:
                self.begin(registration, f"rotation-{next(self._numbers)}")

    def stages(self, registration: str, token: str) -> RotationStages:
        with self.faults.around("stages"), self._lock:
            return RotationStages(
                enabled=any(name == registration for name, _ in self.rotating) or self.every > 0,
                current=self._there(registration).version == token,
                pending=(registration, token) in self.rotating,
                every=self.every,
            )

    def pending(self, registration: str, token: str) -> CredentialSet | None:
        with self.faults.around("pending"), self._lock:
            return self.proposed.get((registration, token)) if (registration, token) in self.rotating else None

    def propose(self, registration: str, token: str, new: CredentialSet) -> CredentialSet:
        with self.faults.around("propose"), self._lock:
            return self.proposed.setdefault((registration, token), new)

    def promote(self, registration: str, token: str, *, expected: CredentialSet) -> None:
        with self.faults.around("promote"), self._lock:
            there = self._there(registration).version
            if there not in {expected.version, token}:
                raise Conflict(f"Somebody else has just changed the credentials of {registration}.")
            self._write(registration, self.proposed[registration, token], token)

    def settle(self, registration: str, token: str) -> None:
        with self.faults.around("settle"), self._lock:
            self.rotating.discard((registration, token))

    def _there(self, registration: str) -> CredentialSet:
        if registration not in self.secrets:
            raise SecretMissing(f"There are no credentials of {registration}. Add the registration again.")
        kept = self._sets.get(registration)
        if kept is None or kept.credentials != self.secrets[registration]:
            # A test has put them there itself.
            self._write(registration, CredentialSet(credentials=self.secrets[registration]), self._new_version())
        return self._sets[registration]

    def _write(self, registration: str, kept: CredentialSet, version: str) -> None:
        self.secrets[registration] = kept.credentials
        self._sets[registration] = with_version(kept, version=version)

    def _new_version(self) -> str:
        return f"version-{next(self._numbers)}"
