"""`mailbearer explain` as somebody uses it: a paste, or a file of answers, and no stack anywhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.diagnosis.samples import CODES, SAMPLES

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Operator

GONE = '{"error":"invalid_grant","error_description":"Token has been expired or revoked.","refresh_token":"1//secret"}'


def test_a_paste_is_explained_for_a_person(operator: Operator) -> None:
    result = operator("explain", stdin=GONE)
    assert result.exit_code == 0
    for said in (
        "grant_expired_or_revoked",
        "user",
        "mailbearer accounts consent ACCOUNT",
        "invalid_grant",
        "(guessed)",
    ):
        assert said in result.stdout
    assert "1//secret" not in result.output


def test_a_paste_is_explained_for_a_program(operator: Operator) -> None:
    found = operator.json("explain", "--provider", "google", "--surface", "token", stdin=GONE)
    assert found.keys() >= {"code", "cause", "retry", "who", "remedy", "raw", "provider", "surface"}
    assert (found["code"], found["retry"], found["who"], found["raw"]) == (
        "grant_expired_or_revoked",
        False,
        "user",
        "invalid_grant",
    )
    assert (found["provider"], found["surface"]) == ("google", "token")


def test_a_person_is_told_whether_nothing_was_guessed(operator: Operator) -> None:
    result = operator("explain", "--provider", "google", "--surface", "token", stdin=GONE)
    assert "(guessed)" not in result.stdout


def test_the_surface_decides_what_a_text_is(operator: Operator) -> None:
    found = operator.json("explain", "--surface", "smtp", stdin=b"454 4.7.0 Too many login attempts\r\n")
    assert (found["code"], found["retry"]) == ("login_throttled", True)


def test_every_line_of_a_file_is_answered_in_order(operator: Operator) -> None:
    lines = "".join(json.dumps(sample) + "\n" for sample in SAMPLES)
    result = operator("explain", "--lines", "--json", stdin=lines)
    assert result.exit_code == 0
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["code"] for answer in answers] == [CODES[sample["id"]] for sample in SAMPLES]


def test_a_bad_line_is_answered_with_its_number_and_the_others_go_on(operator: Operator) -> None:
    long = '{"body": "' + "x" * 1_100_000 + '"}'
    lines = [GONE.replace('"error"', '"body":"x","error"'), "not json", "", "[]", long, '{"http_status": 429}']
    result = operator("explain", "--lines", "--json", stdin="\n".join(lines))
    assert result.exit_code == 1
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer.get("line") for answer in answers] == [None, 2, 4, 5, None]
    assert all(answer["error"] for answer in answers[1:4])
    assert answers[-1]["code"] == "throttled"


def test_bad_lines_are_told_a_person_on_standard_error(operator: Operator) -> None:
    result = operator("explain", "--lines", stdin='x\n{"smtp": "421 4.3.2 Service not available"}\n')
    assert result.exit_code == 1
    assert "Line 1: This line is not JSON." in result.stderr
    assert "service_unavailable" in result.stdout


def test_bytes_that_are_no_text_are_read_all_the_same(operator: Operator) -> None:
    found = operator.json("explain", stdin=b'\xff\xfe\0{"error":"invalid_client"}\x80')
    assert found["code"] == "registration_refused"


def test_options_say_for_lines_what_these_do_not(operator: Operator) -> None:
    result = operator(
        "explain", "--lines", "--json", "--surface", "introspection", stdin='{"body":"{\\"active\\":false}"}'
    )
    assert json.loads(result.stdout)["surface"] == "introspection"


@pytest.mark.parametrize(
    ("words", "stdin", "exit_code"),
    [
        ((), "", 2),
        ((), "  \n", 2),
        ((), "x" * 1_048_577, 1),
        (("--provider", "acme"), "x", 2),
        (("--surface", "acme"), "x", 2),
        (("--lines", "--json"), '{"http_status":429}\n' * 10_001, 1),
    ],
)
def test_what_cannot_be_explained_is_refused(
    operator: Operator, words: tuple[str, ...], stdin: str, exit_code: int
) -> None:
    result = operator("explain", *words, stdin=stdin)
    assert result.exit_code == exit_code
    assert result.stderr.startswith("Error: ")
