from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.webhook_secrets import SecretsManagerWebhookVault
from mailbearer.errors import SecretMissing
from mailbearer.webhook import OldSecret, SigningSecrets
from tests.fakes import FakeWebhookVault

if TYPE_CHECKING:
    from mailbearer.ports.vaults import WebhookVault
    from tests.contract.conftest import World

FIRST = SigningSecrets(b"\x00\xff" * 16)
BEFORE = (OldSecret(b"\x00\xff" * 16, 1_750_000_000.5), OldSecret(b"o" * 24, 3))
LATER = SigningSecrets(b"n" * 32, BEFORE, rotated_at=1_750_000_000.25)


@pytest.fixture(params=["fake", "aws"])
def vault(request: pytest.FixtureRequest) -> WebhookVault:
    if request.param == "fake":
        return FakeWebhookVault()
    world = request.getfixturevalue("world")
    return SecretsManagerWebhookVault(world.clients.secretsmanager, world.name("prefix"))


def test_secrets_come_back_as_they_were_put(vault: WebhookVault) -> None:
    vault.put("whk_1", FIRST)
    assert vault.read("whk_1") == FIRST
    vault.put("whk_1", LATER)
    assert vault.read("whk_1") == LATER


def test_a_webhook_without_secrets_reads_as_none(vault: WebhookVault) -> None:
    vault.put("whk_1", FIRST)
    assert vault.read("whk_2") is None


def test_what_was_retired_reads_as_none(vault: WebhookVault) -> None:
    vault.put("whk_1", FIRST)
    vault.retire("whk_1")
    vault.retire("whk_1")
    assert vault.read("whk_1") is None


@pytest.mark.parametrize("body", ["{}", '{"current": "%", "previous": []}', '{"current": 1, "previous": []}', "[]"])
def test_what_somebody_else_wrote_is_named_and_not_shown(world: World, body: str) -> None:
    vault = SecretsManagerWebhookVault(world.clients.secretsmanager, "prefix-of-others")
    name = world.name("webhook")
    world.clients.secretsmanager.create_secret(Name=f"prefix-of-others/webhooks/{name}", SecretString=body)
    with pytest.raises(SecretMissing, match=name) as caught:
        vault.read(name)
    assert body not in str(caught.value)
