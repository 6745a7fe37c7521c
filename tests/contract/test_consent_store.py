from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.consents import DynamoDBConsentStore
from tests.contract.nouns import consent
from tests.fakes import FakeConsentStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.account import Consent
    from mailbearer.ports import ConsentStore


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> ConsentStore:
    if request.param == "fake":
        return FakeConsentStore()
    world = request.getfixturevalue("world")
    return DynamoDBConsentStore(world.clients.dynamodb, world.table("consents"))


def test_reading_a_consent_does_not_consume_it(store: ConsentStore) -> None:
    store.put(consent())
    assert store.get(consent().state_hash) == consent()
    assert store.get(consent().state_hash) == consent()


def test_a_consent_is_taken_once(store: ConsentStore) -> None:
    store.put(consent())
    assert store.take(consent().state_hash) == consent()
    assert store.take(consent().state_hash) is None
    assert store.get(consent().state_hash) is None


def test_a_consent_that_is_not_there_is_none(store: ConsentStore) -> None:
    assert store.get("none") is None
    assert store.take("none") is None


def test_of_twenty_that_take_a_consent_at_once_one_gets_it(
    store: ConsentStore, at_once: Callable[[Callable[[int], Consent | None]], list[Consent | None]]
) -> None:
    store.put(consent())
    taken = at_once(lambda _: store.take(consent().state_hash))
    assert [one for one in taken if one] == [consent()]


def test_the_end_of_a_consent_is_kept_in_whole_seconds(store: ConsentStore) -> None:
    store.put(consent(expires_at=1000.001))
    kept = store.get(consent().state_hash)
    assert kept
    assert kept.expires_at == 1001
