"""A registration, its provider, and Secrets Manager, which drives our function as AWS documents it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, cast

from mailbearer.aws.credentials import SecretsManagerCredentialVault
from mailbearer.client import Client
from mailbearer.credential import Credential, CredentialSet
from mailbearer.credentials.edits import CredentialEdits
from mailbearer.credentials.rotation import STEPS, CredentialRotation
from mailbearer.credentials.tending import CredentialTending
from mailbearer.credentials.watch import CredentialWatch
from mailbearer.providers import definition_of
from mailbearer.registration import Endpoints
from mailbearer.trail import BufferedTrail
from tests.contract.secrets_manager import SecretsManager
from tests.fakes import FakeAuditLog, FakeAuditSpool, FakeClock, FakeEventBus, FakeRegistrationStore
from tests.fakes.minters import FakeMinter
from tests.unit.grants import registration

if TYPE_CHECKING:
    from mailbearer.ports.provider import AuthorizationServer

DAY = 86_400.0
NAME = "acme"
SECRET_ID = f"mailbearer/test/registrations/{NAME}"
LIMIT = 300.0


class Rotating:
    """One registration with one client secret, in a stack that rotates it."""

    def __init__(self, *, drops_pending: bool = False, **changes: Any) -> None:
        self.clock = FakeClock()
        self.random_bytes = random.Random(7).randbytes  # noqa: S311 - the same in every run
        self.secrets_manager = SecretsManager(drops_pending=drops_pending)
        self.vault = SecretsManagerCredentialVault(cast("Any", self.secrets_manager), "mailbearer/test")
        self.registrations = FakeRegistrationStore()
        self.minter = FakeMinter(self.clock)
        self.events = FakeEventBus()
        self.log = FakeAuditLog()
        self.spool = FakeAuditSpool()
        self.trail = BufferedTrail(self.log, self.spool, self.clock, self.random_bytes, actor="test")
        endpoints = Endpoints(
            authorize_url="https://login.example/t/authorize", token_url="https://login.example/t/token"
        )
        wanted = {"kind": "microsoft", "transport": "graph", "endpoints": endpoints} | changes
        self.registrations.create(registration(**wanted))
        self.first = self.minter.give()
        self.vault.create(NAME, self.first)

    # --- our processes ------------------------------------------------------------------------------------------------

    def client(self) -> Client:
        return Client(
            credentials=self.vault,
            definitions=definition_of,
            server=lambda: cast("AuthorizationServer", self.minter),
            trail=self.trail,
        )

    def edits(self) -> CredentialEdits:
        return CredentialEdits(registrations=self.registrations, credentials=self.vault, trail=self.trail)

    def operator(self) -> CredentialEdits:
        """Give what an operator edits with, whose audit events go into a stream of their own."""
        trail = BufferedTrail(FakeAuditLog(), self.spool, self.clock, self.random_bytes, actor="operator")
        return CredentialEdits(registrations=self.registrations, credentials=self.vault, trail=trail)

    def step(self, step: str, token: str, *, time_left: float = LIMIT) -> str:
        """Call the function for one step, in a process of its own."""
        rotation = CredentialRotation(
            registrations=self.registrations,
            credentials=self.vault,
            client=self.client(),
            minter=lambda kind: self.minter if kind == "microsoft" else None,
            trail=self.trail,
            clock=self.clock,
            sleep=self.clock.advance,
        )
        try:
            return rotation.step(NAME, step=step, token=token, deadline=self.clock() + time_left)
        finally:
            self.trail.flush()

    def tending(self) -> CredentialTending:
        return CredentialTending(
            registrations=self.registrations,
            credentials=self.vault,
            client=self.client(),
            edits=self.edits(),
            minter=lambda kind: self.minter if kind == "microsoft" else None,
            trail=self.trail,
            clock=self.clock,
        )

    def watch(self) -> CredentialWatch:
        return CredentialWatch(
            registrations=self.registrations,
            credentials=self.vault,
            events=self.events,
            trail=self.trail,
            clock=self.clock,
        )

    # --- Secrets Manager ----------------------------------------------------------------------------------------------

    def begin(self, *, days: int = 90) -> str:
        """Begin a rotation."""
        return self.secrets_manager.rotate_secret(SecretId=SECRET_ID, RotationRules={"AutomaticallyAfterDays": days})

    def rotate(self) -> str:
        """Let Secrets Manager rotate once, with nothing in its way."""
        token = self.begin()
        for step in STEPS:
            self.step(step, token)
        return token

    # --- looking ------------------------------------------------------------------------------------------------------

    @property
    def labels(self) -> dict[str, str]:
        """Give the labels of the secret's versions."""
        return self.secrets_manager.secrets[SECRET_ID].labels

    @property
    def rotation_is_over(self) -> bool:
        """Tell whether another rotation could begin (RotateSecret's documentation)."""
        return self.labels.get("AWSPENDING") in {None, self.labels["AWSCURRENT"]}

    def current(self) -> CredentialSet:
        """Read what is current, without being counted."""
        secret = self.secrets_manager.secrets[SECRET_ID]
        spare = SecretsManager()
        spare.secrets[SECRET_ID] = secret
        return SecretsManagerCredentialVault(cast("Any", spare), "mailbearer/test").stored(NAME)

    def names(self) -> list[str]:
        """Name the current credentials in their order."""
        return [credential.name for credential in self.current().credentials]

    def reach(self) -> bool:
        """Tell whether a mailbox of the registration would be refreshed now."""
        return any(self.minter.takes(credential.client_secret) for credential in self.current().credentials)

    def another(self, number: int = 1) -> Credential:
        """Give a certificate, as an operator adds one."""
        return Credential(id=f"certificate-{number}", private_key=f"KEY {number}", certificate="")

    def actions(self) -> list[str]:
        """Give what is in the audit log."""
        self.trail.flush()
        return self.log.actions
