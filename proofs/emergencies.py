"""Whoever declares an incident is killed at every call, before and after its effect; the schedule finishes it."""

from __future__ import annotations

import gc
import os
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mailbearer.account import AccountState
from mailbearer.incident import Reach
from mailbearer.incidents.declaring import Emergency
from mailbearer.message import Status
from proofs.arrivals import Arrivals
from proofs.calls import Calls, Point
from proofs.functions import Functions
from proofs.ground import Clock, Ground
from proofs.life import Life
from proofs.processes import ProcessError, fork, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailbearer.account import Account
    from mailbearer.incident import Incident
    from proofs.processes import Say

SECONDS = 400.0
LANES = 3

_ACTOR = "proof"
_TOKEN_LIVES = 7200.0
_HOUR = 3600.0
_RUNS, _BETWEEN = 4, 300.0
"""How many runs of the schedule are waited for, and how far apart they are, as in template.yaml."""
_PUT_ON_RECORD = "DynamoDB PutItem (incidents)"
_REFUSED = "incident_declared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shut:
    """What came of one declaration.

    `found` is what the dead process left: nothing, a declared incident, or a mailbox that was shut already. `runs` are
    the schedule's until all was done. `revoked` says that the provider and the vault have nothing any more, `message`
    what became of the one that was on the queue, `refused` that no new one was taken, `back` that the resolution was
    complete and let go of the mailbox.
    """

    found: str
    runs: int
    state: str
    revoked: bool
    refused: bool
    message: str
    back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One crash point, what was seen, and whether the incident was on record by then."""

    number: int
    answered: bool
    call: str
    declared: bool
    seen: Shut

    @property
    def holds(self) -> bool:
        """Tell whether all was shut and nothing sent or lost afterwards; or nothing was begun at all."""
        seen = self.seen
        if not self.declared:
            return seen == NOTHING
        done = seen.state == "contained" and seen.revoked and seen.refused and seen.back
        # A write that had left when the process died may be done after we looked, and before the worker comes.
        return done and seen.message in ({"held 0"} if seen.found == SHUT else {"sent 1", "held 0"})

    def as_json(self) -> dict[str, Any]:
        """Give it for a file."""
        return asdict(self) | {"holds": self.holds}


DECLARED, SHUT = "declared", "shut"
NOTHING = Shut(found="nothing", runs=0, state="", revoked=False, refused=False, message="sent 1", back=True)
"""Without a record nothing is shut; whoever gives the command again begins anew."""


def prove(ground: Ground) -> Iterator[Row]:
    """Kill a declaration at every point, and give a row for each as it is seen."""
    lanes = [fork(partial(_lane, ground, number)) for number in range(LANES)]
    for _, row in told(lanes, seconds=SECONDS):
        yield Row(**row | {"seen": Shut(**row["seen"])})


def _lane(parents: Ground, number: int, say: Say) -> None:
    lane = _Lane(parents.forked())
    # Which calls there are is learnt from a declaration that nobody disturbs.
    calls = lane.undisturbed()
    recorded = Point(calls.index(_PUT_ON_RECORD), answered=True)
    for call in range(number, len(calls), LANES):
        for answered in (False, True):
            point = Point(call, answered)
            seen = lane.disturbed(point)
            say(asdict(Row(number=call, answered=answered, call=calls[call], declared=point >= recorded, seen=seen)))


class _Lane:
    """One emergency after the other, each about a mailbox of its own with a message on the queue."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        engine = ground.world.engine
        self._sqs, self._scheduler = engine.client("sqs"), engine.client("scheduler")
        name = f"proofs-{os.getpid()}-emergencies"
        urls = [self._sqs.create_queue(QueueName=f"{name}-{kind}")["QueueUrl"] for kind in ("messages", "dead")]
        self._functions = Functions(ground, queue_url=urls[0], dead_letter_queue_url=urls[1])
        self._lives = 0
        gc.freeze()

    def undisturbed(self) -> list[str]:
        """Give the calls of a whole declaration."""
        account = self._ground.connect("kept", ends_in=_TOKEN_LIVES)
        return self._declare(account, Clock(), None)

    def disturbed(self, end: Point) -> Shut:
        """Kill a declaration at a point, and see what others make of what it left."""
        account = self._ground.connect("kept", ends_in=_TOKEN_LIVES)
        clock = Clock()
        life = self._life(account, clock)
        life.post()
        self._declare(account, clock, end)
        incident = self._incident(account)
        found = "nothing" if incident is None else SHUT if self._now(account).is_shut else DECLARED
        life.work()
        if incident is None:
            return Shut(
                found=found,
                runs=0,
                state="",
                revoked=False,
                refused=False,
                message=self._message(life),
                back=self._now(account).state is AccountState.ACTIVE,
            )
        runs = self._runs(account, clock)
        contained = self._incident(account)
        refused = self._is_refused(account, clock)
        revoked = self._ground.grant(account.address)["revoked"] and not self._now(account).revocation_pending
        back = self._resolve(incident, clock) and not self._now(account).incident
        life.work()
        return Shut(
            found=found,
            runs=runs,
            state=str(contained.state) if contained is not None else "",
            revoked=revoked,
            refused=refused,
            message=self._message(life),
            back=back,
        )

    def _declare(self, account: Account, clock: Clock, end: Point | None) -> list[str]:
        """Let a process do what `mailbearer incident declare` does; gives its calls, none if it was killed."""

        def declare(say: Say) -> None:
            calls = Calls(self._ground.settings, end)
            wiring = self._ground.forked().watched(calls, clock)
            wanted = Emergency(
                reach=Reach.ACCOUNT, target=account.id, reason="A proof.", since=clock() - _HOUR, disable_keys=True
            )
            incident = wiring.declaration.declare(wanted, actor=_ACTOR)
            done = wiring.containment.contain(incident, actor=_ACTOR)
            wiring.incident_reporting.make(done.incident)
            say(calls.seen)

        seen = [calls for _, calls in told([fork(declare)], seconds=SECONDS)]
        # The stack's own schedule may come in between, and leave so little to do that the point is not reached: then
        # the whole of it is looked at, and has to hold as well.
        return seen[0] if seen else []

    def _runs(self, account: Account, clock: Clock) -> int:
        """Let the schedule run until nothing is left for it; gives how often it did."""
        for number in range(_RUNS):
            incident = self._incident(account)
            if incident is not None and incident.contained_at and not self._now(account).revocation_pending:
                return number
            clock.advance(_BETWEEN)
            self._run_the_schedule(clock)
        return _RUNS

    def _run_the_schedule(self, clock: Clock) -> None:
        def run(_say: Say) -> None:
            wiring = self._ground.forked().wiring(clock)
            wiring.rotation.run(deadline=clock() + _BETWEEN)

        for _ in told([fork(run)], seconds=SECONDS):
            """It says nothing."""

    def _resolve(self, incident: Incident, clock: Clock) -> bool:
        def resolve(say: Say) -> None:
            wiring = self._ground.forked().wiring(clock)
            standing = wiring.incident_book.find(incident.id)
            done = wiring.resolution.resolve(standing, actor=_ACTOR)
            wiring.trail.flush()
            say(done.complete)

        ((_, complete),) = told([fork(resolve)], seconds=SECONDS)
        return bool(complete)

    def _is_refused(self, account: Account, clock: Clock) -> bool:
        """Tell whether a new message is turned away."""
        try:
            self._life(account, clock).post()
        except ProcessError as error:
            return _REFUSED in str(error)
        return False

    def _message(self, life: Life) -> str:
        stores = self._ground.stores
        record = stores.messages.get(life.message_id)
        if record is None:
            return "lost"
        kept = record.status is Status.SENT or stores.content.get(record.id, scheduled=False) is not None
        mails = len(self._ground.control.mail(rcpt_to=life.recipient))
        return f"{record.status} {mails}" + ("" if kept else ", content gone")

    def _life(self, account: Account, clock: Clock) -> Life:
        self._lives += 1
        arrivals = Arrivals(
            sqs=self._sqs,
            scheduler=self._scheduler,
            queue_url=self._functions.queue_url,
            schedule_group=self._ground.settings.schedule_group,
            clock=clock,
        )
        key = f"emergency-{os.getpid()}-{self._lives}"
        return Life(functions=self._functions, arrivals=arrivals, clock=clock, account=account, key=key)

    def _incident(self, account: Account) -> Incident | None:
        listed = self._ground.stores.incident_store.listing()
        return next((one for one in listed if one.target == account.id), None)

    def _now(self, account: Account) -> Account:
        return self._ground.stores.accounts.get(account.id) or account
