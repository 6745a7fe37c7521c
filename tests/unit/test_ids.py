from __future__ import annotations

import pytest

from mailbearer.ids import derived_id, is_id, new_id, rfc3339
from tests.fakes import CountedBytes

NOW = 1_750_000_000.123


def test_a_new_id_is_a_ulid_of_its_moment_behind_a_prefix() -> None:
    # The first ten characters are the milliseconds (ULID specification), the others the random bits.
    assert new_id("msg_", 1_469_918_176.385, bytes) == "msg_01ARYZ6S41" + "0" * 16
    assert new_id("", NOW, lambda length: b"\xff" * length)[10:] == "Z" * 16


def test_new_ids_sort_by_time_and_differ_within_one_moment() -> None:
    random_bytes = CountedBytes()
    minted = [new_id("msg_", NOW + tick // 3, random_bytes) for tick in range(30)]
    assert minted == sorted(minted)
    assert len(set(minted)) == 30


def test_a_derived_id_is_the_same_for_the_same_parts() -> None:
    assert derived_id("msg_", "key_a", "order-1") == derived_id("msg_", "key_a", "order-1")
    assert is_id("msg_", derived_id("msg_", "key_a", "order-1"))


def test_no_two_lists_of_parts_run_into_each_other() -> None:
    lists = [("ab", "c"), ("a", "bc"), ("abc",), ("a", "b", "c"), ("abc", ""), ("", "abc"), ("1:a", ""), ("1", ":a")]
    assert len({derived_id("", *parts) for parts in lists}) == len(lists)


def test_a_part_may_hold_any_text() -> None:
    assert len({derived_id("", part) for part in ("\ud800", "\ud801", "\0", "🔑")}) == 4


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("acc_" + "0" * 26, True),
        ("acc_" + "Z" * 26, True),
        ("acc_" + "0" * 25, False),
        ("acc_" + "0" * 27, False),
        ("acc_" + "I" * 26, False),
        ("acc_" + "z" * 26, False),
        ("msg_" + "0" * 26, False),
        ("0" * 26, False),
        ("", False),
    ],
)
def test_an_id_is_known_by_its_form(text: str, yes: bool) -> None:
    assert is_id("acc_", text) is yes


def test_times_are_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(NOW) == "2025-06-15T15:06:40.123Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
