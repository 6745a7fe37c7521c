"""Adding and removing credentials, and what a rotation leaves to be done later."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailbearer.credential import OVERLAP, Credential
from mailbearer.errors import AuditUnavailable, Conflict, NotFound, Unavailable
from tests.unit.grants import Crash, Trap, crash, registration
from tests.unit.rotating import DAY, NAME, Rotating


def test_a_credential_that_is_added_comes_first_and_the_same_again_changes_nothing() -> None:
    rotating = Rotating()
    rotating.edits().add(NAME, rotating.another())
    rotating.trail.flush()
    rotating.edits().add(NAME, rotating.another())
    assert rotating.names() == ["certificate-1", "key-1"]
    assert rotating.actions() == [
        "credential.add intended",
        "credential.added added",
        "credential.add intended",
        "credential.added repeated",
    ]


def test_another_credential_of_the_same_id_is_a_conflict() -> None:
    rotating = Rotating()
    with pytest.raises(Conflict):
        rotating.edits().add(NAME, Credential(id="key-1", client_secret="another"))
    assert rotating.actions()[-1] == "credential.added failed"


def test_nothing_is_added_while_the_audit_log_is_down() -> None:
    rotating = Rotating()
    rotating.log.faults.before("write", AuditUnavailable("down"))
    with pytest.raises(AuditUnavailable):
        rotating.edits().add(NAME, rotating.another())
    assert rotating.names() == ["key-1"]


@pytest.mark.parametrize("operation", ["GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_two_who_add_at_once_both_win(operation: str, moment: str) -> None:
    rotating = Rotating()
    getattr(rotating.secrets_manager.faults, moment)(
        operation, lambda: rotating.operator().add(NAME, rotating.another(2))
    )
    rotating.edits().add(NAME, rotating.another(1))
    assert sorted(rotating.names()) == ["certificate-1", "certificate-2", "key-1"]


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage"])
def test_an_answer_of_aws_that_is_lost_is_made_good_by_the_same_command(operation: str) -> None:
    rotating = Rotating()
    rotating.secrets_manager.faults.after(operation, Unavailable("timed out"))
    with pytest.raises(Unavailable):
        rotating.edits().add(NAME, rotating.another())
    rotating.edits().add(NAME, rotating.another())
    assert rotating.names() == ["certificate-1", "key-1"]


def test_removing_leaves_the_others_and_an_unknown_one_and_the_last_are_refused() -> None:
    rotating = Rotating()
    rotating.edits().add(NAME, rotating.another())
    rotating.trail.flush()
    rotating.edits().remove(registration(), "key-1")
    assert rotating.names() == ["certificate-1"]
    with pytest.raises(NotFound):
        rotating.edits().remove(registration(), "key-1")
    with pytest.raises(Conflict, match="last"):
        rotating.edits().remove(registration(), "certificate-1")
    assert rotating.actions()[2:] == ["credential.remove intended", "credential.removed removed"]


def test_removing_at_the_provider_too_ends_it_there_first() -> None:
    rotating = Rotating()
    rotating.edits().add(NAME, rotating.another())
    rotating.secrets_manager.faults.before("UpdateSecretVersionStage", crash)
    with pytest.raises(Crash):
        rotating.edits().remove(registration(), "key-1", minter=rotating.minter)
    assert rotating.minter.kept == {}
    assert rotating.names() == ["certificate-1", "key-1"]
    rotating.edits().remove(registration(), "key-1", minter=rotating.minter)
    assert rotating.names() == ["certificate-1"]


def test_a_certificate_is_not_removed_at_the_provider() -> None:
    rotating = Rotating()
    rotating.edits().add(NAME, rotating.another())
    with pytest.raises(Conflict, match="certificate"):
        rotating.edits().remove(registration(), "certificate-1", minter=rotating.minter)
    assert rotating.names() == ["certificate-1", "key-1"]


def test_a_secret_without_an_id_is_found_by_its_hint_if_only_one_has_it() -> None:
    rotating = Rotating()
    unnamed = Credential(client_secret=rotating.minter.give().client_secret)
    rotating.edits().add(NAME, unnamed)
    rotating.edits().remove(registration(), "unnamed", minter=rotating.minter)
    assert list(rotating.minter.kept) == ["key-1"]
    rotating.edits().add(NAME, Credential(client_secret="~~~ nobody knows this one"))
    with pytest.raises(Conflict, match="cannot be told"):
        rotating.edits().remove(registration(), "unnamed", minter=rotating.minter)


# --- what a rotation leaves to be done later --------------------------------------------------------------------------


def test_what_was_replaced_goes_when_the_overlap_is_over_and_not_before() -> None:
    rotating = Rotating()
    rotating.rotate()
    rotating.clock.advance(OVERLAP - 1)
    assert rotating.tending().run().retired == 0
    rotating.clock.advance(1)
    assert rotating.tending().run().retired == 1
    assert rotating.names() == ["key-2"]
    assert list(rotating.minter.kept) == ["key-2"]
    assert rotating.actions()[-2:] == ["credential.retire intended", "credential.retired retired"]


def test_the_overlap_is_the_operators_to_say() -> None:
    rotating = Rotating()
    rotating.edits().change(NAME, lambda kept: replace(kept, overlap=2 * DAY))
    rotating.rotate()
    rotating.clock.advance(2 * DAY)
    assert rotating.tending().run().retired == 1


def test_nothing_is_taken_away_while_the_first_credential_is_not_taken() -> None:
    rotating = Rotating()
    rotating.rotate()
    rotating.clock.advance(OVERLAP)
    rotating.minter.kept.pop("key-2")
    tended = rotating.tending().run()
    assert (tended.retired, tended.problems) == (0, {NAME: "client_secret_wrong"})
    assert rotating.names() == ["key-2", "key-1"]
    assert rotating.reach()


def test_a_certificate_is_never_taken_away() -> None:
    rotating = Rotating()
    rotating.edits().add(NAME, rotating.another())
    rotating.rotate()
    rotating.clock.advance(OVERLAP)
    rotating.tending().run()
    assert rotating.names() == ["key-2", "certificate-1"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(16))
def test_taking_away_that_died_at_any_call_is_finished_by_the_next_run(number: int, after: bool) -> None:
    rotating = Rotating()
    rotating.rotate()
    rotating.clock.advance(OVERLAP)
    trap = Trap()
    rotating.secrets_manager.faults, rotating.minter.faults = trap.named("secrets"), trap.named("provider")
    rotating.log.faults = trap.named("log")
    trap.at, trap.after_effect = number, after
    try:
        rotating.tending().run()
    except Crash:
        assert rotating.reach()
    else:
        assert number >= len(trap.seen)
    trap.at = -1
    rotating.tending().run()
    assert rotating.names() == ["key-2"]
    assert list(rotating.minter.kept) == ["key-2"]


def test_dates_that_nobody_gave_are_read_where_the_provider_tells_them() -> None:
    rotating = Rotating()
    rotating.edits().change(
        NAME, lambda kept: replace(kept, credentials=(Credential(client_secret=rotating.first.client_secret),))
    )
    assert rotating.tending().run().dated == 1
    (credential,) = rotating.current().credentials
    assert credential == rotating.first
    assert rotating.tending().run().dated == 0
    assert rotating.minter.faults.calls == ["listing"]


def test_one_registrations_trouble_does_not_keep_the_others_waiting() -> None:
    rotating = Rotating()
    rotating.registrations.create(registration(name="aaa", kind="microsoft"))
    rotating.registrations.create(registration(name="bbb", kind="google"))
    rotating.rotate()
    rotating.clock.advance(OVERLAP)
    tended = rotating.tending().run()
    assert (tended.retired, tended.problems) == (1, {"aaa": "secret_missing"})
