"""Connecting a mailbox that nobody consents for: everything is asked first, and stored when it has been answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.credential import Credential
from mailbearer.errors import (
    AuditUnavailable,
    ClientRefused,
    Conflict,
    ConsentRefused,
    GrantRefused,
    SecretMissing,
    TokenAnswerLost,
    TokenEndpointBusy,
    TokenError,
    Unavailable,
)
from mailbearer.registration import Flow
from tests.fakes import ScriptedAuthorizationServer, ScriptedTransport
from tests.unit.grants import ADMIN, REGISTRATION, Crash, Grants, Trap, answer, mailbox, registration

if TYPE_CHECKING:
    from mailbearer.account import Account
    from mailbearer.connecting.granting import Connected
    from mailbearer.ports.provider import TokenAnswer

BODY = {"provider": REGISTRATION, "address": "ann@example.org", "display_name": "Ann"}


class Adding:
    """A registration that speaks for itself, and a scripted provider."""

    def __init__(self, *answers: TokenAnswer | Exception, flow: Flow = Flow.CLIENT_CREDENTIALS) -> None:
        self.provider = ScriptedAuthorizationServer()
        kind = "assertion" if flow is Flow.JWT_BEARER else "client_credentials"
        self.provider.scripts[kind].extend(answers)
        self.grants = Grants(self.provider)
        self.grants.registrations.registrations[REGISTRATION] = registration(flow=flow)

    def add(self, **changes: Any) -> Connected:
        directory = self.grants.directory()
        draft = directory.draft(BODY | changes)
        return self.grants.unattended().connect(
            draft.account, draft.registration, actor="key_1", admit=lambda: directory.add(draft, ADMIN)
        )

    @property
    def accounts(self) -> list[Account]:
        return list(self.grants.accounts.accounts.values())

    def refused(self) -> ConsentRefused:
        """Add the mailbox, expect a refusal, and see that it is audited and that nothing is stored."""
        with pytest.raises(ConsentRefused) as caught:
            self.add()
        self.grants.trail.flush()
        assert self.grants.reasons("consent.refused") == [caught.value.reason]
        assert self.accounts == []
        assert self.grants.vault.secrets == {}
        return caught.value


def bare(**changes: Any) -> TokenAnswer:
    """Give a token answer as unattended flows get it."""
    return answer(refresh_token="", **changes)


@pytest.mark.parametrize("flow", [Flow.CLIENT_CREDENTIALS, Flow.JWT_BEARER])
def test_a_mailbox_that_proves_itself_is_active_at_once_and_holds_no_refresh_token(flow: Flow) -> None:
    adding = Adding(bare(scope="mail.send"), flow=flow)
    connected = adding.add()
    assert adding.accounts == [connected.account]
    assert (connected.account.state, connected.account.display_name) == (AccountState.ACTIVE, "Ann")
    assert (connected.missing, connected.excessive, connected.account.grants) == ((), (), ())
    stored = adding.grants.vault.read(connected.account.id)
    assert stored is not None
    assert (stored.tokens.access_token, stored.tokens.refresh_token) == ("access-1", "")
    assert adding.grants.transport.verified == ["access-1"]
    assert adding.grants.lifecycle().usable(connected.account, needed_for=45) == "access-1"
    assert adding.grants.actions() == [
        "consent.grant intended",
        "account.add intended",
        "account.added added",
        "consent.granted granted",
    ]
    assert [name for name, _ in adding.grants.events.published] == ["account.connected"]


def test_a_service_account_asks_for_the_mailbox_by_its_address() -> None:
    adding = Adding(bare(), flow=Flow.JWT_BEARER)
    adding.grants.credentials.secrets[REGISTRATION] = (Credential(private_key="a key"),)
    adding.add()
    assert dict(adding.provider.asked)["assertion"]["subject"] == "ann@example.org"


@pytest.mark.parametrize(("verified", "proof"), [(True, "mail"), (None, "token")])
def test_the_audit_log_says_what_proved_the_mailbox(verified: bool | None, proof: str) -> None:
    adding = Adding(bare())
    adding.grants.transport = ScriptedTransport(verifies=[verified])
    adding.add()
    adding.grants.trail.flush()
    (event,) = [event for event in adding.grants.log.events if event.action == "consent.granted"]
    assert dict(event.facts)["proof"] == proof


def test_a_token_that_does_not_open_the_mailbox_adds_none() -> None:
    adding = Adding(bare())
    adding.grants.transport = ScriptedTransport(verifies=[False])
    refused = adding.refused()
    assert (refused.reason, refused.status) == ("mailbox_not_allowed", 409)
    assert "administrator" in refused.detail


@pytest.mark.parametrize(
    ("trouble", "reason", "said"),
    [
        (ClientRefused("7000222", finding="client_secret_expired"), "client_secret_expired", "secret"),
        (ClientRefused("unauthorized_client", finding="delegation_missing"), "delegation_missing", "client-1"),
        (GrantRefused("Robot is disabled.", finding="service_account_disabled"), "service_account_disabled", "service"),
        (TokenError("what?"), "token_error", "what?"),
        (SecretMissing("There are no credentials."), "registration_incomplete", "credentials"),
    ],
)
def test_a_refusal_adds_nothing_and_says_what_to_do(trouble: Exception, reason: str, said: str) -> None:
    refused = Adding(trouble).refused()
    assert (refused.reason, refused.status) == (reason, 409)
    assert said in refused.detail


@pytest.mark.parametrize("trouble", [TokenEndpointBusy("503"), TokenAnswerLost("cut")])
def test_a_provider_that_is_down_leaves_nothing_half_made_and_the_same_again_works(trouble: TokenError) -> None:
    adding = Adding(trouble, bare())
    with pytest.raises(Unavailable):
        adding.add()
    assert (adding.accounts, adding.grants.vault.secrets) == ([], {})
    assert adding.add().account.state is AccountState.ACTIVE


def test_a_vault_that_is_down_leaves_a_mailbox_that_the_same_again_connects_under_its_id() -> None:
    adding = Adding(bare(), bare())
    adding.grants.vault.faults.before("open", Unavailable("throttled"))
    with pytest.raises(Unavailable):
        adding.add()
    (pending,) = adding.accounts
    assert pending.state is AccountState.PENDING_CONSENT
    again = adding.add(display_name="Ann Äther").account
    assert (again.id, again.state, again.display_name) == (pending.id, AccountState.ACTIVE, "Ann Äther")
    assert adding.accounts == [again]


@pytest.mark.parametrize("state", [AccountState.REVOKED, AccountState.CONSENT_REQUIRED])
def test_a_mailbox_that_was_cut_off_is_connected_again_under_its_id(state: AccountState) -> None:
    adding = Adding(bare())
    before = mailbox(state=state, aliases=("a@example.org",))
    adding.grants.accounts.create(before)
    account = adding.add().account
    assert (account.id, account.state, account.aliases) == (before.id, AccountState.ACTIVE, ("a@example.org",))


@pytest.mark.parametrize("state", [AccountState.ACTIVE, AccountState.PAUSED])
def test_a_mailbox_that_is_connected_is_not_added_again(state: AccountState) -> None:
    adding = Adding()
    adding.grants.accounts.create(mailbox(state=state))
    with pytest.raises(Conflict):
        adding.add()


def test_without_the_audit_log_no_token_is_asked_for() -> None:
    adding = Adding()
    adding.grants.log.faults.before("write", AuditUnavailable("down"))
    with pytest.raises(AuditUnavailable):
        adding.add()
    assert adding.provider.calls["client_credentials"] == 0


def dying(point: tuple[int, bool] | None) -> tuple[Adding, Trap]:
    """Let the process die at one call, before or after its effect."""
    adding = Adding(bare(), bare(), bare())
    trap = Trap()
    for port in ("accounts", "registrations", "vault", "credentials", "events", "log"):
        getattr(adding.grants, port).faults = trap.named(port)
    trap.at, trap.after_effect = point or (-1, False)
    if point is None:
        adding.add()
    else:
        with pytest.raises(Crash):
            adding.add()
    return adding, trap


CALLS = dying(None)[1].seen
POINTS = [(number, after) for number in range(len(CALLS)) for after in (False, True)]


@pytest.mark.parametrize("point", POINTS, ids=[f"{'after' if after else 'before'} {CALLS[n]}" for n, after in POINTS])
def test_after_a_crash_the_same_again_connects_the_one_mailbox(point: tuple[int, bool]) -> None:
    adding, _ = dying(point)
    before = adding.accounts
    if not before or before[0].state is not AccountState.ACTIVE:
        adding.add()
    (account,) = adding.accounts
    assert [one.id for one in before] in ([], [account.id])
    assert adding.grants.lifecycle().usable(account, needed_for=45) == "access-1"
