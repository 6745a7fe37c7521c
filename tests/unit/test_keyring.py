from __future__ import annotations

from typing import Any

import pytest

from mailbearer.account import AccountState
from mailbearer.caller import SCOPES, ApiKey, Caller, KeyState, split_bearer
from mailbearer.errors import (
    AuditUnavailable,
    Conflict,
    Forbidden,
    InvalidInput,
    MailbearerError,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from mailbearer.ids import derived_id, rfc3339
from mailbearer.keyring import Issued, Keyring
from mailbearer.keyring.reading import Reader
from mailbearer.trail import BufferedTrail
from tests.contract.nouns import account, key
from tests.fakes import CountedBytes, FakeAccountStore, FakeAuditLog, FakeAuditSpool, FakeClock, FakeKeyStore

ANN, BEN, CAT, GONE = (derived_id("acc_", name) for name in ("ann", "ben", "cat", "gone"))
OPERATOR = Caller(key_id="arn:aws:iam::1:role/ops", scopes=frozenset({"admin"}))
DOWN = AuditUnavailable("the log is down")
DAY = 86_400


class Case:
    def __init__(self) -> None:
        self.keys, self.accounts, self.clock = FakeKeyStore(), FakeAccountStore(), FakeClock()
        self.log, self.spool = FakeAuditLog(), FakeAuditSpool()
        self.trail = BufferedTrail(self.log, self.spool, self.clock, CountedBytes(), actor="admin-api")
        self.ring = Keyring(
            keys=self.keys,
            reader=Reader(accounts=self.accounts, clock=self.clock),
            trail=self.trail,
            clock=self.clock,
            random_bytes=CountedBytes(),
        )
        for name in ("ann", "ben", "cat"):
            self.accounts.create(account(name))
        self.accounts.create(account("gone", state=AccountState.REVOKED))
        self.bound = self.holder("bound", accounts=frozenset({ANN, BEN}))

    def holder(self, name: str, **changes: Any) -> Caller:
        """Give the caller behind an admin's key of its own."""
        values = {"scopes": frozenset({"admin"}), "accounts": frozenset(), "expires_at": 0}
        made = key(name, **(values | changes))
        self.keys.create(made)
        return made.caller()

    def make(self, caller: Caller = OPERATOR, **fields: Any) -> Issued:
        return self.ring.create({"name": "shop", "scopes": ["messages:send"], **fields}, caller)

    def stands(self, issued: Issued) -> ApiKey:
        stands = self.keys.get(issued.key.id)
        assert stands
        return stands

    def proves(self, issued: Issued) -> bool:
        parts = split_bearer(f"Bearer {issued.shown}")
        assert parts
        return self.stands(issued).proves(parts[1], self.clock.now)

    def actions(self) -> list[str]:
        self.trail.flush()
        return self.log.actions


@pytest.fixture
def case() -> Case:
    return Case()


def faults(error: pytest.ExceptionInfo[InvalidInput]) -> dict[str, str]:
    return {fault.pointer: fault.code for fault in error.value.faults}


# --- making ---------------------------------------------------------------------------------------------------------


def test_a_key_proves_itself_and_its_secret_is_kept_nowhere(case: Case) -> None:
    made = case.make(accounts=["ANN@example.org", BEN], expires_at=rfc3339(case.clock.now + DAY))
    assert case.proves(made)
    stands = case.stands(made)
    assert stands.accounts == {ANN, BEN}
    assert stands.expires_at == case.clock.now + DAY
    assert len(bytes.fromhex(made.secret)) == 32
    assert made.secret not in f"{stands!r} {made!r} {case.keys.keys!r} {case.log.events!r}"


def test_the_end_of_a_key_comes_when_it_was_said(case: Case) -> None:
    made = case.make(expires_at=rfc3339(case.clock.now + DAY))
    case.clock.advance(DAY - 1)
    assert case.proves(made)
    case.clock.advance(1)
    assert not case.proves(made)
    assert case.stands(made).state(case.clock.now) is KeyState.EXPIRED


def test_making_a_key_is_announced_before_it_is_done(case: Case) -> None:
    made = case.make()
    assert case.log.actions == ["key.create intended"]
    assert case.actions() == ["key.create intended", "key.created created"]
    assert {event.subject for event in case.log.events} == {made.key.id}
    assert {event.actor for event in case.log.events} == {OPERATOR.key_id}


def test_all_faults_of_a_key_are_told_at_once(case: Case) -> None:
    body = {
        "name": " ",
        "scopes": ["messages:send", "everything", 5],
        "accounts": [ANN, "nobody@example.org", GONE, 7],
        "expires_at": rfc3339(case.clock.now - 1),
        "secret": "mine",
    }
    with pytest.raises(InvalidInput) as error:
        case.ring.create(body, OPERATOR)
    assert faults(error) == {
        "/secret": "unknown_field",
        "/name": "name_missing",
        "/scopes/1": "invalid_choice",
        "/scopes/2": "invalid_choice",
        "/accounts/1": "unknown_account",
        "/accounts/2": "unknown_account",
        "/accounts/3": "unknown_account",
        "/expires_at": "expiry_past",
    }
    assert case.log.events == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": None}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": "two\nlines"}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": None}, "/scopes"),
        ({"scopes": "admin"}, "/scopes"),
        ({"scopes": ["admin"] * (len(SCOPES) + 1)}, "/scopes"),
        ({"accounts": "ann@example.org"}, "/accounts"),
        ({"accounts": [ANN] * 101}, "/accounts"),
        ({"expires_at": "soon"}, "/expires_at"),
        ({"expires_at": 5}, "/expires_at"),
    ],
)
def test_a_field_that_is_no_good_makes_no_key(case: Case, fields: dict[str, Any], pointer: str) -> None:
    before = dict(case.keys.keys)
    with pytest.raises(InvalidInput) as error:
        case.make(**fields)
    assert list(faults(error)) == [pointer]
    assert case.keys.keys == before


@pytest.mark.parametrize("body", [None, [], "shop"])
def test_a_body_that_is_no_object_makes_no_key(case: Case, body: object) -> None:
    with pytest.raises(InvalidInput):
        case.ring.create(body, OPERATOR)


def test_an_address_of_two_accounts_is_no_account(case: Case) -> None:
    case.accounts.create(account("dot", address="ann@example.org"))
    with pytest.raises(InvalidInput) as error:
        case.make(accounts=["ann@example.org"])
    assert faults(error) == {"/accounts/0": "ambiguous_account"}


# --- what a bound key may ---------------------------------------------------------------------------------------------


def test_a_bound_key_makes_keys_for_its_own_accounts_only(case: Case) -> None:
    assert case.make(case.bound, accounts=[ANN]).key.accounts == {ANN}
    nothing: tuple[list[str] | None, ...] = ([], None)
    for wanted in nothing:
        with pytest.raises(InvalidInput) as error:
            case.make(case.bound, accounts=wanted)
        assert faults(error) == {"/accounts": "account_missing"}


def test_anothers_account_looks_like_none_to_a_bound_key(case: Case) -> None:
    told = []
    for named in (CAT, derived_id("acc_", "nobody"), "cat@example.org", "nobody@example.org"):
        with pytest.raises(InvalidInput) as error:
            case.make(case.bound, accounts=[ANN, named])
        told.append(str(error.value).replace(named, "X"))
    assert len(set(told)) == 1


def test_a_bound_key_sees_only_keys_that_can_no_more_than_it(case: Case) -> None:
    own, others = case.make(accounts=[ANN]), [case.make(), case.make(accounts=[CAT]), case.make(accounts=[ANN, CAT])]
    seen, cursor = case.ring.listing(case.bound, limit=100, cursor="")
    assert {each.id for each in seen} == {own.key.id, case.bound.key_id}
    assert cursor == ""
    assert case.ring.find(own.key.id, case.bound) == own.key
    for other in others:
        for attempt in (
            lambda one: case.ring.find(one, case.bound),
            lambda one: case.ring.change(one, {"name": "x"}, case.bound),
            lambda one: case.ring.disable(one, case.bound),
            lambda one: case.ring.enable(one, case.bound),
            lambda one: case.ring.rotate(one, {}, case.bound),
            lambda one: case.ring.delete(one, case.bound),
        ):
            with pytest.raises(NotFound):
                attempt(other.key.id)
        assert case.stands(other) == other.key


def test_a_key_that_grows_beyond_the_caller_meanwhile_is_left_alone(case: Case) -> None:
    own = case.make(accounts=[ANN])
    case.keys.faults.before(
        "replace", lambda: case.keys.keys.update({own.key.id: own.key.changed(accounts=frozenset())})
    )
    with pytest.raises(NotFound):
        case.ring.rotate(own.key.id, {}, case.bound)
    assert case.proves(own)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"disabled": True}, Unauthenticated),
        ({"expires_at": 1}, Unauthenticated),
        ({"scopes": frozenset({"messages:send"})}, Forbidden),
    ],
)
def test_a_key_that_is_good_no_more_makes_no_other_though_the_authorizer_remembers_it(
    case: Case, change: dict[str, Any], error: type[MailbearerError]
) -> None:
    caller = case.holder("leaked")
    stands = case.keys.keys[caller.key_id]
    case.keys.replace(stands.changed(**change), expected=stands)
    with pytest.raises(error):
        case.make(caller)
    with pytest.raises(error):
        case.ring.listing(caller, limit=1, cursor="")


def test_a_key_that_was_bound_meanwhile_makes_no_unbound_one_though_the_authorizer_remembers_it(case: Case) -> None:
    caller = case.holder("leaked")
    stands = case.keys.keys[caller.key_id]
    case.keys.replace(stands.changed(accounts=frozenset({derived_id("acc_", "one")})), expected=stands)
    with pytest.raises(InvalidInput) as error:
        case.make(caller)
    assert faults(error) == {"/accounts": "account_missing"}


# --- lists ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 250, 300])
def test_a_list_shows_every_key_once_the_oldest_first(case: Case, limit: int) -> None:
    made = []
    for _ in range(250):
        case.clock.advance(1)
        made.append(case.make(accounts=[ANN]).key.id)
    caller = Caller(key_id="jwt_x", scopes=frozenset({"admin"}), accounts=frozenset({ANN}))
    found: list[str] = []
    cursor = "" if limit > 3 else made[243]
    while True:
        page, cursor = case.ring.listing(caller, limit=limit, cursor=cursor)
        found += [each.id for each in page]
        if not cursor:
            break
    assert found == (made if limit > 3 else made[244:])


def test_a_cursor_that_is_none_is_refused(case: Case) -> None:
    with pytest.raises(InvalidInput):
        case.ring.listing(OPERATOR, limit=1, cursor="what?")


# --- changing ---------------------------------------------------------------------------------------------------------


def test_a_change_changes_what_it_names_alone(case: Case) -> None:
    made = case.make(accounts=[ANN], expires_at=rfc3339(case.clock.now + DAY))
    changed = case.ring.change(made.key.id, {"scopes": ["accounts:read"], "expires_at": None}, OPERATOR)
    assert changed == made.key.changed(scopes=frozenset({"accounts:read"}), expires_at=0)
    assert case.ring.change(made.key.id, {"accounts": []}, OPERATOR).accounts == frozenset()
    assert case.proves(made)
    assert case.actions().index("key.change intended") < case.actions().index("key.changed changed")


def test_a_change_names_no_scope_or_name_that_is_none(case: Case) -> None:
    made = case.make()
    with pytest.raises(InvalidInput) as error:
        case.ring.change(made.key.id, {"scopes": [], "name": "", "disabled": True}, OPERATOR)
    assert faults(error) == {"/disabled": "unknown_field", "/name": "name_missing", "/scopes": "not_a_list"}


def test_null_is_the_same_as_left_out_but_for_the_end(case: Case) -> None:
    made = case.make(accounts=[ANN], expires_at=rfc3339(case.clock.now + DAY))
    unchanged = {"scopes": None, "name": None, "accounts": None}
    assert case.ring.change(made.key.id, unchanged, OPERATOR) == made.key.changed()
    assert case.ring.change(made.key.id, {"expires_at": None}, OPERATOR).expires_at == 0
    assert case.ring.rotate(made.key.id, {"overlap": None}, OPERATOR).key.replaced[0].until == case.clock.now + DAY


def test_a_change_beside_anothers_keeps_both(case: Case) -> None:
    made = case.make()
    case.keys.faults.before("replace", lambda: case.ring.disable(made.key.id, OPERATOR))
    assert case.ring.change(made.key.id, {"name": "other"}, OPERATOR).disabled


def test_a_key_that_changes_all_the_time_is_a_conflict(case: Case) -> None:
    made = case.make()

    def change() -> None:
        stands = case.stands(made)
        case.keys.keys[made.key.id] = stands.changed()

    case.keys.faults.before("replace", change, times=10)
    with pytest.raises(Conflict):
        case.ring.change(made.key.id, {"name": "other"}, OPERATOR)


# --- disabling --------------------------------------------------------------------------------------------------------


def test_a_disabled_key_is_no_good_until_it_is_enabled(case: Case) -> None:
    made = case.make()
    case.trail.flush()
    assert case.ring.disable(made.key.id, OPERATOR, reason="leaked").reason == "leaked"
    assert not case.proves(made)
    case.ring.disable(made.key.id, OPERATOR)
    assert case.actions()[2:] == ["key.disable intended", "key.disabled disabled"]
    assert case.stands(made).reason == "leaked"
    assert case.ring.enable(made.key.id, OPERATOR).reason == ""
    case.ring.enable(made.key.id, OPERATOR)
    assert case.proves(made)
    assert case.actions()[4:] == ["key.enable intended", "key.enabled enabled"]


def test_without_the_log_no_access_is_given_and_some_is_taken(case: Case) -> None:
    made, stopped = case.make(), case.make()
    case.ring.disable(stopped.key.id, OPERATOR)
    case.trail.flush()
    before = dict(case.keys.keys)
    case.log.faults.before("write", DOWN, times=100)
    for attempt in (
        case.make,
        lambda: case.ring.change(made.key.id, {"scopes": ["admin"]}, OPERATOR),
        lambda: case.ring.enable(stopped.key.id, OPERATOR),
        lambda: case.ring.rotate(made.key.id, {}, OPERATOR),
    ):
        with pytest.raises(AuditUnavailable):
            attempt()
    assert case.keys.keys == before
    case.ring.disable(made.key.id, OPERATOR)
    assert not case.proves(made)
    assert [event.action for lot in case.spool.lots.values() for event in lot] == ["key.disable"]


def test_a_key_is_disabled_with_log_and_spool_down_and_told_of_later(case: Case) -> None:
    made = case.make()
    case.trail.flush()
    case.log.faults.before("write", DOWN)
    case.spool.faults.before("keep", Unavailable("the bucket is down"))
    case.ring.disable(made.key.id, OPERATOR)
    assert not case.proves(made)
    assert case.actions()[2:] == ["key.disable intended", "key.disabled disabled"]


def test_all_keys_but_some_are_disabled(case: Case) -> None:
    kept, first, second = case.make(), case.make(), case.make(accounts=[ANN])
    case.ring.disable(second.key.id, OPERATOR)
    number = case.ring.disable_all(
        except_ids={kept.key.id, case.bound.key_id}, actor=OPERATOR.key_id, reason="incident"
    )
    assert number == 1
    assert [case.proves(each) for each in (kept, first, second)] == [True, False, False]
    assert case.stands(first).reason == "incident"
    assert case.ring.disable_all(except_ids={kept.key.id, case.bound.key_id}, actor="x", reason="again") == 0
    assert all(
        event.reason == "incident" for event in case.log.events if event.subject == first.key.id and event.reason
    )


def test_a_key_made_while_all_are_disabled_is_disabled_too(case: Case) -> None:
    made = case.make()
    late: list[Issued] = []
    case.keys.faults.before("replace", lambda: late.append(case.make()))
    assert case.ring.disable_all(except_ids={case.bound.key_id}, actor="x", reason="incident") == 2
    assert not case.proves(made)
    assert not case.proves(late[0])


def test_one_key_that_cannot_be_disabled_keeps_no_other_from_it(case: Case) -> None:
    made = [case.make() for _ in range(5)]
    case.keys.faults.before("replace", Unavailable("the table is down"), times=2)
    with pytest.raises(Unavailable) as error:
        case.ring.disable_all(actor="x", reason="incident")
    assert "4 API keys were disabled and 2 could not be" in error.value.detail
    assert case.ring.disable_all(actor="x", reason="incident") == 2
    assert not any(case.proves(each) for each in made)


def test_a_key_deleted_while_all_are_disabled_does_no_harm(case: Case) -> None:
    first, second = case.make(), case.make()
    case.keys.faults.before("replace", lambda: [case.keys.keys.pop(each.key.id) for each in (first, second)])
    assert case.ring.disable_all(except_ids={case.bound.key_id}, actor="x", reason="incident") <= 1


# --- rotating ---------------------------------------------------------------------------------------------------------


def test_a_new_secret_leaves_the_one_before_good_for_the_overlap(case: Case) -> None:
    made = case.make()
    case.trail.flush()
    rotated = case.ring.rotate(made.key.id, {}, OPERATOR)
    assert rotated.key.id == made.key.id
    assert rotated.secret != made.secret
    case.clock.advance(DAY - 1)
    assert case.proves(made)
    assert case.proves(rotated)
    case.clock.advance(1)
    assert not case.proves(made)
    assert case.proves(rotated)
    assert case.actions()[-2:] == ["key.rotate intended", "key.rotated rotated"]


def test_a_new_secret_without_overlap_ends_all_before_at_once(case: Case) -> None:
    made = case.make()
    second = case.ring.rotate(made.key.id, {"overlap": 30 * DAY}, OPERATOR)
    third = case.ring.rotate(made.key.id, {"overlap": 0}, OPERATOR)
    assert [case.proves(each) for each in (made, second, third)] == [False, False, True]


def test_a_rotation_whose_answer_was_lost_and_that_is_repeated_ends_no_secret_in_use(case: Case) -> None:
    made = case.make()
    case.ring.rotate(made.key.id, {}, OPERATOR)
    rotated = case.ring.rotate(made.key.id, {}, OPERATOR)
    assert case.proves(made)
    assert case.proves(rotated)


def test_a_fifth_secret_in_overlap_is_a_conflict_that_says_until_when(case: Case) -> None:
    made = case.make()
    for _ in range(4):
        case.ring.rotate(made.key.id, {}, OPERATOR)
    before = case.stands(made)
    with pytest.raises(Conflict) as error:
        case.ring.rotate(made.key.id, {}, OPERATOR)
    assert rfc3339(case.clock.now + DAY) in error.value.detail
    assert case.stands(made) == before
    assert case.log.actions.count("key.rotate intended") == 4
    case.clock.advance(DAY)
    assert len(case.ring.rotate(made.key.id, {}, OPERATOR).key.replaced) == 1


def test_an_overlap_of_0_ends_four_secrets_in_overlap_too(case: Case) -> None:
    made = case.make()
    for _ in range(4):
        case.ring.rotate(made.key.id, {}, OPERATOR)
    assert case.ring.rotate(made.key.id, {"overlap": 0}, OPERATOR).key.replaced == ()


def test_a_disabled_key_gets_a_new_secret_and_stays_disabled(case: Case) -> None:
    made = case.make()
    case.ring.disable(made.key.id, OPERATOR)
    rotated = case.ring.rotate(made.key.id, {"overlap": 0}, OPERATOR)
    assert not case.proves(rotated)
    case.ring.enable(made.key.id, OPERATOR)
    assert [case.proves(made), case.proves(rotated)] == [False, True]


def test_an_expired_key_gets_no_new_secret(case: Case) -> None:
    made = case.make(expires_at=rfc3339(case.clock.now + 1))
    case.clock.advance(1)
    with pytest.raises(Conflict):
        case.ring.rotate(made.key.id, {}, OPERATOR)


@pytest.mark.parametrize("overlap", [-1, 30 * DAY + 1, 1.5, True, "1d"])
def test_an_overlap_is_a_number_of_seconds(case: Case, overlap: object) -> None:
    made = case.make()
    with pytest.raises(InvalidInput) as error:
        case.ring.rotate(made.key.id, {"overlap": overlap, "more": 1}, OPERATOR)
    assert faults(error) == {"/more": "unknown_field", "/overlap": "invalid_overlap"}


# --- deleting ---------------------------------------------------------------------------------------------------------


def test_only_a_key_that_is_not_in_force_is_deleted(case: Case) -> None:
    made = case.make()
    with pytest.raises(Conflict):
        case.ring.delete(made.key.id, OPERATOR)
    case.ring.disable(made.key.id, OPERATOR)
    case.ring.delete(made.key.id, OPERATOR)
    assert case.actions()[-1] == "key.deleted deleted"
    with pytest.raises(NotFound):
        case.ring.find(made.key.id, OPERATOR)


@pytest.mark.parametrize("named", ["", "key_x", "shop", "key_" + "0" * 26])
def test_a_key_that_is_not_there_is_not_found(case: Case, named: str) -> None:
    with pytest.raises(NotFound):
        case.ring.find(named, OPERATOR)
