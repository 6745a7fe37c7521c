"""Secrets Manager's four steps for a registration's secret, as AWS drives them, with crashes between any two calls."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mailbearer.credential import OVERLAP
from mailbearer.credentials.rotation import STEPS
from mailbearer.errors import (
    AuditUnavailable,
    ClientRefused,
    CredentialUnproven,
    MailbearerError,
    RotationRefused,
    TokenEndpointBusy,
    Unavailable,
)
from mailbearer.registration import Flow
from tests.unit.grants import Crash, Trap, registration
from tests.unit.rotating import DAY, NAME, SECRET_ID, Rotating

if TYPE_CHECKING:
    from collections.abc import Callable

both = pytest.mark.parametrize("drops_pending", [True, False], ids=["label-goes-by-itself", "label-stays"])


pytestmark = pytest.mark.slow  # every crash point and order of the four steps, hundreds of them


@both
def test_each_step_leaves_the_labels_that_aws_documents(drops_pending: bool) -> None:
    rotating = Rotating(drops_pending=drops_pending)
    before = rotating.labels["AWSCURRENT"]
    token = rotating.begin()
    for step in STEPS[:3]:
        rotating.step(step, token)
        assert rotating.labels == {"AWSCURRENT": before, "AWSPENDING": token}
        assert rotating.names() == ["key-1"]
    rotating.step("finishSecret", token)
    assert rotating.labels == {"AWSCURRENT": token, "AWSPREVIOUS": before}
    assert rotating.names() == ["key-2", "key-1"]


def test_the_new_secret_comes_first_and_the_old_one_stays_for_the_overlap() -> None:
    rotating = Rotating()
    began = rotating.clock()
    rotating.rotate()
    new, old = rotating.current().credentials
    assert (new.retire_at, old.retire_at) == (0, began + OVERLAP)
    assert old.is_same(rotating.first)
    assert rotating.minter.takes(new.client_secret)
    assert rotating.minter.takes(old.client_secret)


def test_every_step_is_in_the_audit_log_and_no_secret_is() -> None:
    rotating = Rotating()
    rotating.rotate()
    assert rotating.actions() == [
        "credential.mint intended",
        "credential.minted minted",
        "credential.tested taken",
        "credential.rotate intended",
        "credential.rotated rotated",
    ]
    written = str(rotating.log.events)
    assert not [kept.secret for kept in rotating.minter.kept.values() if kept.secret in written]


def test_a_secret_lives_twice_as_long_as_the_time_between_rotations_and_the_overlap() -> None:
    rotating = Rotating()
    token = rotating.begin(days=180)
    rotating.step("createSecret", token)
    assert rotating.minter.kept["key-2"].listed.expires_at == rotating.clock() + 360 * DAY + OVERLAP


@pytest.mark.parametrize("days", [1, 1000])
def test_a_secret_lives_half_a_year_at_least_and_two_years_at_most(days: int) -> None:
    rotating = Rotating()
    rotating.step("createSecret", rotating.begin(days=days))
    lives = rotating.minter.kept["key-2"].listed.expires_at - rotating.clock()
    assert lives == {1: 180 * DAY, 1000: 730 * DAY}[days]


def test_one_rotation_after_another_leaves_what_the_overlap_says() -> None:
    rotating = Rotating()
    for _ in range(5):
        rotating.rotate()
        rotating.clock.advance(30 * DAY)
        assert rotating.tending().run().problems == {}
    assert rotating.names() == ["key-6"]
    assert list(rotating.minter.kept) == ["key-6"]


# --- safe to repeat ---------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("seed", range(40))
def test_steps_repeated_at_random_mint_once_and_end_as_one_rotation_does(seed: int, drops_pending: bool) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same in every run
    rotating = Rotating(drops_pending=drops_pending)
    token = rotating.begin()
    for number, step in enumerate(STEPS):
        rotating.step(step, token)
        for _ in range(chance.randrange(4)):
            rotating.step(chance.choice(STEPS[: number + 1]), token)
            assert rotating.reach()
    assert rotating.minter.minted == ["key-2"]
    assert rotating.names() == ["key-2", "key-1"]
    assert rotating.rotation_is_over


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_a_rotation_that_has_ended_does_nothing_even_after_an_edit(step: str) -> None:
    rotating = Rotating()
    token = rotating.rotate()
    rotating.edits().add(NAME, rotating.another())
    before = (dict(rotating.labels), rotating.names())
    assert rotating.step(step, token) == "already_current"
    assert (rotating.labels, rotating.names()) == before
    assert rotating.minter.minted == ["key-2"]


@pytest.mark.parametrize("step", STEPS[1:4:2])
def test_a_step_that_comes_before_anything_was_created_is_refused(step: str) -> None:
    rotating = Rotating()
    token = rotating.begin()
    with pytest.raises(RotationRefused, match="not created anything"):
        rotating.step(step, token)
    assert rotating.names() == ["key-1"]


# --- a process dies at any call ---------------------------------------------------------------------------------------


def trapped(*, drops_pending: bool, prepare: Callable[[Rotating], None] = lambda _: None) -> tuple[Rotating, Trap, str]:
    rotating = Rotating(drops_pending=drops_pending)
    token = rotating.begin()
    prepare(rotating)
    trap = Trap()
    rotating.secrets_manager.faults = trap.named("secrets")
    rotating.minter.faults = trap.named("provider")
    rotating.log.faults = trap.named("log")
    return rotating, trap, token


def drive(rotating: Rotating, token: str) -> bool:
    """Call step after step as Secrets Manager does; tell whether all went well."""
    for step in STEPS:
        try:
            rotating.step(step, token)
        except (Crash, MailbearerError):
            return False
        assert rotating.reach()
    return True


def calls_of_a_rotation(prepare: Callable[[Rotating], None] = lambda _: None) -> list[str]:
    rotating, trap, token = trapped(drops_pending=False, prepare=prepare)
    assert drive(rotating, token)
    return trap.seen


CALLS = calls_of_a_rotation()
POINTS = [(number, after) for number in range(len(CALLS)) for after in (False, True)]
NAMES = [f"{number}-{'after' if after else 'before'}-{CALLS[number]}" for number, after in POINTS]


def check_after_a_crash(rotating: Rotating, token: str) -> None:
    """What holds however a process ended: a mailbox is refreshed, and at most one orphan lives."""
    assert rotating.reach()
    assert any(credential.is_same(rotating.first) for credential in rotating.current().credentials)
    assert len(rotating.minter.labelled(f"mailbearer {token}")) <= 1


@both
@pytest.mark.parametrize("point", POINTS, ids=NAMES)
def test_a_rotation_that_died_at_any_call_is_finished_by_its_repetition(
    point: tuple[int, bool], drops_pending: bool
) -> None:
    rotating, trap, token = trapped(drops_pending=drops_pending)
    trap.at, trap.after_effect = point
    assert not drive(rotating, token)
    check_after_a_crash(rotating, token)
    trap.at = -1
    assert drive(rotating, token)
    check_after_a_crash(rotating, token)
    (minted,) = rotating.minter.labelled(f"mailbearer {token}")
    assert rotating.names() == [minted, "key-1"]
    assert len(rotating.minter.kept) == 2
    assert rotating.rotation_is_over


def test_a_secret_is_minted_a_second_time_only_if_it_could_not_be_stored() -> None:
    stored = CALLS.index("secrets.PutSecretValue"), True
    for point in POINTS:
        rotating, trap, token = trapped(drops_pending=False)
        trap.at, trap.after_effect = point
        drive(rotating, token)
        trap.at = -1
        drive(rotating, token)
        lost = (CALLS.index("provider.mint"), True) <= point < stored
        assert len(rotating.minter.minted) == (2 if lost else 1), point


@pytest.mark.parametrize("seed", range(60))
def test_dying_again_and_again_loses_nothing(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same in every run
    rotating, trap, token = trapped(drops_pending=bool(seed % 2))
    for _ in range(8):
        trap.at, trap.after_effect = len(trap.seen) + chance.randrange(len(CALLS)), chance.random() < 0.5
        drive(rotating, token)
        check_after_a_crash(rotating, token)
    trap.at = -1
    assert drive(rotating, token)
    (minted,) = rotating.minter.labelled(f"mailbearer {token}")
    assert rotating.names() == [minted, "key-1"]
    assert rotating.rotation_is_over


@pytest.mark.parametrize("error", [Unavailable("throttled"), AuditUnavailable("down")])
@pytest.mark.parametrize("number", range(len(CALLS)), ids=CALLS)
def test_a_call_that_fails_or_whose_answer_is_lost_is_made_good_by_the_repetition(
    number: int, error: MailbearerError
) -> None:
    port, _, operation = CALLS[number].partition(".")
    place = CALLS[: number + 1].count(CALLS[number]) - 1
    for moment in ("before", "after"):
        rotating = Rotating()
        token = rotating.begin()
        faults = {
            "secrets": rotating.secrets_manager.faults,
            "provider": rotating.minter.faults,
            "log": rotating.log.faults,
        }[port]
        happen = getattr(faults, moment)
        happen(operation, lambda: None, times=place)
        happen(operation, error)
        drive(rotating, token)
        check_after_a_crash(rotating, token)
        assert drive(rotating, token)
        assert rotating.names()[1:] == ["key-1"]
        assert rotating.rotation_is_over


# --- somebody edits meanwhile -----------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("number", range(len(CALLS)), ids=CALLS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_credential_that_is_added_at_any_call_of_a_rotation_is_not_lost(
    number: int, moment: str, drops_pending: bool
) -> None:
    port, _, operation = CALLS[number].partition(".")
    place = CALLS[: number + 1].count(CALLS[number]) - 1
    rotating = Rotating(drops_pending=drops_pending)
    token = rotating.begin()
    edits = rotating.operator()
    done: list[bool] = []

    def add() -> None:
        if not done:
            done.append(True)
            edits.add(NAME, rotating.another())

    faults = {
        "secrets": rotating.secrets_manager.faults,
        "provider": rotating.minter.faults,
        "log": rotating.log.faults,
    }
    happen = getattr(faults[port], moment)
    happen(operation, lambda: None, times=place)
    happen(operation, add)
    for _ in range(3):
        if drive(rotating, token):
            break
    assert done
    assert sorted(rotating.names()) == ["certificate-1", "key-1", "key-2"]
    assert rotating.rotation_is_over
    assert rotating.begin()


def edited(rotating: Rotating) -> None:
    """Add a credential once the new secret is stored, so that both have to be joined."""
    token = rotating.labels["AWSPENDING"]
    for step in STEPS[:3]:
        rotating.step(step, token)
    rotating.edits().add(NAME, rotating.another())


JOINING = calls_of_a_rotation(edited)


@both
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(len(JOINING)), ids=JOINING)
def test_a_joined_rotation_that_died_at_any_call_is_finished_by_its_repetition(
    number: int, after: bool, drops_pending: bool
) -> None:
    rotating, trap, token = trapped(drops_pending=drops_pending, prepare=edited)
    trap.at, trap.after_effect = number, after
    assert not drive(rotating, token)
    check_after_a_crash(rotating, token)
    assert "certificate-1" in rotating.names()
    trap.at = -1
    rotating.secrets_manager.secrets[SECRET_ID].forget_unlabelled()
    assert drive(rotating, token)
    assert rotating.names() == ["key-2", "certificate-1", "key-1"]
    assert rotating.minter.minted == ["key-2"]
    assert rotating.rotation_is_over


def test_a_credential_that_was_removed_meanwhile_does_not_come_back() -> None:
    rotating = Rotating()
    rotating.edits().add(NAME, rotating.another())
    token = rotating.begin()
    for step in STEPS[:3]:
        rotating.step(step, token)
    rotating.edits().remove(rotating.registrations.listing()[0], "certificate-1")
    rotating.step("finishSecret", token)
    assert rotating.names() == ["key-2", "key-1"]


# --- what Secrets Manager may not do ----------------------------------------------------------------------------------


def test_a_kind_without_a_minter_says_how_a_secret_is_added() -> None:
    rotating = Rotating(kind="google")
    with pytest.raises(RotationRefused, match="mailbearer providers credentials add acme"):
        rotating.step("createSecret", rotating.begin())


def test_a_service_account_has_no_secret_to_rotate() -> None:
    rotating = Rotating(flow=Flow.JWT_BEARER)
    with pytest.raises(RotationRefused, match="no client secret"):
        rotating.step("createSecret", rotating.begin())


def test_a_rotation_that_is_not_enabled_is_refused() -> None:
    rotating = Rotating()
    token = rotating.begin()
    rotating.secrets_manager.secrets[SECRET_ID].rotation_enabled = False
    with pytest.raises(RotationRefused, match="not enabled"):
        rotating.step("createSecret", token)


def test_a_version_that_is_not_pending_is_refused() -> None:
    rotating = Rotating()
    rotating.begin()
    with pytest.raises(RotationRefused, match="not pending"):
        rotating.step("createSecret", "f" * 32)
    assert rotating.minter.minted == []


def test_an_unknown_registration_and_an_unknown_step_are_refused() -> None:
    rotating = Rotating()
    token = rotating.begin()
    with pytest.raises(RotationRefused, match="no step"):
        rotating.step("burnSecret", token)
    rotating.registrations.registrations.clear()
    with pytest.raises(RotationRefused, match="no registration"):
        rotating.step("createSecret", token)


def test_nothing_is_minted_while_the_audit_log_is_down() -> None:
    rotating = Rotating()
    token = rotating.begin()
    rotating.log.faults.before("write", AuditUnavailable("down"))
    with pytest.raises(AuditUnavailable):
        rotating.step("createSecret", token)
    assert rotating.minter.minted == []


def test_when_only_a_schedule_is_set_the_test_step_tries_the_present_secret() -> None:
    rotating = Rotating()
    token = rotating.begin()
    assert rotating.step("testSecret", token) == "tested"
    rotating.minter.kept.clear()
    with pytest.raises(CredentialUnproven):
        rotating.step("testSecret", token)


# --- a provider that takes its time -----------------------------------------------------------------------------------


def test_a_secret_that_the_provider_knows_only_later_is_waited_for() -> None:
    rotating = Rotating()
    rotating.minter.lag = 60
    token = rotating.begin()
    began = rotating.clock()
    for step in STEPS:
        rotating.step(step, token)
    assert 60 <= rotating.clock() - began < 90
    assert rotating.names() == ["key-2", "key-1"]


@pytest.mark.parametrize("step", ["setSecret", "testSecret"])
def test_a_step_gives_up_within_its_time_and_the_old_secret_stays_current(step: str) -> None:
    rotating = Rotating()
    token = rotating.begin()
    rotating.minter.lag = 3600
    rotating.step("createSecret", token)
    began = rotating.clock()
    with pytest.raises(CredentialUnproven):
        rotating.step(step, token)
    assert rotating.clock() - began <= 300 - 40
    assert rotating.names() == ["key-1"]
    rotating.clock.advance(3600)
    assert drive(rotating, token)
    assert rotating.minter.minted == ["key-2"]


def test_a_provider_that_is_down_for_a_moment_is_asked_again() -> None:
    rotating = Rotating()
    token = rotating.begin()
    rotating.step("createSecret", token)
    rotating.minter.faults.before("listing", Unavailable("503"), times=2)
    assert rotating.step("setSecret", token) == "set"
    rotating.minter.faults.before("token", TokenEndpointBusy("503"), times=2)
    assert rotating.step("testSecret", token) == "tested"
    rotating.minter.faults.before("token", TokenEndpointBusy("503"), times=100)
    with pytest.raises(CredentialUnproven, match="503"):
        rotating.step("testSecret", token)


def test_a_secret_that_the_provider_lists_late_leaves_no_second_one_behind() -> None:
    rotating = Rotating()
    rotating.minter.lag = 30
    token = rotating.begin()
    rotating.secrets_manager.faults.before("PutSecretValue", Unavailable("throttled"))
    with suppress(Unavailable):
        rotating.step("createSecret", token)
    assert drive(rotating, token)
    assert rotating.minter.minted == ["key-2", "key-3"]
    assert sorted(rotating.minter.kept) == ["key-1", "key-3"]


# --- mailboxes meanwhile ----------------------------------------------------------------------------------------------


def test_no_mailbox_notices_when_the_old_secret_expires_in_the_middle() -> None:
    rotating = Rotating()
    rotating.minter.kept["key-1"] = rotating.minter.kept.pop("key-1")
    old_ends = rotating.first.expires_at
    rotating.clock.advance(old_ends - rotating.clock() - 90)
    worker = rotating.client()
    registration = rotating.registrations.listing()[0]
    token = rotating.begin()
    for step in STEPS:
        worker.refresh(registration, refresh_token="refresh-1", scope="Mail.Send")
        rotating.step(step, token)
        worker.refresh(registration, refresh_token="refresh-1", scope="Mail.Send")
    rotating.clock.advance(90)
    assert not rotating.minter.takes(rotating.first.client_secret)
    asked = len(rotating.minter.faults.calls)
    worker.refresh(registration, refresh_token="refresh-1", scope="Mail.Send")
    assert rotating.minter.faults.calls[asked:] == ["token"]
    assert "credential.refused refused" not in rotating.actions()


def test_a_first_credential_that_has_ended_is_tried_once_and_then_last() -> None:
    rotating = Rotating()
    second = rotating.minter.give()
    rotating.edits().add(NAME, second)
    rotating.minter.kept.pop(second.id)
    worker, registration = rotating.client(), rotating.registrations.listing()[0]
    for _ in range(5):
        worker.refresh(registration, refresh_token="refresh-1", scope="Mail.Send")
    assert rotating.minter.faults.calls == ["token"] * 6
    assert rotating.actions().count("credential.refused refused") == 1
    # The one that was good ends too, and the other is good again.
    rotating.minter.kept.clear()
    with pytest.raises(ClientRefused):
        worker.refresh(registration, refresh_token="refresh-1", scope="Mail.Send")
    third = rotating.minter.give()
    rotating.edits().add(NAME, third)
    worker.refresh(registration, refresh_token="refresh-1", scope="Mail.Send")
    assert rotating.minter.faults.calls[-1:] == ["token"]
    assert len(rotating.minter.faults.calls) == 9


def test_a_secret_that_another_registration_of_the_application_still_uses_is_not_taken_away() -> None:
    rotating = Rotating()
    sibling = registration(name="acme-smtp", kind="microsoft", endpoints=rotating.registrations.listing()[0].endpoints)
    rotating.registrations.create(sibling)
    rotating.vault.create(sibling.name, rotating.first)
    rotating.rotate()
    rotating.clock.advance(OVERLAP)
    assert rotating.tending().run().problems == {NAME: "credential_shared"}
    assert rotating.minter.takes(rotating.first.client_secret)
    new = rotating.current().credentials[0]
    before = rotating.vault.stored(sibling.name)
    rotating.vault.replace(sibling.name, replace(before, credentials=(new,)), expected=before)
    assert rotating.tending().run().problems == {}
    assert not rotating.minter.takes(rotating.first.client_secret)
