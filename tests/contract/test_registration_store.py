from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.registrations import DynamoDBRegistrationStore
from tests.contract.nouns import registration
from tests.fakes import FakeRegistrationStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.stores import RegistrationStore


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> RegistrationStore:
    if request.param == "fake":
        return FakeRegistrationStore()
    world = request.getfixturevalue("world")
    return DynamoDBRegistrationStore(world.clients.dynamodb, world.table("registrations"))


def test_a_registration_comes_back_as_it_was_put(store: RegistrationStore) -> None:
    assert store.create(registration())
    assert store.get("google-main") == registration()


def test_a_registration_without_an_smtp_server_comes_back_as_it_was_put(store: RegistrationStore) -> None:
    plain = registration(smtp=None, authorize_params=(), api_base_url="https://mail.example", ca_pem="-----BEGIN")
    store.create(plain)
    assert store.get("google-main") == plain


def test_a_registration_that_is_not_there_reads_as_none(store: RegistrationStore) -> None:
    assert store.get("none") is None


def test_creating_a_name_again_changes_nothing(store: RegistrationStore) -> None:
    store.create(registration())
    assert not store.create(registration(client_id="other"))
    assert not store.create(registration())
    assert store.get("google-main") == registration()


def test_of_twenty_that_create_one_name_at_once_one_wins(
    store: RegistrationStore, at_once: Callable[[Callable[[int], bool]], list[bool]]
) -> None:
    assert at_once(lambda _: store.create(registration())).count(True) == 1


def test_registrations_are_listed_by_name(store: RegistrationStore) -> None:
    for name in ("b", "c", "a"):
        store.create(registration(name))
    assert store.listing() == [registration(name) for name in ("a", "b", "c")]
