"""Many messages in one request: batches, and what runs at once within them."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.errors import IdempotencyConflict, InvalidInput, MailbearerError, NotFound, Unavailable
from mailbearer.submission import Accepted
from mailbearer.submission.batch import Batch
from mailbearer.submission.together import Together
from tests.unit.sending import APP, Sending

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def together() -> Iterator[Together]:
    with ThreadPoolExecutor(8) as threads:
        yield Together(lambda: threads)


def accept(sending: Sending, together: Together, *bodies: object) -> list[Accepted | MailbearerError]:
    return Batch(submission=sending.submission, together=together).accept({"messages": list(bodies)}, APP)


def told(results: list[Accepted | MailbearerError]) -> list[str]:
    return [
        result.code if isinstance(result, MailbearerError) else "replayed" if result.replayed else "new"
        for result in results
    ]


def test_each_task_has_its_own_result_in_its_place(together: Together) -> None:
    def task(number: int) -> int:
        time.sleep(0.01 * (number % 3))
        if number % 2:
            raise NotFound(str(number))
        return number

    results = together.each([(number, lambda number=number: task(number)) for number in range(20)])  # type: ignore[misc]
    assert [result.detail if isinstance(result, NotFound) else result for result in results] == [
        str(number) if number % 2 else number for number in range(20)
    ]


def test_tasks_of_one_mark_run_in_their_order_and_the_others_at_once(together: Together) -> None:
    ran: list[str] = []
    met = threading.Barrier(2)

    def note(name: str) -> None:
        time.sleep(0.005)
        ran.append(name)

    tasks: list[tuple[str, Any]] = [("a", lambda name=f"a{number}": note(name)) for number in range(10)]
    tasks += [(name, lambda: met.wait(timeout=5)) for name in ("b", "c")]
    together.each(tasks)
    assert ran == [f"a{number}" for number in range(10)]


def test_a_defect_is_raised_when_all_others_have_ended(together: Together) -> None:
    ended: list[int] = []

    def task(number: int) -> None:
        if number == 0:
            raise KeyError(number)
        time.sleep(0.02)
        ended.append(number)

    with pytest.raises(KeyError):
        together.each([(number, lambda number=number: task(number)) for number in range(8)])  # type: ignore[misc]
    assert sorted(ended) == list(range(1, 8))


def test_a_hundred_messages_take_less_than_two_seconds_where_a_call_takes_fifteen_milliseconds(
    together: Together,
) -> None:
    sending = Sending()
    slow = [(sending.accounts.faults, "get"), (sending.messages.faults, "create"), (sending.queue.faults, "send")]
    for faults, operation in slow:
        faults.before(operation, lambda: time.sleep(0.015), times=100)
    began = time.monotonic()
    results = accept(sending, together, *(sending.body(subject=str(number)) for number in range(100)))
    assert time.monotonic() - began < 2
    assert told(results) == ["new"] * 100
    jobs = [json.loads(queued.body) for queued in sending.queue.queued]
    subjects = {job["id"]: job["message"]["subject"] for job in jobs}
    assert len(sending.messages.records) == len(jobs) == 100
    assert [subjects[result.record.id] for result in results if isinstance(result, Accepted)] == [
        str(number) for number in range(100)
    ]


@pytest.mark.parametrize("_", range(5))
def test_of_two_with_one_key_the_first_in_the_list_is_the_message(together: Together, _: int) -> None:
    sending = Sending()
    # Two records of the same moment could not be told apart.
    sending.messages.faults.before("create", lambda: sending.clock.advance(0.001), times=4)
    sending.accounts.faults.before("get", lambda: time.sleep(0.05))  # the first is overtaken by whatever may run
    first = sending.body(idempotency_key="k", subject="first")
    results = accept(sending, together, first, first, first | {"subject": "second"}, sending.body())
    assert told(results) == ["new", "replayed", "idempotency_conflict", "new"]
    assert len(sending.messages.records) == 2


def test_what_is_no_message_harms_none_of_its_neighbours(together: Together) -> None:
    sending = Sending()
    results = accept(
        sending, together, 5, sending.body(), sending.body(to="x"), {"idempotency_key": []}, sending.body()
    )
    assert told(results) == ["invalid_request", "new", "invalid_request", "invalid_request", "new"]


def test_a_queue_that_fails_for_one_is_a_503_of_that_one(together: Together) -> None:
    sending = Sending()
    sending.queue.faults.before("send", Unavailable("SQS is down"))
    results = accept(sending, together, *(sending.body(idempotency_key=str(number)) for number in range(5)))
    assert sorted(told(results)) == ["new"] * 4 + ["temporarily_unavailable"]
    sending.clock.advance(1)
    again = accept(sending, together, *(sending.body(idempotency_key=str(number)) for number in range(5)))
    assert told(again) == ["replayed"] * 5
    assert len({queued.body.partition('"id":')[2][:36] for queued in sending.queue.queued}) == 5


@pytest.mark.parametrize("body", [None, [], {}, {"messages": []}, {"messages": {}}, {"messages": [{}] * 101}])
def test_a_batch_is_a_list_of_one_to_a_hundred(body: object, together: Together) -> None:
    sending = Sending()
    with pytest.raises(InvalidInput) as caught:
        Batch(submission=sending.submission, together=together).accept(body, APP)
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/messages", "invalid_batch")]


def test_twenty_threads_that_send_one_batch_make_one_message_of_each(together: Together) -> None:
    sending = Sending()
    bodies = [sending.body(idempotency_key=str(number)) for number in range(5)]
    with ThreadPoolExecutor(20) as callers:
        answers = list(callers.map(lambda _: accept(sending, together, *bodies), range(20)))
    assert len(sending.messages.records) == 5
    assert not [one for answer in answers for one in answer if isinstance(one, IdempotencyConflict)]
