from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.aws.credentials import SecretsManagerCredentialVault
from mailbearer.aws.registrations import DynamoDBRegistrationStore
from mailbearer.credential import Credential
from tests.integration.cli import stacks
from tests.unit.grants import registration

if TYPE_CHECKING:
    from tests.integration.cli.conftest import Operator, ScriptedApi

ANN, BOB = "acc_01JD0000000000000000000001", "acc_01JD0000000000000000000002"
DEAD = {
    "code": "grant_expired_or_revoked",
    "cause": "The owner ended the access.",
    "remedy": "mailbearer accounts consent bob@example.org",
    "who": "user",
    "raw": "invalid_grant",
}
WAITING = {"code": "provider_busy", "cause": "It is down.", "remedy": "Nothing to do.", "who": "nobody"}


def answers(api: ScriptedApi, diagnosis: dict[str, str] | None) -> None:
    accounts = [{"id": ANN, "address": "ann@example.org"}, {"id": BOB, "address": "bob@example.org"}]
    api.answer("GET", "/v1/accounts", 200, {"data": accounts, "next_cursor": None})
    for account in accounts:
        api.answer("GET", f"/v1/accounts/{account['id']}", 200, account)
    api.answer("GET", "/v1/accounts/bob%40example.org", 200, accounts[1])
    api.answer("GET", f"/v1/accounts/{ANN}/health", 200, {"account": ANN, "state": "active", "diagnosis": None})
    health = {"account": BOB, "state": "consent_required", "diagnosis": diagnosis}
    api.answer("GET", f"/v1/accounts/{BOB}/health", 200, health)


def test_one_mailbox_is_explained_with_cause_remedy_and_who(local: Operator, api: ScriptedApi) -> None:
    answers(api, DEAD)
    result = local("doctor", "bob@example.org")
    assert result.exit_code == 1
    for words in ("bob@example.org", "consent_required", DEAD["cause"], "invalid_grant", f"user: {DEAD['remedy']}"):
        assert words in result.stdout
    assert "ann@example.org" not in result.stdout


def test_what_heals_by_itself_is_no_failure(local: Operator, api: ScriptedApi) -> None:
    answers(api, WAITING)
    result = local("doctor", "bob@example.org")
    assert (result.exit_code, "watch" in result.stdout) == (0, True)


def test_without_aws_credentials_the_mailboxes_are_still_shown(local: Operator, api: ScriptedApi) -> None:
    answers(api, None)
    result = local("doctor")
    assert result.exit_code == 0
    assert "Registrations were not looked at" in result.stderr
    assert result.stdout.count("ok ") == 2


@pytest.mark.slow  # makes its boto3 clients anew
@pytest.mark.parametrize(
    ("days", "code"), [(None, None), (400, None), (20, "credential_expiring"), (-2, "client_secret_expired")]
)
def test_registrations_are_looked_at_too(
    local_on_aws: Operator, api: ScriptedApi, days: int | None, code: str | None
) -> None:
    answers(api, None)
    ends = local_on_aws.clock() + days * 86_400 + 60 if days else 0
    DynamoDBRegistrationStore(stacks.client("dynamodb"), stacks.REGISTRATIONS).create(registration())
    vault = SecretsManagerCredentialVault(stacks.client("secretsmanager"), "mailbearer/prod")
    vault.create("acme", Credential(id="k1", client_secret="s3cret-value", expires_at=ends))
    result = local_on_aws("doctor", "--json")
    report: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == (1 if code else 0)
    assert [account["account"] for account in report["accounts"]] == [ANN, BOB]
    (found,) = report["registrations"]
    assert (found["name"], found["days_left"]) == ("acme", days)
    assert (found["diagnosis"] or {}).get("code") == code
    assert "s3cret-value" not in result.output


@pytest.mark.slow  # makes its boto3 clients anew
def test_a_registration_without_its_secret_is_ill(local_on_aws: Operator, api: ScriptedApi) -> None:
    answers(api, None)
    DynamoDBRegistrationStore(stacks.client("dynamodb"), stacks.REGISTRATIONS).create(registration())
    result = local_on_aws("doctor")
    assert (result.exit_code, "secret_missing" in result.stdout) == (1, True)
