from __future__ import annotations

from mailbearer.account import AccountState
from mailbearer.schedule.census import Census
from tests.contract.nouns import account
from tests.fakes import FakeAccountStore


def test_mailboxes_that_wait_for_their_owners_are_counted_over_all_pages() -> None:
    accounts = FakeAccountStore()
    told: list[int] = []
    for number in range(230):
        state = AccountState.CONSENT_REQUIRED if number % 10 == 0 else AccountState.ACTIVE
        accounts.create(account(f"box{number:03}", state=state))
    assert Census(accounts=accounts, tell=told.append).run() == 23
    assert told == [23]


def test_none_that_waits_is_told_too() -> None:
    told: list[int] = []
    Census(accounts=FakeAccountStore(), tell=told.append).run()
    assert told == [0]
