"""The load is planned: everything is in it, and the same seed gives the same."""

from __future__ import annotations

from collections import Counter

import pytest

from soak.mailboxes import FLOODED, MAILBOXES
from soak.orders import Fate, Form, plan

CALLS = plan(3000, 7)
ORDERS = [order for call in CALLS for order in call.orders]


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan(200, 1) == plan(200, 1) != plan(200, 2)


@pytest.mark.parametrize("count", [1, 19, 500])
def test_a_plan_has_as_many_orders_as_were_asked_for_each_with_a_serial_of_its_own(count: int) -> None:
    serials = [order.serial for call in plan(count, 3) for order in call.orders]
    assert len(serials) == len(set(serials)) == count


def test_every_form_fate_and_mailbox_occurs() -> None:
    assert {call.form for call in CALLS} == set(Form)
    assert {order.fate for order in ORDERS} == set(Fate)
    assert {order.mailbox for order in ORDERS} == set(MAILBOXES)


def test_about_a_third_comes_over_the_queue_and_some_is_repeated_and_some_spoilt() -> None:
    doors = Counter(call.form.over_http for call in CALLS for _ in call.orders)
    assert 0.25 < doors[False] / len(ORDERS) < 0.4
    assert any(call.again for call in CALLS)
    assert any(call.spoilt for call in CALLS)


def test_what_is_repeated_or_spoilt_has_a_key() -> None:
    assert all(call.key for call in CALLS if call.again or call.spoilt)


def test_a_merge_is_one_mailboxs() -> None:
    merges = [call for call in CALLS if call.form is Form.MERGE]
    assert all(len({order.mailbox for order in call.orders}) == 1 for call in merges)


def test_the_flood_comes_within_a_fifth_of_the_load() -> None:
    places = [call.place for call in CALLS if call.form is Form.MERGE and call.orders[0].mailbox.name == FLOODED]
    assert max(places) - min(places) <= 0.2
