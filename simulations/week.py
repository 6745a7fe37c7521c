"""Seven days of the schedule and of senders: mixed providers, refusals of the mail side, outages, runs that die."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from mailbearer.account import AccountState
from mailbearer.errors import TokenError
from mailbearer.refreshing.lease import WRITE_BURST, WRITE_EVERY
from simulations.providers import Profile
from simulations.turns import Killed
from simulations.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mailbearer.refreshing.lifecycle import Lifecycle
    from mailbearer.schedule.rotation import Rotation

PROFILES = tuple(
    Profile(refresh_tokens, life) for refresh_tokens in ("kept", "renewed", "rotated") for life in (300, 3600, 86_400)
)
BURST = 1 + WRITE_BURST / WRITE_EVERY
"""So many writes may come at once, and beyond them one in ten minutes: in a window of `t` s, at most BURST + t/600."""

RUN_EVERY, TIMEOUT = 300.0, 290.0
DAY = 86_400.0
_SEND_EVERY = 7200.0
_REFUSED_OF_SENDS = 1 / 150
_CRASHED_OF_RUNS = 1 / 30
_SETTLED = 1500.0
"""So long after an outage every back-off (900 s at most) has ended, and a run has come by."""

# Where a run may die and no rotated refresh token is lost: anywhere but between the provider's answer and the secret.
_CRASHES = (
    ("accounts", "due", False),
    ("accounts", "get", False),
    ("accounts", "get", True),
    ("vault", "read", False),
    ("vault", "store", True),
    ("log", "write", False),
    ("log", "write", True),
    ("credentials", "read", False),
)


@dataclass(kw_only=True)
class Week:
    """What came of it."""

    accounts: int
    days: float
    runs: int = 0
    crashed: int = 0
    outages: int = 0
    sends: int = 0
    sends_put_off: int = 0
    sends_put_off_while_up: int = 0
    sends_refused_twice: int = 0
    dead_tokens_left: int = 0
    refused_by_mail_side: int = 0
    stale_while_up: int = 0
    token_calls: int = 0
    grants_lost: int = 0
    writes: int = 0
    writes_on_demand: int = 0
    steepest: dict[str, float] = field(default_factory=dict)
    """By profile, the most budgeted writes of one secret in any window beyond one in ten minutes."""
    steepest_of_all: dict[str, float] = field(default_factory=dict)
    """The same of all writes, those on demand too."""

    summaries: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)


def simulate(accounts: int, *, days: float = 7, seed: int = 5) -> Week:
    """Let so many mailboxes live for so many days."""
    world = World(seed)
    begin = world.clock()
    ids: dict[str, Profile] = {}
    for number in range(accounts):
        profile = PROFILES[number % len(PROFILES)]
        ends_at = begin + profile.life * world.chance.uniform(0.5, 1)
        due_at = ends_at - min(900.0, profile.life / 2)
        ids[world.add(f"box{number}", profile, due_at=due_at, ends_at=ends_at)] = profile
    week = Week(accounts=accounts, days=days)
    life = _Life(world=world, week=week, ids=ids, end=begin + days * DAY)
    life.plan()
    life.live()
    _judge(week, world, ids)
    return week


@dataclass(kw_only=True)
class _Life:
    """Everything that happens, in the order of its time."""

    world: World
    week: Week
    ids: dict[str, Profile]
    end: float
    events: list[tuple[float, int, Callable[[], object]]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    up_since: dict[str, float] = field(default_factory=dict)
    process: Rotation | None = None
    senders: list[Lifecycle] = field(default_factory=list)

    def plan(self) -> None:
        """Plan the runs, the sends and the outages."""
        now, chance = self.world.clock(), self.world.chance
        self.up_since = dict.fromkeys({profile.name for profile in self.ids.values()}, 0.0)
        self.senders = [self.world.sender() for _ in range(3)]
        self._at(now, self.run)
        for account_id in self.ids:
            self._at(now + chance.uniform(0, _SEND_EVERY), partial(self.send, account_id))
        for name in sorted(self.up_since):
            for _ in range(round(self.week.days)):
                begin = now + chance.uniform(0, self.week.days * DAY)
                self._at(begin, partial(self._fall, name))
                self._at(begin + chance.choice((300, 1800, 7200)), partial(self._rise, name))

    def live(self) -> None:
        """Let it all happen."""
        while self.events and self.events[0][0] < self.end:
            at, _, happen = heapq.heappop(self.events)
            self.world.clock.now = max(self.world.clock.now, at)
            happen()

    def run(self) -> None:
        """Run as scheduled, and work what was queued; some runs die."""
        now, chance = self.world.clock(), self.world.chance
        self._at(now + RUN_EVERY, self.run)
        self._look()
        self.week.runs += 1
        dying = self.world.port("log")
        if chance.random() < _CRASHED_OF_RUNS:
            port, operation, after = chance.choice(_CRASHES)
            dying = self.world.port(port)
            dying.dies_at = (operation, chance.randint(1, 12), after)
        if self.process is None:
            self.process = self.world.process(_in_turn)
        batch: Mapping[int, str] = {}
        try:
            self.week.summaries.update(self.process.run(deadline=now + TIMEOUT).counts())
            while batch := self.world.queue.receive():
                taken = self.process.take(batch.values(), deadline=self.world.clock() + TIMEOUT)
                self.week.summaries.update(taken.counts())
                self.world.queue.settle(batch, taken.not_begun)
        except Killed:
            self.week.crashed += 1
            self.process = None
            self.world.queue.settle(batch, batch.values())
        dying.dies_at = None

    def send(self, account_id: str) -> None:
        """Send a message: ask for a token, and have it refused now and then."""
        world, week = self.world, self.week
        self._at(world.clock() + world.chance.expovariate(1 / _SEND_EVERY), partial(self.send, account_id))
        week.sends += 1
        sender = world.chance.choice(self.senders)
        world.secrets.on_demand = True
        try:
            self._send(account_id, sender)
        finally:
            world.secrets.on_demand = False

    def _send(self, account_id: str, sender: Lifecycle) -> None:
        world, week = self.world, self.week
        try:
            token = sender.usable(world.accounts.accounts[account_id], needed_for=45)
        except TokenError:
            week.sends_put_off += 1
            week.sends_put_off_while_up += self._is_up(account_id)
            return
        if world.chance.random() < _REFUSED_OF_SENDS:
            world.providers.withdraw(token)
            week.refused_by_mail_side += 1
            sender.force_refresh(account_id)
        elif not world.providers.takes(token):
            # Refused by the mail side before, and had from another process's memory or from the secret. That earns the
            # mailbox one refresh in five minutes; within them the message has to come again.
            may_be_mended = sender.may_force(world.accounts.accounts[account_id]) and self._is_up(account_id)
            if not sender.force_refresh(account_id):
                week.sends_refused_twice += 1
                week.dead_tokens_left += may_be_mended

    def _look(self) -> None:
        """See that no stored token is over its end; one of five minutes cannot be kept so, and is had on demand."""
        now = self.world.clock()
        for account_id, profile in self.ids.items():
            account = self.world.accounts.accounts[account_id]
            stale = profile.life > WRITE_EVERY and not account.token.lives(now)
            self.week.stale_while_up += stale and self._is_up(account_id)

    def _is_up(self, account_id: str) -> bool:
        name = self.ids[account_id].name
        return name not in self.world.providers.down and self.up_since[name] + _SETTLED < self.world.clock()

    def _fall(self, name: str) -> None:
        self.world.providers.down.add(name)
        self.week.outages += 1

    def _rise(self, name: str) -> None:
        self.world.providers.down.discard(name)
        self.up_since[name] = self.world.clock()

    def _at(self, moment: float, happen: Callable[[], object]) -> None:
        heapq.heappush(self.events, (moment, next(self.numbers), happen))


def steepness(writes: Sequence[float]) -> float:
    """Give the most writes in any window beyond one in ten minutes: the largest of count - length / 600."""
    most = ending_here = 0.0
    for earlier, later in zip((None, *writes), writes, strict=False):
        gap = 0.0 if earlier is None else (later - earlier) / WRITE_EVERY
        ending_here = max(ending_here - gap, 0.0) + 1
        most = max(most, ending_here)
    return most


def _judge(week: Week, world: World, ids: dict[str, Profile]) -> None:
    for account_id, profile in ids.items():
        written, scheduled = world.secrets.written[account_id], world.secrets.scheduled[account_id]
        week.writes += len(written)
        week.writes_on_demand += len(written) - len(scheduled)
        # A refresh token that changed is written at once, also when somebody who sends has to have it and the budget is
        # spent. What nobody waits for keeps to the budget, with any provider.
        budgeted = written if profile.refresh_tokens == "kept" else scheduled
        week.steepest[profile.name] = max(week.steepest.get(profile.name, 0.0), steepness(budgeted))
        week.steepest_of_all[profile.name] = max(week.steepest_of_all.get(profile.name, 0.0), steepness(written))
        week.token_calls += len(world.providers.calls[account_id])
        account = world.accounts.accounts[account_id]
        stored = world.secrets.secrets[account_id]
        tokens = stored.versions[stored.labels["AWSCURRENT"]]
        alive = tokens is not None and world.providers.holds(account_id, tokens.refresh_token)
        week.grants_lost += account.state is not AccountState.ACTIVE or not alive
    week.calls = world.calls


def _in_turn(lane: Callable[[], None], _count: int) -> None:
    lane()
