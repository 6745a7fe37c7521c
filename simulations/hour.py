"""Many mailboxes due within one hour: scheduled runs, the queue and its consumers, as the template has them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.deploy import load_template
from simulations.bill import Bill, bill
from simulations.providers import Profile
from simulations.turns import Killed, Turns
from simulations.world import World
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailbearer.schedule.rotation import Rotation, Summary
    from simulations.world import Queue

RUN_EVERY = 300.0
PROFILES = tuple(Profile(refresh_tokens, 3600) for refresh_tokens in ("kept", "renewed", "rotated"))
LEAD = 900.0
"""Seconds from due to the end of a token of one hour, at least; up to a quarter more by chance."""

SOONEST_AGAIN = 3600 - 1.25 * LEAD
"""Nobody whose token lives an hour is due again earlier than so many seconds after a refresh."""

_TEMPLATE = Path(__file__).resolve().parent.parent / "template.yaml"
_POLL = 1.0
_TAIL = 600.0
_VISIBILITY = 300.0


@dataclass(kw_only=True)
class Hour:
    """What came of it; times in simulated seconds."""

    accounts: int
    spread: float
    consumers: int
    summaries: Counter[str] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)
    killed: int = 0
    run_seconds: list[float] = field(default_factory=list)
    batch_seconds: list[float] = field(default_factory=list)
    longest_queue: int = 0
    most_consumers: int = 0
    missed: int = 0
    nearest: float = 3600
    token_calls: int = 0
    refreshed_twice: int = 0
    refused: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    events: int = 0

    def bill(self) -> Bill:
        """Give what AWS would be asked, and would ask."""
        batches, seconds = len(self.batch_seconds), sum(self.run_seconds) + sum(self.batch_seconds)
        invocations = len(self.run_seconds) + batches
        return bill(self.calls, events=self.events, invocations=invocations, batches=batches, seconds=seconds)


def simulate(accounts: int, *, spread: float = 3600.0, seed: int = 3) -> Hour:
    """Let so many mailboxes come due within `spread` seconds, and the schedule work for as long and ten minutes."""
    template = load_template(_TEMPLATE)
    timeout = float(template["Resources"]["TokenRotatorFunction"]["Properties"]["Timeout"])
    most = int(template["Parameters"]["RotatorMaximumConcurrency"]["Default"])
    clock = FakeClock()
    turns = Turns(clock)
    world = World(seed, turns.sleep, clock)
    begin = clock()
    ends = {}
    for number in range(accounts):
        due_at = begin + world.chance.uniform(0, spread)
        ends_at = due_at + LEAD * world.chance.uniform(1, 1.25)
        account_id = world.add(f"box{number}", PROFILES[number % 3], due_at=due_at, ends_at=ends_at)
        ends[account_id] = ends_at
    hour = Hour(accounts=accounts, spread=spread, consumers=most)
    schedule = _Schedule(world=world, turns=turns, hour=hour, timeout=timeout, most=most, end=begin + spread + _TAIL)
    polling = turns.start(schedule.poll)
    schedule.run()
    turns.wait(polling)
    _judge(hour, world, ends)
    return hour


@dataclass(kw_only=True)
class _Schedule:
    """EventBridge and the event source mapping."""

    world: World
    turns: Turns
    hour: Hour
    timeout: float
    most: int
    end: float
    busy: int = 0
    idle: list[Rotation] = field(default_factory=list)

    def run(self) -> None:
        """Start a run every five minutes."""
        while self.world.clock() < self.end:
            self.turns.start(self._run_once, timeout=self.timeout)
            self.turns.sleep(RUN_EVERY)

    def poll(self) -> None:
        """Hand batches to consumers, as many at once as are allowed."""
        queue: Queue = self.world.queue
        while self.world.clock() < self.end:
            self.hour.longest_queue = max(self.hour.longest_queue, len(queue.waiting))
            while self.busy < self.most and (batch := queue.receive()):
                self.busy += 1
                self.hour.most_consumers = max(self.hour.most_consumers, self.busy)
                self.turns.start(partial(self._consume, batch), timeout=self.timeout)
            self.turns.sleep(_POLL)

    def _run_once(self) -> None:
        process, begin = self._process(), self.world.clock()
        try:
            self._add(process.run(deadline=begin + self.timeout))
            self.idle.append(process)
        except Killed:
            self.hour.killed += 1
        self.hour.run_seconds.append(self.world.clock() - begin)

    def _consume(self, batch: Mapping[int, str]) -> None:
        process, begin = self._process(), self.world.clock()
        kept: tuple[str, ...] = ()
        try:
            summary = process.take(batch.values(), deadline=begin + self.timeout)
            kept = summary.not_begun
            self._add(summary)
            self.idle.append(process)
        except Killed:
            self.hour.killed += 1
            self.turns.sleep(_VISIBILITY)
            kept = tuple(batch.values())
        self.world.queue.settle(batch, kept)
        self.busy -= 1
        self.hour.batch_seconds.append(self.world.clock() - begin)

    def _process(self) -> Rotation:
        """Give a warm process, or a new one."""
        return self.idle.pop() if self.idle else self.world.process(self.turns.at_once)

    def _add(self, summary: Summary) -> None:
        self.hour.summaries.update(summary.counts())
        self.hour.problems |= summary.problems


def _judge(hour: Hour, world: World, ends: dict[str, float]) -> None:
    for account_id, ends_at in ends.items():
        calls = world.providers.calls[account_id]
        hour.token_calls += len(calls)
        if not calls:
            hour.missed += 1
            continue
        first = calls[0]
        hour.missed += first >= ends_at
        hour.nearest = min(hour.nearest, ends_at - first)
        hour.refreshed_twice += any(later - earlier < SOONEST_AGAIN for earlier, later in pairwise(calls))
    hour.refused = len(world.providers.refused)
    hour.calls, hour.events = world.calls, world.did.total()
