from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from mailbearer.aws.tokens import SecretsManagerTokenVault
from mailbearer.errors import LeaseLost, SecretMissing, Unavailable
from mailbearer.token import StoredToken, planned_version
from tests.contract.nouns import tokens
from tests.contract.secrets_manager import SecretsManager
from tests.fakes import FakeClock, FakeTokenVault

if TYPE_CHECKING:
    from mailbearer.ports.vaults import TokenVault
    from tests.contract.conftest import World

ANN = "acc_ann"
V1, V2, V3 = (planned_version(ANN, fence) for fence in (1, 2, 3))
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "PutSecretValue")


@pytest.fixture(params=["fake", "moto", "documented"])
def vault(request: pytest.FixtureRequest) -> TokenVault:
    if request.param == "fake":
        return FakeTokenVault()
    if request.param == "documented":
        return SecretsManagerTokenVault(cast("Any", SecretsManager()), "mailbearer/test")
    world = request.getfixturevalue("world")
    return SecretsManagerTokenVault(world.clients.secretsmanager, world.name("secrets"))


def test_a_mailbox_without_a_secret_reads_as_none(vault: TokenVault) -> None:
    assert vault.read(ANN) is None


def test_opened_tokens_are_read_with_their_version(vault: TokenVault) -> None:
    vault.open(ANN, tokens(1), V1)
    assert vault.read(ANN) == StoredToken(tokens(1), V1)


def test_stored_tokens_become_current(vault: TokenVault) -> None:
    vault.open(ANN, tokens(1), V1)
    vault.store(ANN, tokens(2), V2)
    assert vault.read(ANN) == StoredToken(tokens(2), V2)


def test_storing_the_same_again_changes_nothing(vault: TokenVault) -> None:
    vault.open(ANN, tokens(1), V1)
    vault.store(ANN, tokens(2), V2)
    vault.store(ANN, tokens(2), V2)
    assert vault.read(ANN) == StoredToken(tokens(2), V2)


def test_a_late_repetition_does_not_push_newer_tokens_aside(vault: TokenVault) -> None:
    vault.open(ANN, tokens(1), V1)
    vault.store(ANN, tokens(2), V2)
    vault.store(ANN, tokens(3), V3)
    vault.store(ANN, tokens(2), V2)
    assert vault.read(ANN) == StoredToken(tokens(3), V3)


def test_a_version_that_holds_other_tokens_is_lost(vault: TokenVault) -> None:
    vault.open(ANN, tokens(1), V1)
    vault.store(ANN, tokens(2), V2)
    with pytest.raises(LeaseLost):
        vault.store(ANN, tokens(3), V2)
    assert vault.read(ANN) == StoredToken(tokens(2), V2)


def test_storing_without_a_secret_is_an_error(vault: TokenVault) -> None:
    with pytest.raises(SecretMissing):
        vault.store(ANN, tokens(1), V1)
    assert vault.read(ANN) is None


def test_opening_twice_changes_nothing(vault: TokenVault) -> None:
    vault.open(ANN, tokens(1), V1)
    vault.open(ANN, tokens(1), V1)
    assert vault.read(ANN) == StoredToken(tokens(1), V1)


def test_opening_anew_makes_the_new_tokens_current(vault: TokenVault) -> None:
    vault.open(ANN, tokens(1), V1)
    vault.open(ANN, tokens(2), V2)
    assert vault.read(ANN) == StoredToken(tokens(2), V2)


def test_a_retired_secret_reads_as_none(vault: TokenVault) -> None:
    vault.open(ANN, tokens(1), V1)
    vault.retire(ANN)
    assert vault.read(ANN) is None


def test_retiring_is_safe_to_repeat_and_to_do_for_nothing(vault: TokenVault) -> None:
    vault.retire(ANN)
    vault.open(ANN, tokens(1), V1)
    vault.retire(ANN)
    vault.retire(ANN)
    assert vault.read(ANN) is None


def test_a_retired_secret_is_brought_back_by_opening(vault: TokenVault) -> None:
    vault.open(ANN, tokens(1), V1)
    for version, number in ((V2, 2), (V3, 3)):
        vault.retire(ANN)
        vault.open(ANN, tokens(number), version)
        assert vault.read(ANN) == StoredToken(tokens(number), version)


def test_mailboxes_do_not_share_secrets(vault: TokenVault) -> None:
    vault.open(ANN, tokens(1), V1)
    vault.open("acc_bob", tokens(2), V2)
    assert vault.read(ANN) == StoredToken(tokens(1), V1)


@pytest.mark.parametrize("kind", ["fake", "documented"])  # moto lets a secret that is marked deleted be written
def test_an_overtaken_refresh_cannot_bring_a_retired_secret_back(kind: str) -> None:
    vault: TokenVault = FakeTokenVault()
    if kind == "documented":
        vault = SecretsManagerTokenVault(cast("Any", SecretsManager()), "mailbearer/test")
    vault.open(ANN, tokens(1), V1)
    vault.retire(ANN)
    with pytest.raises(SecretMissing):
        vault.store(ANN, tokens(2), V2)
    assert vault.read(ANN) is None


def test_retiring_leaves_no_label_on_any_token() -> None:
    client = SecretsManager()
    vault = SecretsManagerTokenVault(cast("Any", client), "mailbearer/test")
    vault.open(ANN, tokens(1), V1)
    vault.store(ANN, tokens(2), V2)
    vault.retire(ANN)
    (secret,) = client.secrets.values()
    assert secret.deleted
    assert [json.loads(str(secret.versions[version])) for version in secret.labels.values()] == [{"revoked": True}]


def test_a_tombstone_whose_deletion_did_not_follow_reads_as_none_and_can_be_retired_again() -> None:
    client = SecretsManager()
    vault = SecretsManagerTokenVault(cast("Any", client), "mailbearer/test")
    vault.open(ANN, tokens(1), V1)
    client.put_secret_value(SecretId=f"mailbearer/test/accounts/{ANN}", SecretString='{"revoked": true}')
    assert vault.read(ANN) is None
    vault.retire(ANN)
    assert vault.read(ANN) is None
    assert next(iter(client.secrets.values())).deleted


def test_a_secret_that_got_no_value_yet_reads_as_none_and_is_opened_again() -> None:
    client = SecretsManager()
    vault = SecretsManagerTokenVault(cast("Any", client), "mailbearer/test")
    client.create_secret(Name=f"mailbearer/test/accounts/{ANN}")
    assert vault.read(ANN) is None
    vault.open(ANN, tokens(1), V1)
    assert vault.read(ANN) == StoredToken(tokens(1), V1)


def test_a_put_is_repeated_until_it_works() -> None:
    client, vault, clock = _patient()
    vault.open(ANN, tokens(1), V1)
    client.calls.clear()
    client.failures = [THROTTLED, ReadTimeoutError(endpoint_url="https://secrets.example"), THROTTLED]
    vault.store(ANN, tokens(2), V2)
    assert vault.read(ANN) == StoredToken(tokens(2), V2)
    assert client.calls.count("PutSecretValue") == 4
    assert clock.now == pytest.approx(0.2 + 0.4 + 0.8)


def test_a_put_is_given_up_when_its_time_is_over() -> None:
    client, vault, clock = _patient()
    vault.open(ANN, tokens(1), V1)
    client.failures = [THROTTLED] * 100
    with pytest.raises(Unavailable, match=r"secretsmanager:PutSecretValue failed: ThrottlingException\."):
        vault.store(ANN, tokens(2), V2)
    assert clock.now <= 10
    client.failures = []
    assert vault.read(ANN) == StoredToken(tokens(1), V1)


def test_a_lost_version_is_not_put_again() -> None:
    client, vault, _ = _patient()
    vault.open(ANN, tokens(1), V1)
    client.calls.clear()
    with pytest.raises(LeaseLost):
        vault.store(ANN, tokens(2), V1)
    assert client.calls.count("PutSecretValue") == 1


@pytest.mark.parametrize("value", ["access-1 in the clear", '["access-1"]', '{"access_token": "access-1"}'])
def test_a_secret_that_is_not_ours_is_an_error_that_does_not_show_it(value: str) -> None:
    client = SecretsManager()
    vault = SecretsManagerTokenVault(cast("Any", client), "mailbearer/test")
    client.create_secret(Name=f"mailbearer/test/accounts/{ANN}", SecretString=value)
    with pytest.raises(SecretMissing) as caught:
        vault.read(ANN)
    assert "access-1" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_the_key_of_the_stack_encrypts_the_secret(world: World) -> None:
    prefix = world.name("secrets")
    client = world.clients.secretsmanager
    SecretsManagerTokenVault(client, prefix, kms_key_id="alias/mail").open(ANN, tokens(1), V1)
    assert client.describe_secret(SecretId=f"{prefix}/accounts/{ANN}")["KmsKeyId"] == "alias/mail"


def _patient() -> tuple[SecretsManager, SecretsManagerTokenVault, FakeClock]:
    client, clock = SecretsManager(), FakeClock(0)
    vault = SecretsManagerTokenVault(
        cast("Any", client), "mailbearer/test", patience=10, monotonic=clock, sleep=clock.advance
    )
    return client, vault, clock
