"""A process dies at every single call of a refresh, before or after its effect; a successor goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.account import AccountState
from mailbearer.errors import GrantDead, TokenError
from mailbearer.refreshing.lease import LEASE_SECONDS
from tests.unit.grants import Crash, Grants, Trap, watch

if TYPE_CHECKING:
    from collections.abc import Iterator


def expired(*, rotating: bool, unattended: bool = False) -> tuple[Grants, Trap]:
    grants = Grants(rotating=rotating, unattended=unattended)
    grants.connect(ends_in=-1)
    trap = Trap()
    watch(grants, trap)
    return grants, trap


def calls_of_a_refresh(*, rotating: bool = True) -> list[str]:
    grants, trap = expired(rotating=rotating)
    live(grants)
    return trap.seen


def in_the_window(point: tuple[int, bool]) -> bool:
    return LAST_SAFE < point < FIRST_SAFE


def die(grants: Grants, trap: Trap, point: tuple[int, bool]) -> None:
    """Let a process die at this point of its refresh."""
    trap.at, trap.after_effect = len(trap.seen) + point[0], point[1]
    with pytest.raises(Crash):
        live(grants)


def live(grants: Grants) -> None:
    """Let a process refresh and acknowledge."""
    process = grants.lifecycle()
    process.usable(grants.now(), needed_for=45)
    process.trail.flush()


def successors(grants: Grants) -> Iterator[str]:
    """Let other processes ask for a token until one is given, or the grant is dead."""
    for _ in range(10):
        process = grants.lifecycle()
        try:
            yield process.usable(grants.now(), needed_for=45)
        except GrantDead:
            return
        except TokenError:
            grants.clock.advance(5)
        else:
            return
        finally:
            process.trail.flush()


CALLS = calls_of_a_refresh()
POINTS = [(number, after) for number in range(len(CALLS)) for after in (False, True)]
NAMES = [f"{number}-{'after' if after else 'before'}-{CALLS[number]}" for number, after in POINTS]
# The one window that nobody can close: the provider has rotated the token, and the vault does not hold the new one yet.
LAST_SAFE = (CALLS.index("provider.refresh"), False)
FIRST_SAFE = (CALLS.index("vault.store"), True)


def test_a_refresh_makes_the_calls_that_are_meant() -> None:
    assert CALLS == [
        "accounts.get",
        "vault.read",
        "registrations.get",
        "accounts.replace",
        "vault.read",
        "log.write",
        "credentials.read",
        "provider.refresh",
        "accounts.replace",
        "vault.store",
        "accounts.replace",
        "log.write",
    ]


@pytest.mark.parametrize("point", POINTS, ids=NAMES)
def test_a_grant_whose_refresh_token_stays_is_never_lost(point: tuple[int, bool]) -> None:
    grants, trap = expired(rotating=False)
    die(grants, trap, point)
    (token,) = successors(grants)
    assert grants.provider.takes(token)
    assert grants.now().state is AccountState.ACTIVE


@pytest.mark.parametrize("point", POINTS, ids=NAMES)
def test_an_unattended_mailbox_has_nothing_to_lose_and_says_so(point: tuple[int, bool]) -> None:
    grants, trap = expired(rotating=True, unattended=True)
    die(grants, trap, point)
    (token,) = successors(grants)
    assert grants.provider.takes(token)
    assert grants.now().state is AccountState.ACTIVE
    assert grants.now().token.answer_lost_at == 0
    assert trap.seen.count("provider.client_credentials") <= 2


def test_an_unattended_refresh_makes_the_same_calls() -> None:
    grants, trap = expired(rotating=True, unattended=True)
    live(grants)
    assert [call.replace("client_credentials", "refresh") for call in trap.seen] == CALLS


@pytest.mark.parametrize("point", POINTS, ids=NAMES)
def test_a_rotating_grant_is_lost_in_the_one_window_only_and_then_says_so(point: tuple[int, bool]) -> None:
    grants, trap = expired(rotating=True)
    die(grants, trap, point)
    given = list(successors(grants))
    if in_the_window(point):
        assert given == []
        assert grants.now().state is AccountState.CONSENT_REQUIRED
        assert grants.now().reason == "rotation_lost_or_revoked"
        assert grants.reasons("token.rejected") == ["rotation_lost_or_revoked"]
        assert [name for name, _ in grants.events.published] == ["token.rejected"]
    else:
        assert [grants.provider.takes(token) for token in given] == [True]
        assert grants.secret().refresh_token in grants.provider.refresh_tokens


@pytest.mark.parametrize("point", POINTS, ids=NAMES)
def test_the_successor_waits_no_longer_than_the_lease_and_makes_at_most_one_more_call(point: tuple[int, bool]) -> None:
    grants, trap = expired(rotating=True)
    began = grants.clock()
    die(grants, trap, point)
    list(successors(grants))
    assert grants.clock() - began <= LEASE_SECONDS + 1
    assert trap.seen.count("provider.refresh") <= 2
    stored = (trap.seen.count("vault.store"), trap.seen.count("provider.refresh"))
    if point >= FIRST_SAFE:
        assert stored == (1, 1)


@pytest.mark.parametrize("point", POINTS, ids=NAMES)
def test_no_token_is_used_that_the_vault_does_not_hold(point: tuple[int, bool]) -> None:
    grants, trap = expired(rotating=True)
    die(grants, trap, point)
    for token in successors(grants):
        assert token == grants.secret().access_token


def test_dying_again_and_again_outside_the_window_loses_nothing() -> None:
    grants, trap = expired(rotating=True)
    for point in POINTS:
        if in_the_window(point):
            continue
        die(grants, trap, point)
        trap.at = -1
        (token,) = successors(grants)
        assert grants.provider.takes(token)
        grants.clock.advance(3600)
