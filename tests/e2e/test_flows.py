"""Every other way to a token on a deployed stack: a typed code, no person at all, and a token that exists already."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import requests

from tests.e2e.local_stack import SECONDS, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(180)]

_USER_CODE = re.compile(r'id="user-code">([^<]+)<')
_ADDRESS = re.compile(r'href="[^"]+">(http[^<]+)</a>')
_AGAIN_IN = re.compile(r'http-equiv="refresh" content="(\d+)"')
_CONNECTED = "<h1>printer@acme.example is connected</h1>"


@pytest.fixture
def quick_devices(local_stack: LocalStack) -> Iterator[None]:
    """Let the provider be asked each second."""
    usual = local_stack.control.settings()["oidc"]["device_interval"]
    local_stack.control.change_settings("oidc", device_interval=1)
    yield
    local_stack.control.change_settings("oidc", device_interval=usual)


@pytest.mark.usefixtures("quick_devices")
def test_an_owner_who_types_a_code_elsewhere_sees_the_page_turn_to_connected(local_stack: LocalStack) -> None:
    address, secret = "printer@acme.example", "secret-of-the-printers"
    local_stack.control.register_client("oidc", "printers", secret)
    local_stack.control.add_mailbox("oidc", address)
    options = local_stack.oidc_options("printers")
    added = local_stack.register("printers", "--flow", "device_code", *options, secret=secret)
    assert (added["flow"], added["redirect_uri"]) == ("device_code", None)
    account = local_stack.operate("accounts", "add", address, "--provider", "printers")

    page = requests.get(account["consent_url"], timeout=SECONDS)
    (code,), (where,) = _USER_CODE.findall(page.text), _ADDRESS.findall(page.text)
    assert (page.status_code, bool(_AGAIN_IN.search(page.text))) == (200, True)
    local_stack.control.verify_device(where, code, mailbox=address)

    def renew() -> str | None:
        again = requests.get(account["consent_url"], timeout=SECONDS)
        assert again.status_code == 200, again.text
        return again.text if _CONNECTED in again.text else None

    assert not _AGAIN_IN.search(until("the page says that it is connected", renew, seconds=20))
    assert local_stack.get(f"/v1/accounts/{account['id']}")["status"] == "active"
    sent = local_stack.send(address)
    local_stack.settled(sent["id"], "sent")
    assert local_stack.one_mail(sent)["mailbox"] == address
    assert requests.get(account["consent_url"], timeout=SECONDS).status_code == 410


@pytest.mark.usefixtures("quick_devices")
def test_a_declined_code_connects_nothing(local_stack: LocalStack) -> None:
    local_stack.control.register_client("oidc", "scanners", public=True)
    options = local_stack.oidc_options("scanners")
    local_stack.register("scanners", "--flow", "device_code", "--token-auth-method", "none", *options)
    account = local_stack.call("POST", "/v1/accounts", {"provider": "scanners", "address": "scan@acme.example"}).json()
    page = requests.get(account["consent_url"], timeout=SECONDS).text
    local_stack.control.add_mailbox("oidc", "scan@acme.example")
    local_stack.control.verify_device(
        _ADDRESS.findall(page)[0], _USER_CODE.findall(page)[0], mailbox="scan@acme.example", allow=False
    )

    def refused() -> str | None:
        again = requests.get(account["consent_url"], timeout=SECONDS)
        return again.text if again.status_code == 400 else None

    assert "The consent was declined." in until("the page says that it was declined", refused, seconds=20)
    assert local_stack.get(f"/v1/accounts/{account['id']}")["status"] == "pending_consent"


def test_an_application_with_a_certificate_sends_for_the_mailboxes_it_may_use(
    local_stack: LocalStack, tmp_path: Path
) -> None:
    address, foreign = "robot@acme.example", "director@acme.example"
    pair = local_stack.key_pair("robot")
    (tmp_path / "robot.pem").write_text(pair.certificate + pair.private_key)
    local_stack.control.register_client("microsoft", "robot", certificate=pair.certificate, app_mailboxes=[address])
    for mailbox in (address, foreign):
        local_stack.control.add_mailbox("microsoft", mailbox)
    tenant = local_stack.world.sandbox["tenants"]["microsoft"]
    options = (
        *("--kind", "microsoft", "--flow", "client_credentials", "--client-id", "robot"),
        *("--certificate-file", str(tmp_path / "robot.pem"), "--token-url", tenant["token_url"]),
    )
    added = local_stack.register("robots", *options, "--api-base-url", tenant["api_base_url"])
    assert (added["token_auth_method"], bool(added["credential_expires_at"])) == ("private_key_jwt", True)
    account = local_stack.operate("accounts", "add", address, "--provider", "robots")
    assert (account["status"], "consent_url" in account) == ("active", False)
    sent = local_stack.send(account["id"])
    local_stack.settled(sent["id"], "sent")
    mail = local_stack.one_mail(sent)
    assert (mail["mailbox"], mail["via"]) == (address, "graph")
    assert local_stack.control.count(endpoint="token", grant_type="client_credentials", outcome="ok") > 0

    # An SMTP server tells at the sign-in whose mailbox it keeps shut; Graph only when something is sent.
    local_stack.register("robots-smtp", *options, *local_stack.smtp_options())
    refused = local_stack.world.operate("accounts", "add", foreign, "--provider", "robots-smtp")
    assert refused.returncode == 1
    assert f"{foreign}: the administrator has to allow the application this mailbox" in refused.stderr
    assert foreign not in {each["address"] for each in local_stack.get("/v1/accounts?limit=100")["data"]}


def test_a_service_account_sends_for_a_mailbox_of_its_domain_and_for_no_other(
    local_stack: LocalStack, tmp_path: Path
) -> None:
    address, email, number = "alerts@acme.example", "mailer@project.iam.example", "104857600000000000001"
    pair = local_stack.key_pair("mailer")
    local_stack.control.register_service_account(
        email,
        client_id=number,
        public_key=pair.public_key,
        key_id="key-1",
        domain="acme.example",
        scopes=["https://www.googleapis.com/auth/gmail.send"],
    )
    for mailbox in (address, "alerts@other.example"):
        local_stack.control.add_mailbox("google", mailbox)
    content = {"type": "service_account", "client_email": email, "client_id": number}
    key = {"private_key": pair.private_key, "private_key_id": "key-1"}
    (tmp_path / "key.json").write_text(json.dumps(content | key))
    tenant = local_stack.world.sandbox["tenants"]["google"]
    added = local_stack.register(
        *("workspace", "--service-account-file", str(tmp_path / "key.json")),
        *("--token-url", tenant["token_url"], "--api-base-url", tenant["api_base_url"]),
    )
    assert (added["kind"], added["flow"], added["client_id"]) == ("google", "jwt_bearer", email)
    account = local_stack.call("POST", "/v1/accounts", {"provider": "workspace", "address": address})
    assert (account.status_code, account.json()["status"]) == (201, "active")
    sent = local_stack.send(address)
    local_stack.settled(sent["id"], "sent")
    mail = local_stack.one_mail(sent)
    assert (mail["mailbox"], mail["via"]) == (address, "gmail")
    refused = local_stack.world.operate("accounts", "add", "alerts@other.example", "--provider", "workspace")
    assert refused.returncode == 1
    # What is missing, where it is added, and in the provider's own words.
    for part in ("Domain-wide delegation is missing", "admin.google.com", email, "unauthorized_client"):
        assert part in refused.stderr


def test_a_refresh_token_from_elsewhere_connects_its_mailbox_and_no_other(local_stack: LocalStack) -> None:
    address, stranger = "migrated@acme.example", "envious@acme.example"
    for mailbox in (address, stranger):
        local_stack.control.add_mailbox("oidc", mailbox)
    token = refresh_token_by_hand(local_stack, address)
    command = ("--provider", "own-mail-host", "--refresh-token-stdin")
    foreign = local_stack.world.operate("accounts", "import", stranger, *command, stdin=token)
    assert (foreign.returncode, token in foreign.stdout + foreign.stderr) == (1, False)
    assert f"another mailbox's. Import one that was granted for {stranger}" in foreign.stderr
    # The provider gave a new token in exchange; it was given back, so this one is needed.
    imported = local_stack.operate(
        "accounts", "import", address, *command, stdin=refresh_token_by_hand(local_stack, address)
    )
    assert (imported["status"], imported["scopes"]["missing"]) == ("active", [])
    sent = local_stack.send(address)
    local_stack.settled(sent["id"], "sent")
    assert local_stack.one_mail(sent)["mailbox"] == address
    assert local_stack.audited("consent.granted", imported["id"])["facts"]["imported"] == "true"


def refresh_token_by_hand(stack: LocalStack, mailbox: str) -> str:
    """Get a refresh token as another program of the same client would."""
    tenant = stack.world.sandbox["tenants"]["oidc"]
    asked = {"response_type": "code", "client_id": "mailbearer-at-oidc", "redirect_uri": stack.redirect_uri}
    scope = {"scope": "openid email offline_access smtp"}
    url = requests.Request("GET", tenant["authorize_url"], params=asked | scope).prepare().url
    code = stack.control.consent(str(url), mailbox=mailbox).parameters["code"]
    answer = requests.post(
        tenant["token_url"],
        data={"grant_type": "authorization_code", "code": code, "redirect_uri": stack.redirect_uri},
        auth=("mailbearer-at-oidc", "secret-of-oidc"),
        timeout=SECONDS,
    )
    return str(answer.json()["refresh_token"])
