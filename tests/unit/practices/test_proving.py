"""What the audit log's own check comes to for the practices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailbearer.auditing.digesting import Digester
from mailbearer.auditing.evidence import Gathering
from mailbearer.practices import proving
from mailbearer.practices.picture import Proof
from tests.fakes import FakeAuditReader, FakeSigner
from tests.unit.practices.stage import HOUR, PLACE, Stage


class Log:
    """A stage's audit log, with one event an hour and a digest after each."""

    def __init__(self, hours: int) -> None:
        self.stage = Stage()
        self.stage.reader = FakeAuditReader()
        self.signer = FakeSigner()
        digester = Digester(
            reader=self.stage.reader,
            archive=self.stage.archive,
            signer=self.signer,
            trail=self.stage.practices.trail,
            clock=self.stage.clock,
            tell=id,
            stage="prod",
            log_group=PLACE.audit_log_group,
        )
        for _ in range(hours):
            now = self.stage.clock.now
            self.stage.note("message.sent", "msg", ago=self.stage.now - now + 600)
            digester.run(deadline=now + HOUR)
            self.stage.clock.advance(HOUR)
        self.stage.clock.advance(-HOUR)

    def prove(self) -> Proof:
        stage = self.stage
        gathering = Gathering(reader=stage.reader, archive=stage.archive, stage="prod", log_group=PLACE.audit_log_group)
        return proving.prove(gathering, self.signer, stage.clock)


def test_a_log_without_a_digest_is_told_as_one() -> None:
    assert Log(0).prove() == Proof()


def test_a_log_as_it_was_signed_has_no_faults_for_a_day_back() -> None:
    log = Log(30)
    proof = log.prove()
    assert (proof.digest, proof.faults) == (30, ())
    assert proof.until == log.stage.clock.now - 300
    assert proof.checked.startswith("Digests 7 to 30 and ")


def test_an_event_that_was_changed_is_named() -> None:
    log = Log(3)
    held = log.stage.reader.held
    held[1] = replace(held[1], text=held[1].text.replace("message.sent", "message.held"))
    assert log.prove().faults[0].startswith("changed stream")


@pytest.mark.parametrize("broken", ["{}", "no digest"])
def test_a_digest_that_is_none_is_named_and_counts_as_late(broken: str) -> None:
    log = Log(3)
    log.stage.archive.versions["digests/0000000003.json"] = [broken]
    proof = log.prove()
    assert (proof.digest, proof.until) == (3, 0)
    assert any("digest_changed digests/0000000003.json" in fault for fault in proof.faults)


def test_of_a_busy_day_the_newest_digests_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "MOST_LINES", 4)
    assert Log(10).prove().checked.startswith("Digests 7 to 10 and ")
