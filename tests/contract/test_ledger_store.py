from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.aws.ledgers import DynamoDBLedgerStore
from mailbearer.ids import derived_id
from mailbearer.ledger import Ledger
from tests.fakes import FakeLedgerStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailbearer.ports.stores import LedgerStore
    from tests.contract.conftest import World

ANN = derived_id("acc_", "ann")
EMPTY = Ledger(account=ANN)


def ledger(**changes: Any) -> Ledger:
    """Give a ledger with all that one can hold."""
    values: dict[str, Any] = {
        "account": ANN,
        "next_at": 1_750_000_012.75,
        "slices": ((583_333_330, 3), (583_333_334, 1)),
        "hours": ((486_110, 40, 52), (486_111, 4, 4)),
        "leases": (("0a1b2c3d", 2, 1_750_000_105.5),),
        "revision": 1,
        "mark": "aaaaaaaa",
    }
    return Ledger(**(values | changes))


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> LedgerStore:
    if request.param == "fake":
        return FakeLedgerStore()
    world = request.getfixturevalue("world")
    return DynamoDBLedgerStore(world.clients.dynamodb, world.table("ledgers"))


def test_a_mailbox_that_has_sent_nothing_has_an_empty_ledger(store: LedgerStore) -> None:
    assert store.get(ANN) == EMPTY


def test_a_ledger_comes_back_as_it_was_written(store: LedgerStore) -> None:
    assert store.replace(ledger(), expected=EMPTY) == ledger()
    assert store.get(ANN) == ledger()
    assert store.get("acc_other") == Ledger(account="acc_other")


def test_a_ledger_is_replaced_if_it_still_is_as_expected(store: LedgerStore) -> None:
    store.replace(ledger(), expected=EMPTY)
    second = replace(ledger(next_at=0, slices=()), revision=2, mark="bbbbbbbb")
    assert store.replace(second, expected=ledger()) == second
    assert store.replace(replace(ledger(), revision=2, mark="cccccccc"), expected=ledger()) == second
    assert store.get(ANN) == second


def test_a_first_ledger_does_not_replace_one_that_is_there(store: LedgerStore) -> None:
    store.replace(ledger(), expected=EMPTY)
    assert store.replace(ledger(mark="bbbbbbbb"), expected=EMPTY) == ledger()


def test_of_the_same_revision_by_somebody_else_nothing_is_overwritten(store: LedgerStore) -> None:
    store.replace(ledger(), expected=EMPTY)
    mine = ledger(mark="bbbbbbbb")
    assert store.replace(replace(mine, revision=2, mark="cccccccc"), expected=mine) == ledger()


def test_where_a_ledger_was_removed_an_empty_one_stands(store: LedgerStore) -> None:
    assert store.replace(replace(ledger(), revision=2), expected=ledger()) == EMPTY
    assert store.get(ANN) == EMPTY


def test_of_twenty_that_replace_a_ledger_at_once_one_wins(
    store: LedgerStore, at_once: Callable[[Callable[[int], bool]], list[bool]]
) -> None:
    def replace_it(number: int) -> bool:
        mine = ledger(mark=f"{number:08x}")
        return store.replace(mine, expected=EMPTY) == mine

    assert at_once(replace_it).count(True) == 1


@pytest.fixture
def lossy(world: World) -> Iterator[None]:
    """Lose the answer to the next write, so that the SDK makes it again."""
    events: Any = world.clients.dynamodb.meta.events
    pauses = iter([0])

    def repeat(**_: object) -> int | None:
        return next(pauses, None)

    events.register_first("needs-retry.dynamodb.PutItem", repeat)
    yield
    events.unregister("needs-retry.dynamodb.PutItem", repeat)


@pytest.mark.usefixtures("lossy")
def test_a_ledger_is_replaced_although_the_answer_was_lost_and_the_call_repeated(world: World) -> None:
    store = DynamoDBLedgerStore(world.clients.dynamodb, world.table("ledgers"))
    assert store.replace(ledger(), expected=EMPTY) == ledger()


def test_a_ledger_expires_when_nothing_of_it_counts_any_more_and_costs_one_write_unit(world: World) -> None:
    table = world.table("ledgers")
    store = DynamoDBLedgerStore(world.clients.dynamodb, table)
    store.replace(ledger(), expected=EMPTY)
    item = world.clients.dynamodb.get_item(TableName=table, Key={"account": {"S": ANN}})["Item"]
    assert item["expires_at"] == {"N": str((486_111 + 25) * 3600)}
