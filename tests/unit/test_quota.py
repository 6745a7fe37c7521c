from __future__ import annotations

import heapq
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.errors import Unavailable
from mailbearer.ledger import FARTHEST, Limits
from mailbearer.ledger_book import LedgerBook
from mailbearer.mailbox_slots import MailboxSlots
from mailbearer.quota import TURN_HOLDS, Quota, trust_of
from mailbearer.trail import BufferedTrail
from tests.contract.nouns import account
from tests.fakes import CountedBytes, FakeAuditLog, FakeAuditSpool, FakeClock, FakeLedgerStore
from tests.unit.test_ledger import most_within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.account import Account

ANN, BEN = account("ann"), account("ben")
GOOGLE = Limits(per_minute=60, per_day=2000)
MICROSOFT = Limits(per_minute=30, recipients_per_day=10_000)
DAY = 86_400.0


@dataclass
class Workers:
    """Processes that share a ledgers table."""

    most: int = 10
    clock: FakeClock = field(default_factory=FakeClock)
    ledgers: FakeLedgerStore = field(default_factory=FakeLedgerStore)
    log: FakeAuditLog = field(default_factory=FakeAuditLog)
    random_bytes: CountedBytes = field(default_factory=CountedBytes)

    def start(self) -> Quota:
        """Start a process."""
        self.trail = BufferedTrail(self.log, FakeAuditSpool(), self.clock, self.random_bytes, actor="worker")
        book = LedgerBook(ledgers=self.ledgers, trail=self.trail, clock=self.clock, random_bytes=self.random_bytes)
        slots = MailboxSlots(book=book, clock=self.clock, worker=self.random_bytes(4).hex(), crowd=5)
        return Quota(book=book, slots=slots, clock=self.clock, workers=self.most)

    @property
    def calls(self) -> Counter[str]:
        """Count the calls of the table."""
        return Counter(self.ledgers.faults.calls)


@pytest.fixture
def workers() -> Workers:
    return Workers()


# --- what costs nothing ---------------------------------------------------------------------------------------------


def test_a_mailbox_without_limits_goes_at_once_and_costs_no_call(workers: Workers) -> None:
    quota = workers.start()
    assert [quota.turn(ANN, Limits(recipients=5, concurrency=3), 5) for _ in range(1000)] == [workers.clock()] * 1000
    assert workers.calls == {}


@pytest.mark.parametrize(
    ("limit", "workers", "each", "rest"),
    [(60, 10, 2, 40), (30, 10, 1, 20), (29, 10, 0, 29), (150, 10, 3, 120), (2000, 10, 40, 1600), (0, 10, 0, 0)],
)
def test_trust_and_the_rest_make_the_limit(limit: int, workers: int, each: int, rest: int) -> None:
    trust = trust_of(limit, workers)
    assert (trust.each, trust.rest) == (each, rest)


def test_a_message_now_and_then_costs_a_write_in_forty(workers: Workers) -> None:
    quota = workers.start()
    for _ in range(410):
        assert quota.turn(ANN, GOOGLE, 1) == workers.clock()
        workers.clock.advance(100)
    assert workers.calls == {"get": 10, "replace": 10}
    assert sum(messages for _, messages, _ in workers.ledgers.ledgers[ANN.id].hours) == 410


def test_who_asks_beside_others_asks_with_them(workers: Workers) -> None:
    quota, limits = workers.start(), Limits(per_minute=29)
    # While the first waits for the table the others come.
    workers.ledgers.faults.before("get", lambda: time.sleep(0.3))
    with ThreadPoolExecutor(20) as pool:
        turns = list(pool.map(lambda _: quota.turn(ANN, limits, 1), range(20)))
    assert turns == [workers.clock()] * 20
    assert sum(messages for _, messages in workers.ledgers.ledgers[ANN.id].slices) == 20
    assert workers.calls == {"get": 2, "replace": 2}


# --- the limits hold ------------------------------------------------------------------------------------------------


@dataclass
class Sent:
    """What a simulation of mail came to: when each went, how long it waited, and what the ledger cost."""

    moments: list[float]
    waited: list[float]
    recipients: list[int]
    writes_per_1000: float
    order: list[int]
    refused: int = 0


def simulate(workers: Workers, limits: Limits, arrivals: Iterator[tuple[float, int]], *, seed: int = 1) -> Sent:
    """Let mail arrive at random processes, each message come back at its turn to another; threads ask in between."""
    chance = random.Random(seed)  # noqa: S311 - the same in every run
    processes = [workers.start() for _ in range(workers.most)]
    coming = [(at, number, at, 0.0, recipients) for number, (at, recipients) in enumerate(arrivals)]
    heapq.heapify(coming)
    sent = Sent([], [], [], 0, [])
    total = len(coming)
    while coming:
        at, number, arrived, had, recipients = heapq.heappop(coming)
        workers.clock.now = max(workers.clock.now, at)
        turn = chance.choice(processes).turn(ANN, limits, recipients, had=had)
        if turn > workers.clock() + FARTHEST:
            sent.refused += 1
        elif turn > workers.clock():
            heapq.heappush(coming, (turn, number, arrived, turn, recipients))
        else:
            sent.moments.append(workers.clock())
            sent.waited.append(workers.clock() - arrived)
            sent.recipients.append(recipients)
            sent.order.append(number)
    sent.writes_per_1000 = 1000 * workers.calls["replace"] / total
    return sent


def evenly(count: int, seconds: float, *, seed: int = 2, most: int = 1) -> Iterator[tuple[float, int]]:
    """Let messages arrive at random within so many seconds."""
    chance, start = random.Random(seed), FakeClock().now  # noqa: S311 - the same in every run
    return iter(sorted((start + chance.uniform(0, seconds), chance.randint(1, most)) for _ in range(count)))


@pytest.mark.parametrize("limits", [GOOGLE, MICROSOFT, Limits(per_minute=5), Limits(per_minute=150, per_day=20_000)])
@pytest.mark.parametrize("rate", [0.02, 0.5, 0.9, 3.0, 1000.0])
def test_no_minute_has_more_than_the_limit_over_ten_workers(limits: Limits, rate: float) -> None:
    workers = Workers()
    count = 600
    sent = simulate(workers, limits, evenly(count, 60 * count / (limits.per_minute * rate)))
    assert len(sent.moments) == count
    assert most_within(sent.moments, 60) <= limits.per_minute


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (Limits(per_minute=60, per_day=500), 1),
        (Limits(per_day=40), 1),
        (Limits(recipients_per_day=1000), 30),
        (Limits(per_minute=30, per_day=300, recipients_per_day=2000), 20),
    ],
)
def test_no_day_has_more_than_the_limit_over_ten_workers(limits: Limits, most: int) -> None:
    sent = simulate(Workers(), limits, evenly(900, 2 * DAY, most=most))
    assert len(sent.moments) + sent.refused == 900
    if limits.per_day:
        assert most_within(sent.moments, DAY) <= limits.per_day
    if limits.recipients_per_day:
        assert most_within(sent.moments, DAY, sent.recipients) <= limits.recipients_per_day


def test_a_flood_goes_in_order_at_three_fifths_of_the_limit_or_more_and_each_message_asks_once() -> None:
    workers = Workers()
    start = workers.clock()
    sent = simulate(workers, GOOGLE, iter([(start, 1)] * 1000))
    assert sent.order == sorted(sent.order)
    assert 1000 / (sent.moments[-1] - start) * 60 >= 0.6 * 60
    assert sent.writes_per_1000 <= 1000


def test_threads_of_many_workers_at_one_moment_stay_within_the_limit() -> None:
    workers = Workers()
    processes = [workers.start() for _ in range(10)]
    with ThreadPoolExecutor(40) as pool:
        turns = list(pool.map(lambda number: processes[number % 10].turn(ANN, GOOGLE, 1), range(400)))
    assert turns.count(workers.clock()) <= 60
    assert most_within(turns, 60) <= 60
    assert workers.calls["replace"] <= 400 + workers.calls["get"] * 40


@pytest.mark.parametrize(
    ("what", "count", "seconds", "most_writes"),
    [("sparse", 500, 500 * 120, 10), ("busy", 2000, 2000 * 2, 600), ("flooded", 1500, 1, 1000)],
)
def test_what_the_ledger_costs_in_writes_for_1000_messages(
    what: str, count: int, seconds: float, most_writes: float
) -> None:
    workers = Workers()
    sent = simulate(workers, Limits(per_minute=60, per_day=100_000), evenly(count, seconds))
    assert sent.writes_per_1000 <= most_writes, what


def test_a_worker_that_ends_takes_no_more_than_its_share_of_the_day_with_it(workers: Workers) -> None:
    for _ in range(5):
        quota = workers.start()
        for _ in range(100):
            quota.turn(ANN, GOOGLE, 1)
            workers.clock.advance(70)
    told = sum(messages for _, messages, _ in workers.ledgers.ledgers[ANN.id].hours)
    assert 500 - 5 * 40 <= told <= 500


# --- turns ----------------------------------------------------------------------------------------------------------


def test_a_turn_is_good_from_its_moment_on_for_a_while(workers: Workers) -> None:
    quota, limits = workers.start(), Limits(per_minute=1)
    assert quota.turn(ANN, limits, 1) == workers.clock()
    turn = quota.turn(ANN, limits, 1)
    assert turn >= workers.clock() + 60
    assert quota.turn(ANN, limits, 1, had=turn) == turn
    workers.clock.now = turn + TURN_HOLDS - 0.1
    assert workers.start().turn(ANN, limits, 1, had=turn) == turn
    workers.clock.now = turn + TURN_HOLDS
    assert quota.turn(ANN, limits, 1, had=turn) > turn


def test_a_worker_that_knows_of_mail_that_waits_sends_nothing_on_trust(workers: Workers) -> None:
    quota, limits = workers.start(), Limits(per_minute=60)
    turns = [quota.turn(ANN, limits, 1) for _ in range(120)]
    assert turns == sorted(turns)
    workers.clock.advance(64)
    assert quota.turn(ANN, limits, 1) > turns[-1]


def test_mailboxes_have_nothing_to_do_with_each_other(workers: Workers) -> None:
    quota, limits = workers.start(), Limits(per_minute=1)
    assert quota.turn(ANN, limits, 1) == quota.turn(BEN, limits, 1) == workers.clock()


# --- trouble --------------------------------------------------------------------------------------------------------


def down(workers: Workers) -> None:
    """Let the table be gone."""
    for operation in ("get", "replace"):
        workers.ledgers.faults.before(operation, Unavailable("dynamodb failed."), times=1000)


def test_without_the_ledger_mail_goes_on_at_an_even_share_and_it_is_noted(workers: Workers) -> None:
    down(workers)
    processes = [workers.start() for _ in range(10)]
    turns = [process.turn(ANN, GOOGLE, 1) for process in processes for _ in range(30)]
    assert most_within(turns, 60) <= 60
    assert max(turns) - workers.clock() <= 30 / 6 * 70
    assert len(workers.ledgers.faults.calls) == 10, "it is left alone for a while"
    workers.trail.flush()
    assert workers.log.actions == ["account.ledger_unavailable failed"]


def test_a_day_alone_stops_nothing_without_the_ledger(workers: Workers) -> None:
    down(workers)
    quota = workers.start()
    assert [quota.turn(ANN, Limits(per_day=5), 1) for _ in range(20)] == [workers.clock()] * 20


def test_when_the_ledger_is_back_it_is_told_what_went_meanwhile(workers: Workers) -> None:
    workers.ledgers.faults.before("get", Unavailable("dynamodb failed."))
    quota = workers.start()
    for _ in range(20):
        quota.turn(ANN, Limits(per_day=100), 3)
    assert workers.ledgers.ledgers == {}
    workers.clock.advance(31)
    quota.turn(ANN, Limits(per_day=100), 3)
    assert workers.ledgers.ledgers[ANN.id].used(workers.clock())[1:] == (21, 63)


def test_an_answer_that_was_lost_counts_twice_rather_than_not_at_all(workers: Workers) -> None:
    quota = workers.start()
    workers.ledgers.faults.after("replace", Unavailable("dynamodb failed."))
    assert quota.turn(ANN, Limits(per_minute=2), 1) == workers.clock()
    workers.clock.advance(31)
    assert quota.turn(ANN, Limits(per_minute=2), 1) == workers.clock()
    assert quota.turn(ANN, Limits(per_minute=2), 1) > workers.clock()


def test_a_mistake_in_asking_keeps_nobody_else_from_an_answer(workers: Workers) -> None:
    quota, limits = workers.start(), Limits(per_minute=5)
    workers.ledgers.faults.before("get", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        quota.turn(ANN, limits, 1)
    assert quota.turn(ANN, limits, 1) == workers.clock()


def test_a_ledger_that_the_table_has_forgotten_begins_anew(workers: Workers) -> None:
    quota, limits = workers.start(), Limits(per_minute=1)
    quota.turn(ANN, limits, 1)
    workers.ledgers.forget(ANN.id)
    assert quota.turn(ANN, limits, 1) == workers.clock()


def test_too_many_who_are_always_first_are_as_good_as_no_ledger(workers: Workers) -> None:
    quota, other = workers.start(), workers.start()
    limits = Limits(per_minute=5)

    def overtake() -> None:
        other.turn(ANN, limits, 1)

    for _ in range(30):
        workers.ledgers.faults.before("replace", overtake)
        workers.ledgers.faults.before("replace", lambda: None)  # the other's own
    turn: Any = quota.turn(ANN, limits, 1)
    assert turn == workers.clock()


# --- slots ----------------------------------------------------------------------------------------------------------


def take(quota: Quota, mailbox: Account, limits: Limits, *, size: int = 4, call: float = 45.0) -> Any:
    """Take a slot and keep it; None if there is none."""
    slot = quota.slot(mailbox, limits, size, 0, call=call)
    return slot if slot.__enter__() else None


def give(slot: Any) -> None:
    """Give a slot back."""
    slot.__exit__(None, None, None)


def test_slots_of_one_process_cost_nothing_where_no_limit_is_shared(workers: Workers) -> None:
    quota = workers.start()
    for _ in range(10):
        held = [take(quota, ANN, Limits(), size=3) for _ in range(3)]
        assert None not in held
        assert take(quota, BEN, Limits(), size=3)
        for slot in held:
            give(slot)
        workers.clock.advance(1)
        quota = workers.start()
    held = [take(quota, ANN, Limits(), size=3) for _ in range(4)]
    assert [slot is not None for slot in held] == [True, True, True, False]
    assert workers.calls == {}


def test_a_slot_that_comes_free_within_ones_patience_is_had(workers: Workers) -> None:
    quota = workers.start()
    first = take(quota, ANN, Limits(concurrency=1))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(quota.slot(ANN, Limits(concurrency=1), 4, 10).__enter__)
        give(first)
        assert waiting.result(timeout=5)
    assert not quota.slot(ANN, Limits(concurrency=1), 4, 0.02).__enter__()


def test_who_gets_no_lease_says_so_at_once(workers: Workers) -> None:
    limits = Limits(concurrency=1)
    assert take(workers.start(), ANN, limits)
    assert not workers.start().slot(ANN, limits, 4, 1000).__enter__()


def test_a_crowded_mailbox_shares_a_few_slots_over_all_workers_until_nobody_is_put_off(workers: Workers) -> None:
    processes = [workers.start() for _ in range(10)]
    for process in processes:
        process.expect({ANN.id: 10, BEN.id: 4})
    assert sum(take(process, ANN, Limits(), size=3) is not None for process in processes for _ in range(3)) == 5
    assert sum(take(process, BEN, Limits(), size=3) is not None for process in processes for _ in range(3)) == 30
    assert not take(processes[0], ANN, Limits(), size=3)
    workers.clock.advance(170)
    fresh = workers.start()
    assert [take(fresh, ANN, Limits(), size=3) is not None for _ in range(4)] == [True, True, True, False]


def test_a_crowded_mailbox_gives_each_slot_back_so_that_another_worker_can_have_it(workers: Workers) -> None:
    processes = [workers.start() for _ in range(10)]
    for process in processes:
        process.expect({ANN.id: 10})
    held = [take(process, ANN, Limits(), size=1) for process in processes[:5]]
    workers.clock.advance(3)
    assert not take(processes[5], ANN, Limits(), size=1)
    give(held[0])
    workers.clock.advance(2)
    assert take(processes[5], ANN, Limits(), size=1)
    assert not take(processes[6], ANN, Limits(), size=1)


def test_a_crowded_mailbox_with_a_quick_server_has_all_its_slots(workers: Workers) -> None:
    processes = [workers.start() for _ in range(10)]
    for process in processes:
        with process.slot(ANN, Limits(), 3, 0):
            workers.clock.advance(0.3)
        process.expect({ANN.id: 10})
    assert sum(take(process, ANN, Limits(), size=3) is not None for process in processes for _ in range(3)) == 30
    assert workers.calls == {}


def test_those_who_get_no_slot_are_told_to_come_again_one_after_another_as_calls_end(workers: Workers) -> None:
    quota, limits = workers.start(), Limits()
    for _ in range(60):
        with quota.slot(ANN, limits, 2, 0):
            workers.clock.advance(1)
    held = [take(quota, ANN, limits, size=2) for _ in range(2)]
    assert all(held)
    told = []
    for _ in range(1000):
        slot = quota.slot(ANN, limits, 2, 0)
        assert not slot.__enter__()
        told.append(slot.again_at - workers.clock())
    assert 0.5 <= told[0] <= 1
    assert [later - earlier for earlier, later in pairwise(told[:100])] == [pytest.approx(0.5, rel=0.01)] * 99
    assert told[-1] == 120
    slot.__enter__()
    assert slot.again_at == workers.clock() + 120


def test_a_lease_costs_a_write_in_a_minute_and_outlives_every_call(workers: Workers) -> None:
    quota, limits = workers.start(), Limits(concurrency=3)
    for _ in range(600):
        with quota.slot(ANN, limits, 4, 0, call=45) as granted:
            assert granted
            (lease,) = workers.ledgers.ledgers[ANN.id].leases
            assert lease[2] >= workers.clock() + 45
        workers.clock.advance(1)
    assert workers.calls["replace"] == 10


def test_what_is_leased_is_given_back_when_the_batch_is_done(workers: Workers) -> None:
    limits, one, other = Limits(concurrency=2), workers.start(), workers.start()
    for _ in range(2):
        with one.slot(ANN, limits, 4, 0) as granted:
            assert granted
    with one.slot(ANN, limits, 4, 0), one.slot(ANN, limits, 4, 0):
        one.rest()
        assert not other.slot(ANN, limits, 4, 0).__enter__(), "what is in use is nobody else's"
    one.rest()
    workers.clock.advance(2)  # whoever got none does not ask at once again
    with other.slot(ANN, limits, 4, 0) as first, other.slot(ANN, limits, 4, 0) as second:
        assert first
        assert second


def test_a_lease_stays_with_the_connections_that_stay_open(workers: Workers) -> None:
    limits, one, other = Limits(concurrency=1), workers.start(), workers.start()
    with one.slot(ANN, limits, 4, 0, keeps=True) as granted:
        assert granted
    one.rest()
    with other.slot(ANN, limits, 4, 0) as granted:
        assert not granted


def test_a_batch_that_leased_nothing_gives_nothing_back(workers: Workers) -> None:
    quota = workers.start()
    with quota.slot(ANN, Limits(), 4, 0):
        pass
    quota.rest()
    assert workers.calls == {}


def test_what_a_dead_worker_leased_comes_free_by_itself(workers: Workers) -> None:
    limits, other = Limits(concurrency=2), workers.start()
    dead = workers.start()
    assert take(dead, ANN, limits)
    assert take(dead, ANN, limits)
    assert not take(other, ANN, limits)
    workers.clock.advance(106)
    assert take(other, ANN, limits)
    assert take(other, ANN, limits)
    assert not take(other, ANN, limits)


def test_a_worker_that_has_less_than_it_wants_does_not_write_again_and_again(workers: Workers) -> None:
    limits, one, two = Limits(concurrency=2), workers.start(), workers.start()
    assert take(one, ANN, limits)
    assert take(two, ANN, limits)
    written = workers.calls["replace"]
    for _ in range(10):
        assert not take(one, ANN, limits)
        workers.clock.advance(1)
    assert workers.calls["replace"] == written


def test_there_are_never_more_calls_at_once_than_the_limit_over_all_workers_though_some_die() -> None:
    chance, workers, limits = random.Random(3), Workers(), Limits(concurrency=3)  # noqa: S311 - the same in every run
    processes = [workers.start() for _ in range(6)]
    under_way: list[tuple[float, int, Any]] = []  # the end of a call, its process, its slot
    made, refused = 0, 0
    for _ in range(6000):
        workers.clock.advance(chance.uniform(0, 4))
        for ended in [call for call in under_way if call[0] <= workers.clock()]:
            under_way.remove(ended)
            if ended[2] is not None:
                give(ended[2])
        which = chance.randrange(6)
        if chance.random() < 0.01:
            # Its calls go on at the provider, its slots are gone with it.
            processes[which] = workers.start()
            under_way = [(end, number, None if number == which else slot) for end, number, slot in under_way]
        slot = take(processes[which], ANN, limits)
        if slot:
            made += 1
            under_way.append((workers.clock() + chance.uniform(0.2, 45), which, slot))
        else:
            refused += 1
        assert len(under_way) <= 3
    assert made > 500
    assert refused > 500


def test_threads_of_many_workers_make_no_more_calls_at_once_than_the_limit(workers: Workers) -> None:
    processes, limits = [workers.start() for _ in range(5)], Limits(concurrency=4)
    with ThreadPoolExecutor(50) as pool:
        slots = list(pool.map(lambda number: take(processes[number % 5], ANN, limits), range(50)))
    assert sum(slot is not None for slot in slots) == 4


def test_without_the_ledger_each_worker_makes_one_call_at_a_time(workers: Workers) -> None:
    down(workers)
    quota = workers.start()
    slot = take(quota, ANN, Limits(concurrency=3))
    assert slot
    assert not take(quota, ANN, Limits(concurrency=3))
    give(slot)
    assert take(quota, ANN, Limits(concurrency=3))
