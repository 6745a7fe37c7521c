"""When a token is refreshed, and when its grant ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailbearer.definition import Definition, RefreshTokens
from mailbearer.providers import definition_of
from mailbearer.refreshing.deadlines import LONGEST_IDLE, calls_within, grant_end, refresh_due
from mailbearer.token import TokenSet, TokenState

NOW, DAY = 1_750_000_000.0, 86_400.0
GOOGLE, ENTRA, OIDC = (definition_of(kind) for kind in ("google", "microsoft", "oidc"))


def tokens(life: float) -> TokenSet:
    return TokenSet(access_token="a", refresh_token="r", expires_at=NOW + life, obtained_at=NOW, scope="mail.send")


def due_in(life: float, definition: Definition = OIDC, *, ends_in: float = 0, chance: float = 0.0) -> float:
    """Give in how many seconds a token of this life is to be refreshed."""
    ends_at = NOW + ends_in if ends_in else 0
    due = refresh_due(tokens(life), definition, grant_ends_at=ends_at, not_before=0, chance=chance)
    return due - NOW


@pytest.mark.parametrize(("life", "earliest", "latest"), [(3600, 2475, 2700), (600, 225, 300), (300, 112.5, 150)])
def test_a_token_is_refreshed_ahead_of_its_end_and_not_with_all_others(
    life: float, earliest: float, latest: float
) -> None:
    assert due_in(life) == latest
    assert due_in(life, chance=1) == earliest


def test_the_write_budget_puts_a_refresh_off() -> None:
    due = refresh_due(tokens(60), OIDC, grant_ends_at=0, not_before=NOW + 600, chance=0)
    assert due == NOW + 600


@pytest.mark.parametrize(
    ("definition", "idle"),
    [
        (GOOGLE, LONGEST_IDLE),
        (ENTRA, LONGEST_IDLE),
        (OIDC, LONGEST_IDLE),
        (replace(OIDC, idle_life=4 * DAY), DAY),
    ],
)
def test_no_grant_lies_idle_however_long_its_tokens_live(definition: Definition, idle: float) -> None:
    assert due_in(365 * DAY, definition) == idle
    assert 0.75 * idle <= due_in(365 * DAY, definition, chance=1) < idle


@pytest.mark.parametrize(("ends_in", "due"), [(1800, 900), (3600, 2700), (600, 300), (30, 30)])
def test_a_grant_that_each_use_prolongs_is_used_before_its_end(ends_in: float, due: float) -> None:
    """Keycloak's `refresh_expires_in`: the refresh token may end before the access token does."""
    assert due_in(36_000, ends_in=ends_in) == due


def test_the_end_of_a_grant_goes_before_the_write_budget() -> None:
    due = refresh_due(tokens(300), OIDC, grant_ends_at=NOW + 1200, not_before=NOW + 5000, chance=0)
    assert due == NOW + 600


def test_a_grant_that_no_use_prolongs_is_used_no_more_often_for_its_end() -> None:
    assert due_in(3600, GOOGLE, ends_in=7 * DAY) == 2700
    assert due_in(3600, GOOGLE, ends_in=1000) == 1000


def test_an_end_that_has_passed_says_nothing() -> None:
    assert due_in(3600, GOOGLE, ends_in=-50) == due_in(3600, OIDC, ends_in=-50) == 2700


def end(
    ends_in: float | None, definition: Definition = GOOGLE, *, consented: float = NOW, **known: object
) -> tuple[float, str]:
    state = TokenState(**known)  # type: ignore[arg-type]  # each test names fields that there are
    return grant_end(state, definition, ends_in=ends_in, consented_at=consented, now=NOW)


def test_a_google_grant_of_seven_days_is_one_of_an_app_in_testing() -> None:
    assert end(604_799) == (NOW + 604_799, "registration_in_testing")
    assert end(604_799, consented=0) == (NOW + 604_799, "registration_in_testing")
    assert end(DAY, consented=NOW - 6 * DAY) == (NOW + DAY, "registration_in_testing")


def test_access_that_was_given_for_a_longer_time_ends_without_the_app_being_in_testing() -> None:
    assert end(90 * DAY) == (NOW + 90 * DAY, "grant_ends")
    assert end(DAY, consented=NOW - 89 * DAY) == (NOW + DAY, "grant_ends")


def test_the_end_of_a_refresh_token_that_is_replaced_with_each_use_is_no_end_of_the_grant() -> None:
    assert OIDC.refresh_tokens is RefreshTokens.ROTATED
    assert end(1800, OIDC) == (NOW + 1800, "")


def test_an_answer_that_says_nothing_changes_nothing() -> None:
    assert end(None, grant_ends_at=NOW + 5, ending="grant_ends") == (NOW + 5, "grant_ends")
    assert end(None) == (0, "")


def test_an_end_that_is_named_again_stays_the_same_end() -> None:
    assert end(DAY, consented=0, grant_ends_at=NOW + DAY + 3, ending="grant_ends") == (NOW + DAY + 3, "grant_ends")


def test_only_calls_within_the_window_count_and_none_where_nobody_counts() -> None:
    calls = (NOW - 700, NOW - 600, NOW - 599, NOW)
    assert calls_within(calls, (10, 600), NOW) == (NOW - 599, NOW)
    assert calls_within(calls, (0, 0), NOW) == ()
