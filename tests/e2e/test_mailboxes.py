"""A mailbox's life on a deployed stack: consent, refresh, a dead grant and its reconnect, revocation."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.e2e.local_stack import ROADS, message, queue_message_id, until

if TYPE_CHECKING:
    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.mark.parametrize(("tenant", "address", "host"), ROADS)
def test_a_consented_mailbox_has_the_scopes_it_asked_for_and_its_token_is_proven_where_it_can_be(
    local_stack: LocalStack, tenant: str, address: str, host: str
) -> None:
    account = local_stack.connect(f"second-{address}", tenant)
    health = local_stack.get(f"/v1/accounts/{account}/health")
    assert (health["state"], health["diagnosis"]) == ("active", None)
    assert health["token"]["next_refresh_at"] < health["token"]["expires_at"]
    assert any(
        {"gmail": "gmail.send", "graph": "Mail.Send", "smtp": "smtp"}[host] in scope
        for scope in health["scopes"]["granted"]
    )
    proven = local_stack.call("POST", f"/v1/accounts/{account}/validate")
    # Gmail tells nothing to a token that may only send, and this registration was given no userinfo endpoint.
    assert (proven.status_code, proven.json()["valid"]) == (200, None if host == "gmail" else True)
    local_stack.audited("token.validated", account)


def test_a_declined_or_foreign_consent_connects_nothing_and_a_link_works_once(local_stack: LocalStack) -> None:
    address = "careful@acme.example"
    local_stack.control.add_mailbox("google", "stranger@acme.example")
    account = local_stack.add(address, "google")
    declined = local_stack.consent(account["consent_url"], "google", address, allow=False)
    path = f"/v1/accounts/{account['id']}"
    again = local_stack.call("POST", f"{path}/consent").json()["consent_url"]
    foreign = local_stack.consent(again, "google", "stranger@acme.example")
    assert (declined.status_code, foreign.status_code) == (400, 403)
    assert local_stack.get(path)["status"] == "pending_consent"
    assert local_stack.grant("stranger@acme.example")["revoked"]
    third = local_stack.call("POST", f"{path}/consent").json()["consent_url"]
    callback = local_stack.control.consent(local_stack.sign_in_page(third, "google"), mailbox=address)
    pages = [local_stack.call("GET", callback.url.removeprefix(local_stack.world.api_url), key="") for _ in range(2)]
    assert [page.status_code for page in pages] == [200, 410]
    assert local_stack.get(path)["status"] == "active"


def test_the_schedule_refreshes_a_token_once_before_anybody_needs_it(local_stack: LocalStack) -> None:
    address = "punctual@acme.example"
    with local_stack.short_tokens("oidc", 3):
        account = local_stack.connect(address, "oidc")
    until("the token expires", lambda: local_stack.grant(address)["access_expires_in"] <= 0)
    local_stack.rotate()
    assert local_stack.grant(address)["refreshes"] == 1
    sent = local_stack.send(address)
    local_stack.settled(sent["id"], "sent")
    assert (local_stack.grant(address)["refreshes"], bool(local_stack.one_mail(sent))) == (1, True)
    health = local_stack.get(f"/v1/accounts/{account}/health")
    assert (health["token"]["failures"], health["diagnosis"]) == (0, None)
    local_stack.audited("token.refreshed", account)


def test_twenty_messages_at_once_refresh_an_expired_token_once(local_stack: LocalStack) -> None:
    address = "crowded@acme.example"
    with local_stack.short_tokens("oidc", 2):
        local_stack.connect(address, "oidc")
    until("the token expires", lambda: local_stack.grant(address)["access_expires_in"] <= 0)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda number: local_stack.drop(message(address, idempotency_key=f"crowd-{number}")), range(20)))
    for number in range(20):
        local_stack.settled(queue_message_id(f"crowd-{number}"), "sent")
    assert local_stack.grant(address)["refreshes"] == 1
    assert len(local_stack.control.mail(mailbox=address)) == 20


def test_a_revoked_mailbox_is_shut_here_and_at_the_provider(local_stack: LocalStack) -> None:
    address = "leaver@acme.example"
    account = local_stack.connect(address, "oidc")
    done = local_stack.call("POST", f"/v1/accounts/{account}/revoke").json()
    assert (done["status"], done["provider_told"], done["secret_retired"]) == ("revoked", True, True)
    assert local_stack.grant(address)["revoked"]
    refused = local_stack.call("POST", "/v1/messages", message(address))
    assert (refused.status_code, refused.json()["code"]) == (409, "account_revoked")
    local_stack.audited("account.revoked", account)


def test_a_paused_mailbox_lets_its_mail_wait_and_what_was_canceled_meanwhile_stays(local_stack: LocalStack) -> None:
    account = local_stack.connect("resting@acme.example", "oidc")
    path = f"/v1/accounts/{account}"
    assert local_stack.call("POST", f"{path}/pause").json()["status"] == "paused"
    waiting, unwanted = local_stack.send(account), local_stack.send(account)
    for each in (waiting, unwanted):
        local_stack.settled(each["id"], "held")
    assert local_stack.call("POST", f"/v1/messages/{unwanted['id']}/cancel").json()["status"] == "canceled"
    assert local_stack.call("POST", f"{path}/resume").json()["status"] == "active"
    local_stack.settled(waiting["id"], "sent")
    assert local_stack.one_mail(waiting)
    assert local_stack.get(f"/v1/messages/{unwanted['id']}")["status"] == "canceled"
    assert local_stack.control.mail(message_id=unwanted["message_id"]) == []


def test_a_deleted_mailbox_is_revoked_and_forgotten(local_stack: LocalStack) -> None:
    address = "forgotten@acme.example"
    account = local_stack.connect(address, "oidc")
    assert local_stack.call("DELETE", f"/v1/accounts/{account}").status_code == 204
    assert local_stack.grant(address)["revoked"]
    assert local_stack.call("GET", f"/v1/accounts/{account}").status_code == 404


def test_mail_waits_for_a_dead_grant_and_goes_out_by_itself_after_the_reconnect(local_stack: LocalStack) -> None:
    address = "returning@acme.example"
    account = local_stack.connect(address, "oidc")
    assert local_stack.control.revoke_tokens(mailbox=address) == 1
    sent = local_stack.send(address)
    held = local_stack.settled(sent["id"], "held")
    shown = local_stack.get(f"/v1/accounts/{account}/health")
    assert (shown["state"], shown["diagnosis"]["who"]) == ("consent_required", "user")
    assert local_stack.control.mail(mailbox=address) == []
    later = local_stack.send(address)
    local_stack.settled(later["id"], "held")
    link = local_stack.call("POST", f"/v1/accounts/{account}/consent").json()["consent_url"]
    assert local_stack.consent(link, "oidc", address).status_code == 200
    for each in (held, later):
        local_stack.settled(each["id"], "sent")
        assert local_stack.one_mail(each)
    assert local_stack.get(f"/v1/accounts/{account}")["status"] == "active"


def test_the_schedule_finds_a_dead_grant_by_itself_and_says_who_mends_it(local_stack: LocalStack) -> None:
    address = "fading@acme.example"
    account = local_stack.connect(address, "oidc")
    assert local_stack.control.revoke_tokens(mailbox=address) == 1
    local_stack.make_due(account)
    local_stack.rotate()
    health = local_stack.get(f"/v1/accounts/{account}/health")
    assert (health["state"], health["last_probe"]["outcome"]) == ("consent_required", "invalid")
    diagnosis = health["diagnosis"]
    assert (diagnosis["code"], diagnosis["who"]) == ("grant_expired_or_revoked", "user")
    assert f"mailbearer accounts consent {address}" in diagnosis["remedy"]
    asked = local_stack.world.operate("doctor", address, "--json")
    assert (asked.returncode, json.loads(asked.stdout)["accounts"][0]["diagnosis"]) == (1, diagnosis)

    sent = local_stack.send(address)
    local_stack.settled(sent["id"], "held")
    again = local_stack.operate("accounts", "consent", address)
    assert again["id"] == account
    assert local_stack.consent(again["consent_url"], "oidc", address).status_code == 200
    local_stack.settled(sent["id"], "sent")
    assert local_stack.one_mail(sent)
    assert local_stack.operate("doctor", address)["accounts"][0]["diagnosis"] is None
