from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from mailbearer.ids import rfc3339

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Operator, ScriptedApi

SENT: dict[str, Any] = {
    "id": "msg_01JD0000000000000000000001",
    "account": "acc_1",
    "status": "sent",
    "message_id": "<01jd@example.org>",
    "provider_id": "18c\x1b[2J",
    "created_at": "2026-09-21T14:13:20.000Z",
    "send_at": None,
    "sent_at": "2026-09-21T14:13:21.000Z",
    "attempts": [
        {
            "at": "2026-09-21T14:13:20.500Z",
            "outcome": "not_accepted",
            "code": "throttled",
            "detail": "429",
            "retry_at": None,
        },
        {"at": "2026-09-21T14:13:21.000Z", "outcome": "accepted", "code": "", "detail": "", "retry_at": None},
    ],
    "problem": None,
    "tags": ["news", "de"],
    "metadata": {"order": "7"},
}


def test_shows_a_message_with_its_attempts(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", f"/v1/messages/{SENT['id']}", 200, SENT)
    result = local("messages", "show", SENT["id"])
    assert result.exit_code == 0, result.output
    for part in ("sent", "<01jd@example.org>", "news, de", "order=7", "not_accepted", "throttled", "accepted"):
        assert part in result.stdout


def test_control_sequences_from_outside_never_reach_the_terminal(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", f"/v1/messages/{SENT['id']}", 200, SENT)
    result = local("messages", "show", SENT["id"])
    assert "\x1b" not in result.stdout
    assert "18c\\x1b[2J" in result.stdout
    assert local.json("messages", "show", SENT["id"]) == SENT


def test_an_id_is_one_segment_of_the_path(local: Operator, api: ScriptedApi) -> None:
    result = local("messages", "show", "../accounts?x")
    assert api.requests[0].path == "/v1/messages/..%2Faccounts%3Fx"
    assert result.exit_code == 1
    assert "[not_found, 404]" in result.stderr


def test_lists_page_after_page_up_to_the_limit(local: Operator, api: ScriptedApi) -> None:
    path = "/v1/messages"
    api.answer("GET", path, 200, {"data": [SENT | {"id": f"msg_{n}"} for n in range(100)], "next_cursor": "two"})
    api.answer("GET", path, 200, {"data": [SENT | {"id": f"msg_{n}"} for n in range(100, 130)], "next_cursor": "three"})
    found = local.json(
        "messages", "list", "--limit", "120", "--account", "a@x.org", "--status", "sent", "--since", "1h"
    )
    assert [message["id"] for message in found] == [f"msg_{n}" for n in range(120)]
    since = quote(rfc3339(local.clock.now - 3600))
    assert [request.path for request in api.requests] == [
        f"{path}?account=a%40x.org&status=sent&since={since}&limit=100",
        f"{path}?account=a%40x.org&status=sent&since={since}&limit=20&cursor=two",
    ]


def test_a_list_ends_where_the_cursor_ends(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/messages", 200, {"data": [SENT], "next_cursor": None})
    result = local("messages", "list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["id", SENT["id"]]
    assert len(api.requests) == 1


def test_a_cursor_that_stands_still_ends_the_list(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/messages", 200, {"data": [], "next_cursor": "same"})
    assert local.json("messages", "list") == []
    assert len(api.requests) == 2


def test_an_answer_without_a_list_is_refused(local: Operator, api: ScriptedApi) -> None:
    api.answer("GET", "/v1/messages", 200, {"items": []})
    assert "did not answer with a list" in local("messages", "list").stderr


@pytest.mark.parametrize("since", ["yesterday", "0h", "5", "2026-01-01T00:00:00"])
def test_a_since_that_is_no_time_exits_2(local: Operator, api: ScriptedApi, since: str) -> None:
    assert local("messages", "list", "--since", since).exit_code == 2
    assert not api.requests


MOVED = SENT | {"status": "scheduled", "send_at": "2026-12-24T07:00:00.000Z"}


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_what_is_done_with_a_message_is_asked_of_the_api(local: Operator, api: ScriptedApi, verb: str) -> None:
    api.answer("POST", f"/v1/messages/{SENT['id']}/{verb}", 200, SENT)
    assert local.json("messages", verb, SENT["id"]) == SENT


@pytest.mark.parametrize(
    ("option", "asked"),
    [
        (("--send-at", "2026-12-24T08:00:00+01:00"), "2026-12-24T07:00:00.000Z"),
        (("--now",), None),
    ],
)
def test_a_scheduled_message_is_moved(
    local: Operator, api: ScriptedApi, option: tuple[str, ...], asked: str | None
) -> None:
    api.answer("PATCH", f"/v1/messages/{SENT['id']}", 200, MOVED)
    assert local.json("messages", "reschedule", SENT["id"], *option) == MOVED
    assert api.requests[0].body == {"send_at": asked}


@pytest.mark.parametrize("options", [(), ("--now", "--send-at", "2h"), ("--send-at", "tomorrow")])
def test_a_move_to_no_time_or_to_two_is_refused(local: Operator, api: ScriptedApi, options: tuple[str, ...]) -> None:
    result = local("messages", "reschedule", SENT["id"], *options)
    assert result.exit_code == 2
    assert "--send-at" in result.stderr
    assert api.requests == []
