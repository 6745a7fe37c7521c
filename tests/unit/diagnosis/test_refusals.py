"""Every refusal that was seen in the wild, against what it is known to mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mailbearer.diagnosis import Answer, Fate, Who, diagnose, judge_refusal
from mailbearer.errors import AuthorizationPending, ClientRefused, GrantRefused, TokenEndpointBusy, TokenError
from mailbearer.oauth_answers import Reply, token_answer

DATA = Path(__file__).parents[1] / "data" / "provider-errors.jsonl"
SAMPLES = [
    sample for line in DATA.read_text("utf-8").splitlines() if (sample := json.loads(line))["surface"] == "token"
]

# These belong to flows without a person behind them, and only their prose tells them from a dead grant.
SERVICE_ACCOUNT = {
    "g-token-robot-disabled",
    "g-token-invalid-email",
    "g-token-not-valid-email",
    "g-token-jwt-no-verifier",
}
PASSWORD_FLOW = {"ms-token-50126"}
DEVICE_FLOW = {"ms-token-70016", "ms-token-70020"}


def refusal(sample: dict[str, Any]) -> TokenError:
    reply = Reply(
        status=sample["http_status"],
        headers={name.lower(): value for name, value in sample["headers"].items()},
        body=sample["body"].encode(),
        received_at=0,
    )
    with pytest.raises(TokenError) as caught:
        token_answer(reply, with_claims=False)
    return caught.value


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample["id"] for sample in SAMPLES])
def test_a_refusal_seen_in_the_wild_becomes_the_error_that_fits_it(sample: dict[str, Any]) -> None:
    error = refusal(sample)
    if sample["id"] in DEVICE_FLOW:
        assert isinstance(error, AuthorizationPending if sample["id"] == "ms-token-70016" else TokenError)
        return
    match sample["expected"]["kind"]:
        case "consent_required":
            assert isinstance(error, GrantRefused)
            assert judge_refusal(error, first_time=False).dead
        case "transient" | "throttled" if isinstance(error, GrantRefused):
            assert not judge_refusal(error, first_time=False).dead
        case "transient" | "throttled":
            assert isinstance(error, TokenEndpointBusy)
        case "operator":
            assert isinstance(error, GrantRefused if sample["id"] in SERVICE_ACCOUNT else ClientRefused)
        case _:
            assert not isinstance(error, TokenEndpointBusy)


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample["id"] for sample in SAMPLES])
def test_whoever_can_mend_a_refusal_is_named(sample: dict[str, Any]) -> None:
    body = json.loads(sample["body"])
    if sample["id"] in SERVICE_ACCOUNT | PASSWORD_FLOW | DEVICE_FLOW:
        return
    error = refusal(sample)
    codes = error.error_codes if isinstance(error, GrantRefused) else tuple(body.get("error_codes", ()))
    subtype = error.subtype if isinstance(error, GrantRefused) else ""
    word = body.get("error") or body["error_description"]
    if word == "access_denied":
        codes = (65005,)  # in the prose only, where Microsoft's older answers had it
    assert diagnose(word, error_codes=codes, subtype=subtype).who == sample["expected"]["who"]


def test_a_plain_invalid_grant_is_dead() -> None:
    found = judge_refusal(GrantRefused("no"), first_time=True)
    assert (found.dead, found.reason) == (True, "grant_expired_or_revoked")


def test_an_unknown_number_changes_nothing() -> None:
    assert diagnose("invalid_grant", error_codes=(123456,)) == diagnose("invalid_grant")


def test_a_refusal_that_is_known_to_heal_gets_one_late_retry() -> None:
    refused = GrantRefused("no", error_codes=(70000,))
    first = judge_refusal(refused, first_time=True)
    assert (first.dead, first.pause) == (False, 300)
    assert judge_refusal(refused, first_time=False).dead


def test_our_own_request_loop_never_kills_a_grant_and_waits_long() -> None:
    found = judge_refusal(GrantRefused("no", error_codes=(50196,)), first_time=False)
    assert (found.dead, found.pause) == (False, 3600)


def test_of_two_numbers_the_specific_one_counts() -> None:
    assert diagnose("invalid_grant", error_codes=(70002, 54005)).code == "code_not_taken"
    assert diagnose("invalid_grant", error_codes=(70000, 50173)).code == "grant_expired_or_revoked"
    assert diagnose("invalid_grant", error_codes=(70002, 50053)).fate is Fate.ALIVE


@pytest.mark.parametrize("word", ["temporarily_unavailable", "server_error", "internal_failure", "Access Denied"])
def test_no_number_turns_a_busy_server_into_a_dead_grant(word: str) -> None:
    assert diagnose(word, error_codes=(50173,)).answer is Answer.BUSY


@pytest.mark.parametrize("word", ["invalid_request", "something_new", ""])
def test_no_number_kills_a_grant_unless_the_word_is_the_grants(word: str) -> None:
    assert diagnose(word, error_codes=(50173,)).answer is Answer.OTHER


def test_a_number_says_what_is_wrong_with_the_client() -> None:
    assert diagnose("invalid_client", error_codes=(7000222,)).code == "client_secret_expired"


@pytest.mark.parametrize("subtype", ["invalid_rapt", "rapt_required"])
def test_googles_session_control_is_the_administrators_affair(subtype: str) -> None:
    assert diagnose("invalid_grant", subtype=subtype).who is Who.TENANT_ADMIN


def test_a_subtype_says_nothing_about_anything_but_a_grant() -> None:
    assert diagnose("invalid_client", subtype="basic_action") == diagnose("invalid_client")
