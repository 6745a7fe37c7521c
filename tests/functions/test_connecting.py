"""The other ways of connecting a mailbox, through the deployed functions and the sandbox's providers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.connecting.tickets import hash_of, state_of
from mailbearer.credential import Credential
from mailbearer.providers import register
from tests.functions.deployment import API_URL, REGISTRATION
from tests.functions.test_accounts_api import ADDRESS, page
from tests.functions.test_messages_api import problem
from tests.integration.oauth.keys import Signer, signer

if TYPE_CHECKING:
    from mailbearer.account import Account
    from tests.functions.stack import Answer, Stack

pytestmark = pytest.mark.slow
SECRET = "the-other-client-secret"
GMAIL_SEND = "https://www.googleapis.com/auth/gmail.send"


@pytest.fixture(scope="module")
def pen() -> Signer:
    return signer()


def registered(stack: Stack, kind: str, flow: str, credential: Credential, **changes: Any) -> str:
    """Register a provider of the sandbox under a name of its own; give that."""
    tenant, name = stack.world.tenants[kind], f"{kind}-{flow}".replace("_", "-")
    made = register(
        kind,
        name=name,
        now=1,
        flow=flow,
        issuer=tenant.issuer,
        authorize_url=tenant.authorize_url,
        token_url=tenant.token_url,
        revoke_url=tenant.revoke_url,
        userinfo_url=tenant.userinfo_url,
        device_authorization_url=tenant.device_authorization_url,
        api_base_url=tenant.api_base_url or "",
        local=True,
        **({"client_id": "client-2"} | changes),
    )
    if stack.wiring.registrations.create(made):
        stack.wiring.credentials.create(name, credential)
    return name


def add(stack: Stack, provider: str, address: str = ADDRESS, **more: Any) -> Answer:
    return stack.accounts("accounts-post", body={"provider": provider, "address": address, **more})


def send(stack: Stack, account: Account) -> str:
    """Send a message through a mailbox, and say what became of it."""
    body = {"account": account.id, "to": "carla@customer.example", "subject": "Hi", "text": "Hello."}
    accepted = stack.messages("messages-post", body=body, headers={"idempotency-key": account.id})
    assert accepted.status == 202, accepted.text
    stack.deliver()
    shown = stack.messages("messages-get", path=f"/v1/messages/{accepted.json['id']}")
    return str(shown.json["status"])


# --- device code ------------------------------------------------------------------------------------------------------


@pytest.fixture
def by_device(stack: Stack) -> str:
    stack.world.control.register_client("microsoft", "client-2", public=True)
    stack.world.control.add_mailbox("microsoft", ADDRESS)
    stack.world.control.change_settings("microsoft", device_interval=0)
    return registered(stack, "microsoft", "device_code", Credential())


def look(stack: Stack, consent_url: str, *, wait: bool = False) -> Answer:
    """Load the page behind a link, once the provider's interval is over."""
    consents = stack.wiring.consents
    found = consents.get(hash_of(state_of(consent_url.rpartition("/")[2])))
    if wait and found and found.device:
        consents.put(replace(found, device=replace(found.device, ask_at=0)))
    return stack.accounts("connect-get", path=consent_url.removeprefix(API_URL))


def typed(stack: Stack, consent_url: str, **person: Any) -> None:
    """Enter the code that the page shows at the provider's page, and decide."""
    text = page(look(stack, consent_url), 200)
    code = text.partition('id="user-code">')[2].partition("<")[0]
    uri = f"{stack.world.tenants['microsoft'].url}/device"
    assert uri in text
    stack.world.control.verify_device(uri, code, **({"mailbox": ADDRESS} | person))


def test_a_code_that_its_owner_typed_connects_the_mailbox_and_what_waited_goes_out(
    stack: Stack, by_device: str
) -> None:
    added = add(stack, by_device)
    assert (added.status, added.json["status"]) == (201, "pending_consent")
    link = added.json["consent_url"]
    waiting = page(look(stack, link, wait=True), 200)
    assert re.search('<meta http-equiv="refresh" content="[56]">', waiting)
    typed(stack, link)
    assert f"{ADDRESS} is connected" in page(look(stack, link, wait=True), 200)
    assert stack.account().state is AccountState.ACTIVE
    assert send(stack, stack.account()) == "sent"
    assert "used already" in page(look(stack, link), 410)
    assert "consent.granted granted" in stack.actions()


def test_another_mailbox_or_a_no_connects_nothing(stack: Stack, by_device: str) -> None:
    stack.world.control.add_mailbox("microsoft", "eve@tenant.example")
    link = add(stack, by_device).json["consent_url"]
    typed(stack, link, mailbox="eve@tenant.example")
    assert "Another mailbox" in page(look(stack, link, wait=True), 403)
    assert all(grant["revoked"] for grant in stack.world.control.tokens())
    link = stack.accounts("accounts-consent").json["consent_url"]
    typed(stack, link, allow=False)
    assert "declined" in page(look(stack, link, wait=True), 400)
    assert stack.account().state is AccountState.PENDING_CONSENT


def test_connecting_again_by_a_code_keeps_the_account(stack: Stack, by_device: str) -> None:
    link = add(stack, by_device, aliases=["sales@tenant.example"]).json["consent_url"]
    typed(stack, link)
    page(look(stack, link, wait=True), 200)
    before = stack.account()
    stack.change(before, state=AccountState.CONSENT_REQUIRED, reason="grant_expired_or_revoked")
    link = stack.accounts("accounts-consent").json["consent_url"]
    typed(stack, link)
    page(look(stack, link, wait=True), 200)
    after = stack.account()
    assert (after.id, after.state, after.aliases) == (before.id, AccountState.ACTIVE, ("sales@tenant.example",))


def test_a_provider_that_gives_no_code_adds_nothing_and_the_same_again_works(stack: Stack, by_device: str) -> None:
    stack.world.control.plan_fault("device_authorization", "503", tenant="microsoft")
    problem(add(stack, by_device), 503, "temporarily_unavailable")
    assert stack.wiring.accounts.by_address(ADDRESS) == []
    assert add(stack, by_device).status == 201


# --- nobody consents --------------------------------------------------------------------------------------------------


@pytest.fixture
def by_application(stack: Stack) -> str:
    stack.world.control.register_client("microsoft", "client-2", SECRET)
    stack.world.control.add_mailbox("microsoft", ADDRESS)
    scopes = ("https://graph.microsoft.com/.default",)
    return registered(stack, "microsoft", "client_credentials", Credential(client_secret=SECRET), scopes=scopes)


@pytest.fixture
def by_robot(stack: Stack, pen: Signer) -> str:
    name = "robot@project.iam.example"
    stack.world.control.register_service_account(
        name, client_id="1", public_key=pen.public_key, domain="tenant.example", scopes=[GMAIL_SEND], key_id="key-1"
    )
    stack.world.control.add_mailbox("google", ADDRESS)
    credential = Credential(id="key-1", private_key=pen.private_key)
    return registered(stack, "google", "jwt_bearer", credential, client_id=name, scopes=(GMAIL_SEND,))


@pytest.mark.parametrize("way", ["by_application", "by_robot"])
def test_an_unattended_mailbox_is_active_at_once_and_sends(
    stack: Stack, way: str, request: pytest.FixtureRequest
) -> None:
    provider = request.getfixturevalue(way)
    added = add(stack, provider, display_name="Ann")
    assert (added.status, added.json["status"]) == (201, "active"), added.text
    assert "consent_url" not in added.json
    assert added.json["scopes"]["missing"] == []
    account = stack.account()
    stored = stack.wiring.vault.read(account.id)
    assert stored is not None
    assert stored.tokens.refresh_token == ""
    assert send(stack, account) == "sent"
    refused = problem(stack.accounts("accounts-consent"), 409, "conflict")
    assert "without anybody's consent" in refused["detail"]


def test_a_refused_application_adds_nothing_and_says_what_to_do(stack: Stack, by_application: str) -> None:
    control = stack.world.control
    for client in control.clients():
        for secret in client.get("secrets", []):
            control.expire_credential("microsoft", "client-2", secret["id"])
    refused = problem(add(stack, by_application), 409, "consent_refused")
    assert refused["reason"] == "client_secret_expired"
    assert "secret" in refused["detail"]
    assert SECRET not in str(refused)
    assert stack.wiring.accounts.by_address(ADDRESS) == []
    assert "consent.refused refused" in stack.actions()


def test_a_provider_that_is_down_adds_nothing_and_the_same_again_works(stack: Stack, by_application: str) -> None:
    stack.world.control.plan_fault("token", "503", tenant="microsoft")
    problem(add(stack, by_application), 503, "temporarily_unavailable")
    assert stack.wiring.accounts.by_address(ADDRESS) == []
    assert add(stack, by_application).status == 201


def test_an_unattended_mailbox_that_was_revoked_is_connected_again_under_its_id(
    stack: Stack, by_application: str
) -> None:
    first = add(stack, by_application).json
    stack.accounts("accounts-revoke")
    again = add(stack, by_application)
    assert (again.status, again.json["id"], again.json["status"]) == (200, first["id"], "active")
    problem(add(stack, by_application), 409, "conflict")


# --- a token that somebody has ----------------------------------------------------------------------------------------


def elsewhere(stack: Stack, address: str = ADDRESS) -> str:
    """Let a mailbox grant a refresh token to the same client outside Mailbearer."""
    account = stack.connect(address)
    stored = stack.wiring.vault.read(account.id)
    assert stored is not None
    stack.wiring.vault.retire(account.id)
    stack.wiring.accounts.delete(account)
    return stored.tokens.refresh_token


def test_a_refresh_token_of_old_connects_the_mailbox_that_sends_then(stack: Stack) -> None:
    token = elsewhere(stack)
    account_id = add(stack, REGISTRATION).json["id"]
    answer = stack.accounts("accounts-import", body={"refresh_token": token})
    assert (answer.status, answer.json["id"], answer.json["status"]) == (200, account_id, "active")
    assert answer.json["scopes"]["missing"] == answer.json["scopes"]["excessive"] == []
    assert send(stack, stack.account()) == "sent"
    assert token not in stack.everything()
    problem(stack.accounts("accounts-import", body={"refresh_token": token}), 409, "conflict")


def test_another_mailboxs_token_is_refused_and_lives_on(stack: Stack) -> None:
    token = elsewhere(stack, "eve@tenant.example")
    add(stack, REGISTRATION)
    refused = problem(stack.accounts("accounts-import", body={"refresh_token": token}), 403, "consent_refused")
    assert refused["reason"] == "identity_mismatch"
    assert not any(grant["revoked"] for grant in stack.world.control.tokens())
    assert stack.account().state is AccountState.PENDING_CONSENT


def test_a_dead_token_is_refused_with_what_it_means(stack: Stack) -> None:
    add(stack, REGISTRATION)
    refused = problem(stack.accounts("accounts-import"), 409, "consent_refused")
    assert refused["reason"] == "grant_expired_or_revoked"
    assert stack.account().state is AccountState.PENDING_CONSENT
    faulty = problem(stack.accounts("accounts-import", body={"token": "x"}), 422, "invalid_request")
    assert {fault["code"] for fault in faulty["errors"]} == {"unknown_field", "invalid_refresh_token"}


# --- one grant too many -----------------------------------------------------------------------------------------------


def test_the_hundred_and_first_grant_is_refused_with_its_reason(stack: Stack) -> None:
    account = stack.connect()
    now = stack.wiring.clock()
    stack.change(account, grants=(now,) * 100)
    refused = problem(stack.accounts("accounts-consent"), 409, "too_many_grants")
    assert "100" in refused["detail"]
    stack.accounts("accounts-revoke")
    assert stack.accounts("accounts-consent").status == 200
