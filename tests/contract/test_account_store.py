from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState, Probe
from mailbearer.aws.accounts import DynamoDBAccountStore, to_item
from mailbearer.errors import Conflict, InvalidInput, NotFound
from mailbearer.ports.stores import Due
from mailbearer.token import TokenState
from tests.contract.nouns import NOW, account
from tests.fakes import FakeAccountStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailbearer.ports.stores import AccountStore


@pytest.fixture(params=["fake", "aws"])
def store(request: pytest.FixtureRequest) -> AccountStore:
    if request.param == "fake":
        return FakeAccountStore()
    world = request.getfixturevalue("world")
    return DynamoDBAccountStore(world.clients.dynamodb, world.table("accounts"))


def test_an_account_comes_back_as_it_was_put(store: AccountStore) -> None:
    assert store.create(account())
    assert store.get(account().id) == account()


def test_a_pending_account_without_a_token_comes_back_as_it_was_put(store: AccountStore) -> None:
    pending = account(state=AccountState.PENDING_CONSENT, token=TokenState(), display_name="", aliases=(), limits=())
    store.create(pending)
    assert store.get(pending.id) == pending


def test_an_account_that_is_not_there_reads_as_none(store: AccountStore) -> None:
    assert store.get("acc_none") is None


def test_creating_an_id_again_changes_nothing(store: AccountStore) -> None:
    store.create(account())
    assert not store.create(account(display_name="Other"))
    assert not store.create(account())
    assert store.get(account().id) == account()


def test_of_twenty_that_create_one_id_at_once_one_wins(
    store: AccountStore, at_once: Callable[[Callable[[int], bool]], list[bool]]
) -> None:
    assert at_once(lambda _: store.create(account())).count(True) == 1


def test_a_replacement_of_what_still_stands_wins(store: AccountStore) -> None:
    store.create(account())
    new = account(token=replace(account().token, fence=4, lease_owner="me", lease_until=NOW + 30.5))
    assert store.replace(new, expected=account()) == new
    assert store.get(account().id) == new


@pytest.mark.parametrize(
    "changed",
    [
        {"address": "ANN@example.org"},
        {"display_name": ""},
        {"aliases": ()},
        {"limits": (("per_day", 501), ("per_minute", 20))},
        {"reason": "asked"},
        {"scopes_granted": ("mail",)},
        {"updated_at": NOW + 0.2},
        {"probe": Probe(at=NOW, valid_at=NOW, outcome="valid")},
        {"revocation_pending": True},
        {"revision": 1},
        {"token": TokenState()},
        {"token": replace(account().token, fence=4)},
        {"token": replace(account().token, lease_owner="them")},
        {"token": replace(account().token, due_at=NOW)},
        {"token": replace(account().token, failures=0)},
    ],
)
def test_a_replacement_after_any_change_by_somebody_else_loses_and_sees_it(
    store: AccountStore, changed: dict[str, Any]
) -> None:
    store.create(account())
    theirs = account(**changed)
    assert store.replace(theirs, expected=account()) == theirs
    assert store.replace(account(reason="mine"), expected=account()) == theirs
    assert store.get(account().id) == theirs


def test_my_own_replacement_repeated_is_won(store: AccountStore) -> None:
    store.create(account())
    new = account(reason="mine")
    store.replace(new, expected=account())
    assert store.replace(new, expected=account()) == new


def test_replacements_follow_each_other_without_reading_in_between(store: AccountStore) -> None:
    store.create(account())
    one, two = account(updated_at=NOW + 1 / 3), account(updated_at=NOW + 2 / 3)
    store.replace(one, expected=account())
    assert store.replace(two, expected=one) == two


def test_of_twenty_that_take_the_lease_at_once_one_wins(
    store: AccountStore, at_once: Callable[[Callable[[int], bool]], list[bool]]
) -> None:
    store.create(account())

    def lease(number: int) -> bool:
        new = account(token=replace(account().token, fence=4, lease_owner=f"worker-{number}"))
        return store.replace(new, expected=account()) == new

    assert at_once(lease).count(True) == 1


def test_replacing_an_account_that_is_not_there_is_an_error(store: AccountStore) -> None:
    with pytest.raises(NotFound):
        store.replace(account(), expected=account())


def test_deleting_an_account_that_nobody_changed_removes_it(store: AccountStore) -> None:
    store.create(account())
    store.delete(account())
    assert store.get(account().id) is None


def test_deleting_an_account_again_changes_nothing(store: AccountStore) -> None:
    store.delete(account())
    assert store.get(account().id) is None


def test_deleting_an_account_that_somebody_changed_is_refused(store: AccountStore) -> None:
    store.create(account())
    changed = store.replace(account(state=AccountState.ACTIVE, reason="theirs"), expected=account())
    with pytest.raises(Conflict):
        store.delete(account())
    assert store.get(account().id) == changed


def test_accounts_are_found_by_address_without_case(store: AccountStore) -> None:
    store.create(account())
    store.create(account("bob"))
    store.create(account("ann-again", address="ann@EXAMPLE.ORG"))
    found = store.by_address("aNN@example.org")
    assert sorted(one.address for one in found) == ["Ann@Example.org", "ann@EXAMPLE.ORG"]
    assert [one.id for one in found] == sorted(one.id for one in found)
    assert store.by_address("nobody@example.org") == []


def test_an_account_whose_address_changed_is_no_longer_found_by_the_old(store: AccountStore) -> None:
    store.create(account())
    store.replace(account(address="new@example.org"), expected=account())
    assert store.by_address(account().address) == []
    assert [one.id for one in store.by_address("new@example.org")] == [account().id]


def test_accounts_are_listed_in_pages_each_once(store: AccountStore) -> None:
    names = [f"user{number}" for number in range(7)]
    for name in names:
        store.create(account(name))
    seen, cursor, sizes = [], "", []
    while True:
        page, cursor = store.listing(limit=3, cursor=cursor)
        sizes.append(len(page))
        seen += page
        if not cursor:
            break
    assert sizes == [3, 3, 1]
    assert {one.id: one for one in seen} == {one.id: one for one in map(account, names)}


def test_a_list_that_ends_with_its_page_has_no_cursor(store: AccountStore) -> None:
    for name in ("ann", "bob"):
        store.create(account(name))
    assert store.listing(limit=2, cursor="")[1] == ""


@pytest.mark.parametrize("cursor", ["garbage", "é", "bnVsbA", "WyJhIiwiYiJd", "WzFd"])
def test_a_cursor_that_is_not_ours_is_invalid(store: AccountStore, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        store.listing(limit=2, cursor=cursor)


def due(store: AccountStore, now: float = NOW) -> list[str]:
    return [one.account_id for one in store.due(now)]


def test_due_accounts_come_longest_overdue_first(store: AccountStore) -> None:
    # Twelve, so that every part of the index holds some.
    late = [account(f"user{n}", token=TokenState(due_at=NOW - n * 10 - 0.5)) for n in range(12)]
    for one in late:
        store.create(one)
    overdue_first = [Due(one.due_at, one.id) for one in reversed(late)]
    assert list(store.due(NOW)) == overdue_first
    assert list(itertools.islice(store.due(NOW), 5)) == overdue_first[:5]


@pytest.mark.slow
def test_more_due_accounts_than_a_page_come_each_once(store: AccountStore) -> None:
    # Over a hundred in every part of the index.
    for number in range(450):
        store.create(account(f"user{number}", token=TokenState(due_at=NOW - number)))
    found = list(store.due(NOW))
    assert len({one.account_id for one in found}) == len(found) == 450
    assert found == sorted(found)


def test_an_account_is_due_from_its_time_on(store: AccountStore) -> None:
    store.create(account(token=TokenState(due_at=NOW)))
    assert due(store, NOW - 0.001) == []
    assert due(store) == [account().id]


@pytest.mark.parametrize(
    "idle",
    [
        {"token": TokenState()},
        {"state": AccountState.PENDING_CONSENT},
        {"state": AccountState.CONSENT_REQUIRED},
        {"state": AccountState.REVOKED},
    ],
)
def test_an_account_that_needs_no_refreshing_is_never_due(store: AccountStore, idle: dict[str, Any]) -> None:
    store.create(account())
    assert due(store) == [account().id]
    store.replace(account(**idle), expected=account())
    assert due(store) == []


def test_a_revoked_account_whose_revocation_is_unfinished_is_due(store: AccountStore) -> None:
    store.create(account(state=AccountState.REVOKED, revocation_pending=True))
    assert due(store) == [account().id]


def test_an_account_that_is_never_due_is_not_in_the_index() -> None:
    assert {"due_at", "due_shard"} <= to_item(account()).keys()
    assert not {"due_at", "due_shard"} & to_item(account(state=AccountState.CONSENT_REQUIRED)).keys()
