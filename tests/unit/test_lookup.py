from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.account import AccountState
from mailbearer.caller import Caller
from mailbearer.errors import InvalidInput
from mailbearer.lookup import find_account
from tests.contract.nouns import account
from tests.fakes import FakeAccountStore

if TYPE_CHECKING:
    from mailbearer.account import Account

ANN = account("ann", address="Ann@Example.org")


def store(*accounts: Account) -> FakeAccountStore:
    made = FakeAccountStore()
    for one in (ANN, *accounts):
        made.create(one)
    return made


@pytest.mark.parametrize("named", [ANN.id, "ann@example.org", "ANN@EXAMPLE.ORG"])
def test_an_account_is_found_by_id_and_by_address_in_any_case(named: str) -> None:
    assert find_account(store(), named) == ANN


@pytest.mark.parametrize(
    "named", ["", "ann", "bob@example.org", "acc_" + "0" * 26, ANN.id.lower(), "acc_1@example.org"]
)
def test_what_names_no_account_finds_none(named: str) -> None:
    assert find_account(store(), named) is None


def test_an_address_means_the_account_that_is_not_revoked() -> None:
    old = account("old", address="ann@example.org", state=AccountState.REVOKED)
    older = account("older", address="ann@example.org", state=AccountState.REVOKED)
    assert find_account(store(old, older), "ann@example.org") == ANN


def test_an_address_means_a_revoked_account_if_it_is_the_only_one() -> None:
    gone = account("gone", address="gone@example.org", state=AccountState.REVOKED)
    assert find_account(store(gone), "gone@example.org") == gone


def test_an_address_that_could_mean_two_accounts_is_a_fault() -> None:
    twin = account("twin", address="ann@example.org", provider="other")
    with pytest.raises(InvalidInput) as caught:
        find_account(store(twin), "ann@example.org")
    assert [(fault.pointer, fault.code) for fault in caught.value.faults] == [("/account", "ambiguous_account")]


def test_an_account_that_sends_may_be_a_moment_old() -> None:
    accounts = store()
    accounts.lagging[ANN.id] = ANN
    accounts.accounts[ANN.id] = ANN.changed(display_name="Anna")
    assert find_account(accounts, ANN.id, as_it_is=False) == ANN
    assert find_account(accounts, ANN.id) == accounts.accounts[ANN.id]


@pytest.mark.parametrize("old", [None, ANN.changed(state=AccountState.PENDING_CONSENT)])
def test_a_no_holds_for_the_account_as_it_is_now(old: Account | None) -> None:
    accounts = store()
    accounts.lagging[ANN.id] = old
    assert find_account(accounts, ANN.id, as_it_is=False) == ANN


def test_an_account_that_is_not_the_callers_is_not_there() -> None:
    caller = Caller(key_id="key_1", scopes=frozenset(), accounts=frozenset({"acc_another"}))
    twin = account("twin", address=ANN.address)
    assert find_account(store(), ANN.id, caller) is None
    assert find_account(store(twin), ANN.address.lower(), caller) is None


def test_of_two_accounts_with_one_address_a_bound_caller_means_its_own() -> None:
    caller = Caller(key_id="key_1", scopes=frozenset(), accounts=frozenset({ANN.id}))
    twin = account("twin", address=ANN.address)
    assert find_account(store(twin), ANN.address.lower(), caller) == ANN
