"""A provider that makes and removes client secrets."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailbearer.credential import Credential
from mailbearer.errors import ClientRefused
from mailbearer.ports.provider import TokenAnswer
from mailbearer.ports.vaults import ListedCredential
from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.registration import Registration


@dataclass
class _Kept:
    listed: ListedCredential
    secret: str
    good_from: float


@dataclass
class FakeMinter:
    """Keeps client secrets as Entra does, and is its token endpoint; `lag` (seconds) is when a new one is known.

    What it has listed it knows, so a secret is listed only after its lag too.
    """

    clock: Callable[[], float]
    lag: float = 0
    faults: Faults = field(default_factory=Faults)
    kept: dict[str, _Kept] = field(default_factory=dict)
    minted: list[str] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def give(self, *, label: str = "", lives: float = 365 * 86_400, lag: float = 0) -> Credential:
        """Make a client secret, as somebody at the provider's portal does."""
        number, now = next(self._numbers), self.clock()
        key_id, secret = f"key-{number}", f"{number:03}~the-client-secret"
        listed = ListedCredential(id=key_id, label=label, hint=secret[:3], created_at=now, expires_at=now + lives)
        self.kept[key_id] = _Kept(listed, secret, now + lag)
        return Credential(id=key_id, client_secret=secret, created_at=now, expires_at=listed.expires_at)

    def takes(self, secret: str) -> bool:
        """Tell whether the token endpoint takes a client secret now."""
        now = self.clock()
        return any(
            kept.secret == secret and kept.good_from <= now < kept.listed.expires_at for kept in self.kept.values()
        )

    def labelled(self, label: str) -> list[str]:
        """Name what lives under a label."""
        return [key_id for key_id, kept in self.kept.items() if kept.listed.label == label]

    # --- the port -----------------------------------------------------------------------------------------------------

    def listing(self, registration: Registration) -> tuple[ListedCredential, ...]:  # noqa: ARG002
        with self.faults.around("listing"):
            return tuple(kept.listed for kept in self.kept.values() if kept.good_from <= self.clock())

    def mint(self, registration: Registration, *, label: str, expires_at: float) -> Credential:  # noqa: ARG002
        with self.faults.around("mint"):
            made = self.give(label=label, lives=expires_at - self.clock(), lag=self.lag)
            self.minted.append(made.id)
            return made

    def remove(self, registration: Registration, credential_id: str) -> None:  # noqa: ARG002
        with self.faults.around("remove"):
            self.kept.pop(credential_id, None)

    # --- its token endpoint -------------------------------------------------------------------------------------------

    def client_credentials(self, registration: Registration, credential: Credential) -> TokenAnswer:  # noqa: ARG002
        return self._answer(credential)

    def refresh(self, registration: Registration, credential: Credential, **_asked: Any) -> TokenAnswer:  # noqa: ARG002
        return self._answer(credential)

    def _answer(self, credential: Credential) -> TokenAnswer:
        with self.faults.around("token"):
            if not self.takes(credential.client_secret):
                raise ClientRefused("invalid_client (HTTP 401)", finding="client_secret_wrong")
            return TokenAnswer(access_token="access-1", expires_in=3600)
