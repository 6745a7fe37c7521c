from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.aws.suppressions import DynamoDBSuppressionStore
from mailbearer.errors import InvalidInput
from mailbearer.suppression import EVERY_ACCOUNT, Suppression
from tests.contract.nouns import NOW
from tests.fakes import FakeSuppressionStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.stores import SuppressionStore
    from tests.contract.conftest import World


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> SuppressionStore:
    if request.param == "fake":
        return FakeSuppressionStore()
    world = request.getfixturevalue("world")
    return DynamoDBSuppressionStore(world.clients.dynamodb, world.table("suppressions"))


def suppression(address: str = "carla@customer.example", **changes: Any) -> Suppression:
    values: dict[str, Any] = {"account": "acc_1", "reason": "bounced", "created_at": NOW, "created_by": "key_1"}
    return Suppression(address=address, **(values | changes))


@pytest.mark.parametrize(
    "one", [suppression(), suppression(account=EVERY_ACCOUNT), suppression(reason="", created_by="", created_at=1)]
)
def test_a_suppression_comes_back_as_it_was_put(store: SuppressionStore, one: Suppression) -> None:
    assert store.put(one) == one
    assert store.get(one.account, one.address) == one


def test_one_that_stands_stays_as_it_is_and_is_given(store: SuppressionStore) -> None:
    store.put(suppression())
    assert store.put(suppression(reason="complained", created_at=NOW + 1)) == suppression()
    assert store.get("acc_1", suppression().address) == suppression()


def test_of_twenty_that_put_one_address_at_once_one_wins(
    store: SuppressionStore, at_once: Callable[[Callable[[int], Suppression]], list[Suppression]]
) -> None:
    stands = at_once(lambda number: store.put(suppression(created_by=f"key_{number}")))
    assert len(set(stands)) == 1


def test_one_that_is_not_there_reads_as_none(store: SuppressionStore) -> None:
    store.put(suppression(account="acc_2"))
    assert store.get("acc_1", suppression().address) is None


def test_a_deletion_tells_whether_there_was_one(store: SuppressionStore) -> None:
    store.put(suppression())
    store.put(suppression(account=EVERY_ACCOUNT))
    assert store.delete("acc_1", suppression().address)
    assert not store.delete("acc_1", suppression().address)
    assert store.get("acc_1", suppression().address) is None
    assert store.get(EVERY_ACCOUNT, suppression().address)


def test_a_list_is_that_of_its_account_by_address_page_after_page(store: SuppressionStore) -> None:
    addresses = [f"{name}@customer.example" for name in ("a+b", "a", "b", "c", "d", "z")]
    for address in reversed(addresses):
        store.put(suppression(address))
    store.put(suppression("foreign@customer.example", account="acc_2"))
    seen: list[str] = []
    cursor = ""
    for size in (4, 2):
        page, cursor = store.listing("acc_1", limit=4, cursor=cursor)
        assert len(page) == size
        seen += [one.address for one in page]
    assert (seen, cursor) == (addresses, "")


def test_a_list_that_ends_with_its_page_has_no_cursor(store: SuppressionStore) -> None:
    store.put(suppression())
    assert store.listing("acc_1", limit=1, cursor="") == ([suppression()], "")


@pytest.mark.parametrize("cursor", ["garbage", "e30", "%%%", "é"])
def test_a_cursor_that_is_not_ours_is_invalid(store: SuppressionStore, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        store.listing("acc_1", limit=3, cursor=cursor)


def test_a_cursor_of_another_list_is_invalid(store: SuppressionStore) -> None:
    for address in ("a@b.example", "b@b.example"):
        store.put(suppression(address))
    _, cursor = store.listing("acc_1", limit=1, cursor="")
    with pytest.raises(InvalidInput):
        store.listing(EVERY_ACCOUNT, limit=1, cursor=cursor)


def test_a_list_tells_whether_it_has_any(store: SuppressionStore) -> None:
    assert not store.any_of("acc_1")
    store.put(suppression())
    assert store.any_of("acc_1")
    assert not store.any_of(EVERY_ACCOUNT)


def test_those_that_are_suppressed_are_found_among_many(store: SuppressionStore) -> None:
    addresses = [f"{number}@customer.example" for number in range(250)]
    suppressed = frozenset(addresses[::60])
    for address in suppressed:
        store.put(suppression(address))
    store.put(suppression(addresses[1], account="acc_2"))
    assert store.among("acc_1", [*addresses, addresses[0]]) == suppressed
    assert store.among("acc_1", []) == frozenset()


def test_what_dynamodb_could_not_read_in_time_is_asked_for_again(world: World) -> None:
    store = DynamoDBSuppressionStore(world.clients.dynamodb, world.table("suppressions"), sleep=lambda _: None)
    for name in "abc":
        store.put(suppression(f"{name}@b.example"))
    client = world.clients.made("dynamodb")
    asked: list[int] = []

    def leave_some(parsed: dict[str, Any], **_given: object) -> None:
        ((table, answered),) = parsed["Responses"].items()
        asked.append(len(answered))
        if len(answered) > 1:
            left = answered.pop()
            parsed["UnprocessedKeys"] = {table: {"Keys": [{"account": {"S": "acc_1"}, "address": left["address"]}]}}

    client.meta.events.register("after-call.dynamodb.BatchGetItem", leave_some)
    try:
        found = store.among("acc_1", [f"{name}@b.example" for name in "abc"])
    finally:
        client.meta.events.unregister("after-call.dynamodb.BatchGetItem", leave_some)
    assert found == {f"{name}@b.example" for name in "abc"}
    assert asked == [3, 1]
