"""Secrets Manager as AWS documents it, in memory: versions, labels, and puts that are idempotent by token."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mailbearer.errors import Conflict, LeaseLost, SecretMissing
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
    """The credentials of registrations."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.secrets: dict[str, tuple[Credential, ...]] = {}
        self._lock = threading.Lock()

    def read(self, registration: str) -> tuple[Credential, ...]:
        with self.faults.around("read"), self._lock:
            if registration not in self.secrets:
                raise SecretMissing(f"There are no credentials of {registration}. Add the registration again.")
            return self.secrets[registration]

    def create(self, registration: str, credential: Credential) -> None:
        with self.faults.around("create"), self._lock:
            kept = self.secrets.setdefault(registration, (credential,))
            if not any(_material(one) == _material(credential) for one in kept):
                raise Conflict(f"The registration {registration} has other credentials.")


def _material(credential: Credential) -> tuple[str, str, str]:
    return credential.client_secret, credential.private_key, credential.certificate
