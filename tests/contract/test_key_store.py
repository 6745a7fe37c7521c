from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.keys import DynamoDBKeyStore
from tests.contract.nouns import key
from tests.fakes import FakeKeyStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.stores import KeyStore


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> KeyStore:
    if request.param == "fake":
        return FakeKeyStore()
    world = request.getfixturevalue("world")
    return DynamoDBKeyStore(world.clients.dynamodb, world.table("keys"))


def test_a_key_comes_back_as_it_was_put(store: KeyStore) -> None:
    assert store.create(key())
    assert store.get(key().id) == key()


def test_a_disabled_key_for_every_account_comes_back_as_it_was_put(store: KeyStore) -> None:
    plain = key(accounts=frozenset(), expires_at=0, disabled=True)
    store.create(plain)
    assert store.get(plain.id) == plain


def test_a_key_that_is_not_there_reads_as_none(store: KeyStore) -> None:
    assert store.get("key_none") is None


def test_creating_an_id_again_changes_nothing(store: KeyStore) -> None:
    store.create(key())
    assert not store.create(key(disabled=True))
    assert not store.create(key())
    assert store.get(key().id) == key()


def test_of_twenty_that_create_one_id_at_once_one_wins(
    store: KeyStore, at_once: Callable[[Callable[[int], bool]], list[bool]]
) -> None:
    assert at_once(lambda _: store.create(key())).count(True) == 1


def test_the_end_of_a_key_is_kept_in_whole_seconds(store: KeyStore) -> None:
    store.create(key(expires_at=1000.5))
    kept = store.get(key().id)
    assert kept
    assert kept.expires_at == 1001
