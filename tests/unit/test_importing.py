"""Connecting a mailbox by a refresh token that somebody already has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.errors import (
    AuditUnavailable,
    ClientRefused,
    Conflict,
    ConsentRefused,
    GrantRefused,
    InvalidInput,
    SecretMissing,
    TokenAnswerLost,
    TokenEndpointBusy,
    Unavailable,
)
from mailbearer.registration import Flow
from tests.fakes import ScriptedAuthorizationServer, ScriptedTransport
from tests.unit.grants import REGISTRATION, Grants, answer, mailbox, registration

if TYPE_CHECKING:
    from mailbearer.connecting.granting import Connected
    from mailbearer.ports.provider import TokenAnswer

TOKEN = "refresh-token-of-old"


class Importing:
    """One mailbox, a token that was granted elsewhere, and a scripted provider."""

    def __init__(self, *answers: TokenAnswer | Exception, userinfo: Any = None, **changes: Any) -> None:
        self.provider = ScriptedAuthorizationServer(
            refresh=answers, userinfo=[userinfo or {"email": "ann@example.org"}], revoke=[True]
        )
        self.grants = Grants(self.provider)
        self.grants.accounts.create(mailbox(**({"state": AccountState.PENDING_CONSENT} | changes)))

    def take(self, body: object = None) -> Connected:
        given = {"refresh_token": TOKEN} if body is None else body
        return self.grants.importing().take(self.grants.now(), given, actor="key_1")

    def refused(self) -> ConsentRefused:
        """Import, expect a refusal, and see that it is audited and that nothing is stored."""
        with pytest.raises(ConsentRefused) as caught:
            self.take()
        self.grants.trail.flush()
        assert self.grants.reasons("consent.refused") == [caught.value.reason]
        assert self.grants.vault.secrets == {}
        assert self.grants.now().state is AccountState.PENDING_CONSENT
        return caught.value


@pytest.mark.parametrize("state", [AccountState.PENDING_CONSENT, AccountState.CONSENT_REQUIRED, AccountState.REVOKED])
def test_a_token_connects_the_mailbox_under_its_id(state: AccountState) -> None:
    importing = Importing(answer(refresh_token="", scope="openid mail.send"), state=state, aliases=("a@example.org",))
    connected = importing.take()
    assert connected.account == importing.grants.now()
    assert (connected.account.state, connected.account.aliases) == (AccountState.ACTIVE, ("a@example.org",))
    assert importing.grants.secret().refresh_token == TOKEN
    assert connected.account.grants == (importing.grants.clock(),)
    assert importing.grants.actions() == ["consent.import intended", "consent.granted granted"]


def test_a_token_that_was_rotated_is_replaced_by_the_new_one() -> None:
    importing = Importing(answer())
    importing.take()
    assert importing.grants.secret().refresh_token == "refresh-1"


def test_scopes_that_are_missing_or_too_many_are_told() -> None:
    connected = Importing(answer(scope="openid mail.read")).take()
    assert (connected.missing, connected.excessive) == (("mail.send",), ("mail.read",))


@pytest.mark.parametrize(("kind", "asked"), [("oidc", ""), ("microsoft", "openid mail.send offline_access")])
def test_scopes_are_asked_for_only_where_the_provider_wants_to_hear_them(kind: str, asked: str) -> None:
    importing = Importing(answer())
    importing.grants.transport = ScriptedTransport(verifies=[True])
    importing.grants.registrations.registrations[REGISTRATION] = registration(kind=kind)
    importing.take()
    assert dict(importing.provider.asked)["refresh"]["scope"] == asked


def test_another_mailboxs_token_is_refused_and_stays_its_owners() -> None:
    importing = Importing(answer(refresh_token=""), userinfo={"email": "eve@example.org"})
    refusal = importing.refused()
    assert (refusal.reason, "Import one that was granted for" in refusal.detail) == ("identity_mismatch", True)
    assert importing.provider.calls["revoke"] == 0


def test_another_mailboxs_token_that_was_rotated_is_given_back() -> None:
    importing = Importing(answer(), userinfo={"email": "eve@example.org"})
    assert importing.refused().reason == "identity_mismatch"
    assert dict(importing.provider.asked)["revoke"]["token"] == "refresh-1"


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (GrantRefused("dead", finding="grant_expired_or_revoked"), "grant_expired_or_revoked"),
        (ClientRefused("another client's"), "registration_refused"),
        (SecretMissing("none"), "registration_incomplete"),
    ],
)
def test_a_token_that_the_provider_does_not_take_changes_nothing(trouble: Exception, reason: str) -> None:
    refused = Importing(trouble).refused()
    assert (refused.reason, refused.status) == (reason, 409)


@pytest.mark.parametrize("trouble", [TokenEndpointBusy("503"), TokenAnswerLost("cut")])
def test_a_provider_that_cannot_answer_changes_nothing(trouble: Exception) -> None:
    importing = Importing(trouble)
    with pytest.raises(Unavailable):
        importing.take()
    assert importing.grants.now().state is AccountState.PENDING_CONSENT
    assert importing.grants.vault.secrets == {}


def test_a_vault_that_is_down_gives_back_only_what_came_just_now() -> None:
    for rotated, revoked in ((answer(), 1), (answer(refresh_token=""), 0)):
        importing = Importing(rotated)
        importing.grants.vault.faults.before("open", Unavailable("throttled"))
        with pytest.raises(Unavailable):
            importing.take()
        assert importing.provider.calls["revoke"] == revoked


@pytest.mark.parametrize("state", [AccountState.ACTIVE, AccountState.PAUSED])
def test_a_mailbox_that_is_connected_takes_no_other_token(state: AccountState) -> None:
    with pytest.raises(Conflict):
        Importing(state=state).take()


def test_a_registration_that_speaks_for_itself_takes_no_refresh_token() -> None:
    importing = Importing()
    importing.grants.registrations.registrations[REGISTRATION] = registration(flow=Flow.CLIENT_CREDENTIALS)
    with pytest.raises(Conflict):
        importing.take()


def test_without_the_audit_log_the_token_is_not_used() -> None:
    importing = Importing()
    importing.grants.log.faults.before("write", AuditUnavailable("down"))
    with pytest.raises(AuditUnavailable):
        importing.take()
    assert importing.provider.calls["refresh"] == 0


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ([], ["not_an_object"]),
        ({}, ["invalid_refresh_token"]),
        ({"refresh_token": ""}, ["invalid_refresh_token"]),
        ({"refresh_token": 7}, ["invalid_refresh_token"]),
        ({"refresh_token": "a\r\nb"}, ["invalid_refresh_token"]),
        ({"refresh_token": "secret words"}, ["invalid_refresh_token"]),
        ({"refresh_token": "x" * 8193}, ["invalid_refresh_token"]),
        ({"refresh_token": TOKEN, "scope": "all"}, ["unknown_field"]),
    ],
)
def test_what_is_no_token_is_refused_and_never_quoted(body: object, faults: list[str]) -> None:
    importing = Importing()
    with pytest.raises(InvalidInput) as caught:
        importing.take(body)
    assert [fault.code for fault in caught.value.faults] == faults
    assert "secret words" not in str(caught.value)
    assert importing.provider.calls["refresh"] == 0


def test_the_token_is_in_no_log_event_or_error() -> None:
    good, bad = Importing(answer()), Importing(GrantRefused("dead"))
    told = repr(good.take()) + repr(bad.refused())
    for grants in (good.grants, bad.grants):
        grants.trail.flush()
        told += repr(grants.log.streams) + repr(grants.events.published) + repr(grants.now())
    assert TOKEN not in told
