from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from mailbearer.aws.credentials import SecretsManagerCredentialVault
from mailbearer.credential import Credential, CredentialSet
from mailbearer.errors import Conflict, SecretMissing
from tests.contract.secrets_manager import SecretsManager
from tests.fakes import FakeCredentialVault

if TYPE_CHECKING:
    from mailbearer.ports.vaults import CredentialVault


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


# --- changing a set ---------------------------------------------------------------------------------------------------

A, B, C = (Credential(id=letter, client_secret=f"s3cret-{letter}") for letter in "abc")


def test_a_set_comes_back_as_it_was_written_in_its_order(secrets: CredentialVault) -> None:
    secrets.create("acme", A)
    kept = secrets.stored("acme")
    whole = Credential(
        id="b", private_key="KEY", certificate="CERT", created_at=1.5, expires_at=2_000_000_000, retire_at=3
    )
    new = CredentialSet(credentials=(whole, A), overlap=86_400.0, rotation="r" * 32)
    assert secrets.replace("acme", new, expected=kept) == new
    assert secrets.stored("acme") == new
    assert secrets.read("acme") == (whole, A)


def test_a_change_of_what_somebody_has_changed_since_changes_nothing_and_gives_what_stands(
    secrets: CredentialVault,
) -> None:
    secrets.create("acme", A)
    before = secrets.stored("acme")
    theirs, ours = replace(before, credentials=(B, A)), replace(before, credentials=(C, A))
    assert secrets.replace("acme", theirs, expected=before) == theirs
    assert secrets.replace("acme", ours, expected=before) == theirs
    stands = secrets.stored("acme")
    assert secrets.replace("acme", replace(stands, credentials=(C, B, A)), expected=stands).credentials == (C, B, A)


def test_a_change_that_is_repeated_by_the_sdk_has_won(secrets: CredentialVault) -> None:
    secrets.create("acme", A)
    before = secrets.stored("acme")
    new = replace(before, credentials=(B, A))
    assert secrets.replace("acme", new, expected=before) == new
    assert secrets.replace("acme", new, expected=before) == new
    assert secrets.read("acme") == (B, A)


def test_a_change_back_and_forth_is_written_each_time(secrets: CredentialVault) -> None:
    secrets.create("acme", A)
    for credentials in ((B, A), (A,), (B, A), (A,)):
        stands = secrets.stored("acme")
        secrets.replace("acme", replace(stands, credentials=credentials), expected=stands)
        assert secrets.read("acme") == credentials


def test_a_registration_without_a_secret_cannot_be_changed_or_rotated(secrets: CredentialVault) -> None:
    nothing = CredentialSet(credentials=(A,), version="v" * 32)
    with pytest.raises(SecretMissing):
        secrets.stored("acme")
    with pytest.raises(SecretMissing):
        secrets.replace("acme", nothing, expected=nothing)
    with pytest.raises(SecretMissing):
        secrets.stages("acme", "t" * 32)


# --- rotation, on what is right about it: moto's is not ---------------------------------------------------------------

TOKEN = "7" * 32


@pytest.fixture(params=["fake", "documented", "documented-drops-pending"])
def rotating(request: pytest.FixtureRequest) -> CredentialVault:
    """Give a vault with a registration whose rotation has begun."""
    if request.param == "fake":
        fake = FakeCredentialVault()
        fake.create("acme", A)
        fake.every = 90 * 86_400.0
        fake.begin("acme", TOKEN)
        return fake
    client = SecretsManager(drops_pending=request.param == "documented-drops-pending")
    vault = SecretsManagerCredentialVault(cast("Any", client), "mailbearer/test")
    vault.create("acme", A)
    name = "mailbearer/test/registrations/acme"
    client.rotate_secret(SecretId=name, ClientRequestToken=TOKEN, RotationRules={"AutomaticallyAfterDays": 90})
    return vault


def test_a_rotation_begins_with_an_empty_version_that_is_pending(rotating: CredentialVault) -> None:
    stages = rotating.stages("acme", TOKEN)
    assert (stages.enabled, stages.pending, stages.current, stages.every) == (True, True, False, 90 * 86_400.0)
    assert rotating.pending("acme", TOKEN) is None
    assert not rotating.stages("acme", "8" * 32).pending


def test_a_copy_of_what_is_current_is_nothing_that_was_put_forward() -> None:
    client = SecretsManager()
    vault = SecretsManagerCredentialVault(cast("Any", client), "mailbearer/test")
    vault.create("acme", A)
    name = "mailbearer/test/registrations/acme"
    client.rotate_secret(SecretId=name, ClientRequestToken=TOKEN)
    client.put_secret_value(
        SecretId=name,
        ClientRequestToken=TOKEN,
        SecretString=client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"],
        VersionStages=["AWSPENDING"],
    )
    assert vault.pending("acme", TOKEN) is None
    with pytest.raises(Conflict):
        vault.propose("acme", TOKEN, CredentialSet(credentials=(B, A), rotation=TOKEN))


def test_what_is_put_forward_first_stands_and_is_not_current(rotating: CredentialVault) -> None:
    first = CredentialSet(credentials=(B, A), rotation=TOKEN)
    assert rotating.propose("acme", TOKEN, first) == first
    assert rotating.propose("acme", TOKEN, first) == first
    assert rotating.propose("acme", TOKEN, replace(first, credentials=(C, A))) == first
    assert rotating.pending("acme", TOKEN) == first
    assert rotating.read("acme") == (A,)


def test_what_was_put_forward_becomes_current_once_and_the_rotation_ends(rotating: CredentialVault) -> None:
    before = rotating.stored("acme")
    rotating.propose("acme", TOKEN, CredentialSet(credentials=(B, A), rotation=TOKEN))
    for _ in range(2):
        rotating.promote("acme", TOKEN, expected=before)
        assert rotating.stages("acme", TOKEN).current
    for _ in range(2):
        rotating.settle("acme", TOKEN)
    assert not rotating.stages("acme", TOKEN).pending
    assert rotating.read("acme") == (B, A)
    assert rotating.stored("acme").rotation == TOKEN


def test_what_was_put_forward_does_not_become_current_over_somebody_elses_change(rotating: CredentialVault) -> None:
    before = rotating.stored("acme")
    rotating.propose("acme", TOKEN, CredentialSet(credentials=(B, A), rotation=TOKEN))
    rotating.replace("acme", replace(before, credentials=(C, A)), expected=before)
    with pytest.raises(Conflict):
        rotating.promote("acme", TOKEN, expected=before)
    assert rotating.read("acme") == (C, A)


def test_a_schedule_is_set_and_refused_while_a_rotation_is_under_way(rotating: CredentialVault) -> None:
    function = "arn:aws:lambda:eu-central-1:123456789012:function:mailbearer-test-credential-rotator"
    with pytest.raises(Conflict):
        rotating.schedule("acme", function=function, every=30 * 86_400.0, at_once=True)
    rotating.settle("acme", TOKEN)
    rotating.schedule("acme", function=function, every=30 * 86_400.0, at_once=True)
    assert rotating.stages("acme", TOKEN).every == 30 * 86_400.0


@pytest.mark.parametrize(
    ("rules", "every"),
    [
        ({}, 0),
        ({"AutomaticallyAfterDays": 30}, 30 * 86_400),
        ({"ScheduleExpression": "rate(12 hours)"}, 43_200),
        ({"ScheduleExpression": "rate(1 day)"}, 86_400),
        ({"ScheduleExpression": "cron(0 8 1 * ? *)"}, 0),
    ],
)
def test_the_time_between_rotations_is_read_where_it_is_a_rate(rules: dict[str, Any], every: float) -> None:
    client = SecretsManager()
    vault = SecretsManagerCredentialVault(cast("Any", client), "mailbearer/test")
    vault.create("acme", A)
    client.rotate_secret(SecretId="mailbearer/test/registrations/acme", RotationRules=rules)
    assert vault.stages("acme", TOKEN).every == every
