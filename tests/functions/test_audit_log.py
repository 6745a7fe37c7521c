"""The audit log signed by schedule, judged, and read over HTTP, through the real handlers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.auditing.signatures import checker
from mailbearer.auditing.verification import Report, judge
from tests.functions.stack import Answer, event, request

if TYPE_CHECKING:
    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow


def sign(stack: Stack) -> dict[str, Any]:
    """Let the schedule run once everything has settled: two seconds on a local stack."""
    time.sleep(2.1)
    return stack.invoke("auditor", event("auditor-digest"))


def verdict(stack: Stack) -> Report:
    with stack.started("auditor") as app:
        wiring = app.wiring()
        evidence = wiring.gathering.gather(since=0, until=int(time.time() * 1000) + 1)
        return judge(evidence, checker(wiring.signer.public_key()))


def listed(stack: Stack, caller: dict[str, str] | None = None, /, **query: str) -> Answer:
    more: dict[str, Any] = {"caller": caller} if caller else {}
    return Answer(stack.invoke("admin_api", request("audit-list", query=query, **more)))


def bound_to(*accounts: str) -> dict[str, str]:
    return {"key_id": "key_01JD0000000000000000000001", "scopes": "audit:read", "accounts": " ".join(accounts)}


def delete_stream_of(stack: Stack, action: str) -> str:
    """Delete the stream that holds an event of this action, as somebody with the rights of an administrator can."""
    logs, group = stack.clients.logs, stack.names["AuditLogGroup"]
    found = [each for each in logs.filter_log_events(logGroupName=group)["events"] if f'"{action}"' in each["message"]]
    stream = str(found[-1]["logStreamName"])
    logs.delete_log_stream(logGroupName=group, logStreamName=stream)
    # Whoever wrote it would find out with the next event.
    stack.restart()
    return stream


def test_what_was_done_is_signed_and_good(stack: Stack) -> None:
    stack.connect()
    done = sign(stack)
    assert (done["digests"], done["flaws"], done["behind"]) == (1, 0, False)
    assert done["events"] >= 4
    assert stack.metrics()["digests_signed"] == 1
    assert "audit_faults" not in stack.metrics()
    assert stack.actions()[-1] == "audit.signed signed"
    report = verdict(stack)
    assert (report.flaws, report.digests, report.unsigned) == ([], done["last"], 1)


def test_a_second_run_within_a_minute_signs_nothing(stack: Stack) -> None:
    assert sign(stack)["digests"] == 0


def test_events_of_a_deleted_stream_are_found_gone_and_named(stack: Stack) -> None:
    before = verdict(stack)
    assert before.good
    stream = delete_stream_of(stack, "account.added")
    report = verdict(stack)
    assert [(flaw.kind, flaw.stream, flaw.seq) for flaw in report.flaws] == [("cut", stream, 1)]


def test_events_are_listed_by_time_a_page_at_a_time(stack: Stack) -> None:
    account = stack.connect("bob@tenant.example")
    every = listed(stack, subject=account.id, limit="100").json["data"]
    assert [each["action"] for each in every if each["action"].startswith("account.a")] == [
        "account.add",
        "account.added",
    ]
    assert {"stream", "seq", "prev", "hash", "facts", "reason"} <= every[0].keys()
    found: list[Any] = []
    query = {"subject": account.id, "limit": "2"}
    while True:
        page = listed(stack, **query).json
        assert len(page["data"]) <= 2
        found += page["data"]
        if not page["next_cursor"]:
            break
        query["cursor"] = page["next_cursor"]
    assert found == every


def test_filters_say_which_events_are_wanted(stack: Stack) -> None:
    account = stack.connect("eve@tenant.example")

    def actions(**query: str) -> set[str]:
        found = listed(stack, subject=account.id, limit="100", **query).json["data"]
        return {f"{each['action']} {each['outcome']}" for each in found}

    assert actions(action="account.*") == {"account.add intended", "account.added added"}
    assert actions(action="account.*", outcome="added") == {"account.added added"}
    assert actions(until="2020-01-01T00:00:00Z", since="2019-01-01T00:00:00Z") == set()


def test_a_key_that_is_bound_to_accounts_sees_what_is_about_them(stack: Stack) -> None:
    ann, bob = stack.connect("ann2@tenant.example"), stack.connect("bob2@tenant.example")
    seen = listed(stack, bound_to(ann.id), limit="100").json["data"]
    assert {each["subject"] for each in seen} == {ann.id}
    assert listed(stack, bound_to(ann.id), subject=bob.id).json == {"data": [], "next_cursor": None}
    assert listed(stack, bound_to("acc_01JD0000000000000000000009")).json["data"] == []


def test_a_key_without_the_scope_sees_nothing(stack: Stack) -> None:
    caller = bound_to() | {"scopes": "messages:read"}
    assert listed(stack, caller).status == 403


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"since": "yesterday"}, "/since"),
        ({"until": "2026-01-01"}, "/until"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "/since"),
        ({"since": "1969-01-01T00:00:00Z"}, "/since"),
        ({"action": "a" * 300}, "/action"),
        ({"limit": "0"}, "/limit"),
        ({"cursor": "spoilt"}, "/cursor"),
        ({"cursor": "WzEsMl0"}, "/cursor"),
        ({"cursor": "Wy0xLDIsIiIsMCwiIiwwXQ"}, "/cursor"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place(stack: Stack, query: dict[str, str], pointer: str) -> None:
    answer = listed(stack, **query)
    assert answer.status == 422
    assert [fault["pointer"] for fault in answer.json["errors"]] == [pointer]
