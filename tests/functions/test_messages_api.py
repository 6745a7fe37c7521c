"""POST and GET messages, through the real handler."""

from __future__ import annotations

import base64
import email
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.ids import rfc3339
from tests.functions.deployment import KEY_ID
from tests.functions.stack import event, request

if TYPE_CHECKING:
    from tests.functions.stack import Answer, Stack

pytestmark = pytest.mark.slow
NOBODY = {"key_id": ""}


def caller(scopes: str, accounts: str = "") -> dict[str, str]:
    return {"key_id": KEY_ID, "scopes": scopes, "accounts": accounts}


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """See that an answer is a problem document, and give it."""
    assert answer.status == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"].endswith(f"#{code}")
    assert body["title"]
    assert body["detail"]
    return body


def test_health_needs_no_key_and_nothing_else(stack: Stack) -> None:
    answer = stack.messages("health")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_a_message_is_accepted_and_lies_on_the_queue(stack: Stack) -> None:
    account = stack.mailbox()
    answer = stack.messages("messages-post")
    assert answer.status == 202
    assert answer.headers["location"] == f"/v1/messages/{answer.json['id']}"
    assert answer.json["status"] == "queued"
    assert answer.json["account"] == account.id
    assert (answer.json["tags"], answer.json["metadata"]) == (["order"], {"order": "4711"})
    (queued,) = stack.on(stack.names["MessageQueue"])
    assert json.loads(queued["Body"])["id"] == answer.json["id"]
    assert stack.metrics()["accepted"] == 1
    assert stack.actions()[-1] == "message.accepted accepted"


def test_the_same_request_again_is_the_same_message(stack: Stack) -> None:
    stack.mailbox()
    first, second = stack.messages("messages-post"), stack.messages("messages-post")
    assert second.json["id"] == first.json["id"]
    assert second.headers["idempotent-replayed"] == "true"
    assert stack.metrics()["accepted"] == 1
    other = json.loads(event("messages-post")["body"]) | {"subject": "another"}
    problem(stack.messages("messages-post", body=other), 409, "idempotency_conflict")


def test_a_body_may_come_in_base64(stack: Stack) -> None:
    stack.mailbox()
    assert stack.messages("messages-post-base64").status == 202


@pytest.mark.parametrize(
    ("name", "word"),
    [("post", "1"), ("post", "True"), ("post", ""), ("batch", "true"), ("merge", "true"), ("merge", "yes")],
)
def test_no_word_for_a_dry_run_sends_mail(stack: Stack, name: str, word: str) -> None:
    stack.mailbox()
    body = problem(stack.messages(f"messages-{name}", query={"dry_run": word}), 422, "invalid_request")
    assert body["errors"][0]["pointer"] == "/dry_run"
    assert stack.on(stack.names["MessageQueue"]) == []


def test_a_dry_run_of_more_than_lambda_gives_back_is_refused(stack: Stack) -> None:
    stack.mailbox()
    body = {"account": "ann@tenant.example", "to": "bob@example.net", "text": "x" * 4_500_000}
    given = problem(stack.messages("messages-post-dry-run", body=body), 422, "invalid_request")
    assert given["errors"][0]["code"] == "message_too_large"


def test_the_key_of_a_batch_serves_its_messages(stack: Stack) -> None:
    stack.mailbox()
    first, again = (stack.messages("messages-batch", headers={"idempotency-key": "k"}).json for _ in range(2))
    ids = [result["message"]["id"] for result in first["results"] if "message" in result]
    assert ids
    assert [result["message"]["id"] for result in again["results"] if "message" in result] == ids
    assert len(set(ids)) == len(ids)


def test_a_dry_run_shows_the_message_and_stores_nothing(stack: Stack) -> None:
    stack.mailbox()
    answer = stack.messages("messages-post-dry-run")
    mime = email.message_from_bytes(base64.b64decode(answer.json["mime"]))
    assert answer.status == 200
    assert mime["Subject"] == "Your order"
    assert answer.json["size"] == len(base64.b64decode(answer.json["mime"]))
    assert stack.on(stack.names["MessageQueue"]) == []
    assert "accepted" not in stack.metrics()


def test_all_faults_come_in_one_problem_document(stack: Stack) -> None:
    stack.mailbox()
    body = problem(stack.messages("messages-post-invalid"), 422, "invalid_request")
    assert {fault["pointer"] for fault in body["errors"]} >= {"/to/1", "/subject", "/headers/From", "/colour"}
    assert stack.on(stack.names["MessageQueue"]) == []


def test_a_body_that_is_no_json_is_one_problem(stack: Stack) -> None:
    problem(stack.messages("messages-post-malformed"), 400, "malformed_body")


ROUTES = [
    ("POST", "/v1/messages"),
    ("GET", "/v1/messages"),
    ("POST", "/v1/messages/batch"),
    ("POST", "/v1/messages/merge"),
    ("GET", "/v1/messages/msg_1"),
    ("PATCH", "/v1/messages/msg_1"),
    ("POST", "/v1/messages/msg_1/cancel"),
    ("POST", "/v1/messages/msg_1/retry"),
]


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/v1/messages/a/b/c"), ("PUT", "/v1/messages")])
def test_without_a_key_everything_is_401(stack: Stack, method: str, path: str) -> None:
    answer = stack.messages("messages-post-unauthenticated", method=method, path=path)
    problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_the_scope_everything_is_403(stack: Stack, method: str, path: str) -> None:
    problem(stack.messages("messages-post", method=method, path=path, caller=caller("audit:read")), 403, "forbidden")


def test_a_key_of_other_accounts_may_not_send(stack: Stack) -> None:
    stack.mailbox()
    problem(stack.messages("messages-post", caller=caller("messages:send", "acc_other")), 403, "forbidden")


@pytest.mark.parametrize("path", ["/v1/messages/msg_1", "/v1/messages/" + "x" * 4000, "/v1/messages/%F0%9F%93%A8"])
def test_a_message_that_is_not_there_is_404(stack: Stack, path: str) -> None:
    problem(stack.messages("messages-get", path=path), 404, "not_found")


def test_another_callers_message_looks_like_none(stack: Stack) -> None:
    stack.mailbox()
    stack.messages("messages-post")
    stranger = caller("messages:read messages:send", "acc_other")
    bodies = [
        problem(stack.messages("messages-get", caller=stranger), 404, "not_found"),
        problem(stack.messages("messages-cancel", caller=stranger), 404, "not_found"),
        problem(stack.messages("messages-retry", caller=stranger), 404, "not_found"),
        problem(stack.messages("messages-patch", caller=stranger), 404, "not_found"),
    ]
    missing = problem(stack.messages("messages-get", path="/v1/messages/msg_1"), 404, "not_found")
    assert bodies == [missing] * 4


def test_another_method_is_405_and_another_path_404(stack: Stack) -> None:
    answer = stack.messages("messages-post", method="PUT")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"
    problem(stack.messages("messages-post", path="/v1/messages/a/b/c"), 404, "not_found")


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (AccountState.PENDING_CONSENT, 409, "account_pending_consent"),
        (AccountState.REVOKED, 409, "account_revoked"),
        (AccountState.PAUSED, 202, ""),
        (AccountState.CONSENT_REQUIRED, 202, ""),
    ],
)
def test_what_cannot_leave_is_refused_at_once_and_what_can_wait_is_taken(
    stack: Stack, state: AccountState, status: int, code: str
) -> None:
    stack.mailbox(state=state)
    answer = stack.messages("messages-post")
    assert answer.status == status
    if code:
        problem(answer, status, code)


def test_an_unknown_account_is_a_fault_of_the_request(stack: Stack) -> None:
    body = problem(stack.messages("messages-post"), 422, "invalid_request")
    assert [(fault["pointer"], fault["code"]) for fault in body["errors"]] == [("/account", "unknown_account")]


def test_each_message_of_a_batch_has_its_own_result_in_its_place(stack: Stack) -> None:
    stack.mailbox()
    answer = stack.messages("messages-batch")
    results = answer.json["results"]
    assert answer.status == 200
    assert [result["status"] for result in results] == [202, 422, 422, 202]
    assert results[1]["problem"]["code"] == results[2]["problem"]["code"] == "invalid_request"
    assert len(stack.on(stack.names["MessageQueue"])) == 2
    assert stack.metrics()["accepted"] == 2
    again = stack.messages("messages-batch").json["results"]
    assert again[3]["message"]["id"] == results[3]["message"]["id"]
    assert stack.metrics()["accepted"] == 3


def test_a_hundred_messages_are_one_batch(stack: Stack) -> None:
    account = stack.mailbox()
    body = {"messages": [{"account": account.id, "to": "ben@example.com", "text": str(n)} for n in range(100)]}
    results = stack.messages("messages-batch", body=body).json["results"]
    assert [result["status"] for result in results] == [202] * 100
    assert len({result["message"]["id"] for result in results}) == 100
    assert stack.metrics()["accepted"] == 100


def test_twenty_requests_at_once_with_one_key_are_one_message(stack: Stack) -> None:
    stack.mailbox()
    with stack.started("messages_api") as app, ThreadPoolExecutor(20) as callers:
        sent = request("messages-post")
        given = list(callers.map(lambda _: app.lambda_handler(sent, None), range(20)))
    assert {answer["statusCode"] for answer in given} == {202}
    assert len({json.loads(answer["body"])["id"] for answer in given}) == 1
    assert sum("idempotent-replayed" not in answer["headers"] for answer in given) == 1
    items = stack.clients.dynamodb.scan(TableName=stack.names["MessagesTable"])["Items"]
    assert len(items) == 1


def test_a_merge_is_a_message_for_each(stack: Stack) -> None:
    stack.mailbox()
    results = stack.messages("messages-merge").json["results"]
    assert [result["status"] for result in results] == [202, 422, 202]
    (fault,) = results[1]["problem"]["errors"]
    assert (fault["pointer"], fault["code"]) == ("/recipients/1/variables/town", "variable_missing")
    assert results[2]["message"]["metadata"] == {"list": "47"}
    jobs = [json.loads(queued["Body"])["message"] for queued in stack.on(stack.names["MessageQueue"])]
    assert sorted(job["subject"] for job in jobs) == ["News for Ben", "News for reader"]
    again = stack.messages("messages-merge").json["results"]
    assert [result["status"] for result in again] == [202, 422, 202]
    assert again[0]["message"] == results[0]["message"]
    assert stack.metrics()["accepted"] == 2
    other = json.loads(event("messages-merge")["body"])
    other["recipients"].pop()
    problem(stack.messages("messages-merge", body=other), 409, "idempotency_conflict")


def test_what_is_wrong_with_what_a_merge_shares_is_one_problem(stack: Stack) -> None:
    stack.mailbox()
    body = json.loads(event("messages-merge")["body"])
    body["message"] |= {"to": "x", "colour": 1}
    answer = problem(stack.messages("messages-merge", body=body), 422, "invalid_request")
    assert [fault["pointer"] for fault in answer["errors"]] == ["/message/to", "/message/colour"]


def test_a_scheduled_message_is_moved_and_sent(stack: Stack) -> None:
    stack.connect()
    stack.deliver()  # what connecting has put there
    later = json.loads(event("messages-post")["body"]) | {"send_at": rfc3339(time.time() + 86_400)}
    accepted = stack.messages("messages-post", body=later)
    assert (accepted.status, accepted.json["status"], accepted.json["send_at"]) == (202, "scheduled", later["send_at"])
    assert stack.schedules() == [accepted.json["id"]]
    assert stack.on(stack.names["MessageQueue"]) == []
    further = {"send_at": rfc3339(time.time() + 90_000)}
    moved = stack.messages("messages-patch", body=further)
    assert (moved.status, moved.json["status"], moved.json["send_at"]) == (200, "scheduled", further["send_at"])
    assert stack.messages("messages-patch").json["status"] == "queued"
    stack.deliver()
    assert stack.messages("messages-get").json["status"] == "sent"
    assert len(stack.world.control.mail()) == 1
    assert "message.rescheduled scheduled" in stack.actions()
    problem(stack.messages("messages-patch"), 409, "conflict")


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/send_at"]),
        ([], ["/send_at"]),
        ({"send_at": "tomorrow"}, ["/send_at"]),
        ({"send_at": "2001-01-01T00:00:00Z"}, ["/send_at"]),
        ({"send_at": "2999-01-01T00:00:00Z"}, ["/send_at"]),
        ({"send_at": 5, "text": "other"}, ["/text", "/send_at"]),
    ],
)
def test_a_move_that_cannot_be_is_422(stack: Stack, body: object, pointers: list[str]) -> None:
    stack.mailbox()
    stack.messages("messages-post")
    answer = problem(stack.messages("messages-patch", body=body), 422, "invalid_request")
    assert [fault["pointer"] for fault in answer["errors"]] == pointers


def test_a_canceled_message_leaves_no_schedule_and_no_content(stack: Stack) -> None:
    stack.mailbox()
    later = json.loads(event("messages-post")["body"]) | {"send_at": rfc3339(time.time() + 86_400)}
    stack.messages("messages-post", body=later)
    assert stack.messages("messages-cancel").json["status"] == "canceled"
    assert stack.schedules() == []
    assert stack.clients.s3.list_objects_v2(Bucket=stack.names["ContentBucket"])["KeyCount"] == 0


@pytest.mark.parametrize("messages", [None, [], "text", {}, [{}] * 101])
def test_a_batch_has_1_to_100_messages(stack: Stack, messages: object) -> None:
    body = problem(stack.messages("messages-batch", body={"messages": messages}), 422, "invalid_request")
    assert [fault["pointer"] for fault in body["errors"]] == ["/messages"]


def test_a_list_goes_on_with_its_cursor_newest_first(stack: Stack) -> None:
    stack.mailbox()
    sent = [stack.messages("messages-post-base64").json["id"] for _ in range(5)]
    query = event("messages-list")["queryStringParameters"]
    seen, pages = [], 0
    while True:
        page = stack.messages("messages-list", query=query).json
        seen += [each["id"] for each in page["data"]]
        pages += 1
        if page["next_cursor"] is None:
            break
        query = query | {"cursor": page["next_cursor"]}
    assert seen == sent[::-1]
    assert pages == 3


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({}, "/account"),
        ({"account": "ann@tenant.example", "status": "lost"}, "/status"),
        ({"account": "ann@tenant.example", "since": "yesterday"}, "/since"),
        ({"account": "ann@tenant.example", "since": "2026-11-22T09:30:00"}, "/since"),
        ({"account": "ann@tenant.example", "limit": "0"}, "/limit"),
        ({"account": "ann@tenant.example", "limit": "1000"}, "/limit"),
        ({"account": "ann@tenant.example", "cursor": "garbage"}, "/cursor"),
    ],
)
def test_a_bad_question_for_a_list_is_422(stack: Stack, query: dict[str, str], pointer: str) -> None:
    stack.mailbox()
    body = problem(stack.messages("messages-list", query=query), 422, "invalid_request")
    assert [fault["pointer"] for fault in body["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "queued"}, 1),
        ({"status": "sent"}, 0),
        ({"tag": "order"}, 1),
        ({"tag": "other"}, 0),
        ({"since": "2020-01-01T00:00:00Z"}, 1),
        ({"since": "2120-01-01T00:00:00+01:00"}, 0),
    ],
)
def test_a_list_is_filtered(stack: Stack, query: dict[str, str], found: int) -> None:
    stack.mailbox()
    stack.messages("messages-post")
    answer = stack.messages("messages-list", query={"account": "ann@tenant.example"} | query)
    assert answer.status == 200
    assert len(answer.json["data"]) == found


def test_a_key_of_one_account_need_not_name_it(stack: Stack) -> None:
    account = stack.mailbox()
    bound = caller("messages:read messages:send", account.id)
    body = {"to": "ben@example.com", "subject": "Hello", "text": "Hi"}
    assert stack.messages("messages-post", caller=bound, body=body).status == 202
    assert len(stack.messages("messages-list", caller=bound, query={}).json["data"]) == 1


def test_a_list_of_somebody_elses_account_is_404(stack: Stack) -> None:
    stack.mailbox()
    problem(stack.messages("messages-list", caller=caller("messages:read", "acc_other")), 404, "not_found")


def test_a_message_is_shown_canceled_and_not_sent(stack: Stack) -> None:
    stack.connect()
    stack.messages("messages-post")
    assert stack.messages("messages-get").json["status"] == "queued"
    assert stack.messages("messages-cancel").json["status"] == "canceled"
    stack.deliver()
    assert stack.messages("messages-get").json["status"] == "canceled"
    assert stack.world.control.mail() == []
    assert "message.canceled canceled" in stack.actions()
    assert stack.messages("messages-cancel").json["status"] == "canceled"


def test_a_held_message_is_tried_again_on_request(stack: Stack) -> None:
    account = stack.connect()
    stack.messages("messages-post")
    paused = stack.change(account, state=AccountState.PAUSED)
    stack.deliver()
    assert stack.messages("messages-get").json["status"] == "held"
    stack.change(paused, state=AccountState.ACTIVE)
    answer = stack.messages("messages-retry")
    assert (answer.status, answer.json["status"]) == (202, "queued")
    stack.deliver()
    assert stack.messages("messages-get").json["status"] == "sent"
    problem(stack.messages("messages-retry"), 409, "conflict")


def test_a_queue_that_is_gone_is_503_and_the_same_request_again_is_safe(stack: Stack) -> None:
    stack.mailbox()
    name = stack.names["MessageQueue"]
    stack.clients.sqs.delete_queue(QueueUrl=name)
    answer = stack.messages("messages-post")
    problem(answer, 503, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    stack.clients.sqs.create_queue(QueueName=name.rpartition("/")[2])
    assert stack.messages("messages-post").status == 202
    assert len(stack.on(name)) == 1


def test_a_defect_of_ours_is_a_500_that_tells_nothing_and_is_logged(stack: Stack) -> None:
    account = stack.mailbox()
    item = stack.clients.dynamodb.get_item(TableName=stack.names["AccountsTable"], Key={"id": {"S": account.id}})
    broken = item["Item"] | {"state": {"S": "a state that nobody knows"}}
    stack.clients.dynamodb.put_item(TableName=stack.names["AccountsTable"], Item=broken)
    body = problem(stack.messages("messages-post"), 500, "internal_error")
    assert "nobody knows" not in json.dumps(body)
    (line,) = [json.loads(each) for each in stack.output.splitlines() if '"request failed"' in each]
    assert line["level"] == "ERROR"
    assert line["request_id"] == "JKJaXmPLvHcESHA="
    assert "nobody knows" in line["exception"]
