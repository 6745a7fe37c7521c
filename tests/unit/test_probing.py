"""Proving that a token opens its mailbox, sending nothing."""

from __future__ import annotations

from typing import Any

import pytest

from mailbearer.account import AccountState
from mailbearer.errors import ClientRefused, GrantDead, TokenEndpointBusy, TokenError, TokenRefused
from tests.fakes import ScriptedAuthorizationServer, ScriptedTransport
from tests.unit.grants import Grants


def probed(userinfo: Any, verifies: bool | None) -> tuple[Grants, bool | None]:
    grants = Grants(ScriptedAuthorizationServer(userinfo=[userinfo]))
    grants.connect()
    grants.transport = ScriptedTransport(verifies=[verifies])
    return grants, grants.prober().probe(grants.now()).valid


@pytest.mark.parametrize(
    ("userinfo", "verifies", "valid"),
    [
        ({"sub": "1"}, None, True),
        (None, True, True),
        (None, False, False),
        (None, None, None),
        (TokenRefused("401"), None, False),
        (TokenRefused("401: of another audience"), True, True),
        (TokenRefused("401"), False, False),
    ],
)
def test_userinfo_or_the_mail_server_says_whether_a_token_is_good(
    userinfo: Any, verifies: bool | None, valid: bool | None
) -> None:
    grants, found = probed(userinfo, verifies)
    assert found is valid
    outcome = {True: "valid", False: "invalid", None: "unknown"}[valid]
    assert grants.actions() == [f"token.validated {outcome}"]
    assert grants.now().probe.valid_at == (grants.clock() if valid else 0)


def test_a_mail_server_is_not_asked_where_userinfo_said_yes() -> None:
    grants, _ = probed({"sub": "1"}, None)
    assert grants.transport.verified == []


def test_a_provider_that_cannot_answer_says_nothing_about_the_token() -> None:
    with pytest.raises(TokenEndpointBusy):
        probed(TokenEndpointBusy("503"), None)


def test_an_answer_that_is_none_is_an_error_and_not_a_verdict() -> None:
    with pytest.raises(TokenError):
        probed(TokenError("HTTP 404"), None)


def test_a_dead_grant_is_told_as_such() -> None:
    grants = Grants()
    grants.connect(state=AccountState.CONSENT_REQUIRED, reason="gone")
    with pytest.raises(GrantDead):
        grants.prober().probe(grants.now())


def test_a_mailbox_whose_registration_is_gone_cannot_be_probed() -> None:
    grants = Grants()
    grants.connect(provider="gone")
    with pytest.raises(ClientRefused):
        grants.prober().probe(grants.now())


def test_a_mailbox_that_changed_during_the_probe_keeps_its_change() -> None:
    grants = Grants()
    account = grants.connect()

    def rename() -> None:
        grants.accounts.accounts[account.id] = grants.now().changed(display_name="Ann")

    grants.provider.faults.after("userinfo", rename)
    assert grants.prober().probe(account).account.display_name == "Ann"
    assert grants.now().probe.valid_at == grants.clock()
