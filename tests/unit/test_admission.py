from __future__ import annotations

from typing import Any

import pytest

from mailbearer.admission import Admission
from mailbearer.caller import USED_EVERY, Replaced, hash_secret
from mailbearer.errors import Unauthenticated, Unavailable
from mailbearer.ids import derived_id, is_id
from tests.contract.nouns import key
from tests.fakes import FakeClock, FakeKeyStore

ANN = derived_id("acc_", "ann")
CLAIMS = {"iss": "https://id.example", "sub": "shop"}


class Tokens:
    """An issuer that takes one token."""

    def __init__(self, claims: dict[str, Any]) -> None:
        self.given = claims

    def claims(self, token: str) -> dict[str, Any]:
        if token != "good.to.ken":
            raise Unauthenticated("The token's signature is wrong.")
        return self.given


class Case:
    def __init__(self) -> None:
        self.keys, self.clock = FakeKeyStore(), FakeClock()
        self.key = key(expires_at=0)
        self.keys.create(self.key)
        self.header = f"Bearer mb_{self.key.id}_s3cret"
        self.only_keys = Admission(keys=self.keys, tokens=None, clock=self.clock)

    def trusting(self, **claims: Any) -> Admission:
        return Admission(keys=self.keys, tokens=lambda: Tokens(CLAIMS | claims), clock=self.clock)


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_key_and_a_token_are_known_side_by_side(case: Case) -> None:
    admission = case.trusting(scope="messages:send")
    assert admission.caller_of(case.header) == case.key.caller()
    assert admission.caller_of("Bearer good.to.ken").scopes == {"messages:send"}


def test_without_an_issuer_a_token_is_no_key(case: Case) -> None:
    with pytest.raises(Unauthenticated) as error:
        case.only_keys.caller_of("Bearer good.to.ken")
    assert error.value.detail == ""


@pytest.mark.parametrize("wrong", ["unknown", "secret", "disabled", "expired", "replaced", "malformed"])
def test_whatever_is_wrong_with_a_key_is_told_to_nobody(case: Case, wrong: str) -> None:
    old = Replaced(hash_secret("old"), case.clock.now)
    every: dict[str, dict[str, Any]] = {
        "disabled": {"disabled": True},
        "expired": {"expires_at": case.clock.now},
        "replaced": {"replaced": (old,)},
    }
    changes = every.get(wrong, {})
    case.keys.keys[case.key.id] = case.key.changed(**changes)
    header = {
        "unknown": f"Bearer mb_{derived_id('key_', 'nobody')}_s3cret",
        "secret": case.header + "x",
        "replaced": case.header.replace("s3cret", "old"),
        "malformed": "Bearer mb_key_s3cret",
    }.get(wrong, case.header)
    with pytest.raises(Unauthenticated) as error:
        case.trusting().caller_of(header)
    assert error.value.detail == ""
    assert "mark_used" not in case.keys.faults.calls


def test_nobodys_secret_is_no_secret(case: Case) -> None:
    with pytest.raises(Unauthenticated):
        case.only_keys.caller_of("Bearer mb__" + "0" * 64)


def test_a_use_is_written_down_once_in_a_quarter_of_an_hour(case: Case) -> None:
    first = case.clock.now
    for seconds, kept in ((0, first), (60, first), (USED_EVERY - 60, first + USED_EVERY)):
        case.clock.advance(seconds)
        case.only_keys.caller_of(case.header)
        assert case.keys.keys[case.key.id].last_used_at == kept
    assert case.keys.faults.calls.count("mark_used") == 2


def test_a_use_that_cannot_be_written_down_refuses_nobody(case: Case) -> None:
    case.keys.faults.before("mark_used", Unavailable("the table is down"))
    assert case.only_keys.caller_of(case.header) == case.key.caller()


def test_a_table_that_does_not_answer_is_no_wrong_key(case: Case) -> None:
    case.keys.faults.before("get", Unavailable("the table is down"))
    with pytest.raises(Unavailable):
        case.only_keys.caller_of(case.header)


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_one_subject_is_one_caller_and_another_issuers_is_another(case: Case) -> None:
    def caller(**claims: Any) -> str:
        return case.trusting(**claims).caller_of("Bearer good.to.ken").key_id

    assert is_id("jwt_", caller())
    assert caller() == caller(scope="admin", exp=5)
    assert (
        len(
            {
                caller(),
                caller(sub="shop2"),
                caller(iss="https://id.example/2"),
                caller(iss="https://id.examples", sub="hop"),
            }
        )
        == 4
    )


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, set()),
        ({"scope": "messages:send openid messages:read"}, {"messages:send", "messages:read"}),
        ({"scp": "messages:send profile"}, {"messages:send"}),
        ({"scp": ["messages:send", 5, "ADMIN"]}, {"messages:send"}),
        ({"roles": ["admin"], "scope": "messages:read"}, {"admin", "messages:read"}),
        ({"scope": {"admin": True}, "roles": "admin-of-nothing", "groups": ["admin"]}, set()),
    ],
)
def test_of_what_a_token_may_do_our_scopes_count_alone(case: Case, claims: dict[str, Any], scopes: set[str]) -> None:
    assert case.trusting(**claims).caller_of("Bearer good.to.ken").scopes == scopes


def test_a_token_is_bound_to_the_accounts_that_it_names(case: Case) -> None:
    assert case.trusting(mailbearer_accounts=[ANN]).caller_of("Bearer good.to.ken").accounts == {ANN}
    assert case.trusting().caller_of("Bearer good.to.ken").accounts == frozenset()


@pytest.mark.parametrize("value", [None, [], "", ANN, {}, 0, [ANN, 5], [ANN, ""], ["ann@example.org"], [ANN] * 101])
def test_a_binding_that_cannot_be_read_is_never_a_binding_to_all(case: Case, value: object) -> None:
    with pytest.raises(Unauthenticated):
        case.trusting(mailbearer_accounts=value).caller_of("Bearer good.to.ken")
