from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse

from mailbearer.account import DeviceCode
from mailbearer.aws.consents import DynamoDBConsentStore
from tests.contract.nouns import consent
from tests.fakes import FakeConsentStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailbearer.account import Consent
    from mailbearer.ports.stores import ConsentStore
    from tests.contract.conftest import World


def by_device(**changes: Any) -> Consent:
    """Give a consent by a device code."""
    values: dict[str, Any] = {
        "code": "device-code",
        "user_code": "WDJB-MJHT",
        "verification_uri": "https://id.example/device",
        "interval": 5.0,
        "ask_at": 1_750_000_005.25,
    }
    return consent(verifier="", nonce="", redirect_uri="", device=DeviceCode(**(values | changes)))


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
    assert store.replace(consent(), expected=consent()) is None
    assert store.get(consent().state_hash) is None


def test_a_consent_by_a_device_code_comes_back_as_it_was_put(store: ConsentStore) -> None:
    store.put(by_device())
    assert store.get(by_device().state_hash) == by_device()
    assert store.take(by_device().state_hash) == by_device()


def test_a_consent_is_replaced_if_it_still_is_as_expected(store: ConsentStore) -> None:
    store.put(by_device())
    mine, theirs = by_device(asked_by="me"), by_device(asked_by="them")
    assert store.replace(mine, expected=by_device()) == mine
    assert store.replace(theirs, expected=by_device()) == mine
    assert store.get(mine.state_hash) == mine


def test_a_consent_that_was_taken_cannot_be_replaced(store: ConsentStore) -> None:
    store.put(by_device())
    store.take(by_device().state_hash)
    assert store.replace(by_device(asked_by="me"), expected=by_device()) is None
    assert store.get(by_device().state_hash) is None


def test_of_twenty_that_replace_a_consent_at_once_one_wins(
    store: ConsentStore, at_once: Callable[[Callable[[int], bool]], list[bool]]
) -> None:
    store.put(by_device())

    def replace_it(number: int) -> bool:
        mine = by_device(asked_by=str(number))
        return store.replace(mine, expected=by_device()) == mine

    assert at_once(replace_it).count(True) == 1


def test_of_twenty_that_take_a_consent_at_once_one_gets_it(
    store: ConsentStore, at_once: Callable[[Callable[[int], Consent | None]], list[Consent | None]]
) -> None:
    store.put(consent())
    taken = at_once(lambda _: store.take(consent().state_hash))
    assert [one for one in taken if one] == [consent()]


@pytest.fixture
def lossy(world: World) -> Iterator[Callable[[str], None]]:
    """Give what loses the answer to the next call of an operation, so that the SDK makes it again."""
    events: Any = world.clients.dynamodb.meta.events
    lost = []

    def lose(operation: str) -> None:
        pauses = iter([0])

        def repeat(**_: object) -> int | None:
            # botocore asks how many seconds to wait before it repeats a call, None for not at all.
            return next(pauses, None)

        lost.append((f"needs-retry.dynamodb.{operation}", repeat))
        events.register_first(*lost[-1])

    yield lose
    for name, repeat in lost:
        events.unregister(name, repeat)


def test_a_consent_is_taken_although_the_answer_was_lost_and_the_call_repeated(
    world: World, lossy: Callable[[str], None]
) -> None:
    store = DynamoDBConsentStore(world.clients.dynamodb, world.table("consents"))
    for operation in ("UpdateItem", "DeleteItem"):
        store.put(consent())
        lossy(operation)
        assert store.take(consent().state_hash) == consent()
        assert store.take(consent().state_hash) is None


def test_a_consent_is_replaced_although_the_answer_was_lost_and_the_call_repeated(
    world: World, lossy: Callable[[str], None]
) -> None:
    store = DynamoDBConsentStore(world.clients.dynamodb, world.table("consents"))
    store.put(by_device())
    lossy("PutItem")
    assert store.replace(by_device(asked_by="me"), expected=by_device()) == by_device(asked_by="me")


def test_a_consent_that_was_taken_and_could_not_be_deleted_is_nobodys(world: World) -> None:
    store = DynamoDBConsentStore(world.clients.dynamodb, world.table("consents"))
    store.put(consent())
    with _refusing(world, "DeleteItem"):
        assert store.take(consent().state_hash) == consent()
    assert store.get(consent().state_hash) is None
    assert store.take(consent().state_hash) is None
    assert store.replace(consent(), expected=consent()) is None


@contextmanager
def _refusing(world: World, operation: str) -> Iterator[None]:
    events: Any = world.clients.dynamodb.meta.events

    def refuse(**_: object) -> AWSResponse:
        headers: Any = {}
        return AWSResponse("https://aws.example", 400, headers, _Body())

    events.register_first(f"before-send.dynamodb.{operation}", refuse)
    try:
        yield
    finally:
        events.unregister(f"before-send.dynamodb.{operation}", refuse)


class _Body:
    def stream(self, **_: object) -> Iterator[bytes]:
        yield b'{"__type": "AccessDeniedException"}'


def test_the_end_of_a_consent_is_kept_in_whole_seconds(store: ConsentStore) -> None:
    store.put(consent(expires_at=1000.001))
    kept = store.get(consent().state_hash)
    assert kept
    assert kept.expires_at == 1001
