from __future__ import annotations

import pytest

from mailbearer.caller import SCOPES, Caller, hash_secret, split_bearer
from tests.contract.nouns import key

KEY_ID = "key_" + "0" * 26


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        (f"Bearer mb_{KEY_ID}_s3cret", (KEY_ID, "s3cret")),
        (f"bearer   mb_{KEY_ID}_s3cret ", None),
        (f"  BEARER mb_{KEY_ID}_s3cret  ", (KEY_ID, "s3cret")),
        (f"Basic mb_{KEY_ID}_s3cret", None),
        (f"Bearer {KEY_ID}_s3cret", None),
        (f"Bearer mb_{KEY_ID}_", None),
        ("Bearer mb__s3cret", None),
        ("Bearer mb_s3cret", None),
        ("Bearer mb_", None),
        ("Bearer", None),
        ("", None),
    ],
)
def test_a_key_is_taken_out_of_the_authorization_header(header: str, parts: tuple[str, str] | None) -> None:
    assert split_bearer(header) == parts


def test_a_key_is_proven_by_its_secret_alone() -> None:
    stored = key(expires_at=0)
    assert stored.proves("s3cret", 0)
    for wrong in ("", "S3cret", "s3cret ", hash_secret("s3cret"), "ü"):
        assert not stored.proves(wrong, 0)


def test_a_key_is_no_good_once_it_expires_or_is_disabled() -> None:
    assert key(expires_at=100).proves("s3cret", 99.9)
    assert not key(expires_at=100).proves("s3cret", 100)
    assert not key(expires_at=0, disabled=True).proves("s3cret", 0)


def test_the_hash_of_a_secret_does_not_print() -> None:
    assert hash_secret("s3cret") not in repr(key())


def test_a_caller_is_what_its_key_says() -> None:
    stored = key()
    assert stored.caller() == Caller(key_id=stored.id, scopes=stored.scopes, accounts=stored.accounts)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_caller_may_do_what_its_scopes_say_and_admin_everything(scope: str) -> None:
    assert Caller(key_id="k", scopes=frozenset({scope})).may(scope)
    assert Caller(key_id="k", scopes=frozenset({"admin"})).may(scope)
    others = frozenset(SCOPES) - {scope, "admin"}
    assert not Caller(key_id="k", scopes=others).may(scope)


def test_a_bound_caller_may_use_its_accounts_and_an_unbound_one_all() -> None:
    bound = Caller(key_id="k", scopes=frozenset({"admin"}), accounts=frozenset({"acc_1"}))
    assert (bound.may_use("acc_1"), bound.may_use("acc_2")) == (True, False)
    assert Caller(key_id="k", scopes=frozenset()).may_use("acc_2")
