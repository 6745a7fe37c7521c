"""Every refusal that was seen in the wild, against what it is known to mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mailbearer.diagnosis import Answer, Fate, Who, by_code, diagnose, explain, judge_refusal
from mailbearer.errors import AuthorizationPending, ClientRefused, GrantRefused, TokenEndpointBusy, TokenError
from mailbearer.oauth_answers import Reply, token_answer
from tests.unit.diagnosis.samples import CODES, SAMPLES, evidence

TOKEN = [sample for sample in SAMPLES if sample["surface"] == "token"]
every_sample = pytest.mark.parametrize("sample", TOKEN, ids=[sample["id"] for sample in TOKEN])


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


@every_sample
def test_a_refusal_seen_in_the_wild_becomes_the_error_that_fits_it(sample: dict[str, Any]) -> None:
    error = refusal(sample)
    row = by_code(CODES[sample["id"]])
    assert isinstance(error, GrantRefused) is (row.answer is Answer.GRANT)
    assert isinstance(error, ClientRefused) is (row.answer is Answer.CLIENT)
    assert isinstance(error, TokenEndpointBusy) is (row.answer is Answer.BUSY)


@every_sample
def test_an_error_carries_the_finding_and_the_providers_own_code(sample: dict[str, Any]) -> None:
    error = refusal(sample)
    if isinstance(error, AuthorizationPending):
        return
    assert error.finding == CODES[sample["id"]]
    assert error.raw == explain(evidence(sample)).raw


@every_sample
def test_only_a_grant_that_needs_consent_is_called_dead(sample: dict[str, Any]) -> None:
    error = refusal(sample)
    if isinstance(error, GrantRefused):
        row = by_code(CODES[sample["id"]])
        assert judge_refusal(error, first_time=False).dead is (row.fate is not Fate.ALIVE)
        assert judge_refusal(error, first_time=True).dead is (row.fate is Fate.DEAD)
        assert sample["expected"]["kind"] != "consent_required" or row.fate is not Fate.ALIVE


@pytest.mark.parametrize("description", ["Robot is disabled.", "Invalid email or User ID", "Invalid JWT Signature."])
def test_a_service_accounts_fault_ends_no_grant(description: str) -> None:
    body = json.dumps({"error": "invalid_grant", "error_description": description})
    error = refusal({"http_status": 400, "headers": {}, "body": body})
    assert isinstance(error, GrantRefused)
    found = judge_refusal(error, first_time=False)
    assert (found.dead, found.reason) == (False, error.finding)


def test_a_text_never_ends_a_grant_that_its_number_lets_live() -> None:
    body = {"error": "invalid_grant", "error_description": "Token has been expired or revoked.", "error_codes": [50196]}
    error = refusal({"http_status": 400, "headers": {}, "body": json.dumps(body)})
    assert isinstance(error, GrantRefused)
    assert not judge_refusal(error, first_time=False).dead
    assert not judge_refusal(
        GrantRefused("no", error_codes=(50196,), finding="sign_in_required"), first_time=False
    ).dead


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
