from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from mailbearer.aws.credentials import SecretsManagerCredentialVault
from mailbearer.credential import Credential
from mailbearer.errors import Conflict, SecretMissing
from tests.contract.secrets_manager import SecretsManager
from tests.fakes import FakeCredentialVault

if TYPE_CHECKING:
    from mailbearer.ports import CredentialVault


@pytest.fixture(params=["fake", "moto", "documented"])
def secrets(request: pytest.FixtureRequest) -> CredentialVault:
    if request.param == "fake":
        return FakeCredentialVault()
    if request.param == "documented":
        return SecretsManagerCredentialVault(cast("Any", SecretsManager()), "mailbearer/test")
    world = request.getfixturevalue("world")
    return SecretsManagerCredentialVault(world.clients.secretsmanager, world.name("secrets"))


@pytest.mark.parametrize("secret", ["s3cret", "", "Äther \N{SNOWMAN}"])
def test_a_client_secret_comes_back_as_it_was_created(secrets: CredentialVault, secret: str) -> None:
    secrets.create("google-main", Credential(client_secret=secret))
    assert secrets.read("google-main") == (Credential(client_secret=secret),)


def test_a_registration_without_a_secret_is_an_error(secrets: CredentialVault) -> None:
    with pytest.raises(SecretMissing):
        secrets.read("google-main")


def test_creating_the_same_secret_again_changes_nothing(secrets: CredentialVault) -> None:
    secrets.create("google-main", Credential(client_secret="s3cret"))
    secrets.create("google-main", Credential(client_secret="s3cret"))
    assert secrets.read("google-main") == (Credential(client_secret="s3cret"),)


def test_another_secret_for_the_same_registration_is_a_conflict_that_shows_neither(secrets: CredentialVault) -> None:
    secrets.create("google-main", Credential(client_secret="s3cret"))
    with pytest.raises(Conflict) as caught:
        secrets.create("google-main", Credential(client_secret="0ther"))
    assert "s3cret" not in str(caught.value)
    assert "0ther" not in str(caught.value)
    assert secrets.read("google-main") == (Credential(client_secret="s3cret"),)


def test_a_secret_that_is_being_deleted_is_a_conflict() -> None:
    client = SecretsManager()
    secrets = SecretsManagerCredentialVault(cast("Any", client), "mailbearer/test")
    secrets.create("google-main", Credential(client_secret="s3cret"))
    client.delete_secret(SecretId="mailbearer/test/registrations/google-main", RecoveryWindowInDays=7)
    with pytest.raises(Conflict):
        secrets.create("google-main", Credential(client_secret="s3cret"))
