"""Accounts, providers, consent pages and the callback, through the real handler and a provider on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from tests.functions.deployment import API_URL, KEY_ID, REGISTRATION
from tests.functions.stack import event
from tests.functions.test_messages_api import problem

if TYPE_CHECKING:
    from tests.functions.stack import Answer, Stack

pytestmark = pytest.mark.slow
ADDRESS = "ann@tenant.example"
ROUTES = [
    ("POST", "/v1/accounts"),
    ("GET", "/v1/accounts"),
    ("GET", "/v1/accounts/acc_1"),
    ("PATCH", "/v1/accounts/acc_1"),
    ("DELETE", "/v1/accounts/acc_1"),
    *(
        ("POST", f"/v1/accounts/acc_1/{verb}")
        for verb in ("consent", "rotate", "validate", "revoke", "pause", "resume")
    ),
    ("GET", "/v1/accounts/acc_1/health"),
    ("GET", "/v1/providers"),
]


def added(stack: Stack) -> dict[str, Any]:
    """Add a mailbox that waits for consent."""
    stack.world.control.add_mailbox("google", ADDRESS)
    body: dict[str, Any] = stack.accounts("accounts-post").json
    return body


def page(answer: Answer, status: int) -> str:
    """See that an answer is a page that nobody can frame, keep or load things into, and give its text."""
    assert answer.status == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in answer.text
    return answer.text


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_key_everything_is_401_and_without_the_scope_403(stack: Stack, method: str, path: str) -> None:
    nobody = stack.accounts("accounts-get", method=method, path=path, caller={"key_id": ""})
    problem(nobody, 401, "unauthenticated")
    weak = {"key_id": KEY_ID, "scopes": "messages:send messages:read", "accounts": ""}
    problem(stack.accounts("accounts-get", method=method, path=path, caller=weak), 403, "forbidden")


@pytest.mark.parametrize(("method", "path"), [(method, path) for method, path in ROUTES if "acc_1" in path])
def test_somebody_elses_account_looks_like_none(stack: Stack, method: str, path: str) -> None:
    account = stack.wiring.accounts
    added(stack)
    (own,) = account.by_address(ADDRESS)
    stranger = {"key_id": KEY_ID, "scopes": "admin", "accounts": "acc_other"}
    sent = {"method": method, "body": {}}
    foreign = stack.accounts("accounts-get", path=path.replace("acc_1", own.id), caller=stranger, **sent)
    missing = stack.accounts("accounts-get", path=path, **sent)
    assert problem(foreign, 404, "not_found") == problem(missing, 404, "not_found")


def test_another_method_is_405_and_another_path_404(stack: Stack) -> None:
    answer = stack.accounts("accounts-get", method="PUT", path="/v1/accounts")
    problem(answer, 405, "method_not_allowed")
    problem(stack.accounts("accounts-get", path="/v1/accounts/a/b/c"), 404, "not_found")
    problem(stack.accounts("accounts-get", path="/v1/accounts/" + "x@" * 3000), 404, "not_found")


# --- accounts ---------------------------------------------------------------------------------------------------------


def test_a_new_account_waits_for_consent_behind_a_link(stack: Stack) -> None:
    answer = stack.accounts("accounts-post")
    assert answer.status == 201
    body = answer.json
    assert answer.headers["location"] == f"/v1/accounts/{body['id']}"
    assert (body["status"], body["address"], body["transport"]) == ("pending_consent", ADDRESS, "gmail")
    assert body["display_name"] == "Ann Äther"
    assert body["consent_url"].startswith(f"{API_URL}/connect/")


def test_all_faults_of_an_account_come_in_one_problem_document(stack: Stack) -> None:
    body = problem(stack.accounts("accounts-post-invalid"), 422, "invalid_request")
    assert {fault["pointer"] for fault in body["errors"]} == {"/provider", "/address", "/password"}
    assert "hunter2" not in str(body)


def test_one_address_is_connected_once(stack: Stack) -> None:
    added(stack)
    problem(stack.accounts("accounts-post"), 409, "conflict")


def test_an_account_is_shown_changed_and_listed(stack: Stack) -> None:
    first = added(stack)
    second = stack.accounts("accounts-post", body={"provider": REGISTRATION, "address": "ben@tenant.example"}).json
    changed = stack.accounts("accounts-patch")
    assert changed.status == 200
    assert changed.json["aliases"] == ["sales@tenant.example"]
    assert changed.json["limits"] == {"per_day": 500}
    assert stack.accounts("accounts-get").json == changed.json
    query = event("accounts-list")["queryStringParameters"]
    one = stack.accounts("accounts-list").json
    two = stack.accounts("accounts-list", query=query | {"cursor": one["next_cursor"]}).json
    assert {each["id"] for each in one["data"] + two["data"]} == {first["id"], second["id"]}
    assert two["next_cursor"] is None
    problem(stack.accounts("accounts-list", query={"cursor": "garbage"}), 422, "invalid_request")


def test_providers_are_listed_without_their_secrets(stack: Stack) -> None:
    answer = stack.accounts("providers-get")
    assert answer.status == 200
    provider, built_in = answer.json["data"]
    assert built_in["name"] == "sandbox"
    assert (provider["name"], provider["kind"], provider["transport"]) == (REGISTRATION, "google", "gmail")
    assert "secret" not in answer.text


# --- consent ----------------------------------------------------------------------------------------------------------


def test_the_consent_page_says_what_is_asked_and_leads_on(stack: Stack) -> None:
    link = added(stack)["consent_url"].removeprefix(API_URL)
    text = page(stack.accounts("connect-get", path=link), 200)
    assert ADDRESS in text
    assert "does <strong>not</strong> ask to read" in text
    assert stack.world.tenants["google"].authorize_url in text


def test_the_owners_consent_connects_the_mailbox_and_says_so(stack: Stack) -> None:
    text = page(stack.consent(added(stack)["consent_url"]), 200)
    assert f"{ADDRESS} is connected" in text
    assert stack.account().state is AccountState.ACTIVE
    assert stack.actions() == [
        "consent.begin intended",
        "account.add intended",
        "account.added added",
        "consent.grant intended",
        "consent.granted granted",
    ]


def test_a_declined_consent_says_so_and_stores_nothing(stack: Stack) -> None:
    text = page(stack.consent(added(stack)["consent_url"], allow=False), 400)
    assert "declined" in text
    assert stack.account().state is AccountState.PENDING_CONSENT
    assert stack.actions()[-1] == "consent.refused refused"


def test_another_mailbox_is_refused_and_its_token_given_back(stack: Stack) -> None:
    stack.world.control.add_mailbox("google", "eve@tenant.example")
    text = page(stack.consent(added(stack)["consent_url"], mailbox="eve@tenant.example"), 403)
    assert "Another mailbox" in text
    assert stack.account().state is AccountState.PENDING_CONSENT
    assert all(grant["revoked"] for grant in stack.world.control.tokens())


@pytest.mark.parametrize("name", ["connect-get", "oauth-callback", "oauth-callback-denied"])
def test_a_link_that_we_never_gave_is_gone(stack: Stack, name: str) -> None:
    assert "used already or is older" in page(stack.accounts(name), 410)


def test_a_page_shows_nothing_of_what_it_was_asked_with(stack: Stack) -> None:
    hostile = "<script>alert(1)</script>"
    for query in ({"state": hostile}, {"state": "x", "error": hostile}, {"error_description": hostile}, {}):
        assert hostile not in page(stack.accounts("oauth-callback", query=query), 410)


def test_a_link_is_used_once(stack: Stack) -> None:
    link = added(stack)["consent_url"]
    stack.consent(link)
    assert page(stack.accounts("connect-get", path=link.removeprefix(API_URL)), 410)


def test_the_pages_need_no_key_and_the_api_is_not_among_them(stack: Stack) -> None:
    problem(stack.accounts("connect-get", path="/v1/accounts"), 401, "unauthenticated")


def test_connecting_again_keeps_the_account_and_sends_what_waited(stack: Stack) -> None:
    account = stack.connect()
    stack.change(account, state=AccountState.CONSENT_REQUIRED, reason="grant_expired_or_revoked")
    stack.messages("messages-post")
    stack.deliver()
    assert stack.messages("messages-get").json["status"] == "held"
    again = stack.accounts("accounts-consent").json
    assert again["id"] == account.id
    assert stack.consent(again["consent_url"]).status == 200
    stack.deliver()
    assert stack.messages("messages-get").json["status"] == "sent"


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_rotate_refreshes_now_and_counts_it(stack: Stack) -> None:
    before = stack.connect()
    answer = stack.accounts("accounts-rotate")
    assert (answer.status, answer.json["state"], answer.json["diagnosis"]) == (200, "active", None)
    assert stack.account().token.version != before.token.version
    assert stack.metrics() == {"refreshed": 1}


def test_a_rotation_that_the_provider_cannot_answer_counts_nothing_and_shows_when_it_goes_on(stack: Stack) -> None:
    stack.connect()
    stack.world.control.plan_fault("token", "503", tenant="google")
    answer = stack.accounts("accounts-rotate")
    assert answer.status == 200
    assert answer.json["diagnosis"]["code"] == "provider_busy"
    assert "refreshed" not in stack.metrics()


def test_a_dead_grant_is_a_conflict_and_health_says_what_to_do(stack: Stack) -> None:
    account = stack.connect()
    stack.world.control.revoke_tokens(tenant="google")
    problem(stack.accounts("accounts-rotate"), 409, "conflict")
    health = stack.accounts("accounts-health").json
    assert health["state"] == "consent_required"
    assert health["diagnosis"]["who"] == "user"
    assert f"/v1/accounts/{account.id}/consent" in health["diagnosis"]["remedy"]


def test_validate_says_whether_the_token_is_good(stack: Stack) -> None:
    account = stack.connect()
    good = stack.accounts("accounts-validate")
    assert (good.status, good.json["valid"]) == (200, True)
    assert (good.json["last_probe"]["outcome"], good.json["last_probe"]["identity"]) == ("valid", account.address)


def test_validate_renews_a_token_that_is_refused(stack: Stack) -> None:
    before = stack.connect()
    stack.world.control.expire_tokens(tenant="google")
    good = stack.accounts("accounts-validate")
    assert (good.status, good.json["valid"], good.json["diagnosis"]) == (200, True, None)
    assert stack.account().token.version != before.token.version


def test_validate_finds_a_grant_that_was_revoked_at_the_provider(stack: Stack) -> None:
    stack.connect()
    stack.world.control.revoke_tokens(tenant="google")
    bad = stack.accounts("accounts-validate")
    assert (bad.status, bad.json["valid"], bad.json["state"]) == (200, False, "consent_required")
    assert bad.json["diagnosis"]["code"] == "grant_expired_or_revoked"


def test_health_shows_scopes_and_deadlines(stack: Stack) -> None:
    stack.connect()
    health = stack.accounts("accounts-health").json
    assert health["scopes"]["granted"]
    assert health["token"]["expires_at"] > health["token"]["refreshed_at"]
    assert health["diagnosis"] is None


# --- pausing and revoking ---------------------------------------------------------------------------------------------


def test_a_paused_mailbox_keeps_its_mail_and_sends_it_when_resumed(stack: Stack) -> None:
    stack.connect()
    assert stack.accounts("accounts-pause").json["status"] == "paused"
    stack.messages("messages-post")
    stack.deliver()
    assert stack.messages("messages-get").json["status"] == "held"
    assert stack.accounts("accounts-resume").json["status"] == "active"
    stack.deliver()
    assert stack.messages("messages-get").json["status"] == "sent"


def test_a_mailbox_that_is_not_connected_cannot_be_paused(stack: Stack) -> None:
    added(stack)
    problem(stack.accounts("accounts-pause"), 409, "conflict")
    problem(stack.accounts("accounts-resume"), 409, "conflict")


def test_revoking_refuses_sends_tells_the_provider_and_retires_the_secret(stack: Stack) -> None:
    account = stack.connect()
    answer = stack.accounts("accounts-revoke")
    assert answer.status == 200
    assert (answer.json["status"], answer.json["provider_told"], answer.json["secret_retired"]) == (
        "revoked",
        True,
        True,
    )
    assert answer.json["token_may_live_until"]
    assert all(grant["revoked"] for grant in stack.world.control.tokens())
    assert stack.wiring.vault.read(account.id) is None
    problem(stack.messages("messages-post"), 409, "account_revoked")


def test_a_revocation_that_the_provider_did_not_hear_is_honest_about_it(stack: Stack) -> None:
    stack.connect()
    stack.world.control.plan_fault("revoke", "503", tenant="google")
    answer = stack.accounts("accounts-revoke").json
    assert (answer["status"], answer["provider_told"], answer["secret_retired"]) == ("revoked", False, False)
    problem(stack.messages("messages-post"), 409, "account_revoked")
    problem(stack.accounts("accounts-rotate"), 409, "conflict")


def test_deleting_revokes_first_and_then_forgets(stack: Stack) -> None:
    stack.connect()
    answer = stack.accounts("accounts-delete")
    assert (answer.status, answer.text) == (204, "")
    assert all(grant["revoked"] for grant in stack.world.control.tokens())
    problem(stack.accounts("accounts-get"), 404, "not_found")
    assert stack.actions()[-1] == "account.deleted deleted"


def test_an_account_whose_provider_did_not_hear_of_it_is_not_forgotten_yet(stack: Stack) -> None:
    stack.connect()
    stack.world.control.plan_fault("revoke", "503", tenant="google")
    problem(stack.accounts("accounts-delete"), 409, "conflict")
    assert stack.accounts("accounts-get").json["status"] == "revoked"
    assert stack.accounts("accounts-delete").status == 204


def test_a_revoked_mailbox_is_connected_again_under_its_id(stack: Stack) -> None:
    account = stack.connect()
    stack.accounts("accounts-revoke")
    assert stack.consent(stack.accounts("accounts-consent").json["consent_url"]).status == 200
    assert stack.account().id == account.id
    assert stack.messages("messages-post").status == 202


# --- the audit log ----------------------------------------------------------------------------------------------------


def test_while_the_audit_log_is_gone_nothing_new_is_granted(stack: Stack) -> None:
    link = added(stack)["consent_url"]
    group = stack.names["AuditLogGroup"]
    stack.clients.logs.delete_log_group(logGroupName=group)
    try:
        body = {"provider": REGISTRATION, "address": "b@tenant.example"}
        problem(stack.accounts("accounts-post", body=body), 503, "audit_unavailable")
        page = stack.consent(link)
        assert (page.status, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert "Ask for a new link" in page.text
    finally:
        stack.clients.logs.create_log_group(logGroupName=group)
    assert stack.account().state is AccountState.PENDING_CONSENT
    assert stack.world.control.tokens() == []
