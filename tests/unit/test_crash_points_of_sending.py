"""Every port call of a message's way is a place to die at: no second provider call, and nothing lost."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.account import AccountState
from mailbearer.envelope import QUEUE_LIMIT, write_content, write_job
from mailbearer.errors import AuditUnavailable, Unavailable
from mailbearer.message import MessageRecord, Outcome, Remedy, Status, Verdict
from mailbearer.ports.provider import TokenAnswer
from tests.fakes import Faults
from tests.unit.sending import ACCEPTED, LOST, Died, Sending, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROVIDER = "provider"


def death(_operation: str) -> BaseException | None:
    return Died()


def outage(operation: str) -> BaseException | None:
    """Give what the port raises when AWS refuses; a transport never raises."""
    if operation == PROVIDER:
        return None
    return (AuditUnavailable if operation == "write" else Unavailable)(f"{operation} is down")


class Doom(Faults):
    """Strikes once, at the call of this number to whatever port, before its effect or after it."""

    def __init__(self, sending: Sending, moment: str, kind: Callable[[str], BaseException | None]) -> None:
        super().__init__()
        self.sending, self.moment, self.kind = sending, moment, kind
        self.at = 0
        self.struck = ""
        self.status_then: Status | None = None

    def arm(self, at: int) -> None:
        """Count the calls of all ports from here on."""
        self.sending.share_faults(self)
        self.calls.clear()
        self.at = at

    def disarm(self) -> None:
        self.at = 0

    @contextmanager
    def around(self, operation: str) -> Iterator[None]:
        self.calls.append(operation)
        mine = len(self.calls) == self.at
        if mine and self.moment == "before":
            self._strike(operation)
        yield
        if mine and self.moment == "after":
            self._strike(operation)

    def _strike(self, operation: str) -> None:
        self.struck = f"{operation} ({self.moment}, call {self.at} of {self.calls})"
        records = self.sending.messages.records.values()
        self.status_then = next((record.status for record in records), None)
        if (error := self.kind(operation)) is not None:
            raise error


@dataclass
class Provider:
    """Knows what really became of each call."""

    doom: Doom
    took: list[str] = field(default_factory=list)

    def answer(self, outcome: Outcome) -> Callable[[], Outcome]:
        def scene() -> Outcome:
            self.took.append("unsure")
            with self.doom.around(PROVIDER):
                pass
            # Only whoever came so far has an answer in hand.
            self.took[-1] = "refused" if outcome.verdict is Verdict.NOT_ACCEPTED else "taken"
            return outcome

        return scene


BIG = "x" * QUEUE_LIMIT
WAYS: dict[str, tuple[list[Outcome], Status]] = {
    "accepted at once": ([ACCEPTED], Status.SENT),
    "deferred, then accepted": ([refusal(), ACCEPTED], Status.SENT),
    "parked, then accepted": ([refusal(Remedy.HOLD), ACCEPTED], Status.SENT),
    "refreshed, then accepted": ([refusal(Remedy.REFRESH), ACCEPTED], Status.SENT),
    "refused for good": ([refusal(Remedy.NONE)], Status.FAILED),
    "answer lost": ([LOST], Status.UNKNOWN),
}


def over_http(sending: Sending) -> None:
    sending.accept()


def through_the_bucket(sending: Sending) -> None:
    """Leave a job as a big message does, without the time that a big one takes."""
    sending.accept()
    job = sending.copy()
    assert job.message is not None
    sending.content.put(job.id, write_content(job.message))
    sending.queue.send(write_job(replace(job, message=None)), group=job.account)


def straight_to_the_queue(sending: Sending) -> None:
    sending.drop(json.dumps(sending.body()))


CRASHES = [
    pytest.param(kind, moment, visibility, id=f"{kind.__name__} {moment}, back after {visibility} s")
    for kind, visibility in ((death, 1), (death, 400), (outage, 400))
    for moment in ("before", "after")
]


def doomed(moment: str, kind: Callable[[str], BaseException | None]) -> tuple[Sending, Doom, Provider]:
    answers = tuple(TokenAnswer(access_token=f"access-{number}", expires_in=3600) for number in range(2, 9))
    sending = Sending(refresh=answers, size_limit=2_000_000, routine=True)
    doom = Doom(sending, moment, kind)
    return sending, doom, Provider(doom)


def the_record(sending: Sending) -> MessageRecord:
    (record,) = sending.messages.records.values()
    return record


def assert_kept(sending: Sending, doom: Doom, provider: Provider, intended: Status) -> None:
    """Hold the outcome against the promise of semantics.md."""
    record = the_record(sending)
    assert all(took == "refused" for took in provider.took[:-1]), f"called again after {doom.struck}: {provider.took}"
    if doom.status_then is Status.SENDING:
        assert record.status in {intended, Status.UNKNOWN}, doom.struck
    else:
        assert record.status is intended, doom.struck
    if provider.took == ["taken"]:
        assert record.status in {Status.SENT, Status.UNKNOWN}, doom.struck
    if record.status is not Status.SENT:
        assert record.parked, doom.struck
        assert record.id in sending.content.bodies, doom.struck
    events = [*sending.log.events, *(event for lot in sending.spool.lots.values() for event in lot)]
    assert any(event.subject == record.id and event.outcome == record.status for event in events), doom.struck
    told = {str(detail["id"]) for kind, detail in sending.events.published if kind == f"message.{record.status}"}
    assert len(told) <= 1, f"two facts of one after {doom.struck}"
    assert told or any(event.action == "event.unpublished" for event in events), doom.struck


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("kind", "moment", "visibility"), CRASHES)
@pytest.mark.parametrize("door", [over_http, through_the_bucket, straight_to_the_queue])
def test_a_crash_anywhere_on_the_way_neither_loses_nor_doubles_a_message(
    way: str,
    kind: Callable[[str], BaseException | None],
    moment: str,
    visibility: float,
    door: Callable[[Sending], None],
) -> None:
    outcomes, intended = WAYS[way]
    at, struck = 0, 1
    while struck:
        at += 1
        sending, doom, provider = doomed(moment, kind)
        sending.transport.script.extend(map(provider.answer, outcomes))
        door(sending)
        sending.trail.flush()
        doom.arm(at)
        sending.work(visibility=visibility)
        assert_kept(sending, doom, provider, intended)
        struck = len(doom.struck)
    assert at > 8


@pytest.mark.parametrize(("kind", "moment", "visibility"), CRASHES)
def test_a_caller_who_resends_after_a_lost_answer_gets_at_least_one_mail(
    kind: Callable[[str], BaseException | None], moment: str, visibility: float
) -> None:
    at, struck = 0, 1
    while struck:
        at += 1
        sending, doom, provider = doomed(moment, kind)
        sending.transport.script.extend(map(provider.answer, [LOST, ACCEPTED, ACCEPTED]))
        record = sending.accept(on_unknown="resend")
        doom.arm(at)
        sending.work(visibility=visibility)
        assert sending.record(record.id).status is Status.SENT, doom.struck
        struck = len(doom.struck)


@pytest.mark.parametrize("fields", [{}, {"text": BIG}], ids=["small", "big"])
@pytest.mark.parametrize("kind", [death, outage])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_request_that_was_cut_off_anywhere_can_be_made_again(
    kind: Callable[[str], BaseException | None], moment: str, fields: dict[str, str]
) -> None:
    at, struck = 0, 1
    while struck:
        at += 1
        sending, doom, provider = doomed(moment, kind)
        sending.transport.script.append(provider.answer(ACCEPTED))
        doom.arm(at)
        try:
            sending.accept("key-1", **fields)
        except (Died, Unavailable):
            sending.start()
            sending.accept("key-1", **fields)
        doom.disarm()
        sending.work()
        assert the_record(sending).status is Status.SENT, doom.struck
        assert provider.took == ["taken"], doom.struck
        struck = len(doom.struck)


@pytest.mark.parametrize("kind", [death, outage])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_held_mail_goes_out_once_wherever_the_draining_is_cut_off(
    kind: Callable[[str], BaseException | None], moment: str
) -> None:
    at, struck = 0, 1
    while struck:
        at += 1
        sending, doom, provider = doomed(moment, kind)
        sending.transport.script.append(provider.answer(ACCEPTED))
        sending.accept()
        sending.change(state=AccountState.PAUSED)
        sending.work()
        active = sending.change(state=AccountState.ACTIVE)
        doom.arm(at)
        try:
            sending.resubmission.drain(active)
        except (Died, Unavailable):
            sending.start()
            sending.resubmission.drain(active)
        doom.disarm()
        sending.work()
        assert the_record(sending).status is Status.SENT, doom.struck
        assert provider.took == ["taken"], doom.struck
        struck = len(doom.struck)


@pytest.mark.parametrize("kind", [death, outage])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_failed_message_is_retried_once_wherever_the_retry_is_cut_off(
    kind: Callable[[str], BaseException | None], moment: str
) -> None:
    at, struck = 0, 1
    while struck:
        at += 1
        sending, doom, provider = doomed(moment, kind)
        sending.transport.script.extend(map(provider.answer, [refusal(Remedy.NONE), ACCEPTED]))
        sending.accept()
        sending.work()
        doom.arm(at)
        try:
            sending.resubmission.retry(the_record(sending))
        except (Died, Unavailable):
            sending.start()
            sending.resubmission.retry(the_record(sending))
        doom.disarm()
        sending.work()
        assert the_record(sending).status is Status.SENT, doom.struck
        assert provider.took == ["refused", "taken"], doom.struck
        struck = len(doom.struck)


@pytest.mark.parametrize("body", ["no json", "{}", '{"account": "acc_x", "to": 1}'])
@pytest.mark.parametrize("kind", [death, outage])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_body_that_can_never_be_sent_is_recorded_and_kept_wherever_its_refusal_is_cut_off(
    kind: Callable[[str], BaseException | None], moment: str, body: str
) -> None:
    at, struck = 0, 1
    while struck:
        at += 1
        sending, doom, _ = doomed(moment, kind)
        doom.arm(at)
        sending.drop(body)
        sending.work()
        assert the_record(sending).status is Status.FAILED, doom.struck
        assert {(refused.body, refused.message_id) for refused in sending.queue.refused} == {
            (body, the_record(sending).id)
        }
        struck = len(doom.struck)


def test_a_worker_that_dies_while_it_drains_leaves_no_message_in_sending() -> None:
    def dies() -> object:
        raise Died

    sending = Sending(dies, ACCEPTED)  # type: ignore[arg-type]
    sending.accept()
    sending.change(state=AccountState.PAUSED)
    sending.work()
    sending.resubmission.drain(sending.change(state=AccountState.ACTIVE))
    sending.work(visibility=720)
    (record,) = sending.messages.records.values()
    assert record.status is Status.UNKNOWN
