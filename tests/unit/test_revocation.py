"""Revoking (semantics.md): disable first, then the provider, then the secret, then audit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailbearer.account import AccountState
from mailbearer.errors import (
    AuditUnavailable,
    ClientRefused,
    Conflict,
    GrantDead,
    SecretMissing,
    TokenEndpointBusy,
    Unavailable,
)
from mailbearer.revocation import LONGEST_IN_FLIGHT, PATIENCE, RETRY_EVERY, Telling
from mailbearer.token import TokenSet
from tests.fakes import ScriptedAuthorizationServer
from tests.unit.grants import Crash, Grants, Trap, watch


def revoke(grants: Grants) -> bool:
    """Revoke the mailbox; tells whether all of it is done."""
    done = grants.revocation().revoke(grants.now(), actor="key_1", reason="requested")
    return done.provider_told and done.secret_retired


def test_first_it_is_disabled_then_the_provider_told_then_the_secret_retired() -> None:
    grants = Grants()
    grants.connect()
    trap = Trap()
    watch(grants, trap)
    assert revoke(grants)
    grants.trail.flush()
    assert trap.seen == [
        "log.write",
        "accounts.replace",
        "vault.read",
        "registrations.get",
        "credentials.read",
        "provider.revoke",
        "credentials.read",
        "provider.revoke",
        "vault.retire",
        "events.publish",
        "accounts.replace",
        "log.write",
    ]
    assert grants.provider.revoked == ["refresh-1", "access-1"]


def test_intent_and_outcome_are_in_the_audit_log_with_who_and_why() -> None:
    grants = Grants()
    grants.connect()
    revoke(grants)
    assert grants.actions() == ["account.revoke intended", "token.revoked revoked", "account.revoked revoked"]
    assert {(event.actor, event.reason) for event in grants.log.events if event.action.startswith("account.")} == {
        ("key_1", "requested")
    }
    assert grants.events.published[0][0] == "account.revoked"


def test_a_revoked_mailbox_gives_no_token_and_its_secret_is_gone() -> None:
    grants = Grants()
    account = grants.connect()
    process = grants.lifecycle()
    process.usable(account, needed_for=45)
    revoke(grants)
    with pytest.raises(GrantDead):
        process.usable(grants.now(), needed_for=45)
    assert grants.vault.read(account.id) is None
    assert not grants.now().revocation_pending
    assert (grants.now().token.version, grants.now().token.due_at) == ("", 0)


def test_the_answer_says_how_long_a_cached_token_could_be_used() -> None:
    grants = Grants()
    grants.connect()
    done = grants.revocation().revoke(grants.now(), actor="key_1", reason="requested")
    assert done.token_may_live_until == grants.clock() + LONGEST_IN_FLIGHT


def test_while_the_provider_is_down_the_answer_says_that_the_token_lives_to_its_end() -> None:
    grants = Grants()
    account = grants.connect()
    grants.provider.faults.before("revoke", TokenEndpointBusy("503"))
    done = grants.revocation().revoke(account, actor="key_1", reason="requested")
    assert not done.provider_told
    assert done.token_may_live_until == account.token.expires_at


@pytest.mark.parametrize(
    ("port", "operation", "trouble"),
    [
        ("provider", "revoke", TokenEndpointBusy("503")),
        ("vault", "read", Unavailable("throttled")),
        ("vault", "retire", Unavailable("throttled")),
        ("credentials", "read", SecretMissing("gone for now")),
        ("registrations", "get", Unavailable("throttled")),
    ],
)
def test_what_cannot_be_reached_refuses_sends_at_once_and_is_finished_by_the_schedule(
    port: str, operation: str, trouble: Exception
) -> None:
    grants = Grants()
    account = grants.connect()
    getattr(grants, port).faults.before(operation, trouble)
    assert not revoke(grants)
    assert grants.now().state is AccountState.REVOKED
    assert grants.now().revocation_pending
    with pytest.raises(GrantDead):
        grants.lifecycle().usable(grants.now(), needed_for=45)
    grants.clock.advance(RETRY_EVERY)
    summary = grants.rotation().run(deadline=grants.clock() + 290)
    assert summary.revocations_finished == 1
    assert not grants.now().revocation_pending
    assert grants.provider.refresh_tokens == set()
    assert grants.vault.read(account.id) is None
    assert list(grants.accounts.due(grants.clock() + 1e9)) == []


def test_a_provider_that_stays_down_is_asked_again_every_few_minutes() -> None:
    grants = Grants()
    grants.connect()
    grants.provider.faults.before("revoke", TokenEndpointBusy("503"), times=4)
    revoke(grants)
    for _ in range(3):
        grants.clock.advance(RETRY_EVERY)
        summary = grants.rotation().run(deadline=grants.clock() + 290)
        assert (summary.failed, summary.revocations_finished) == (1, 0)
    grants.clock.advance(RETRY_EVERY)
    assert grants.rotation().run(deadline=grants.clock() + 290).revocations_finished == 1


def test_a_provider_without_an_endpoint_for_it_is_no_obstacle() -> None:
    grants = Grants(ScriptedAuthorizationServer(revoke=[False]))
    account = grants.connect()
    assert revoke(grants)
    assert grants.vault.read(account.id) is None
    assert "token.revoked no_endpoint" in grants.actions()


@pytest.mark.parametrize("missing", ["secret", "registration"])
def test_there_may_be_nothing_to_tell_the_provider(missing: str) -> None:
    grants = Grants()
    grants.connect()
    (grants.vault.secrets if missing == "secret" else grants.registrations.registrations).clear()
    assert revoke(grants)
    assert grants.provider.revoked == []


def test_an_audit_log_that_is_down_does_not_stop_an_emergency() -> None:
    grants = Grants()
    grants.connect()
    grants.log.faults.before("write", AuditUnavailable("down"), times=10)
    assert revoke(grants)
    grants.trail.flush()
    assert [event.action for lot in grants.spool.lots.values() for event in lot] == [
        "account.revoke",
        "token.revoked",
        "account.revoked",
    ]


def test_with_the_audit_log_and_its_spool_down_the_events_wait_and_the_mailbox_is_shut_off() -> None:
    grants = Grants()
    grants.connect()
    grants.log.faults.before("write", AuditUnavailable("down"), times=1)
    grants.spool.faults.before("keep", Unavailable("down"), times=1)
    assert revoke(grants)
    assert grants.actions() == ["account.revoke intended", "token.revoked revoked", "account.revoked revoked"]


def test_a_token_that_the_provider_cannot_be_told_of_lives_to_its_end_and_the_answer_says_what_to_do() -> None:
    grants = Grants(ScriptedAuthorizationServer(revoke=[False]))
    account = grants.connect()
    done = grants.revocation().revoke(account, actor="key_1", reason="requested")
    assert (done.telling, done.secret_retired) == (Telling.NO_ENDPOINT, True)
    assert done.token_may_live_until == account.token.expires_at
    assert done.manual_step


def test_an_unattended_mailbox_has_only_its_access_token_revoked() -> None:
    grants = Grants()
    account = grants.connect()
    stored = grants.vault.read(account.id)
    assert stored
    grants.vault.secrets[account.id].versions[stored.version] = replace(stored.tokens, refresh_token="")
    assert revoke(grants)
    assert grants.provider.revoked == ["access-1"]


def test_a_registration_that_is_refused_for_good_is_given_up_after_a_week_and_a_person_told() -> None:
    grants = Grants()
    account = grants.connect()
    grants.provider.faults.before("revoke", ClientRefused("invalid_client"), times=99)
    revoke(grants)
    grants.clock.advance(PATIENCE - RETRY_EVERY)
    assert not grants.revocation().finish(grants.now()).secret_retired
    assert grants.vault.read(account.id)
    grants.clock.advance(RETRY_EVERY)
    done = grants.revocation().finish(grants.now())
    assert (done.telling, done.secret_retired, bool(done.manual_step)) == (Telling.UNREACHED, True, True)
    assert grants.vault.read(account.id) is None
    assert not grants.now().revocation_pending
    assert "account.revoked unconfirmed" in grants.actions()
    assert grants.events.published[-1][0] == "account.revocation_unconfirmed"


def test_what_somebody_in_flight_may_still_store_is_looked_for_once_more() -> None:
    grants = Grants()
    account = grants.connect(token={"lease_owner": "consent", "lease_until": 9_999_999_999.0})
    done = grants.revocation().revoke(account, actor="key_1", reason="requested")
    assert (done.secret_retired, done.account.revocation_pending) == (True, True)
    late = grants.provider.grant()
    stored = TokenSet(
        access_token=late.access_token,
        refresh_token=late.refresh_token,
        expires_at=grants.clock() + 3600,
        obtained_at=grants.clock(),
        scope="",
    )
    grants.vault.open(account.id, stored, "late")
    grants.clock.advance(RETRY_EVERY)
    grants.rotation().run(deadline=grants.clock() + 290)
    assert grants.vault.read(account.id) is None
    assert late.refresh_token in grants.provider.revoked
    assert not grants.now().revocation_pending


def test_two_who_finish_at_once_do_not_meet() -> None:
    grants = Grants()
    grants.connect()
    grants.provider.faults.before("revoke", TokenEndpointBusy("503"))
    revoke(grants)

    def second() -> None:
        with pytest.raises(Conflict):
            grants.revocation().finish(grants.now())

    grants.vault.faults.before("retire", second)
    assert grants.revocation().finish(grants.now()).secret_retired
    assert grants.provider.revoked == ["refresh-1", "access-1"]


def test_what_is_known_of_an_older_state_does_not_retire_a_new_secret() -> None:
    grants = Grants()
    account = grants.connect()
    grants.provider.faults.before("revoke", TokenEndpointBusy("503"))
    revoke(grants)
    seen = grants.now()
    grants.accounts.accounts[account.id] = seen.changed(state=AccountState.ACTIVE, revocation_pending=False)
    with pytest.raises(Conflict):
        grants.revocation().finish(seen)
    assert grants.vault.read(account.id)


def test_a_revocation_that_took_longer_than_its_claim_leaves_the_secret_to_the_next() -> None:
    grants = Grants()
    account = grants.connect()
    grants.provider.faults.before("revoke", lambda: grants.clock.advance(91))
    assert not revoke(grants)
    assert grants.vault.read(account.id)
    grants.clock.advance(RETRY_EVERY)
    assert grants.revocation().finish(grants.now()).secret_retired


def test_an_event_bus_that_is_down_changes_nothing() -> None:
    grants = Grants()
    grants.connect()
    grants.events.faults.before("publish", Unavailable("bus"))
    assert revoke(grants)
    assert "event.unpublished failed" in grants.actions()


def test_what_the_bus_did_not_take_is_told_by_the_schedule_and_once() -> None:
    grants = Grants()
    grants.connect()
    grants.events.faults.before("publish", Unavailable("bus"))
    assert revoke(grants)
    assert not grants.now().revocation_pending
    assert grants.events.published == []
    for _ in range(3):
        grants.clock.advance(RETRY_EVERY)
        grants.rotation().run(deadline=grants.clock() + 290)
    assert [kind for kind, _ in grants.events.published] == ["account.revoked"]


def test_a_change_by_somebody_else_does_not_keep_a_mailbox_alive() -> None:
    grants = Grants()
    account = grants.connect()

    def rename() -> None:
        grants.accounts.accounts[account.id] = grants.now().changed(display_name="Ann")

    grants.accounts.faults.before("replace", rename, times=3)
    assert revoke(grants)
    assert grants.now().state is AccountState.REVOKED
    assert grants.now().display_name == "Ann"


def test_a_mailbox_that_never_stands_still_is_a_conflict() -> None:
    grants = Grants()
    account = grants.connect()

    def touch() -> None:
        grants.accounts.accounts[account.id] = grants.now().changed(updated_at=grants.clock())

    grants.accounts.faults.before("replace", touch, times=10)
    with pytest.raises(Conflict):
        revoke(grants)


def test_a_mailbox_that_was_connected_anew_meanwhile_keeps_its_new_state() -> None:
    grants = Grants()
    account = grants.connect()

    def reconnect() -> None:
        current = grants.now()
        grants.accounts.accounts[account.id] = current.changed(state=AccountState.ACTIVE, revocation_pending=False)

    grants.vault.faults.after("retire", reconnect)
    revoke(grants)
    assert grants.now().state is AccountState.ACTIVE


def test_dying_anywhere_after_the_disabling_leaves_it_to_the_schedule() -> None:
    calls = _calls_of_a_revocation()
    first = calls.index("accounts.replace")
    for number in range(first, len(calls)):
        for after in (False, True):
            if (number, after) == (first, False):
                continue  # nothing has happened yet; the caller got no answer and asks again
            grants = Grants()
            account = grants.connect()
            trap = Trap()
            watch(grants, trap)
            trap.at, trap.after_effect = number, after
            with pytest.raises(Crash):
                revoke(grants)
            assert grants.now().state is AccountState.REVOKED, calls[number]
            grants.clock.advance(RETRY_EVERY)
            grants.rotation().run(deadline=grants.clock() + 290)
            assert not grants.now().revocation_pending, calls[number]
            assert grants.provider.refresh_tokens == set(), calls[number]
            assert grants.vault.read(account.id) is None, calls[number]
            assert len({detail["id"] for _, detail in grants.events.published}) == 1, calls[number]


def _calls_of_a_revocation() -> list[str]:
    grants = Grants()
    grants.connect()
    trap = Trap()
    watch(grants, trap)
    revoke(grants)
    return trap.seen
