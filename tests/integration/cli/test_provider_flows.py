"""`mailbearer providers add` beyond a client secret and a browser."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.credentials import SecretsManagerCredentialVault
from mailbearer.aws.registrations import DynamoDBRegistrationStore
from mailbearer.registration import Flow
from tests.integration.cli import stacks
from tests.unit.cli.keys import EXPIRES, certificate_pem, key_pem, service_account, written

if TYPE_CHECKING:
    from pathlib import Path

    from mailbearer.credential import Credential
    from mailbearer.registration import Registration
    from tests.integration.cli.conftest import Operator

pytestmark = [pytest.mark.slow, pytest.mark.once]  # each command makes its boto3 clients anew, and moto is no racer

TENANT = "0f0e0d0c-0b0a-4908-8706-050403020100"
ROBOTS = (
    *("providers", "add", "robots", "--kind", "microsoft", "--flow", "client_credentials"),
    *("--client-id", "app-1", "--tenant", TENANT),
)


def kept(name: str) -> Registration:
    found = DynamoDBRegistrationStore(stacks.client("dynamodb"), stacks.REGISTRATIONS).get(name)
    assert found
    return found


def proof(name: str) -> Credential:
    (credential,) = SecretsManagerCredentialVault(stacks.client("secretsmanager"), "mailbearer/prod").read(name)
    return credential


def test_a_service_account_needs_no_more_than_its_file(deployed: Operator, tmp_path: Path) -> None:
    path = written(tmp_path, "key.json", service_account())
    shown = deployed.json("providers", "add", "workspace", "--service-account-file", str(path))
    registration = kept("workspace")
    assert (registration.kind, registration.flow) == ("google", Flow.JWT_BEARER)
    assert registration.client_id == "robot@project.iam.gserviceaccount.com"
    assert registration.endpoints.token_url == "https://oauth2.googleapis.com/token"
    assert (proof("workspace").id, proof("workspace").private_key) == ("key-1", key_pem())
    assert shown["redirect_uri"] is None
    assert "client ID 108123456789, OAuth scopes https://www.googleapis.com/auth/gmail.send" in shown["steps"][-1]


def test_a_certificate_takes_the_place_of_a_secret(deployed: Operator, tmp_path: Path) -> None:
    both = written(tmp_path, "both.pem", certificate_pem() + key_pem())
    shown = deployed.json(*ROBOTS, "--certificate-file", str(both), "--secret-id", "kid-1")
    assert kept("robots").token_auth_method == "private_key_jwt"
    assert proof("robots").certificate == certificate_pem()
    assert (proof("robots").id, proof("robots").expires_at) == ("kid-1", EXPIRES.timestamp())
    assert shown["credential_expires_at"] == "2099-05-31T12:00:00.000Z"
    assert "New-ServicePrincipal -AppId app-1 -ObjectId OBJECT_ID" in shown["steps"][1]
    assert shown["steps"][0] == f"Connect-ExchangeOnline -Organization {TENANT}"


def test_the_key_stands_in_the_vault_and_nowhere_else(deployed: Operator, tmp_path: Path) -> None:
    path = written(tmp_path, "key.json", service_account())
    result = deployed("providers", "add", "workspace", "--service-account-file", str(path))
    assert result.exit_code == 0, result.output
    line = key_pem().splitlines()[1]
    table = stacks.client("dynamodb").scan(TableName=stacks.REGISTRATIONS)
    for place in (result.output, str(table), str(stacks.audit_events())):
        assert line not in place


def test_a_secrets_last_day_is_kept(deployed: Operator) -> None:
    words = ("--client-secret-stdin", "--secret-expires", "2099-01-31", "--secret-id", "kid-2")
    shown = deployed.json(*ROBOTS, *words, stdin="a-secret")
    assert proof("robots").expires_at == datetime(2099, 1, 31, tzinfo=UTC).timestamp()
    assert (proof("robots").id, proof("robots").client_secret) == ("kid-2", "a-secret")
    assert shown["credential_expires_at"] == "2099-01-31T00:00:00.000Z"


def test_the_device_flow_of_microsoft_wants_no_secret_and_no_redirect_uri(deployed: Operator) -> None:
    shown = deployed.json(
        *("providers", "add", "devices", "--kind", "microsoft", "--flow", "device_code", "--client-id", "app-2")
    )
    assert proof("devices").kind == "none"
    assert shown["redirect_uri"] is None
    assert "allow public client flows" in shown["steps"][0]


def test_several_registrations_of_one_provider_stand_side_by_side(deployed: Operator) -> None:
    add = ("providers", "add")
    microsoft = ("--kind", "microsoft", "--client-secret-stdin", "--client-id")
    deployed.json(*add, "people", *microsoft, "app-1", stdin="first")
    deployed.json(*add, "government", *microsoft, "app-2", "--cloud", "usgov", "--tenant", TENANT, stdin="second")
    assert [found["name"] for found in deployed.json("providers", "list")] == ["government", "people", "sandbox"]
    assert (proof("people").client_secret, proof("government").client_secret) == ("first", "second")
    assert kept("government").api_base_url == "https://graph.microsoft.us"
    assert kept("people").tenant == "common"


def test_what_is_not_verified_is_said_before_anybody_counts_on_it(deployed: Operator) -> None:
    words = ("providers", "add", "zoho", "--kind", "zoho", "--cloud", "eu", "--client-id", "1000.X")
    result = deployed(*words, "--client-secret-stdin", stdin="s")
    assert result.exit_code == 0
    assert "Warning: Not verified: no Zoho SMTP server was seen to take OAuth2" in result.stderr
    assert "Warning: Not verified at the provider: scopes.smtp, smtp." in result.stderr
    assert "docs/providers/zoho.md" in result.stdout
    assert "Next: mailbearer providers verify zoho" in result.stdout


def test_a_server_of_ones_own_is_not_warned_of_for_what_the_provider_does(local_on_aws: Operator) -> None:
    shown = local_on_aws.json(
        *("providers", "add", "own", "--kind", "zoho", "--client-id", "a", "--client-secret-stdin"),
        *("--authorize-url", "http://127.0.0.1:1/a", "--token-url", "http://127.0.0.1:1/t"),
        *("--smtp-host", "smtp.example.org"),
        stdin="s",
    )
    assert (shown["warnings"], shown["steps"]) == ([], [])


def test_a_person_reads_what_to_do_next(deployed: Operator, tmp_path: Path) -> None:
    both = written(tmp_path, "both.pem", certificate_pem() + key_pem())
    lines = deployed(*ROBOTS, "--certificate-file", str(both)).stdout.splitlines()
    assert "To do at the provider:" in lines
    assert "  Test-ServicePrincipalAuthorization -Identity OBJECT_ID -Resource MAILBOX" in lines
    assert lines[-1] == "Next: mailbearer providers verify robots"
    assert not any("redirect URI" in line for line in lines)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--client-secret-stdin", "--tenant", "common"), "  --tenant: "),
        (("--client-secret-stdin", "--secret-expires", "2020-01-01"), "is over"),
        (("--client-secret-stdin", "--token-auth-method", "private_key_jwt"), "The private key is missing"),
        (("--token-auth-method", "private_key_jwt"), "The private key is missing"),
        (("--client-secret-stdin", "--private-key-file", "KEY"), "A key takes the place of a secret"),
        (("--certificate-file", "BOTH", "--secret-expires", "2099-01-01"), "the certificate itself says"),
        (("--service-account-file", "ACCOUNT"), "holds client id and key already"),
        (("--token-auth-method", "none"), "  --token-auth-method: "),
        (("--client-secret-stdin", "--cloud", "moon"), "worldwide or usgov or dod or china"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_is_kept(
    deployed: Operator, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    files = {
        "KEY": written(tmp_path, "k.pem", key_pem()),
        "BOTH": written(tmp_path, "b.pem", certificate_pem() + key_pem()),
        "ACCOUNT": written(tmp_path, "a.json", service_account()),
    }
    result = deployed(*ROBOTS, *(str(files.get(word, word)) for word in words), stdin="secret")
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert stacks.audit_events() == []


def test_a_public_client_is_told_that_its_secret_is_too_much(deployed: Operator) -> None:
    words = ("providers", "add", "f", "--kind", "fastmail", "--client-id", "a", "--client-secret-stdin")
    result = deployed(*words, stdin="s")
    assert result.exit_code == 2
    assert "A public client has no secret" in result.stderr


def test_a_terminal_is_asked_for_the_tenant_where_one_has_to_be_named(deployed: Operator) -> None:
    words = ("providers", "add", "robots", "--kind", "microsoft", "--flow", "client_credentials")
    result = deployed.on_a_terminal()(*words, stdin=f"app-1\n{TENANT}\na-secret\n")
    assert result.exit_code == 0, result.output
    assert kept("robots").tenant == TENANT
    assert proof("robots").client_secret == "a-secret"
