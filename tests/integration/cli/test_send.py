from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.cli.conftest import API_KEY, Operator, ScriptedApi

if TYPE_CHECKING:
    from pathlib import Path

MESSAGE: dict[str, Any] = {
    "id": "msg_01JD0000000000000000000001",
    "status": "queued",
    "account": "acc_1",
    "attempts": [],
    "problem": None,
}
HELLO = ("send", "--account", "a@example.org", "--to", "b@example.org", "--subject", "Hi", "--text", "Hello")


def test_sends_what_was_said_with_the_local_stacks_key(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/messages", 202, MESSAGE)
    assert local.json(*HELLO) == MESSAGE
    (request,) = api.requests
    assert request.body == {"account": "a@example.org", "to": ["b@example.org"], "subject": "Hi", "text": "Hello"}
    assert request.headers["Authorization"] == f"Bearer {API_KEY}"


def test_every_field_has_its_option(local: Operator, api: ScriptedApi, tmp_path: Path) -> None:
    page, paper = tmp_path / "page.html", tmp_path / "paper.tar.gz"
    page.write_text("<p>Grüße</p>", encoding="utf-8")
    paper.write_bytes(b"\x00\xff")
    api.answer("POST", "/v1/messages", 202, MESSAGE)
    result = local(
        *(
            "send",
            "--to",
            "b@x.org",
            "--to",
            "C <c@x.org>",
            "--cc",
            "d@x.org",
            "--bcc",
            "e@x.org",
            "--reply-to",
            "f@x.org",
        ),
        *("--from", "alias@x.org", "--html-file", str(page), "--attach", str(paper), "--attach", str(page)),
        *("--header", "X-One: 1: 2", "--header", "X-Two:", "--idempotency-key", "k", "--text-file", "-"),
        stdin="Über",
    )
    assert result.exit_code == 0, result.output
    (request,) = api.requests
    assert request.headers["Idempotency-Key"] == "k"
    assert request.body == {
        "to": ["b@x.org", "C <c@x.org>"],
        "cc": ["d@x.org"],
        "bcc": ["e@x.org"],
        "reply_to": ["f@x.org"],
        "from": "alias@x.org",
        "headers": {"X-One": "1: 2", "X-Two": ""},
        "text": "Über",
        "html": "<p>Grüße</p>",
        "attachments": [
            {"filename": "paper.tar.gz", "content_type": "application/octet-stream", "content": "AP8="},
            {
                "filename": "page.html",
                "content_type": "text/html",
                "content": base64.b64encode("<p>Grüße</p>".encode()).decode(),
            },
        ],
    }


def test_text_may_come_from_standard_input(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/messages", 202, MESSAGE)
    assert local("send", "--to", "b@x.org", "--text", "-", stdin="piped\n").exit_code == 0
    assert api.requests[0].body["text"] == "piped\n"


def test_each_send_without_a_key_of_its_own_gets_a_new_one(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/messages", 202, MESSAGE)
    local(*HELLO)
    local(*HELLO)
    first, second = (request.headers["Idempotency-Key"] for request in api.requests)
    assert first != second


def test_a_lost_answer_names_the_key_with_which_sending_again_is_safe(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/messages", 202, None)
    result = local(*HELLO, "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert f"--idempotency-key {api.requests[0].headers['Idempotency-Key']} sends it once" in result.stderr


def test_a_503_names_the_key_too(local: Operator, api: ScriptedApi) -> None:
    problem = {"code": "temporarily_unavailable", "title": "Try again shortly", "detail": "The queue is down."}
    api.answer("POST", "/v1/messages", 503, problem)
    result = local(*HELLO)
    assert result.exit_code == 1
    assert "The queue is down [temporarily_unavailable, 503]." in result.stderr
    assert "--idempotency-key cli-" in result.stderr


def test_a_problem_document_is_shown_with_all_its_faults(local: Operator, api: ScriptedApi) -> None:
    faults = [
        {"pointer": "/to/0", "code": "invalid_address", "detail": "No @."},
        {"pointer": "/headers/From", "code": "reserved_header", "detail": "Use from."},
    ]
    problem = {
        "code": "invalid_request",
        "title": "The request is not valid",
        "detail": "2 faults: ...",
        "errors": faults,
    }
    api.answer("POST", "/v1/messages", 422, problem)
    result = local(*HELLO)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "Error: The request is not valid [invalid_request, 422].",
        "  /to/0: No @. [invalid_address]",
        "  /headers/From: Use from. [reserved_header]",
    ]
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (413, {"message": "Request Entity Too Large"}, "about 4.5 MB"),
        (502, b"<html>bad gateway</html>", "answered 502"),
        (200, b"[]", "no answer of Mailbearer"),
        (202, b'{"id": ', "no answer of Mailbearer"),
        (302, {"id": "msg_1"}, "answered 302"),
        (401, {"code": "unauthenticated", "title": "A valid API key is needed"}, "MAILBEARER_API_KEY"),
        (
            403,
            {"code": "forbidden", "title": "This key may not do that", "errors": "none"},
            "the scope and the account",
        ),
        (400, {"code": "malformed_body", "errors": [7, {"pointer": 1}]}, "malformed_body"),
    ],
)
def test_an_answer_that_is_no_success_becomes_one_sentence(
    local: Operator, api: ScriptedApi, status: int, body: object, said: str
) -> None:
    api.answer("POST", "/v1/messages", status, body, Location="http://127.0.0.1:9/elsewhere")
    result = local(*HELLO, "--json")
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.output
    assert len(api.requests) == 1


def test_waiting_ends_when_the_message_is_sent(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/messages", 202, MESSAGE)
    for status in ("queued", "sending", "deferred", "sent"):
        api.answer("GET", f"/v1/messages/{MESSAGE['id']}", 200, MESSAGE | {"status": status})
    assert local.json(*HELLO, "--wait")["status"] == "sent"


@pytest.mark.parametrize("status", ["failed", "held", "unknown", "canceled"])
def test_waiting_for_what_is_not_sent_exits_1_with_the_reason(local: Operator, api: ScriptedApi, status: str) -> None:
    api.answer("POST", "/v1/messages", 202, MESSAGE)
    problem = {"code": "mailbox_unavailable", "detail": "550 no such user"}
    api.answer("GET", f"/v1/messages/{MESSAGE['id']}", 200, MESSAGE | {"status": status, "problem": problem})
    result = local(*HELLO, "--wait", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["status"] == status
    assert "550 no such user [mailbox_unavailable]" in result.stderr


def test_waiting_has_a_limit(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/messages", 202, MESSAGE)
    api.answer("GET", f"/v1/messages/{MESSAGE['id']}", 200, MESSAGE)
    before = local.clock.now
    result = local(*HELLO, "--wait", "--timeout", "7")
    assert result.exit_code == 1
    assert "is still queued after 7 s" in result.stderr
    assert local.clock.now - before == 7


@pytest.mark.parametrize(
    "words",
    [
        ("--text", "a", "--text-file", "b"),
        ("--text", "-", "--html-file", "-"),
        ("--text-file", "-", "--api-key-stdin"),
        ("--header", "no colon"),
        ("--header", ": no name"),
        ("--header", "X-A: 1", "--header", "x-a: 2"),
        ("--timeout", "0"),
        ("--no-such-option",),
    ],
)
def test_a_command_that_is_written_wrong_exits_2_and_sends_nothing(
    local: Operator, api: ScriptedApi, words: tuple[str, ...]
) -> None:
    result = local("send", "--to", "b@x.org", *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert not api.requests


@pytest.mark.parametrize("option", ["--text-file", "--html-file", "--attach"])
def test_a_file_that_is_not_there_is_named(local: Operator, api: ScriptedApi, option: str) -> None:
    result = local("send", "--to", "b@x.org", option, "missing.bin")
    assert result.exit_code == 1
    assert "missing.bin" in result.stderr
    assert "No such file" in result.stderr
    assert not api.requests


def test_text_that_is_no_utf_8_is_refused(local: Operator, tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes(b"Gr\xfc\xdfe")
    assert "is not UTF-8" in local("send", "--to", "b@x.org", "--text-file", str(path)).stderr
    assert "is not UTF-8" in local("send", "--to", "b@x.org", "--text", "-", stdin=b"Gr\xfc\xdfe").stderr


def test_a_key_from_standard_input_goes_before_the_local_stacks(local: Operator, api: ScriptedApi) -> None:
    api.answer("POST", "/v1/messages", 202, MESSAGE)
    assert local(*HELLO, "--api-key-stdin", stdin="mb_key_other\n").exit_code == 0
    assert api.requests[0].headers["Authorization"] == "Bearer mb_key_other"


@pytest.mark.parametrize("stdin", ["", "\n", "one\ntwo\n"])
def test_standard_input_without_one_line_is_no_key(local: Operator, api: ScriptedApi, stdin: str) -> None:
    result = local(*HELLO, "--api-key-stdin", stdin=stdin)
    assert result.exit_code == 1
    assert "--api-key-stdin" in result.stderr
    assert not api.requests


def test_no_netrc_entry_takes_the_place_of_the_key(
    local: Operator, api: ScriptedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    api.answer("POST", "/v1/messages", 202, MESSAGE)
    local(*HELLO)
    assert api.requests[0].headers["Authorization"] == f"Bearer {API_KEY}"


def test_a_stack_that_is_gone_is_said_to_be(local: Operator, api: ScriptedApi) -> None:
    api.shutdown()
    api.server_close()
    result = local(*HELLO)
    assert result.exit_code == 1
    assert "could not be reached" in result.stderr


def test_a_template_and_a_time_have_their_options(local: Operator, api: ScriptedApi, tmp_path: Path) -> None:
    variables = tmp_path / "variables.json"
    variables.write_text(json.dumps({"name": "Bob"}), encoding="utf-8")
    api.answer("POST", "/v1/messages", 202, MESSAGE | {"status": "scheduled"})
    result = local(
        *("send", "--to", "b@example.org", "--template", "welcome", "--variables", str(variables)),
        *("--send-at", "2026-12-24T08:00:00+01:00"),
    )
    assert result.exit_code == 0, result.output
    assert api.requests[0].body == {
        "to": ["b@example.org"],
        "template": {"name": "welcome", "variables": {"name": "Bob"}},
        "send_at": "2026-12-24T07:00:00.000Z",
    }


def test_variables_that_are_no_json_or_belong_to_nothing_are_refused(local: Operator, tmp_path: Path) -> None:
    variables = tmp_path / "variables.json"
    variables.write_text("name: Bob", encoding="utf-8")
    result = local("send", "--to", "b@example.org", "--template", "welcome", "--variables", str(variables))
    assert result.exit_code == 1
    assert "is not JSON" in result.stderr
    result = local("send", "--to", "b@example.org", "--variables", str(variables))
    assert result.exit_code == 2
    assert "--template" in result.stderr
