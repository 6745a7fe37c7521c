"""Quiet mailboxes beside a flooded one; `make simulate` shows the same."""

from __future__ import annotations

import pytest

from simulations import fairness, report

pytestmark = [pytest.mark.slow, pytest.mark.once]


@pytest.fixture(scope="module")
def alone() -> fairness.Fairness:
    return fairness.simulate(None)


@pytest.mark.parametrize("fair_queue", [False, True], ids=["plain queue", "fair queue"])
@pytest.mark.parametrize("flood", fairness.FLOODS, ids=lambda flood: flood.name)
def test_no_mailbox_starves_another(alone: fairness.Fairness, flood: fairness.Flood, fair_queue: bool) -> None:
    seen = fairness.simulate(flood, fair_queue=fair_queue)
    assert [line for line in report.fairness_lines(seen, alone) if line.holds is False] == []
    assert len(seen.waits) == len(alone.waits) > 200


def test_a_dead_server_is_called_a_few_times_only(alone: fairness.Fairness) -> None:
    dead = next(flood for flood in fairness.FLOODS if flood.dead)
    assert 0 < fairness.simulate(dead).calls < 50
    assert alone.calls == 0
