from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailbearer.aws.audit_spool import S3AuditSpool
from tests.contract.nouns import event
from tests.fakes import FakeAuditSpool

if TYPE_CHECKING:
    from mailbearer.ports.channels import AuditSpool


@pytest.fixture(params=["fake", "aws"])
def spool(request: pytest.FixtureRequest) -> AuditSpool:
    if request.param == "fake":
        return FakeAuditSpool()
    world = request.getfixturevalue("world")
    return S3AuditSpool(world.clients.s3, world.bucket())


def test_kept_events_wait_as_they_were_oldest_first(spool: AuditSpool) -> None:
    spool.keep([event(3, reason="Ä", request_id="r-1")])
    spool.keep([event(1, facts=()), event(2)])
    assert [events for _, events in spool.waiting(10)] == [
        [event(1, facts=()), event(2)],
        [event(3, reason="Ä", request_id="r-1")],
    ]
    assert len(spool.waiting(1)) == 1


def test_removed_events_wait_no_longer(spool: AuditSpool) -> None:
    spool.keep([event(1)])
    spool.keep([event(2)])
    (name, _), _ = spool.waiting(10)
    spool.remove(name)
    spool.remove(name)
    assert [events for _, events in spool.waiting(10)] == [[event(2)]]


def test_nothing_kept_is_nothing_waiting(spool: AuditSpool) -> None:
    spool.keep([])
    assert spool.waiting(10) == []
