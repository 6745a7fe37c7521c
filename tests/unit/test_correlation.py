"""The id of a request goes along with everything that came of it, through the queue and back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mailbearer.account import AccountState
from mailbearer.envelope import Drain, Job, read_body, write_drain, write_job
from tests.unit.sending import ACCEPTED, Sending, refusal


def facts(stack: Sending, action: str) -> dict[str, str]:
    stack.trail.flush()
    (event,) = [event for event in stack.log.events if event.action == action]
    return dict(event.facts)


@pytest.mark.parametrize("task", [Job(id="msg_1", account="a", attempt=0), Drain(account="a")])
def test_it_comes_back_from_the_queue_as_it_went(task: Job | Drain) -> None:
    write = write_job if isinstance(task, Job) else write_drain
    for each in (task, replace(task, correlation="JKJaXmPLvHcESHA=")):
        assert read_body(write(each), "sqs-1") == each  # type: ignore[arg-type]
    assert "correlation" not in write(task)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, 7, "", "a b", "x" * 65, "\ud800", "a\nb", ["a"]])
def test_what_is_no_id_counts_as_none(given: object) -> None:
    body = '{"mailbearer_job": 1, "id": "msg_1", "account": "a", "attempt": 0, "correlation": %s}'
    read = read_body(body % json.dumps(given), "sqs-1")
    assert isinstance(read, Job)
    assert read.correlation == ""


def test_a_job_carries_the_request_that_brought_the_message_and_so_does_its_next_copy() -> None:
    stack = Sending(refusal(), ACCEPTED)
    stack.trail.request_id = "req-1"
    stack.accept()
    job = stack.copy()
    assert job.correlation == "req-1"
    stack.trail.request_id = "invocation-2"
    with stack.trail.about(correlation_id=job.correlation):
        stack.deliver(job)
    assert stack.copy().correlation == "req-1"
    told = facts(stack, "message.deferred")
    assert (told["correlation_id"], told["provider"]) == ("req-1", "oidc")


def test_the_call_itself_knows_it_and_how_long_it_took_is_told() -> None:
    stack = Sending(ACCEPTED)
    stack.accept()
    with stack.trail.about(correlation_id="req-1"):
        stack.deliver(stack.copy())
    assert stack.transport.calls[-1].outgoing.correlation == "req-1"
    assert facts(stack, "message.sent")["ms"] == "0"
    assert facts(stack, "message.sent")["registration"] == "google-main"


def test_who_tries_a_message_again_begins_another_request() -> None:
    stack = Sending(refusal(code="message_rejected"))
    stack.trail.request_id = "req-1"
    record = stack.accept()
    stack.change(state=AccountState.PAUSED)
    stack.deliver(stack.copy())
    stack.queue.queued.clear()
    stack.schedules.waiting.clear()
    stack.trail.request_id = "req-2"
    stack.change(state=AccountState.ACTIVE)
    stack.resubmission.retry(stack.record(record.id))
    assert stack.copy().correlation == "req-2"


def test_who_makes_a_mailbox_active_is_who_sent_what_was_held() -> None:
    stack = Sending()
    stack.trail.request_id = "req-3"
    stack.resubmission.drain(stack.ann)
    task = read_body(stack.queue.queued.pop().body, "sqs-1")
    assert task == Drain(account=stack.ann.id, correlation="req-3")
