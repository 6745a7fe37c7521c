"""A provider, its mailboxes and our processes, in memory: what the tests of the token side play with."""

from __future__ import annotations

import itertools
import random
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from mailbearer.account import Account, AccountState
from mailbearer.caller import Caller
from mailbearer.client import Client
from mailbearer.connecting.consent import ConsentFlow
from mailbearer.connecting.device import DeviceFlow
from mailbearer.connecting.granting import Granting
from mailbearer.connecting.identity import Identity
from mailbearer.connecting.importing import Import
from mailbearer.connecting.invitations import Invitations
from mailbearer.connecting.tickets import Tickets
from mailbearer.connecting.unattended import UnattendedFlow
from mailbearer.credential import Credential
from mailbearer.directory import Directory
from mailbearer.embargo import Embargo
from mailbearer.errors import GrantRefused
from mailbearer.ids import derived_id
from mailbearer.ports.provider import AuthorizationServer, TokenAnswer
from mailbearer.probing.prober import Prober
from mailbearer.providers import definition_of
from mailbearer.refreshing.lease import Lease
from mailbearer.refreshing.lifecycle import Lifecycle
from mailbearer.registration import Endpoints, Flow, Registration
from mailbearer.revocation import Revocation
from mailbearer.schedule.rotation import Rotation
from mailbearer.schedule.upkeep import Upkeep
from mailbearer.token import TokenSet, TokenState
from mailbearer.trail import BufferedTrail
from tests.fakes import (
    FakeAccountStore,
    FakeAuditLog,
    FakeAuditSpool,
    FakeClock,
    FakeConsentStore,
    FakeCredentialVault,
    FakeEventBus,
    FakeIncidentStore,
    FakeRegistrationStore,
    FakeRotationQueue,
    FakeTokenVault,
    Faults,
    ScriptedTransport,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mailbearer.definition import Definitions
    from mailbearer.ports.provider import AuthorizationRequest

REGISTRATION = "acme"
ADMIN = Caller(key_id="key_admin", scopes=frozenset({"admin"}))


class Crash(BaseException):
    """The process ends here."""


def crash() -> None:
    """End the process."""
    raise Crash


def answer(number: int = 1, **changes: Any) -> TokenAnswer:
    """Give a token answer with a new refresh token."""
    values: dict[str, Any] = {"access_token": f"access-{number}", "expires_in": 3600.0}
    return TokenAnswer(**(values | {"refresh_token": f"refresh-{number}"} | changes))


class ProviderFake:
    """An authorization server that remembers what it gave.

    It rotates refresh tokens if `rotating`, and then takes none twice. `life` is the life of its access tokens, in
    seconds.
    """

    def __init__(self, clock: FakeClock, *, rotating: bool = True, life: float = 3600) -> None:
        self.faults = Faults()
        self.rotating = rotating
        self.life = life
        self.refresh_tokens: set[str] = set()
        self.access_tokens: dict[str, float] = {}
        self.revoked: list[str] = []
        self.given: list[str] = []
        self._clock = clock
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def grant(self) -> TokenAnswer:
        """Give a new pair of tokens."""
        number = next(self._numbers)
        access, refresh = f"access-{number}", f"refresh-{number}"
        self.refresh_tokens.add(refresh)
        self.access_tokens[access] = self._clock() + self.life
        self.given += [access, refresh]
        return TokenAnswer(access_token=access, refresh_token=refresh, expires_in=self.life)

    def takes(self, access_token: str) -> bool:
        """Tell whether the mail side takes an access token now."""
        return self.access_tokens.get(access_token, 0) > self._clock()

    def authorization_url(self, registration: Registration, request: AuthorizationRequest) -> str:
        return f"{registration.endpoints.authorize_url}?state={request.state}"

    def redeem(
        self,
        registration: Registration,  # noqa: ARG002
        credential: Credential,  # noqa: ARG002
        *,
        code: str,  # noqa: ARG002
        verifier: str,  # noqa: ARG002
        redirect_uri: str,  # noqa: ARG002
    ) -> TokenAnswer:
        with self.faults.around("redeem"):
            return self.grant()

    def refresh(
        self,
        registration: Registration,  # noqa: ARG002
        credential: Credential,  # noqa: ARG002
        *,
        refresh_token: str,
        scope: str,  # noqa: ARG002
    ) -> TokenAnswer:
        with self.faults.around("refresh"), self._lock:
            if refresh_token not in self.refresh_tokens:
                raise GrantRefused("invalid_grant (HTTP 400)")
            fresh = self.grant()
            if self.rotating:
                self.refresh_tokens.remove(refresh_token)
                return fresh
            self.refresh_tokens.remove(fresh.refresh_token)
            return replace(fresh, refresh_token="")

    def client_credentials(self, registration: Registration, credential: Credential) -> TokenAnswer:  # noqa: ARG002
        with self.faults.around("client_credentials"), self._lock:
            fresh = self.grant()
            self.refresh_tokens.remove(fresh.refresh_token)
            return replace(fresh, refresh_token="")

    def revoke(self, registration: Registration, credential: Credential, *, token: str, hint: str) -> bool:  # noqa: ARG002
        with self.faults.around("revoke"), self._lock:
            self.revoked.append(token)
            self.refresh_tokens.discard(token)
            self.access_tokens.pop(token, None)
            return True

    def userinfo(self, registration: Registration, access_token: str) -> Mapping[str, object] | None:  # noqa: ARG002
        with self.faults.around("userinfo"):
            return {"email": "ann@example.org"} if self.takes(access_token) else None


class Grants:
    """One provider, one set of stores, and as many processes of ours as a test asks for.

    With `unattended` nobody consents: the registration gets its tokens by its own credential.
    """

    def __init__(
        self,
        server: AuthorizationServer | None = None,
        *,
        rotating: bool = True,
        life: float = 3600,
        unattended: bool = False,
    ) -> None:
        self.clock = FakeClock()
        self.random_bytes = random.Random(7).randbytes  # noqa: S311 - the same in every run
        self.accounts = FakeAccountStore()
        self.registrations = FakeRegistrationStore()
        self.consents = FakeConsentStore()
        self.incidents = FakeIncidentStore()
        self.vault = FakeTokenVault()
        self.credentials = FakeCredentialVault()
        self.events = FakeEventBus()
        self.log = FakeAuditLog()
        self.spool = FakeAuditSpool()
        self.transport = ScriptedTransport()
        self.rotation_queue = FakeRotationQueue(self.clock)
        self.watched: list[float] = []
        self.drained: list[str] = []
        self.provider = ProviderFake(self.clock, rotating=rotating, life=life)
        self.definitions: Definitions = definition_of
        self._server = server
        self.trail = self.new_trail()
        self.is_unattended = unattended
        flow = Flow.CLIENT_CREDENTIALS if unattended else Flow.AUTHORIZATION_CODE
        self.registrations.create(registration(flow=flow))
        self.credentials.create(REGISTRATION, Credential(client_secret="client-secret"))

    def server(self) -> AuthorizationServer:
        """Give the authorization server: the one that was handed in, or the provider."""
        return self._server or cast("AuthorizationServer", self.provider)

    def new_trail(self) -> BufferedTrail:
        """Give the trail of a new process."""
        return BufferedTrail(self.log, self.spool, self.clock, self.random_bytes, actor="test")

    def connect(self, name: str = "ann", *, ends_in: float | None = None, **changes: Any) -> Account:
        """Put a mailbox as consent leaves it, with a token that ends in so many seconds."""
        given = self.provider.grant()
        ends_in = self.provider.life if ends_in is None else ends_in
        self.provider.access_tokens[given.access_token] = self.clock() + ends_in
        now = self.clock()
        tokens = TokenSet(
            access_token=given.access_token,
            refresh_token="" if self.is_unattended else given.refresh_token,
            expires_at=now + ends_in,
            obtained_at=now,
            scope="openid mail.send",
        )
        version = f"first-{name}"
        state = TokenState(fence=1, version=version, expires_at=tokens.expires_at, refreshed_at=now, due_at=now)
        token = replace(state, **changes.pop("token", {}))
        account = mailbox(name, created_at=now, updated_at=now, token=token, **changes)
        self.vault.open(account.id, tokens, version)
        self.accounts.create(account)
        return account

    def now(self, name: str = "ann") -> Account:
        """Give a mailbox as it stands now."""
        return self.accounts.accounts[derived_id("acc_", name)]

    def change(self, name: str = "ann", **fields: Any) -> Account:
        """Let somebody else change a mailbox's token state."""
        account = self.now(name)
        changed = account.changed(token=replace(account.token, **fields))
        self.accounts.accounts[account.id] = changed
        return changed

    def secret(self, name: str = "ann") -> TokenSet:
        """Give what the vault holds for a mailbox."""
        stored = self.vault.read(derived_id("acc_", name))
        assert stored is not None
        return stored.tokens

    def client(self, trail: BufferedTrail | None = None) -> Client:
        """Give our side of every registration."""
        return Client(
            credentials=self.credentials,
            definitions=self.definitions,
            server=self.server,
            trail=trail or self.trail,
        )

    def lifecycle(
        self, sleep: Callable[[float], None] | None = None, *, trail: BufferedTrail | None = None
    ) -> Lifecycle:
        """Start a process of its own: its cache and its trail, everybody's stores."""
        trail = trail or self.new_trail()
        return Lifecycle(
            accounts=self.accounts,
            lease=Lease(accounts=self.accounts, clock=self.clock, random_bytes=self.random_bytes),
            registrations=self.registrations,
            definitions=self.definitions,
            vault=self.vault,
            client=self.client(trail),
            events=self.events,
            trail=trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
            sleep=sleep or self.clock.advance,
        )

    def revocation(self) -> Revocation:
        """Give the shutting off of mailboxes."""
        return Revocation(
            accounts=self.accounts,
            registrations=self.registrations,
            vault=self.vault,
            client=self.client(),
            definitions=definition_of,
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    def rotation(self) -> Rotation:
        """Give the scheduled run."""
        return Rotation(
            accounts=self.accounts,
            queue=self.rotation_queue,
            upkeep=self.upkeep(),
            watches=(lambda: self.watched.append(self.clock()),),
            log=self.log,
            spool=self.spool,
            trail=self.trail,
            clock=self.clock,
        )

    def upkeep(self) -> Upkeep:
        """Give what the schedule does for one account."""
        lifecycle = self.lifecycle(trail=self.trail)
        return Upkeep(
            accounts=self.accounts,
            lifecycle=lifecycle,
            prober=replace(self.prober(), lifecycle=lifecycle),
            revocation=self.revocation(),
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
            drain=lambda account: self.drained.append(account.id),
            invite=self.invitations().send,
        )

    def invitations(self) -> Invitations:
        """Give the telling of owners."""
        return Invitations(
            tickets=self.tickets(), consents=self.consents, events=self.events, trail=self.trail, clock=self.clock
        )

    def prober(self) -> Prober:
        """Give the proving of tokens."""
        return Prober(
            accounts=self.accounts,
            registrations=self.registrations,
            definitions=self.definitions,
            lifecycle=self.lifecycle(trail=self.trail),
            client=self.client(),
            transport=lambda _: self.transport,
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    def embargo(self) -> Embargo:
        """Give what asks whether an incident forbids something."""
        return Embargo(self.incidents)

    def tickets(self) -> Tickets:
        """Give the links of consents under way."""
        return Tickets(
            accounts=self.accounts,
            registrations=self.registrations,
            consents=self.consents,
            embargo=self.embargo(),
            clock=self.clock,
            random_bytes=self.random_bytes,
            api_url="https://api.example",
        )

    def identity(self) -> Identity:
        """Give the pinning of tokens to mailboxes."""
        return Identity(
            client=self.client(),
            definitions=self.definitions,
            transport=lambda _: self.transport,
            clock=self.clock,
        )

    def granting(self) -> Granting:
        """Give what every way of connecting a mailbox shares."""
        return Granting(
            accounts=self.accounts,
            registrations=self.registrations,
            vault=self.vault,
            client=self.client(),
            definitions=self.definitions,
            identity=self.identity(),
            embargo=self.embargo(),
            lease=Lease(accounts=self.accounts, clock=self.clock, random_bytes=self.random_bytes),
            events=self.events,
            trail=self.trail,
            clock=self.clock,
        )

    def consent(self) -> ConsentFlow:
        """Give the connecting of a mailbox with a browser."""
        return ConsentFlow(
            tickets=self.tickets(),
            consents=self.consents,
            granting=self.granting(),
            client=self.client(),
            definitions=self.definitions,
            trail=self.trail,
            clock=self.clock,
            api_url="https://api.example",
        )

    def device(self) -> DeviceFlow:
        """Give the connecting of a mailbox by a device code."""
        return DeviceFlow(
            tickets=self.tickets(),
            consents=self.consents,
            granting=self.granting(),
            client=self.client(),
            trail=self.trail,
            clock=self.clock,
        )

    def unattended(self) -> UnattendedFlow:
        """Give the connecting of a mailbox that nobody consents for."""
        return UnattendedFlow(
            client=self.client(), identity=self.identity(), granting=self.granting(), trail=self.trail
        )

    def importing(self) -> Import:
        """Give the connecting of a mailbox by a refresh token that somebody has."""
        return Import(
            tickets=self.tickets(),
            client=self.client(),
            definitions=self.definitions,
            identity=self.identity(),
            granting=self.granting(),
            trail=self.trail,
        )

    def directory(self) -> Directory:
        """Give the keeping of mailboxes."""
        return Directory(
            accounts=self.accounts,
            registrations=self.registrations,
            embargo=self.embargo(),
            events=self.events,
            trail=self.trail,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    def actions(self, *processes: Lifecycle) -> list[str]:
        """Give what is in the audit log, after every trail was flushed."""
        for process in processes:
            process.trail.flush()
        self.trail.flush()
        return self.log.actions

    def reasons(self, action: str) -> list[str]:
        """Give the reasons of one action's events in the audit log."""
        return [event.reason for event in self.log.events if event.action == action]


def mailbox(name: str = "ann", **changes: Any) -> Account:
    """Give a mailbox of the one registration."""
    values: dict[str, Any] = {
        "id": derived_id("acc_", name),
        "provider": REGISTRATION,
        "address": f"{name}@example.org",
        "transport": "smtp",
        "state": AccountState.ACTIVE,
        "scopes_wanted": ("openid", "mail.send"),
        "created_at": 1_750_000_000.0,
        "updated_at": 1_750_000_000.0,
    }
    return Account(**(values | changes))


def registration(**changes: Any) -> Registration:
    """Give the one registration."""
    values: dict[str, Any] = {
        "name": REGISTRATION,
        "kind": "oidc",
        "client_id": "client-1",
        "transport": "smtp",
        "flow": Flow.AUTHORIZATION_CODE,
        "endpoints": Endpoints(
            authorize_url="https://id.example/authorize",
            token_url="https://id.example/token",
            revoke_url="https://id.example/revoke",
            userinfo_url="https://id.example/userinfo",
            issuer="https://id.example",
        ),
        "scopes": ("openid", "mail.send"),
    }
    return Registration(**(values | changes))


class Waiting:
    """A sleep for real threads: it counts its callers, so that a test can wait until all others wait."""

    def __init__(self) -> None:
        self._sleepers: set[int] = set()
        self._changed = threading.Condition()

    def __call__(self, _seconds: float) -> None:
        with self._changed:
            self._sleepers.add(threading.get_ident())
            self._changed.notify_all()
        time.sleep(0.001)

    def until(self, count: int) -> None:
        """Wait until so many threads have slept."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._sleepers) >= count, timeout=10)


class Trap(Faults):
    """Counts every call over several fakes, and ends the process at one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.at = -1
        self.after_effect = False

    def named(self, port: str) -> Faults:
        """Give the faults of one port."""
        return _Port(self, port)

    @contextmanager
    def spring(self, name: str) -> Iterator[None]:
        """Mark the effect of a call."""
        number = len(self.seen)
        self.seen.append(name)
        if number == self.at and not self.after_effect:
            raise Crash
        yield
        if number == self.at and self.after_effect:
            raise Crash


class _Port(Faults):
    def __init__(self, trap: Trap, port: str) -> None:
        super().__init__()
        self._trap, self._port = trap, port

    @contextmanager
    def around(self, operation: str) -> Iterator[None]:
        with self._trap.spring(f"{self._port}.{operation}"):
            yield


def watch(grants: Grants, trap: Trap) -> None:
    """Let the trap see every port of these grants."""
    stores = ("accounts", "registrations", "vault", "credentials", "spool")
    for port in (*stores, "events", "log", "rotation_queue", "provider"):
        getattr(grants, port).faults = trap.named(port)
