"""Mailbearer's token side in memory: stores whose calls take time and are counted, and processes at AWS."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
from collections import Counter, defaultdict
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from mailbearer.account import Probe
from mailbearer.credential import Credential
from mailbearer.ids import derived_id
from mailbearer.ports.stores import Due
from mailbearer.token import TokenSet, TokenState
from mailbearer.trail import BufferedTrail
from simulations.providers import SCOPE, Profile, Providers
from simulations.turns import Killed
from tests.fakes import FakeAccountStore, FakeClock, FakeRotationQueue, FakeTokenVault, Faults
from tests.fakes.secrets import FakeSecret
from tests.unit.grants import Grants, mailbox, registration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mailbearer.account import Account
    from mailbearer.audit import AuditEvent
    from mailbearer.ports.channels import AuditLog
    from mailbearer.ports.provider import AuthorizationServer
    from mailbearer.refreshing.lifecycle import Lifecycle
    from mailbearer.schedule.rotation import AtOnce, Rotation

SECONDS = {
    "accounts": 0.006,
    "registrations": 0.006,
    "vault": 0.03,
    "credentials": 0.03,
    "log": 0.02,
    "spool": 0.03,
    "events": 0.02,
    "rotation_queue": 0.015,
}
"""What AWS takes for a call of each port: DynamoDB, Secrets Manager, CloudWatch Logs, S3, EventBridge, SQS."""

PORTS = tuple(SECONDS)
_SHARDS, _PAGE = 4, 100  # of the index by due time
_BEFORE, _AFTER = "before", "after"


class Port(Faults):
    """Counts a port's calls over all processes, and lets each take its time.

    `dies_at` names the call, by its number from here on, before or after which the process ends.
    """

    def __init__(self, name: str, counts: Counter[str], sleep: Callable[[float], None]) -> None:
        super().__init__()
        self.name = name
        self.dies_at: tuple[str, int, bool] | None = None
        self._counts, self._sleep = counts, sleep

    def count(self, operation: str) -> None:
        """Count a call."""
        self._counts[f"{self.name}.{operation}"] += 1

    @contextmanager
    def around(self, operation: str) -> Iterator[None]:
        """Mark the effect of a call."""
        self.count(operation)
        self._sleep(SECONDS[self.name])
        dies = self._dies_at(operation)
        if dies == _BEFORE:
            raise Killed
        yield
        if dies == _AFTER:
            raise Killed

    def _dies_at(self, operation: str) -> str:
        if self.dies_at is None or self.dies_at[0] != operation:
            return ""
        _, number, after = self.dies_at
        self.dies_at = (operation, number - 1, after) if number > 1 else None
        return "" if self.dies_at else (_AFTER if after else _BEFORE)


class Accounts(FakeAccountStore):
    """Accounts with an index by due time; a change of that is counted too, since it writes the index."""

    def __init__(self) -> None:
        super().__init__()
        self._index: list[Due] = []
        self._index_lock = threading.Lock()

    def add(self, account: Account) -> None:
        """Put an account that was there before the simulation began."""
        self.accounts[account.id] = account
        self._enter(Due(account.due_at, account.id))

    def replace(self, new: Account, *, expected: Account) -> Account:
        """Replace, and keep the index."""
        stands = super().replace(new, expected=expected)
        if stands == new and new.due_at != expected.due_at:
            cast("Port", self.faults).count("due_moved")
            self._enter(Due(new.due_at, new.id))
        return stands

    def due(self, now: float) -> Iterator[Due]:
        """Read the index in pages, as the table's is read."""
        for _ in range(_SHARDS):
            with self.faults.around("due"):
                pass
        still: dict[str, Due] = {}
        try:
            while (due := self._first(now)) is not None:
                if 0 < due.at == self.accounts[due.account_id].due_at and due.account_id not in still:
                    still[due.account_id] = due
                    if len(still) % _PAGE == 0:
                        with self.faults.around("due"):
                            pass
                    yield due
        finally:
            for due in still.values():
                self._enter(due)

    def _enter(self, due: Due) -> None:
        with self._index_lock:
            heapq.heappush(self._index, due)

    def _first(self, now: float) -> Due | None:
        with self._index_lock:
            return heapq.heappop(self._index) if self._index and self._index[0].at <= now else None


class Vault(FakeTokenVault):
    """The secrets; `written` holds when each got a new version, `scheduled` when it got one that nobody waited for.

    `on_demand` is set while somebody who sends asks for a token.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.written: defaultdict[str, list[float]] = defaultdict(list)
        self.scheduled: defaultdict[str, list[float]] = defaultdict(list)
        self.on_demand = False
        self._clock = clock

    def store(self, account_id: str, tokens: TokenSet, version: str) -> None:
        """Store, and note when if the version is new."""
        known = version in self.secrets[account_id].versions
        super().store(account_id, tokens, version)
        if not known:
            self.written[account_id].append(self._clock())
            if not self.on_demand:
                self.scheduled[account_id].append(self._clock())


class Queue(FakeRotationQueue):
    """The FIFO queue as Lambda polls it: an account that one consumer has in hand is given to no other."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.waiting: dict[int, str] = {}
        self._in_hand: set[str] = set()
        self._numbers = itertools.count(1)

    def put(self, due: Sequence[Due]) -> None:
        """Queue what is not a duplicate."""
        super().put(due)
        self.waiting.update((next(self._numbers), each.account_id) for each in self.queued)
        self.queued.clear()

    def receive(self) -> dict[int, str]:
        """Hand out up to ten messages, by number."""
        batch: dict[int, str] = {}
        for number, account_id in self.waiting.items():
            if account_id not in self._in_hand:
                batch[number] = account_id
                self._in_hand.add(account_id)
            if len(batch) == self.most:
                break
        return batch

    def settle(self, batch: Mapping[int, str], kept: Iterable[str]) -> None:
        """Delete what was done, and let what was not be handed out again."""
        for number, account_id in batch.items():
            self._in_hand.discard(account_id)
            if account_id not in kept:
                self.waiting.pop(number, None)


class Log:
    """The audit log of one process: as in the adapter, one write at a time. It counts events and keeps none."""

    def __init__(self, port: Port, actions: Counter[str], sleep: Callable[[float], None]) -> None:
        self._port, self._actions, self._sleep = port, actions, sleep
        self._busy = False

    def write(self, events: Iterable[AuditEvent]) -> None:
        """Count the events."""
        while self._busy:
            self._sleep(SECONDS["log"])
        self._busy = True
        try:
            with self._port.around("write"):
                for event in events:
                    self._actions[f"{event.action} {event.outcome}"] += 1
        finally:
            self._busy = False


class World(Grants):
    """The stores, the providers, and processes as many as are asked for; `sleep` says how time passes."""

    def __init__(self, seed: int, sleep: Callable[[float], None] | None = None, clock: FakeClock | None = None) -> None:
        super().__init__()
        self.chance = random.Random(seed)  # noqa: S311 - the same in every run
        self.random_bytes = self.chance.randbytes
        self.clock = clock or FakeClock()
        self._sleep = sleep or self.clock.advance
        self.calls: Counter[str] = Counter()
        self.did: Counter[str] = Counter()
        self.providers = Providers(self.clock, self.chance, self._sleep)
        self._server = cast("AuthorizationServer", self.providers)
        self.accounts = self.mailboxes = Accounts()
        self.vault = self.secrets = Vault(self.clock)
        self.rotation_queue = self.queue = Queue(self.clock)
        for name in PORTS:
            if name != "log":
                self.watch_port(name)
        self._log_port = Port("log", self.calls, self._sleep)

    def watch_port(self, name: str) -> None:
        """Count a store's calls, and let them take time."""
        getattr(self, name).faults = Port(name, self.calls, self._sleep)

    def port(self, name: str) -> Port:
        """Give a port, to let something happen at it."""
        return self._log_port if name == "log" else getattr(self, name).faults

    def add(self, name: str, profile: Profile, *, due_at: float, ends_at: float) -> str:
        """Put a mailbox whose token ends and is due at these moments, and which was probed just now; give its id."""
        account_id, now = derived_id("acc_", name), self.clock()
        if profile.name not in self.registrations.registrations:
            self.registrations.registrations[profile.name] = registration(name=profile.name)
            self.credentials.secrets[profile.name] = (Credential(client_secret="client-secret"),)  # noqa: S106
        given = self.providers.grant(account_id, profile, ends_at=ends_at)
        tokens = TokenSet(
            access_token=given.access_token,
            refresh_token=given.refresh_token,
            expires_at=ends_at,
            obtained_at=ends_at - profile.life,
            scope=SCOPE,
        )
        state = TokenState(
            fence=1,
            version=f"first-{name}",
            expires_at=ends_at,
            refreshed_at=tokens.obtained_at,
            due_at=due_at,
            write_allowance_at=tokens.obtained_at,
        )
        probed = Probe(at=now, valid_at=now, due_at=now + self.chance.uniform(0, 900), outcome="valid")
        account = mailbox(name, provider=profile.name, address=f"{name}@example.org", token=state, probe=probed)
        self.mailboxes.add(account)
        secret = self.vault.secrets[account_id] = FakeSecret()
        secret.put(tokens, f"first-{name}")
        return account_id

    def process(self, at_once: AtOnce | None = None) -> Rotation:
        """Start a process of the scheduled function: a trail and a memory of its own, everybody's stores."""
        log = cast("AuditLog", Log(self._log_port, self.did, self._sleep))
        self.trail = BufferedTrail(log, self.spool, self.clock, self.random_bytes, actor="token_rotator")
        rotation = replace(self.rotation(), log=log)
        return replace(rotation, at_once=at_once) if at_once else rotation

    def sender(self) -> Lifecycle:
        """Start a process that sends."""
        log = cast("AuditLog", Log(self._log_port, self.did, self._sleep))
        return self.lifecycle(
            trail=BufferedTrail(log, self.spool, self.clock, self.random_bytes, actor="delivery_worker")
        )

    def lifecycle(
        self, sleep: Callable[[float], None] | None = None, *, trail: BufferedTrail | None = None
    ) -> Lifecycle:
        """Give the keeping of tokens, waiting in simulated time."""
        return super().lifecycle(sleep or self._sleep, trail=trail)
