from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.accounts import DynamoDBAccountStore
from mailbearer.aws.credentials import SecretsManagerCredentialVault
from mailbearer.aws.registrations import DynamoDBRegistrationStore
from mailbearer.credential import Credential
from mailbearer.token import TokenState
from tests.integration.cli import stacks
from tests.unit.grants import mailbox, registration
from tests.unit.test_credential_watch import certified

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.conftest import Operator

pytestmark = pytest.mark.slow  # each command makes its boto3 clients anew, and moto is no racer

FIRST, SECOND = "the-first-client-secret", "the-second-client-secret"
COMMAND = ("providers", "credentials")
ROTATE = (*COMMAND, "rotate", "entra")


def vault() -> SecretsManagerCredentialVault:
    return SecretsManagerCredentialVault(stacks.client("secretsmanager"), "mailbearer/prod")


@pytest.fixture
def registered(deployed: Operator, aws: stacks.AwsEndpoint, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Somebody with a registration that has one client secret of which nothing else is known."""
    store = DynamoDBRegistrationStore(stacks.client("dynamodb"), stacks.REGISTRATIONS)
    for name, kind in (("entra", "microsoft"), ("google", "google")):
        store.create(registration(name=name, kind=kind))
        vault().create(name, Credential(client_secret=FIRST))
    # The command's clients from here on; the tests' own client is made already.
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws.url)
    return deployed


def outcomes() -> list[tuple[str, str]]:
    return [(event["action"], event["outcome"]) for event in stacks.audit_events()]


def test_credentials_are_listed_in_their_order_and_no_secret_is_shown(registered: Operator) -> None:
    result = registered(*COMMAND, "list", "entra")
    assert "unnamed" in result.stdout
    assert "not known" in result.stdout
    assert FIRST not in result.output
    (entry,) = registered.json(*COMMAND, "list", "entra")
    assert (entry["id"], entry["kind"], entry["hint"], entry["expires_at"]) == ("unnamed", "client_secret", "the", None)


def test_mailboxes_that_wait_for_a_good_secret_are_tried_at_once(registered: Operator) -> None:
    later = registered.clock() + 3000
    accounts = DynamoDBAccountStore(stacks.client("dynamodb"), stacks.ACCOUNTS)
    for name, provider in (("ann", "entra"), ("bob", "google")):
        waiting = TokenState(fence=1, version="v1", due_at=later, backoff_until=later, failures=3)
        accounts.create(mailbox(name, provider=provider, token=waiting))
    result = registered(*COMMAND, "add", "entra", "--client-secret-stdin", stdin=SECOND)
    assert "1 mailboxes" in result.stderr
    woken, other = (accounts.get(mailbox(name).id) for name in ("ann", "bob"))
    assert woken
    assert other
    assert (woken.token.backoff_until, woken.due_at <= registered.clock()) == (0, True)
    assert other.token.backoff_until == later


def test_a_secret_that_is_added_comes_first_and_the_old_one_stays(registered: Operator) -> None:
    expires = ("--secret-id", "key-2", "--secret-expires", "2099-01-31")
    first, second = registered.json(*COMMAND, "add", "entra", "--client-secret-stdin", *expires, stdin=SECOND)
    assert (first["id"], first["expires_at"], second["id"]) == ("key-2", "2099-01-31T00:00:00.000Z", "unnamed")
    assert [credential.client_secret for credential in vault().read("entra")] == [SECOND, FIRST]
    assert outcomes() == [("credential.add", "intended"), ("credential.added", "added")]
    assert SECOND not in str(stacks.audit_events())


def test_a_certificate_beside_a_secret_brings_its_own_date(registered: Operator, tmp_path: Path) -> None:
    ends_at = registered.clock() + 30 * 86_400
    made = certified(ends_at)
    file = tmp_path / "both.pem"
    file.write_text(made.private_key + made.certificate, encoding="ascii")
    first, _ = registered.json(*COMMAND, "add", "entra", "--certificate-file", str(file))
    assert (first["kind"], first["days_left"], len(first["hint"])) == ("certificate", 30, 8)
    assert first["id"].startswith("cred_")
    assert vault().read("entra")[0].expires_at == ends_at


@pytest.mark.parametrize("words", [(), ("--client-secret-stdin", "--certificate-file", "x.pem")])
def test_one_thing_has_to_be_given_to_be_added(registered: Operator, words: tuple[str, ...]) -> None:
    result = registered(*COMMAND, "add", "entra", *words, stdin=SECOND)
    assert result.exit_code == 2
    assert outcomes() == []


def test_a_credential_is_removed_and_the_last_one_is_refused(registered: Operator) -> None:
    registered.json(*COMMAND, "add", "entra", "--client-secret-stdin", "--secret-id", "key-2", stdin=SECOND)
    (left,) = registered.json(*COMMAND, "remove", "entra", "unnamed")
    assert left["id"] == "key-2"
    result = registered(*COMMAND, "remove", "entra", "key-2")
    assert result.exit_code == 1
    assert "last credential" in result.stderr
    assert outcomes()[2:] == [("credential.remove", "intended"), ("credential.removed", "removed")]


def test_a_person_is_asked_before_a_credential_is_removed(registered: Operator) -> None:
    registered.json(*COMMAND, "add", "entra", "--client-secret-stdin", stdin=SECOND)
    assert registered.on_a_terminal()(*COMMAND, "remove", "entra", "unnamed", stdin="n\n").exit_code == 1
    assert len(vault().read("entra")) == 2


@pytest.mark.parametrize(
    "words", [("remove", "google", "unnamed", "--also-at-provider"), ("rotate", "google", "--now")]
)
def test_a_kind_whose_secrets_software_cannot_make_says_what_to_do(
    registered: Operator, words: tuple[str, ...]
) -> None:
    result = registered(*COMMAND, *words)
    assert result.exit_code == 1
    assert "providers credentials add google" in result.stderr


def test_rotation_is_scheduled_with_its_overlap(registered: Operator, aws: stacks.AwsEndpoint) -> None:
    shown = registered.json(*ROTATE, "--every", "60", "--overlap", "3")
    assert shown == {"registration": "entra", "every_days": 60, "overlap_days": 3, "rotation_begun": False}
    assert aws.rotations == [
        {
            "SecretId": "mailbearer/prod/registrations/entra",
            "RotationLambdaARN": stacks.OUTPUTS["CredentialRotatorArn"],
            "RotationRules": {"AutomaticallyAfterDays": 60},
            "RotateImmediately": False,
            "ClientRequestToken": aws.rotations[0]["ClientRequestToken"],
        }
    ]
    assert vault().stored("entra").overlap == 3 * 86_400
    assert outcomes() == [("credential.schedule", "intended"), ("credential.scheduled", "scheduled")]


def test_a_rotation_at_once_takes_ninety_days_where_none_are_set(registered: Operator, aws: stacks.AwsEndpoint) -> None:
    assert registered.json(*ROTATE)["every_days"] == 90
    assert aws.rotations[0]["RotateImmediately"]


def test_a_rotation_does_not_overlap_the_next(registered: Operator) -> None:
    assert registered(*ROTATE, "--every", "7", "--overlap", "7").exit_code == 2
    assert outcomes() == []


def test_an_unknown_registration_is_named(registered: Operator) -> None:
    result = registered(*COMMAND, "list", "nobody")
    assert result.exit_code == 1
    assert "There is no registration nobody." in result.stderr
