"""Where the proofs happen: the local engine with the unchanged template, and the sandbox's three providers."""

from __future__ import annotations

import base64
import hashlib
import importlib
import io
import itertools
import json
import os
import tempfile
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import boto3
import requests
from rich.console import Console

from mailbearer.account import Account, AccountState
from mailbearer.aws.clients import Clients
from mailbearer.config import Settings, read_settings
from mailbearer.ids import new_id
from mailbearer.token import TokenSet, TokenState
from mailbearer.wiring import Wiring
from proofs.calls import Calls, WatchedEgress
from sandbox import engine, local
from sandbox.actors import BILLING, ORDERS, SUPPORT, Mailbox
from sandbox.control.client import Control
from sandbox.demo import Demo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.registration import Registration

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("cli", "functions", "layers", "sandbox", "template.yaml")
SERVICES = ("dynamodb", "secretsmanager", "logs", "events")
SECONDS = 60.0
SHORTEST_SLEEP = 2.0
_SAID = 4000

PROVIDERS: dict[str, Mailbox] = {"kept": ORDERS, "renewed": BILLING, "rotated": SUPPORT}
"""What becomes of the refresh token in a refresh, and the tenant of the sandbox that does so.

`kept`: none is given (Google). `renewed`: a new one, and the old one goes on working (Microsoft). `rotated`: a new one,
and whoever uses the old one again ends the whole grant (RFC 9700 section 4.14.2).
"""


class Clock:
    """The time, which a proof may let run ahead instead of waiting."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead

    def __call__(self) -> float:
        """Give the time in epoch seconds."""
        return time.time() + self.ahead

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += seconds

    def sleep(self, seconds: float) -> None:
        """Stand in for `time.sleep`, which may take longer than it was asked to; so whoever polls is soon done."""
        self.advance(max(seconds, SHORTEST_SLEEP))


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A started stack with three registrations; makes mailboxes, and wirings as a function makes its own."""

    world: local.LocalWorld
    settings: Settings
    session: boto3.Session
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def forked(self) -> Ground:
        """Give the same ground to a forked process: no connection is shared with the parent."""
        return Ground(world=self.world, settings=self.settings, session=self.session)

    @cached_property
    def control(self) -> Control:
        """Give the way to steer the sandbox."""
        return Control(self.world.sandbox["url"])

    def clients(self) -> Clients:
        """Make AWS clients as the functions make them."""
        return Clients(lambda: self.session, endpoint_url=self.world.engine.endpoint_url)

    def wiring(self, clock: Clock | None = None, *, clients: Clients | None = None) -> Wiring:
        """Join a process's parts; with a clock, waiting takes no time."""
        clients = clients or self.clients()
        if clock is None:
            return Wiring(self.settings, clients=clients)
        return Wiring(self.settings, clients=clients, clock=clock, sleep=clock.sleep)

    def watched(self, calls: Calls, clock: Clock) -> Wiring:
        """Join a process's parts so that each of its calls is seen. Only in a process of its own."""
        calls.watch(self.session)
        wiring = self.wiring(clock)
        wiring.egress = WatchedEgress(calls, local=self.settings.local)
        return wiring

    @cached_property
    def stores(self) -> Wiring:
        """Give the stores, for what the proofs themselves put and look up."""
        return self.wiring()

    def token_calls(self, provider: str) -> int:
        """Count how often a provider was asked for a refresh."""
        return self.control.count(
            tenant=PROVIDERS[provider].tenant,
            endpoint="token",
            grant_type="refresh_token",
        )

    def grant(self, address: str) -> dict[str, Any]:
        """Give the state of a mailbox's newest grant at its provider."""
        return next(grant for grant in self.control.tokens() if grant["mailbox"] == address)

    def audit(self, *, since: float = 0) -> list[tuple[str, dict[str, Any]]]:
        """Read the audit log from a moment on (epoch seconds): each event with the name of its stream."""
        pages = self.world.engine.client("logs").get_paginator("filter_log_events")
        found = pages.paginate(logGroupName=self.settings.audit_log_group, startTime=int(since * 1000))
        return [(each["logStreamName"], json.loads(each["message"])) for page in found for each in page["events"]]

    def said_by(self, *functions: str) -> str:
        """Give the end of what the engine and some functions (by folder) have logged: why something failed."""
        logs = self.world.engine.client("logs")
        said = [self.world.engine.log_file.read_text(errors="replace")[-_SAID:]]
        for folder in functions:
            name = f"/aws/lambda/{self.world.stack.outputs[local.FUNCTIONS[folder]]}"
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=name)
            said.append("".join(event["message"] for page in pages for event in page["events"])[-_SAID:])
        return "\n\n".join(said)

    def connect(self, provider: str, *, ends_in: float) -> Account:
        """Put a mailbox as consent leaves it, whose access token ends in so many seconds, as far as we know.

        The grant is a real one. The schedule leaves the mailbox alone: nothing of it is ever due.
        """
        tenant = PROVIDERS[provider]
        registration = self.stores.registrations.get(tenant.registration)
        if registration is None:
            raise LookupError(f"There is no registration {tenant.registration}.")
        now = time.time()
        account_id = new_id("acc_", now, os.urandom)
        address = f"box-{os.getpid()}-{next(self._numbers)}@acme.example"
        self.control.add_mailbox(tenant.tenant, address)
        answer = self._consent(registration, tenant.tenant, address)
        tokens = TokenSet(
            access_token=answer["access_token"],
            refresh_token=answer["refresh_token"],
            expires_at=now + ends_in,
            obtained_at=now,
            scope=answer["scope"],
        )
        version = hashlib.sha256(account_id.encode()).hexdigest()[:32]
        account = Account(
            id=account_id,
            provider=registration.name,
            address=address,
            transport=registration.transport,
            state=AccountState.ACTIVE,
            scopes_wanted=registration.scopes,
            scopes_granted=tuple(tokens.scope.split()),
            created_at=now,
            updated_at=now,
            token=TokenState(fence=1, version=version, expires_at=tokens.expires_at, refreshed_at=now),
        )
        self.stores.vault.open(account.id, tokens, version)
        self.stores.accounts.create(account)
        return account

    def _consent(self, registration: Registration, tenant: str, address: str) -> dict[str, Any]:
        """Walk the authorization code flow with PKCE as application and owner; give the token answer."""
        verifier = os.urandom(32).hex()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        redirect_uri = f"{self.world.api_url}/oauth/callback"
        asked = {
            "response_type": "code",
            "client_id": registration.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(registration.scopes),
            "state": "proof",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        asked |= dict(registration.authorize_params)
        url = f"{registration.endpoints.authorize_url}?{urlencode(asked)}"
        code = self.control.consent(url, mailbox=address).parameters["code"]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        credentials = (registration.client_id, f"secret-of-{tenant}")
        response = requests.post(
            registration.endpoints.token_url, data=form | {"code_verifier": verifier}, auth=credentials, timeout=SECONDS
        )
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer


@contextmanager
def prepared() -> Iterator[Ground]:
    """Start a stack of this checkout's sources in a directory of its own, register, and stop all of it at the end.

    No thread runs when this gives the ground: it is there to be forked from.
    """
    with tempfile.TemporaryDirectory(prefix="mailbearer-proofs-") as scratch:
        root = Path(scratch)
        for part in PARTS:
            (root / part).symlink_to(ROOT / part)
        places = local.Places(root)
        places.directory.mkdir()
        local.Places(ROOT).cache.mkdir(parents=True, exist_ok=True)
        places.cache.symlink_to(local.Places(ROOT).cache)
        with local.started(places, _Silent(file=io.StringIO()), 0) as world:
            demo = Demo(world, _Silent(file=io.StringIO()))
            with demo.api:
                demo.register()
            demo.control.close()
            session = boto3.Session(engine.ACCESS_KEY_ID, engine.SECRET_ACCESS_KEY, region_name=engine.REGION)
            settings = read_settings(_variables(world))
            ground = Ground(world=world, settings=settings, session=session)
            _warm_up(ground)
            yield ground
            ground.control.close()


def _variables(world: local.LocalWorld) -> dict[str, str]:
    """Give what all functions together are told by their environments; of what differs, what the worker is told."""
    functions = world.engine.client("lambda")
    variables: dict[str, str] = {}
    for folder in (*local.FUNCTIONS, "delivery_worker"):
        name = world.stack.outputs[local.FUNCTIONS[folder]]
        told: dict[str, str] = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        variables |= told
    return variables


def _warm_up(ground: Ground) -> None:
    """Import what a refresh imports, and let the session read the services' descriptions, before anybody forks."""
    clients = ground.clients()
    for service in SERVICES:
        clients.made(service)
    wiring = ground.wiring(clients=clients)
    wiring.server()
    importlib.import_module("mailbearer.refreshing.lifecycle")


class _Silent(Console):
    """Shows nothing and starts no thread for it: a fork of several threads may never come to its end."""

    def print(self, *_: Any, **__: Any) -> None:
        """Print nothing."""

    def status(self, *_: Any, **__: Any) -> Any:
        """Show nothing."""
        return nullcontext()
