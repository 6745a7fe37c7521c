"""A message's life, struck at every call of every road: killed before and after it, refused, its answer lost."""

from __future__ import annotations

import gc
import os
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mailbearer.ledger import Ledger
from mailbearer.message import Status
from proofs.arrivals import Arrivals
from proofs.fates import Fate, attempts, expected
from proofs.functions import Functions
from proofs.ground import Clock, Ground
from proofs.life import Life
from proofs.processes import ProcessError, fork, told
from proofs.roads import ROADS, Road
from proofs.strikes import Strike, ways

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailbearer.account import Account
    from proofs.life import Call
    from proofs.processes import Say

SECONDS = 900.0
"""For a machine that is busy with other things; alone it takes two minutes."""
LANES = 3
"""Lives at once; each process mostly waits for the engine."""

_TOKEN_LIVES = 7200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One call of one road, what was done to it, how the message ended, and how it has to."""

    road: str
    place: int
    number: int
    call: str
    how: str
    seen: Fate
    expected: Fate

    @property
    def holds(self) -> bool:
        """Tell whether it ended as the specification says."""
        return self.seen == self.expected

    def as_json(self) -> dict[str, Any]:
        """Give it for a file."""
        return asdict(self) | {"holds": self.holds}


def prove(ground: Ground, roads: Sequence[Road] = ROADS) -> Iterator[Row]:
    """Strike a message at every point of some roads, and give a row for each as it is seen."""
    lanes = [fork(partial(_lane, ground, roads, lane)) for lane in range(LANES)]
    for _, row in told(lanes, seconds=SECONDS):
        yield Row(**row | {"seen": Fate(**row["seen"]), "expected": Fate(**row["expected"])})


def _lane(parents: Ground, roads: Sequence[Road], number: int, say: Say) -> None:
    """Go through the roads, one after the other, striking each call whose turn it is."""
    lane = Lane(parents.forked())
    for road in roads:
        for row in lane.rows(road, slice(number, None, LANES)):
            say(asdict(row))


class Lane:
    """Lives one life after the other, on queues of its own."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        engine = ground.world.engine
        self._sqs, self._scheduler = engine.client("sqs"), engine.client("scheduler")
        name = f"proofs-{os.getpid()}"
        urls = [self._sqs.create_queue(QueueName=f"{name}-{kind}")["QueueUrl"] for kind in ("messages", "dead")]
        self._functions = Functions(ground, queue_url=urls[0], dead_letter_queue_url=urls[1])
        self._lives = 0
        self._plain: Sequence[Call] = ()
        # What is there by now is not looked at again by any child's collector, and so not copied.
        gc.freeze()

    def rows(self, road: Road, calls: slice) -> Iterator[Row]:
        """Strike some calls of one road; which there are is learnt from a life that nobody disturbs."""
        account = self._connect(road)
        undisturbed, fate = self._live(road, account, None)
        whole = Fate(status=Status.SENT, mails=road.mails, message_ids=1, kept=False)
        if fate != whole:
            raise ProcessError(f"{road.name}: an undisturbed message ended as {fate}")
        for number, call in list(enumerate(undisturbed))[self._parts(road, undisturbed) :][calls]:
            for how in ways(call.name):
                strike = Strike(number, how)
                _, seen = self._live(road, account, strike)
                yield Row(
                    road=road.name,
                    place=ROADS.index(road),
                    number=number,
                    call=call.label,
                    how=how,
                    seen=seen,
                    expected=expected(road, undisturbed, strike),
                )

    def _parts(self, road: Road, calls: Sequence[Call]) -> int:
        """Give the call at which a road parts from the plain one, or at which its first attempt begins.

        What comes before was struck there.
        """
        if road is ROADS[0]:
            self._plain = calls
            return 0
        if not self._plain:
            self._plain, _ = self._live(ROADS[0], self._connect(ROADS[0]), None)
        pairs = zip(calls, self._plain, strict=False)
        parts = next((number for number, (call, plain) in enumerate(pairs) if call != plain), len(calls))
        return min(parts, attempts(calls)[0].intent)

    def _connect(self, road: Road) -> Account:
        return self._ground.connect(road.provider, ends_in=_TOKEN_LIVES)

    def _live(self, road: Road, account: Account, strike: Strike | None) -> tuple[list[Call], Fate]:
        clock = Clock()
        arrivals = Arrivals(
            sqs=self._sqs,
            scheduler=self._scheduler,
            queue_url=self._functions.queue_url,
            schedule_group=self._ground.settings.schedule_group,
            clock=clock,
        )
        self._lives += 1
        life = Life(
            functions=self._functions,
            arrivals=arrivals,
            clock=clock,
            account=account,
            key=f"life-{os.getpid()}-{self._lives}",
            strike=strike,
        )
        self._forget_other_lives(account)
        road.prepare(self._ground, life)
        road.walk(life)
        if strike is not None and not life.struck:
            raise ProcessError(f"{road.name}: no call was struck by {strike}")
        fate = self._fate(life)
        arrivals.forget(life.message_id)
        if life.fault:
            self._ground.control.clear_faults(life.fault)
        return life.calls, fate

    def _forget_other_lives(self, account: Account) -> None:
        """Free what other lives' workers have leased: each of them was a worker of its own a moment ago."""
        ledgers = self._ground.stores.ledgers
        stands = ledgers.get(account.id)
        if stands.revision:
            clean = Ledger(account=account.id, revision=stands.revision).changed(os.urandom(4).hex())
            ledgers.replace(clean, expected=stands)

    def _fate(self, life: Life) -> Fate:
        stores = self._ground.stores
        record = stores.messages.get(life.message_id)
        mails = self._ground.control.mail(rcpt_to=life.recipient)
        kept = record is not None and stores.content.get(record.id, scheduled=bool(record.send_at)) is not None
        return Fate(
            status=str(record.status) if record is not None else "nothing at all",
            mails=len(mails),
            message_ids=len({mail["headers"]["message-id"] for mail in mails}),
            kept=kept and record is not None and record.status is not Status.SENT,
            lost=life.arrivals.dead,
        )
