from __future__ import annotations

import hashlib
from typing import Any

import pytest

from mailbearer.account import Account, AccountState
from mailbearer.caller import Caller
from mailbearer.errors import Forbidden, InvalidInput, NotFound, Unavailable
from mailbearer.ids import derived_id
from mailbearer.suppressing import MAX_REASON, REMEMBERED, Suppressions
from mailbearer.suppression import EVERY_ACCOUNT, Suppression
from mailbearer.trail import BufferedTrail
from tests.fakes import CountedBytes, FakeAccountStore, FakeAuditLog, FakeAuditSpool, FakeClock, FakeSuppressionStore

ANN, BEN = derived_id("acc_", "ann"), derived_id("acc_", "ben")
ADMIN = Caller(key_id="key_admin", scopes=frozenset({"admin"}))
BOUND = Caller(key_id="key_bound", scopes=frozenset({"messages:send"}), accounts=frozenset({ANN}))
CARLA = "carla@customer.example"


class Case:
    def __init__(self) -> None:
        self.store = FakeSuppressionStore()
        self.accounts = FakeAccountStore()
        self.clock = FakeClock()
        self.log = FakeAuditLog()
        self.trail = BufferedTrail(self.log, FakeAuditSpool(), self.clock, CountedBytes(), actor="messages-api")
        self.lists = self.process()
        for account_id, address in ((ANN, "ann@tenant.example"), (BEN, "ben@tenant.example")):
            self.accounts.create(
                Account(
                    id=account_id,
                    provider="google",
                    address=address,
                    transport="gmail",
                    state=AccountState.ACTIVE,
                    created_at=1,
                    updated_at=1,
                )
            )

    def process(self) -> Suppressions:
        """Give the verb as another process has it."""
        return Suppressions(store=self.store, accounts=self.accounts, trail=self.trail, clock=self.clock)

    def add(self, address: str = CARLA, caller: Caller = ADMIN, **fields: Any) -> Suppression:
        return self.lists.add({"address": address, **fields}, caller).suppression

    def audited(self) -> list[tuple[str, str, str, dict[str, str]]]:
        self.trail.flush()
        return [(event.action, event.subject, event.actor, dict(event.facts)) for event in self.log.events]


@pytest.fixture
def case() -> Case:
    return Case()


# --- before sending ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("account", [None, ANN])
def test_an_address_is_suppressed_for_a_mailbox_by_its_own_list_or_by_that_of_all(
    case: Case, account: str | None
) -> None:
    case.add(account=account)
    wanted = [CARLA, "chris@customer.example"]
    assert case.lists.among(ANN, wanted) == {CARLA}
    assert case.lists.among(BEN, wanted) == (set() if account else {CARLA})


def test_both_lists_count_at_once(case: Case) -> None:
    case.add(account=ANN)
    case.add("chris@customer.example")
    assert case.lists.among(ANN, [CARLA, "chris@customer.example", "d@e.example"]) == {CARLA, "chris@customer.example"}


def test_addresses_compare_without_case_and_come_back_as_they_were_written(case: Case) -> None:
    case.add("Carla@Customer.Example")
    assert case.lists.among(ANN, ["CARLA@customer.EXAMPLE", CARLA]) == {"CARLA@customer.EXAMPLE", CARLA}


def test_a_domain_is_the_same_in_unicode_and_in_ascii(case: Case) -> None:
    case.add("carla@bücher.example")
    assert case.lists.among(ANN, ["carla@xn--bcher-kva.example"]) == {"carla@xn--bcher-kva.example"}


def test_an_address_with_a_plus_is_another_address(case: Case) -> None:
    case.add("carla+news@customer.example")
    assert case.lists.among(ANN, [CARLA]) == frozenset()


def test_empty_lists_cost_one_look_each_in_half_a_minute(case: Case) -> None:
    for _ in range(20):
        assert case.lists.among(ANN, [CARLA]) == frozenset()
    assert case.store.faults.calls == ["any_of", "any_of"]
    case.lists.among(BEN, [CARLA])
    assert case.store.faults.calls == ["any_of"] * 3
    case.clock.advance(REMEMBERED)
    case.lists.among(ANN, [CARLA])
    assert case.store.faults.calls == ["any_of"] * 5


def test_a_list_that_has_any_is_looked_into_for_each_message(case: Case) -> None:
    case.add(account=ANN)
    sender = case.process()
    del case.store.faults.calls[:]
    for _ in range(3):
        sender.among(ANN, [CARLA])
    assert case.store.faults.calls.count("among") == 3
    assert case.store.faults.calls.count("any_of") == 2


def test_a_first_entry_takes_effect_within_half_a_minute_and_the_next_ones_at_once(case: Case) -> None:
    sender = case.process()
    assert sender.among(ANN, [CARLA]) == frozenset()
    case.add()
    case.clock.advance(REMEMBERED - 1)
    assert sender.among(ANN, [CARLA]) == frozenset()
    case.clock.advance(1)
    assert sender.among(ANN, [CARLA]) == {CARLA}
    case.add("chris@customer.example")
    assert sender.among(ANN, ["chris@customer.example"]) == {"chris@customer.example"}


def test_a_clock_that_goes_back_makes_nothing_be_remembered_for_longer(case: Case) -> None:
    case.lists.among(ANN, [CARLA])
    case.add()
    case.clock.advance(-3600)
    assert case.lists.among(ANN, [CARLA]) == {CARLA}


def test_who_cannot_look_does_not_say_that_nothing_is_suppressed(case: Case) -> None:
    case.add()
    case.store.faults.before("any_of", Unavailable("dynamodb:Query failed."))
    with pytest.raises(Unavailable):
        case.lists.among(ANN, [CARLA])
    case.store.faults.before("among", Unavailable("dynamodb:BatchGetItem failed."))
    with pytest.raises(Unavailable):
        case.lists.among(ANN, [CARLA])
    assert case.lists.among(ANN, [CARLA]) == {CARLA}


def test_nobody_asked_for_is_nobody_looked_for(case: Case) -> None:
    assert case.lists.among(ANN, []) == frozenset()
    assert case.store.faults.calls == []


# --- adding -----------------------------------------------------------------------------------------------------------


def test_a_suppression_is_kept_in_the_form_in_which_addresses_compare(case: Case) -> None:
    added = case.lists.add({"address": "Carla <Carla@BÜCHER.example>", "reason": "bounced"}, ADMIN)
    assert not added.stood
    assert added.suppression == Suppression(
        address="carla@xn--bcher-kva.example",
        account=EVERY_ACCOUNT,
        reason="bounced",
        created_at=case.clock.now,
        created_by="key_admin",
    )


def test_an_account_may_be_named_by_its_address(case: Case) -> None:
    assert case.add(account="Ann@tenant.example").account == ANN


def test_one_that_stands_stays_as_it_is_and_is_not_audited_again(case: Case) -> None:
    first = case.add(reason="bounced")
    case.clock.advance(5)
    again = case.lists.add({"address": CARLA, "reason": "complained"}, ADMIN)
    assert (again.suppression, again.stood) == (first, True)
    assert len(case.audited()) == 1


def test_all_faults_are_told_at_once(case: Case) -> None:
    wrong = {"address": "nobody", "account": 7, "reason": "a\nb", "until": 1}
    with pytest.raises(InvalidInput) as refused:
        case.lists.add(wrong, ADMIN)
    assert {(fault.pointer, fault.code) for fault in refused.value.faults} == {
        ("/until", "unknown_field"),
        ("/address", "invalid_address"),
        ("/account", "not_a_string"),
        ("/reason", "unsafe_character"),
    }


@pytest.mark.parametrize("body", [None, [], "a@b.example", {}, {"address": CARLA, "reason": "x" * (MAX_REASON + 1)}])
def test_what_is_no_suppression_is_refused(case: Case, body: object) -> None:
    with pytest.raises(InvalidInput):
        case.lists.add(body, ADMIN)


# --- who may ----------------------------------------------------------------------------------------------------------


def test_a_bound_key_reaches_its_accounts_lists_only(case: Case) -> None:
    assert case.add(caller=BOUND, account=ANN).account == ANN
    assert case.lists.listing(ANN, BOUND, limit=5, cursor="")[0]
    for named in ("", EVERY_ACCOUNT):
        with pytest.raises(Forbidden):
            case.lists.listing(named, BOUND, limit=5, cursor="")
    for named in (BEN, "ben@tenant.example", derived_id("acc_", "nobody"), "nobody"):
        with pytest.raises(NotFound):
            case.lists.add({"address": CARLA, "account": named}, BOUND)
        with pytest.raises(NotFound):
            case.lists.get(CARLA, named, BOUND)
        with pytest.raises(NotFound):
            case.lists.remove(CARLA, named, BOUND)


# --- showing and removing ---------------------------------------------------------------------------------------------


def test_one_is_shown_and_removed_from_the_list_that_was_named(case: Case) -> None:
    case.add()
    own = case.add(account=ANN)
    assert case.lists.get("CARLA@customer.example", ANN, ADMIN) == own
    case.lists.remove("CARLA@customer.example", ANN, ADMIN)
    with pytest.raises(NotFound):
        case.lists.get(CARLA, ANN, ADMIN)
    with pytest.raises(NotFound):
        case.lists.remove(CARLA, ANN, ADMIN)
    assert case.lists.get(CARLA, "", ADMIN).account == EVERY_ACCOUNT


@pytest.mark.parametrize("written", ["nobody", "", "a@b\n.example"])
def test_what_is_no_address_is_said_to_be_none(case: Case, written: str) -> None:
    with pytest.raises(InvalidInput):
        case.lists.get(written, "", ADMIN)


def test_the_trail_tells_of_each_change_and_names_no_recipient(case: Case) -> None:
    case.add(account=ANN)
    case.add()
    case.lists.remove(CARLA, ANN, ADMIN)
    subject = hashlib.sha256(CARLA.encode()).hexdigest()
    assert case.audited() == [
        ("suppression.added", subject, "key_admin", {"account": ANN}),
        ("suppression.added", subject, "key_admin", {"account": EVERY_ACCOUNT}),
        ("suppression.removed", subject, "key_admin", {"account": ANN}),
    ]
    assert not any(CARLA in line for stream in case.log.streams for line in stream)
