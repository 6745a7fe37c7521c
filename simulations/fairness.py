"""Quiet mailboxes beside one that is flooded: ten workers, one queue, and how long the quiet ones' mail takes.

The real acceptance and delivery run over the stores in memory, in real threads that share a simulated clock.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mailbearer.caller import Caller
from mailbearer.config import Settings
from mailbearer.envelope import Job, read_body
from mailbearer.mailbox_slots import MailboxSlots, Slot
from mailbearer.message import Outcome, Remedy, Status, Verdict
from mailbearer.token import TokenSet, TokenState
from mailbearer.wiring import Wiring
from simulations.turns import Turns
from tests.contract.nouns import account, registration
from tests.fakes import (
    FakeAccountStore,
    FakeAuditLog,
    FakeAuditSpool,
    FakeClock,
    FakeContentStore,
    FakeEventBus,
    FakeLedgerStore,
    FakeMessageStore,
    FakeRegistrationStore,
    FakeSchedules,
    FakeSuppressionStore,
    FakeTokenVault,
    FakeUploadStore,
    ScriptedTransport,
)

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.message import Outgoing
    from mailbearer.registration import Registration

WORKERS, BATCH = 10, 10
_QUIET, _SECONDS, _FLOOD_AT = 20, 240, 20
_POLL, _AWS = 0.1, 0.05  # seconds that an idle worker waits, and that AWS's answers take for one message
_CALL, _TIMEOUT = 0.3, 120.0
_APP = Caller(key_id="key_app", scopes=frozenset({"messages:send"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """A mailbox that gets `messages` at one moment; a call takes `seconds`, and comes to nothing if `dead`."""

    name: str
    messages: int
    per_minute: int = 0
    seconds: float = _CALL
    dead: bool = False


FLOODS = (
    Flood(name="limited to 30 a minute", messages=1000, per_minute=30),
    Flood(name="whose server takes 3 s", messages=1000, seconds=3),
    Flood(name="whose server is dead", messages=1000, seconds=45, dead=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fairness:
    """What came of it: seconds from accepted to sent of the quiet mailboxes' mail, and what the flooded one got.

    `calls` are those for the flooded mailbox, `lost` the quiet messages that were not sent, `most_in_a_minute` of the
    flooded one's. `copies` are the queue copies that workers took, for one message accepted.
    """

    flood: Flood | None
    fair_queue: bool
    waits: tuple[float, ...]
    lost: int
    calls: int
    sent: int
    most_in_a_minute: int
    copies: float

    @property
    def flooded(self) -> int:
        """Give the messages of the flood."""
        return self.flood.messages if self.flood is not None else 0

    @property
    def p95(self) -> float:
        """Give the 95th percentile of the quiet mailboxes' seconds."""
        return sorted(self.waits)[math.ceil(0.95 * len(self.waits)) - 1]


class Queue:
    """A standard queue in simulated time: the oldest first, or as a fair queue the group with the least in hand."""

    def __init__(self, clock: FakeClock, *, fair: bool) -> None:
        self.taken = 0
        self._clock, self._fair = clock, fair
        self._hidden: list[tuple[float, int, str, str]] = []
        self._visible: defaultdict[str, deque[tuple[float, int, str]]] = defaultdict(deque)
        self._in_hand: Counter[str] = Counter()
        self._numbers = itertools.count()

    def send(self, body: str, *, group: str, delay: int = 0) -> None:
        """Queue a body that is seen after `delay` seconds."""
        heapq.heappush(self._hidden, (self._clock() + delay, next(self._numbers), group, body))

    def receive(self) -> list[tuple[str, str]]:
        """Hand out up to ten messages, each with its group."""
        while self._hidden and self._hidden[0][0] <= self._clock():
            at, number, group, body = heapq.heappop(self._hidden)
            self._visible[group].append((at, number, body))
        batch: list[tuple[str, str]] = []
        while len(batch) < BATCH and self._visible:
            group = min(
                self._visible, key=lambda each: (self._in_hand[each] if self._fair else 0, self._visible[each][0])
            )
            batch.append((group, self._visible[group].popleft()[2]))
            self._in_hand[group] += 1
            if not self._visible[group]:
                del self._visible[group]
        self.taken += len(batch)
        return batch

    def settle(self, batch: list[tuple[str, str]]) -> None:
        """Delete what was done."""
        self._in_hand.subtract(group for group, _ in batch)


class Provider(ScriptedTransport):
    """A mail side whose calls take their time; `began` holds when each call for the flooded mailbox began."""

    def __init__(self, turns: Turns, clock: FakeClock, flood: Flood | None) -> None:
        super().__init__(per_mailbox=3, deadline=45)
        self.began: list[float] = []
        self._turns, self._clock, self._flood = turns, clock, flood

    def send(self, outgoing: Outgoing, *, account: Account, registration: Registration, access_token: str) -> Outcome:  # noqa: ARG002 - as the port has it
        """Take the message, or the time that a dead server takes."""
        flood = self._flood if account.display_name == "flooded" else None
        if flood is not None:
            self.began.append(self._clock())
        self._turns.sleep(flood.seconds if flood is not None else _CALL)
        if flood is not None and flood.dead:
            return Outcome(verdict=Verdict.NOT_ACCEPTED, code="connect_timeout", remedy=Remedy.RETRY)
        return Outcome(verdict=Verdict.ACCEPTED, code="ok", provider_id="1")


class Impatient(MailboxSlots):
    """Slots of which nobody waits for one: a thread that waited would stop simulated time."""

    def one(
        self, account_id: str, size: int, patience: float, *, shared: int = 0, call: float = 60.0, keeps: bool = False
    ) -> Slot:
        """Give a slot, or none at once."""
        del patience
        return super().one(account_id, size, 0, shared=shared, call=call, keeps=keeps)


class World:
    """Quiet mailboxes, perhaps a flooded one, and a queue between acceptance and workers."""

    def __init__(self, flood: Flood | None, *, fair: bool) -> None:
        self.clock = FakeClock()
        self.turns = Turns(self.clock)
        self.chance = random.Random(1)  # noqa: S311 - the same in every run
        self.queue = Queue(self.clock, fair=fair)
        self.provider = Provider(self.turns, self.clock, flood)
        self.messages = FakeMessageStore()
        self._fakes: dict[str, Any] = {
            "messages": self.messages,
            "accounts": FakeAccountStore(),
            "registrations": FakeRegistrationStore(),
            "vault": FakeTokenVault(),
            "queue": self.queue,
            "schedules": FakeSchedules(),
            "content": FakeContentStore(),
            "events": FakeEventBus(),
            "audit_log": FakeAuditLog(),
            "audit_spool": FakeAuditSpool(),
            "suppression_store": FakeSuppressionStore(),
            "upload_store": FakeUploadStore(),
            "ledgers": FakeLedgerStore(),
            "transport": lambda _: self.provider,
        }
        self._fakes["registrations"].create(registration())
        self.quiet = [self._mailbox(f"quiet-{number}") for number in range(_QUIET)]
        self.flooded = self._mailbox(
            "flooded", (("per_minute", flood.per_minute),) if flood and flood.per_minute else ()
        )

    def process(self) -> Wiring:
        """Start a process."""
        wiring = Wiring(
            Settings(workers=WORKERS), clock=self.clock, random_bytes=self.chance.randbytes, sleep=self.turns.sleep
        )
        vars(wiring).update(self._fakes)
        quota = wiring.quota
        slots = Impatient(book=quota.book, clock=self.clock, worker=quota.slots.worker, crowd=quota.slots.crowd)
        vars(wiring)["quota"] = replace(quota, slots=slots)
        return wiring

    def work(self, until: float) -> None:
        """Be a worker: take batches, deliver the messages of each at once."""
        wiring = self.process()
        while self.clock() < until:
            batch = self.queue.receive()
            if not batch:
                self.turns.sleep(_POLL)
                continue
            wiring.quota.expect(Counter(group for group, _ in batch))
            deadline = self.clock() + _TIMEOUT
            lanes = [self.turns.start(_lane(self.turns, wiring, body, deadline)) for _, body in batch]
            for lane in lanes:
                self.turns.wait(lane)
            wiring.quota.rest()
            wiring.trail.flush()
            self.queue.settle(batch)

    def accept(self, flood: Flood | None) -> None:
        """Be the application: a message a second for some quiet mailbox, and at one moment the flood."""
        submission = self.process().submission
        start = self.clock()
        for second in range(_SECONDS):
            self.turns.sleep(start + second + self.chance.random() - self.clock())
            submission.accept(_message(self.chance.choice(self.quiet)), _APP)
            if flood is not None and second == _FLOOD_AT:
                for _ in range(flood.messages):
                    submission.accept(_message(self.flooded), _APP)

    def _mailbox(self, name: str, limits: tuple[tuple[str, int], ...] = ()) -> Account:
        now = self.clock()
        token = TokenState(fence=1, version="v1", expires_at=now + 3600, refreshed_at=now, due_at=now + 2700)
        mailbox = account(
            name, display_name=name, created_at=now, updated_at=now, token=token, limits=limits, aliases=()
        )
        self._fakes["accounts"].create(mailbox)
        tokens = TokenSet(
            access_token="access",  # noqa: S106 - of nobody
            refresh_token="refresh",  # noqa: S106 - the same
            expires_at=token.expires_at,
            obtained_at=now,
            scope="mail.send",
        )
        self._fakes["vault"].open(mailbox.id, tokens, "v1")
        return mailbox


def simulate(flood: Flood | None, *, fair_queue: bool = False) -> Fairness:
    """Let quiet mailboxes send beside a flooded one."""
    world = World(flood, fair=fair_queue)
    until = world.clock() + _SECONDS + 60
    workers = [world.turns.start(lambda: world.work(until)) for _ in range(WORKERS)]
    world.turns.wait(world.turns.start(lambda: world.accept(flood)))
    for worker in workers:
        world.turns.wait(worker)
    records = world.messages.records.values()
    quiet = [record for record in records if record.account != world.flooded.id]
    began = sorted(world.provider.began)
    return Fairness(
        flood=flood,
        fair_queue=fair_queue,
        waits=tuple(record.sent_at - record.created_at for record in quiet if record.status is Status.SENT),
        lost=sum(record.status is not Status.SENT for record in quiet),
        calls=len(began),
        sent=sum(record.status is Status.SENT for record in records) - len(quiet),
        most_in_a_minute=max((sum(at <= each < at + 60 for each in began) for at in began), default=0),
        copies=world.queue.taken / len(records),
    )


def _lane(turns: Turns, wiring: Wiring, body: str, deadline: float) -> Any:
    def deliver() -> None:
        turns.sleep(_AWS)
        job = read_body(body, "sqs")
        if not isinstance(job, Job):
            raise TypeError(body)
        wiring.delivery.deliver(job, deadline=deadline)

    return deliver


def _message(mailbox: Account) -> dict[str, Any]:
    return {"account": mailbox.id, "to": "bob@example.net", "subject": "Hi", "text": "Hello"}
