"""What proves a registration on a deployed stack: tested before anybody consents, and replaced while mail goes on."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.e2e.local_stack import REGISTRATIONS

if TYPE_CHECKING:
    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.mark.parametrize("tenant", REGISTRATIONS)
def test_a_sound_registration_passes_every_step_and_stores_nothing(local_stack: LocalStack, tenant: str) -> None:
    grants = len(local_stack.control.tokens())
    findings = local_stack.operate("providers", "verify", REGISTRATIONS[tenant])
    assert {finding["outcome"] for finding in findings} <= {"pass", "warn"}
    passed = {finding["step"] for finding in findings if finding["outcome"] == "pass"}
    assert passed >= {"endpoint token", "discovery", "credential 1", "authorize", "scopes", "mail"}
    left = [grant for grant in local_stack.control.tokens()[: -grants or None] if grant["has_refresh_token"]]
    assert left == []


def test_a_wrong_secret_is_named_before_anybody_consents(local_stack: LocalStack) -> None:
    tenant = local_stack.world.sandbox["tenants"]["microsoft"]
    redirect_uris = [local_stack.redirect_uri]
    local_stack.control.register_client("microsoft", "mistyped", "the-right-secret", redirect_uris=redirect_uris)
    local_stack.register(
        *("mistyped", "--kind", "microsoft", "--client-id", "mistyped", "--token-url", tenant["token_url"]),
        *("--authorize-url", tenant["authorize_url"], "--api-base-url", tenant["api_base_url"]),
        secret="the-id-in-place-of-the-secret",
    )
    verified = local_stack.world.operate("providers", "verify", "mistyped", "--json")
    assert verified.returncode == 1
    (failed,) = [finding for finding in json.loads(verified.stdout) if finding["outcome"] == "fail"]
    assert (failed["step"], failed["code"]) == ("credential 1", "client_secret_wrong")
    assert "providers credentials add mistyped --client-secret-stdin" in failed["remedy"]
    # What it says of the error is what anybody gets who pastes the error.
    explained = local_stack.operate("explain", stdin=failed["detail"])
    assert (explained["code"], explained["provider"], explained["who"]) == (failed["code"], "microsoft", "operator")


def test_refresh_and_mail_go_on_while_one_secret_takes_the_place_of_another(local_stack: LocalStack) -> None:
    address, first, second = "rolling@acme.example", "first-secret-of-rolling", "second-secret-of-rolling"
    control = local_stack.control
    control.register_client("oidc", "rolling", first, redirect_uris=[local_stack.redirect_uri])
    local_stack.register("rolling", *local_stack.oidc_options("rolling"), secret=first)
    control.add_mailbox("oidc", address)
    added = local_stack.call("POST", "/v1/accounts", {"provider": "rolling", "address": address}).json()
    assert local_stack.consent(added["consent_url"], "oidc", address).status_code == 200
    local_stack.secrets.add("client secret", second)
    command = ("providers", "credentials", "add", "rolling", "--client-secret-stdin", "--secret-id", "second")
    assert [each["id"] for each in local_stack.operate(*command, stdin=second)] == ["second", "unnamed"]

    # The provider does not know the new one yet; the old one carries on.
    rotated = local_stack.call("POST", f"/v1/accounts/{added['id']}/rotate")
    assert (rotated.status_code, local_stack.grant(address)["refreshes"]) == (200, 1)
    assert local_stack.audited("credential.refused", "rolling")["facts"]["credential"] == "second"

    (known,) = [client for client in control.clients() if client["client_id"] == "rolling"]
    control.add_secret("oidc", "rolling", second)
    assert control.remove_credential("oidc", "rolling", known["secrets"][0]["id"])
    control.expire_tokens(mailbox=address)
    rotated = local_stack.call("POST", f"/v1/accounts/{added['id']}/rotate")
    assert (rotated.status_code, local_stack.grant(address)["refreshes"]) == (200, 2)
    sent = local_stack.send(address)
    local_stack.settled(sent["id"], "sent")
    assert local_stack.one_mail(sent)["mailbox"] == address


def test_each_step_of_a_rotation_by_secrets_manager_is_safe_twice_and_mints_once(local_stack: LocalStack) -> None:
    control, tenant = local_stack.control, local_stack.world.sandbox["tenants"]["microsoft"]
    first = "first-secret-of-self-rotating"
    control.register_client("microsoft", "self-rotating", first, app_roles=["Application.ReadWrite.OwnedBy"])
    local_stack.register(
        *("self-rotating", "--kind", "microsoft", "--client-id", "self-rotating", "--token-url", tenant["token_url"]),
        *("--authorize-url", tenant["authorize_url"], "--api-base-url", tenant["api_base_url"]),
        secret=first,
    )
    begun = local_stack.operate("providers", "credentials", "rotate", "self-rotating", "--every", "90", "--now")
    assert begun["rotation_begun"]
    # The local engine's RotateSecret calls nobody, so this takes the place of Secrets Manager.
    vault, rotation = local_stack.aws("secretsmanager"), str(uuid.uuid4())
    name = f"{local_stack.output('SecretsPrefix')}/registrations/self-rotating"
    current = vault.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
    vault.put_secret_value(
        SecretId=name,
        ClientRequestToken=rotation,
        SecretString=current["SecretString"],
        VersionStages=["AWSPENDING"],
    )
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        for _ in range(2):
            answer = local_stack.aws("lambda").invoke(
                FunctionName=local_stack.output("CredentialRotatorFunctionName"),
                Payload=json.dumps({"Step": step, "SecretId": current["ARN"], "ClientRequestToken": rotation}),
            )
            assert "FunctionError" not in answer, answer["Payload"].read()
    (client,) = [client for client in control.clients() if client["client_id"] == "self-rotating"]
    older, newer = client["secrets"]
    kept = local_stack.operate("providers", "credentials", "list", "self-rotating")
    assert [each["id"] for each in kept] == [newer["id"], "unnamed"]
    assert [bool(each["retire_at"]) for each in kept] == [False, True]
    assert control.remove_credential("microsoft", "self-rotating", older["id"])
    verified = local_stack.world.operate("providers", "verify", "self-rotating", "--json")
    steps = {finding["step"]: finding["outcome"] for finding in json.loads(verified.stdout)}
    assert (steps[f"credential {newer['id']}"], steps["credential 2"]) == ("pass", "fail")
