from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailbearer.aws import items
from mailbearer.ledger import FARTHEST, SPACE, Ledger, Limits, limits_of, with_lease, with_sent, with_turn
from mailbearer.providers import definition_of
from tests.contract.nouns import account, registration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailbearer.account import Account

NOW = 1_750_000_000.0
EMPTY = Ledger(account="acc_1")
DAY = 86_400.0


def limits(kind: str, address: str, transport: str, **own: int) -> Limits:
    """Give the limits of a mailbox at a provider."""
    mailbox: Account = account(address=address, transport=transport, limits=tuple(own.items()))
    return limits_of(mailbox, registration(kind=kind, transport=transport), definition_of(kind))


@pytest.mark.parametrize(
    ("kind", "address", "transport", "expected"),
    [
        ("google", "ann@Gmail.com", "gmail", Limits(per_minute=60, per_day=500, recipients=500)),
        ("google", "ann@googlemail.com", "smtp", Limits(per_minute=60, per_day=500, recipients=100)),
        ("google", "ann@example.org", "smtp", Limits(per_minute=60, per_day=2000, recipients=100)),
        ("microsoft", "a@b.example", "smtp", Limits(per_minute=30, recipients_per_day=10_000, concurrency=3)),
        ("microsoft", "a@b.example", "graph", Limits(per_minute=30, recipients_per_day=10_000, concurrency=4)),
        ("yahoo", "a@yahoo.com", "smtp", Limits(per_day=500)),
        ("oidc", "a@b.example", "smtp", Limits()),
    ],
)
def test_a_mailbox_has_the_limits_that_its_provider_publishes(
    kind: str, address: str, transport: str, expected: Limits
) -> None:
    assert limits(kind, address, transport) == expected


def test_what_the_account_says_goes_before_be_it_less_or_more() -> None:
    own = limits("google", "ann@example.org", "gmail", per_minute=150, per_day=20, recipients_per_day=40, concurrency=2)
    assert own == Limits(per_minute=150, per_day=20, recipients_per_day=40, recipients=500, concurrency=2)
    assert limits("oidc", "a@b.example", "smtp", recipients_per_message=7, hold_for=60) == Limits(recipients=7)


def turns(
    limit: Limits, asks: Sequence[tuple[float, int]], ledger: Ledger = EMPTY
) -> tuple[Ledger, list[tuple[float, float]]]:
    """Give each ask, of a moment and so many recipients, its turn; pairs of asked and given."""
    given_turns = []
    for at, recipients in asks:
        ledger, turn = with_turn(ledger, limit, at, recipients)
        given_turns.append((at, turn))
    return ledger, given_turns


def most_within(moments: Sequence[float], seconds: float, weights: Sequence[int] | None = None) -> int:
    """Give the most that lies in any window of so many seconds, its end left out."""
    weights = weights or [1] * len(moments)
    order = sorted(range(len(moments)), key=lambda number: moments[number])
    at, sums = [moments[number] for number in order], [0]
    for number in order:
        sums.append(sums[-1] + weights[number])
    return max((sums[bisect_left(at, start + seconds)] - sums[bisect_left(at, start)] for start in at), default=0)


GAPS = st.lists(
    st.tuples(st.one_of(st.just(0.0), st.floats(0, 5), st.floats(0, 4000)), st.integers(1, 30)),
    min_size=1,
    max_size=200,
)


@given(gaps=GAPS, per_minute=st.integers(0, 40), per_day=st.integers(0, 60), recipients=st.integers(0, 90))
@settings(max_examples=300, deadline=None)
def test_no_minute_and_no_day_ever_has_more_turns_than_the_limit_and_nobody_overtakes(
    gaps: list[tuple[float, int]], per_minute: int, per_day: int, recipients: int
) -> None:
    now, asks = NOW, []
    for gap, wanted in gaps:
        now += gap
        asks.append((now, wanted))
    limit = Limits(per_minute=per_minute, per_day=per_day, recipients_per_day=recipients)
    _, pairs = turns(limit, asks)
    assert all(turn >= asked for asked, turn in pairs)
    # Those that are farther off are not given.
    given = [(turn, wanted) for (asked, turn), (_, wanted) in zip(pairs, asks, strict=True) if turn <= asked + FARTHEST]
    at = [turn for turn, _ in given]
    assert all(later >= earlier for earlier, later in pairwise(at))
    if per_minute:
        assert most_within(at, 60) <= per_minute
    if per_day:
        assert most_within(at, DAY) <= per_day
    if recipients:
        assert most_within(at, DAY, [min(wanted, recipients) for _, wanted in given]) <= recipients


@given(gaps=GAPS, per_minute=st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_whoever_waits_waits_for_others_or_for_a_full_minute(gaps: list[tuple[float, int]], per_minute: int) -> None:
    limit, now, ledger = Limits(per_minute=per_minute), NOW, EMPTY
    at: list[float] = []
    for gap, _ in gaps:
        now += gap
        waited_for, ledger_before = ledger.next_at > now, ledger
        ledger, turn = with_turn(ledger_before, limit, now, 1)
        if turn > now and not waited_for:
            assert bisect_right(at, now) - bisect_left(at, now - SPACE) >= per_minute
        at.append(turn)


def test_a_minutes_worth_may_go_at_once_and_what_comes_then_is_spaced_evenly() -> None:
    _, pairs = turns(Limits(per_minute=60), [(NOW, 1)] * 300)
    at = [turn - NOW for _, turn in pairs]
    assert at[:60] == [0.0] * 60
    assert 60 <= at[60] <= 63
    gaps = [later - earlier for earlier, later in pairwise(at[60:])]
    assert gaps == [pytest.approx(1.05, abs=0.001)] * len(gaps)


def test_ten_thousand_that_wait_get_ninety_five_percent_of_the_limit_and_the_ledger_stays_small() -> None:
    ledger, pairs = turns(Limits(per_minute=60, per_day=100_000), [(NOW, 1)] * 10_000)
    assert pairs[-1][1] - NOW == pytest.approx(10_000 / 60 * 63, rel=0.01)
    assert len(ledger.slices) <= 22
    assert len(ledger.hours) <= 26
    full = with_lease(ledger, "0" * 8, 1, most=20, now=NOW, until=NOW + 100.25)[0]
    for worker in range(1, 10):
        full, _ = with_lease(full, f"{worker:08x}", 1, most=20, now=NOW, until=NOW + 100.25)
    written = items.encode(items.pack(full.changed("00000000")))
    assert _size(written) < 1400, "two write units"
    assert _size(items.encode(items.pack(ledger.changed("00000000")))) < 1024, "one write unit"


def _size(value: object) -> int:
    """Count an item as DynamoDB does, from above: names, values, 3 bytes a list and one an entry."""
    if isinstance(value, dict):
        if value.keys() == {"N"}:
            return len(value["N"]) // 2 + 2
        return sum((0 if name in {"S", "N", "L", "M"} else len(name)) + _size(each) for name, each in value.items())
    if isinstance(value, list):
        return 3 + sum(1 + _size(each) for each in value)
    return len(str(value))


def test_a_full_day_makes_wait_until_its_oldest_hour_has_left() -> None:
    _, pairs = turns(Limits(per_day=10), [(NOW, 1)] * 12)
    assert [turn for _, turn in pairs[:10]] == [NOW] * 10
    first, second = (turn for _, turn in pairs[10:])
    assert DAY < first - NOW <= DAY + 3600
    assert second == first + 1


def test_more_recipients_than_a_day_allows_get_a_day_of_their_own() -> None:
    _, pairs = turns(Limits(recipients_per_day=10), [(NOW, 5), (NOW, 100), (NOW, 1)])
    assert pairs[0][1] == NOW
    assert DAY < pairs[1][1] - NOW <= DAY + 3600
    assert DAY < pairs[2][1] - pairs[1][1] <= DAY + 3600


def test_what_went_on_trust_counts_for_the_day() -> None:
    ledger = with_sent(EMPTY, NOW, 10, 30)
    assert ledger.used(NOW) == (0, 10, 30)
    assert with_turn(ledger, Limits(per_day=10), NOW, 1)[1] > NOW + DAY
    assert with_turn(ledger, Limits(recipients_per_day=30), NOW, 1)[1] > NOW + DAY
    assert with_turn(ledger, Limits(per_minute=1), NOW, 1)[1] == NOW
    assert with_sent(EMPTY, NOW, 0, 0) is EMPTY


def test_a_turn_by_a_clock_that_is_a_little_slow_counts_what_lies_ahead_of_it() -> None:
    ledger, _ = turns(Limits(per_minute=2), [(NOW + 4, 1), (NOW + 4, 1)])
    assert with_turn(ledger, Limits(per_minute=2), NOW, 1)[1] >= NOW + 64


def test_a_ledger_that_counts_no_more_is_as_good_as_empty() -> None:
    ledger, _ = turns(Limits(per_minute=2, per_day=3), [(NOW, 1)] * 3)
    later = ledger.matters_until
    assert DAY < later - NOW <= DAY + 7200
    assert ledger.used(later) == (0, 0, 0)
    assert with_turn(ledger, Limits(per_minute=2, per_day=3), later, 1)[1] == later
    assert EMPTY.matters_until == 0


def test_leases_never_add_up_to_more_than_there_is() -> None:
    ledger, granted = with_lease(EMPTY, "one", 2, most=3, now=NOW, until=NOW + 100)
    assert granted == 2
    ledger, granted = with_lease(ledger, "two", 2, most=3, now=NOW, until=NOW + 100)
    assert granted == 1
    unchanged, granted = with_lease(ledger, "three", 1, most=3, now=NOW, until=NOW + 100)
    assert (unchanged, granted) == (ledger, 0)
    ledger, granted = with_lease(ledger, "one", 1, most=3, now=NOW + 50, until=NOW + 150)
    assert granted == 1
    assert ledger.leases == (("two", 1, NOW + 100), ("one", 1, NOW + 150))
    ledger, granted = with_lease(ledger, "three", 3, most=3, now=NOW + 100, until=NOW + 200)
    assert granted == 2, "the second's has lapsed"
    assert ledger.leases == (("one", 1, NOW + 150), ("three", 2, NOW + 200))
    assert ledger.matters_until == NOW + 200
    ledger, granted = with_lease(ledger, "three", 0, most=1, now=NOW + 100, until=NOW + 200)
    assert (ledger.leases, granted) == ((("one", 1, NOW + 150),), 0)
