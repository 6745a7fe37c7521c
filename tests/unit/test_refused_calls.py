"""An AWS call of a refresh is refused, or its answer is lost, once; nothing is lost by it, for the process lives."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from mailbearer.account import AccountState
from mailbearer.errors import RefreshDeferred, Unavailable
from tests.unit.grants import Grants, Trap, watch
from tests.unit.test_crash_points_of_refreshing import CALLS, NAMES, POINTS, live, successors

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_AWS = [
    pytest.param(point, id=name)
    for point, name in zip(POINTS, NAMES, strict=True)
    if CALLS[point[0]] not in {"provider.refresh", "log.write"}
]


class Refusal(Trap):
    """Refuses one call instead of ending the process."""

    @contextmanager
    def spring(self, name: str) -> Iterator[None]:
        number = len(self.seen)
        self.seen.append(name)
        if number == self.at and not self.after_effect:
            raise Unavailable("refused")
        yield
        if number == self.at and self.after_effect:
            raise Unavailable("the answer was lost")


@pytest.mark.parametrize("point", OF_AWS)
def test_a_call_that_fails_once_costs_no_grant(point: tuple[int, bool]) -> None:
    grants, refusal = Grants(rotating=True), Refusal()
    grants.connect(ends_in=-1)
    watch(grants, refusal)
    refusal.at, refusal.after_effect = point
    with suppress(Unavailable, RefreshDeferred):
        live(grants)
    (token,) = successors(grants)
    assert grants.provider.takes(token)
    assert grants.now().state is AccountState.ACTIVE
    assert refusal.seen.count("provider.refresh") == 1
