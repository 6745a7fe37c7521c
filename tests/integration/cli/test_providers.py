from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.aws.credentials import SecretsManagerCredentialVault
from mailbearer.aws.registrations import DynamoDBRegistrationStore
from mailbearer.credential import Credential
from mailbearer.registration import Registration, SmtpServer
from tests.integration.cli import stacks

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Operator, ScriptedApi

pytestmark = pytest.mark.slow  # each command makes its boto3 clients anew, and moto is no racer

SECRET = "GOCSPX-very-secret"
GOOGLE = ("providers", "add", "google", "--kind", "google", "--client-id", "app.example", "--client-secret-stdin")
OWN = (
    *("providers", "add", "own", "--kind", "oidc", "--client-id", "app", "--client-secret-stdin"),
    *("--smtp-host", "smtp.example.org", "--scope", "openid", "--scope", "smtp"),
)


def kept(name: str) -> Registration | None:
    return DynamoDBRegistrationStore(stacks.client("dynamodb"), stacks.REGISTRATIONS).get(name)


def secrets() -> SecretsManagerCredentialVault:
    return SecretsManagerCredentialVault(stacks.client("secretsmanager"), "mailbearer/prod")


def proof(name: str) -> Credential:
    (credential,) = secrets().read(name)
    return credential


def outcomes() -> list[tuple[str, str]]:
    return [(event["action"], event["outcome"]) for event in stacks.audit_events()]


def test_registration_and_secret_are_kept_and_the_redirect_uri_is_named(deployed: Operator) -> None:
    shown = deployed.json(*GOOGLE, stdin=f"{SECRET}\n")
    assert shown["redirect_uri"] == "https://api.example.org/oauth/callback"
    assert shown["transport"] == "gmail"
    registration = kept("google")
    assert registration
    assert registration.client_id == "app.example"
    assert proof("google").client_secret == SECRET
    assert outcomes() == [("registration.create", "intended"), ("registration.created", "created")]


def test_the_secret_is_shown_nowhere_and_stands_only_in_the_vault(deployed: Operator) -> None:
    result = deployed(*GOOGLE, stdin=SECRET)
    assert result.exit_code == 0
    table = stacks.client("dynamodb").scan(TableName=stacks.REGISTRATIONS)
    for place in (result.output, str(table), str(stacks.audit_events())):
        assert SECRET not in place


def test_a_person_gets_the_redirect_uri_on_a_line_of_its_own(deployed: Operator) -> None:
    assert "https://api.example.org/oauth/callback" in deployed(*GOOGLE, stdin=SECRET).stdout.splitlines()


def test_any_server_works_by_flags_alone(local_on_aws: Operator, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", encoding="ascii")
    shown = local_on_aws.json(
        *OWN,
        *("--authorize-url", "http://127.0.0.1:1/authorize", "--token-url", "http://127.0.0.1:1/token"),
        *("--revoke-url", "http://127.0.0.1:1/revoke", "--userinfo-url", "http://127.0.0.1:1/me"),
        *("--introspection-url", "http://127.0.0.1:1/introspect", "--token-auth-method", "client_secret_post"),
        *("--transport", "smtp", "--smtp-port", "2465", "--smtp-security", "tls", "--ca-file", str(ca_file)),
        stdin=SECRET,
    )
    registration = kept("own")
    assert registration
    assert registration.smtp == SmtpServer(host="smtp.example.org", port=2465, security="tls")
    assert registration.scopes == ("openid", "smtp")
    assert registration.endpoints.introspection_url == "http://127.0.0.1:1/introspect"
    assert registration.token_auth_method == "client_secret_post"
    assert registration.ca_pem == ca_file.read_text(encoding="ascii")
    assert shown["smtp"] == {"host": "smtp.example.org", "port": 2465, "security": "tls"}


def test_an_issuer_is_asked_for_its_endpoints(local_on_aws: Operator, api: ScriptedApi) -> None:
    document = {
        "issuer": f"{api.url}/oidc",
        "authorization_endpoint": f"{api.url}/oidc/authorize",
        "token_endpoint": f"{api.url}/oidc/token",
        "device_authorization_endpoint": f"{api.url}/oidc/device",
        "introspection_endpoint": f"{api.url}/oidc/introspect",
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "authorization_response_iss_parameter_supported": True,
    }
    api.answer("GET", "/oidc/.well-known/openid-configuration", 200, document)
    local_on_aws.json(*OWN, "--issuer", f"{api.url}/oidc", stdin=SECRET)
    registration = kept("own")
    assert registration
    assert registration.endpoints.token_url == f"{api.url}/oidc/token"
    assert registration.endpoints.issuer == f"{api.url}/oidc"
    assert registration.endpoints.device_authorization_url == f"{api.url}/oidc/device"
    assert registration.endpoints.introspection_url == f"{api.url}/oidc/introspect"
    assert registration.token_auth_method == "client_secret_post"
    assert registration.issuer_in_callback


def test_an_issuer_that_publishes_nothing_is_a_fault_of_the_option(local_on_aws: Operator, api: ScriptedApi) -> None:
    result = local_on_aws(*OWN, "--issuer", api.url, stdin=SECRET)
    assert result.exit_code == 2
    assert "  --issuer: " in result.stderr
    assert outcomes() == []


def test_an_issuer_that_cannot_be_reached_is_named(local_on_aws: Operator) -> None:
    result = local_on_aws(*OWN, "--issuer", "http://127.0.0.1:1", stdin=SECRET)
    assert result.exit_code == 1
    assert "The issuer http://127.0.0.1:1 cannot be reached" in result.stderr


def test_plain_http_is_for_a_local_stage_only(deployed: Operator) -> None:
    result = deployed(
        *OWN, "--authorize-url", "http://127.0.0.1:1/a", "--token-url", "http://127.0.0.1:1/t", stdin=SECRET
    )
    assert result.exit_code == 2
    assert "  --authorize-url: " in result.stderr
    assert "  --token-url: " in result.stderr
    assert outcomes() == []


def test_every_fault_is_named_at_once_after_its_option(deployed: Operator) -> None:
    result = deployed(
        *("providers", "add", "bad name", "--kind", "oidc", "--client-id", "a b", "--scope", 'x"y', "--issuer", ""),
        *("--token-url", "https://t.example.org/t", "--smtp-security", "none", "--client-secret-stdin", "--json"),
        stdin=SECRET,
    )
    assert result.exit_code == 2
    assert result.stdout == ""
    for option in ("NAME", "--client-id", "--scope", "--authorize-url", "--smtp-security"):
        assert f"\n  {option}: " in result.stderr


def test_an_unknown_kind_is_answered_with_the_known_ones(deployed: Operator) -> None:
    result = deployed("providers", "add", "x", "--kind", "yahooo", "--client-id", "a")
    assert result.exit_code == 2
    assert "google or microsoft or yahoo or zoho or fastmail or oidc" in result.stderr


def test_the_same_command_again_changes_nothing(deployed: Operator) -> None:
    first = deployed.json(*GOOGLE, stdin=SECRET)
    deployed.clock.sleep(60)
    assert deployed.json(*GOOGLE, stdin=SECRET) == first
    assert outcomes()[-1] == ("registration.created", "repeated")


def test_the_same_command_repairs_a_crash_after_the_secret(deployed: Operator) -> None:
    secrets().create("google", Credential(client_secret=SECRET))
    deployed.json(*GOOGLE, stdin=SECRET)
    assert kept("google")


def test_the_same_command_repairs_a_lost_secret(deployed: Operator) -> None:
    deployed.json(*GOOGLE, stdin=SECRET)
    client = stacks.client("secretsmanager")
    client.delete_secret(SecretId="mailbearer/prod/registrations/google", ForceDeleteWithoutRecovery=True)
    deployed.json(*GOOGLE, stdin=SECRET)
    assert proof("google").client_secret == SECRET


def test_another_secret_is_refused_and_the_first_one_stays(deployed: Operator) -> None:
    deployed.json(*GOOGLE, stdin=SECRET)
    result = deployed(*GOOGLE, stdin="another")
    assert result.exit_code == 1
    assert "has other credentials" in result.stderr
    assert proof("google").client_secret == SECRET
    assert outcomes()[-1] == ("registration.created", "failed")


def test_the_same_command_again_is_no_conflict_with_what_the_schedule_noted_meanwhile(deployed: Operator) -> None:
    deployed.json(*GOOGLE, stdin=SECRET)
    store = DynamoDBRegistrationStore(stacks.client("dynamodb"), stacks.REGISTRATIONS)
    registration = kept("google")
    assert registration
    store.replace(registration.changed(warned=("unnamed:30",), checked_at=5.0), expected=registration)
    deployed.json(*GOOGLE, stdin=SECRET)
    again = kept("google")
    assert again
    assert (again.warned, again.revision) == (("unnamed:30",), 1)


def test_other_values_under_the_same_name_are_refused_and_named(deployed: Operator) -> None:
    deployed.json(*GOOGLE, stdin=SECRET)
    result = deployed(*GOOGLE, "--scope", "openid", "--client-id", "other", stdin=SECRET)
    assert result.exit_code == 1
    assert "other values in: client_id, scopes" in result.stderr


def test_without_a_log_nothing_is_registered(deployed: Operator) -> None:
    stacks.client("logs").delete_log_group(logGroupName=stacks.AUDIT_GROUP)
    assert deployed(*GOOGLE, stdin=SECRET).exit_code == 1
    assert kept("google") is None
    assert stacks.client("secretsmanager").list_secrets()["SecretList"] == []


@pytest.mark.parametrize("words", [(), ("--client-secret-stdin",)])
def test_nothing_is_asked_where_nobody_can_answer(deployed: Operator, words: tuple[str, ...]) -> None:
    result = deployed("providers", "add", "google", "--kind", "google", "--client-id", "app", *words)
    assert result.exit_code == (1 if words else 2)
    assert "--client-secret-stdin" in result.stderr


def test_a_public_client_has_no_secret(deployed: Operator) -> None:
    words = [word for word in GOOGLE if word != "--client-secret-stdin"]
    shown = deployed.json(*words, "--token-auth-method", "none")
    assert shown["token_auth_method"] == "none"
    assert proof("google").kind == "none"


def test_a_terminal_is_asked_for_what_is_missing(deployed: Operator) -> None:
    result = deployed.on_a_terminal()("providers", "add", "google", stdin=f"google\napp.example\n{SECRET}\n")
    assert result.exit_code == 0, result.output
    assert SECRET not in result.output
    registration = kept("google")
    assert registration
    assert registration.client_id == "app.example"
    assert proof("google").client_secret == SECRET


def test_a_terminal_is_asked_for_issuer_and_smtp_host_of_an_unknown_server(
    local_on_aws: Operator, api: ScriptedApi
) -> None:
    answers = f"oidc\napp\n{api.url}\nsmtp.example.org\n"
    result = local_on_aws.on_a_terminal()("providers", "add", "own", stdin=answers)
    assert "  --issuer: " in result.stderr
    assert result.exit_code == 2


def test_lists_registrations_without_secrets(deployed: Operator) -> None:
    (built_in,) = deployed.json("providers", "list")
    assert (built_in["name"], built_in["flow"], built_in["created_at"]) == ("sandbox", "none", None)
    assert "mailbearer providers add" in deployed("providers", "list").stdout
    shown: dict[str, Any] = deployed.json(*GOOGLE, stdin=SECRET)
    listed, also_built_in = deployed.json("providers", "list")
    assert also_built_in == built_in
    assert shown.keys() - listed.keys() == {
        *("credential_expires_at", "steps", "warnings", "setup_guide", "provider_guide")
    }
    assert {name: shown[name] for name in listed} == listed
    assert deployed("providers", "list").stdout.splitlines()[1].split()[:3] == ["google", "google", "gmail"]


@pytest.mark.parametrize("content", [b"\x30\x82\xff", None])
def test_a_ca_file_that_is_no_pem_is_refused(deployed: Operator, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.der"
    if content:
        path.write_bytes(content)
    result = deployed(*GOOGLE, "--ca-file", str(path), stdin=SECRET)
    assert result.exit_code == 1
    assert str(path) in result.stderr


def test_the_name_of_the_sandbox_is_taken(deployed: Operator) -> None:
    result = deployed(*(word if word != "google" else "sandbox" for word in GOOGLE[:3]), *GOOGLE[3:], stdin=SECRET)
    assert result.exit_code == 1
    assert "There is a registration sandbox already" in result.stderr
    assert kept("sandbox") is None


def test_the_sandbox_is_verified_without_asking_anybody_and_has_no_credentials(deployed: Operator) -> None:
    (step,) = deployed.json("providers", "verify", "sandbox")
    assert (step["step"], step["outcome"]) == ("sandbox", "pass")
    assert "no credentials" in deployed("providers", "credentials", "list", "sandbox").stderr
