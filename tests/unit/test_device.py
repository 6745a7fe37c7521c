"""Connecting a mailbox by a device code (RFC 8628): the provider is asked at its pace, and answered once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.connecting.device import TURN, DevicePage
from mailbearer.connecting.granting import Connected
from mailbearer.connecting.sealing import unseal
from mailbearer.errors import (
    AuditUnavailable,
    AuthorizationPending,
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
from mailbearer.ports.provider import DeviceAuthorization
from mailbearer.providers import definition_of
from mailbearer.registration import Flow
from tests.fakes import ScriptedAuthorizationServer
from tests.unit.grants import REGISTRATION, Crash, Grants, Trap, answer, crash, mailbox, registration

if TYPE_CHECKING:
    from mailbearer.account import Consent
    from mailbearer.ports.provider import TokenAnswer

GIVEN = DeviceAuthorization(
    device_code="device-code-1",
    user_code="WDJB-MJHT",
    verification_uri="https://id.example/device",
    verification_uri_complete="https://id.example/device?user_code=WDJB-MJHT",
    expires_in=900,
    interval=5,
)
PENDING = AuthorizationPending("pending")


class Typing:
    """One mailbox whose owner has a code to type, with a scripted provider."""

    def __init__(self, *answers: TokenAnswer | Exception, given: Any = GIVEN, **changes: Any) -> None:
        self.provider = ScriptedAuthorizationServer(
            device_authorization=[given],
            device_token=answers,
            userinfo=[{"email": "ann@example.org"}] * 3,
            revoke=[True] * 5,
        )
        self.grants = Grants(self.provider)
        registrations = self.grants.registrations.registrations
        registrations[REGISTRATION] = registration(flow=Flow.DEVICE_CODE)
        self.grants.accounts.create(mailbox(**({"state": AccountState.PENDING_CONSENT} | changes)))
        self.flow = self.grants.device()
        self.ticket = self.flow.begin(self.grants.now(), actor="key_1").rpartition("/")[2]

    @property
    def consent(self) -> Consent:
        return self.flow.tickets.find(self.ticket)

    @property
    def asked(self) -> int:
        return self.provider.calls["device_token"]

    def look(self, *, after: float = 6) -> DevicePage | Connected:
        """Load the page so many seconds later."""
        self.grants.clock.advance(after)
        return self.flow.look(self.consent, self.ticket)

    def refused(self) -> ConsentRefused:
        """Load the page, expect a refusal, and see that it is audited and that nothing is stored."""
        before = self.grants.now()
        with pytest.raises(ConsentRefused) as caught:
            self.look()
        self.grants.trail.flush()
        assert self.grants.reasons("consent.refused")[-1] == caught.value.reason
        assert self.grants.vault.secrets == {}
        assert self.grants.now().state is before.state
        return caught.value


def test_a_link_for_a_new_mailbox_is_stored_when_both_were_announced() -> None:
    typing = Typing()
    typing.grants.consents.consents.clear()
    typing.provider.scripts["device_authorization"].append(GIVEN)

    def refuse() -> None:
        raise AuditUnavailable("down")

    with pytest.raises(AuditUnavailable):
        typing.flow.begin(typing.grants.now(), actor="key_1", announce=refuse)
    assert typing.grants.consents.consents == {}


def test_the_page_shows_the_code_and_where_to_type_it_and_asks_nobody_too_early() -> None:
    typing = Typing()
    page = typing.look(after=0)
    assert isinstance(page, DevicePage)
    assert page.device.user_code == "WDJB-MJHT"
    assert page.again_in == 6
    assert typing.asked == 0


def test_while_nobody_has_answered_the_page_goes_on_and_then_the_mailbox_is_connected() -> None:
    typing = Typing(PENDING, PENDING, answer(scope="openid mail.send"))
    assert isinstance(typing.look(), DevicePage)
    assert isinstance(typing.look(), DevicePage)
    connected = typing.look()
    assert isinstance(connected, Connected)
    assert connected.account.state is AccountState.ACTIVE
    assert typing.grants.lifecycle().usable(connected.account, needed_for=45) == "access-1"
    assert dict(typing.provider.asked)["device_token"]["device_code"] == "device-code-1"
    assert typing.grants.actions() == [
        "consent.begin intended",
        "consent.grant intended",
        "consent.grant intended",
        "consent.granted granted",
    ]
    with pytest.raises(ConsentRefused):
        typing.look()


def test_an_id_token_needs_no_nonce_for_none_was_sent() -> None:
    typing = Typing()
    claims = {
        "iss": "https://id.example",
        "aud": "client-1",
        "exp": typing.grants.clock() + 3600,
        "email": "ann@example.org",
    }
    typing.provider.scripts["device_token"].append(answer(claims=claims))
    assert isinstance(typing.look(), Connected)


def test_another_mailbox_is_refused_and_its_grant_given_back() -> None:
    typing = Typing(answer())
    typing.provider.scripts["userinfo"].appendleft({"email": "eve@example.org"})
    assert typing.refused().reason == "identity_mismatch"
    assert dict(typing.provider.asked)["revoke"]["token"] == "refresh-1"


def test_whoever_reads_the_table_does_not_have_the_device_code() -> None:
    typing = Typing()
    (consent,) = typing.grants.consents.consents.values()
    assert consent.device is not None
    assert GIVEN.device_code not in consent.device.code
    with pytest.raises(ValueError, match="another ticket"):
        unseal(consent.device.code, "another-ticket")
    assert unseal(consent.device.code, typing.ticket) == GIVEN.device_code


def test_twenty_loads_at_once_ask_once() -> None:
    typing = Typing(PENDING)
    typing.grants.clock.advance(6)
    consent = typing.consent
    with ThreadPoolExecutor(20) as pool:
        pages = list(pool.map(lambda _: typing.flow.look(consent, typing.ticket), range(20)))
    assert all(isinstance(page, DevicePage) for page in pages)
    assert typing.asked == 1


def test_a_reload_within_the_interval_asks_nobody() -> None:
    typing = Typing(PENDING)
    typing.look()
    typing.look(after=4.9)
    assert typing.asked == 1


def test_a_provider_that_wants_it_slower_gets_five_seconds_more_from_then_on() -> None:
    typing = Typing(AuthorizationPending("slow", slow_down=True), PENDING, PENDING)
    typing.look()
    typing.look(after=9)
    assert typing.asked == 1
    typing.look(after=1)
    typing.look(after=9)
    assert typing.asked == 2
    typing.look(after=1)
    assert typing.asked == 3


@pytest.mark.parametrize("trouble", [TokenEndpointBusy("503"), TokenAnswerLost("cut")])
def test_a_provider_that_cannot_answer_is_asked_at_half_the_pace(trouble: TokenError) -> None:
    typing = Typing(trouble, PENDING)
    assert isinstance(typing.look(), DevicePage)
    typing.look(after=9)
    assert typing.asked == 1
    typing.look(after=1)
    assert typing.asked == 2


@pytest.mark.parametrize(
    ("trouble", "reason", "status"),
    [
        (TokenError("access_denied", finding="consent_declined"), "denied", 400),
        (TokenError("65004", finding="consent_missing", raw="access_denied/65004"), "denied", 400),
        (TokenError("70020", raw="expired_token/70020"), "device_code_expired", 410),
        (TokenError("expired_token", finding="device_code_expired"), "device_code_expired", 410),
        (GrantRefused("invalid_grant"), "invalid_grant", 502),
        (ClientRefused("no", finding="client_secret_expired"), "client_secret_expired", 502),
        (SecretMissing("no credentials"), "registration_incomplete", 502),
    ],
)
def test_a_no_ends_the_link(trouble: Exception, reason: str, status: int) -> None:
    typing = Typing(trouble)
    refused = typing.refused()
    assert (refused.reason, refused.status) == (reason, status)
    with pytest.raises(ConsentRefused) as caught:
        typing.look()
    assert caught.value.reason == "state_unknown"
    assert typing.asked == 1


@pytest.mark.parametrize(("life", "lives"), [(900, 600), (120, 120)])
def test_a_link_lives_as_long_as_its_code_but_no_more_than_ten_minutes(life: float, lives: float) -> None:
    typing = Typing(given=replace(GIVEN, expires_in=life))
    typing.look(after=0)
    with pytest.raises(ConsentRefused) as caught:
        typing.look(after=lives + 1)
    assert caught.value.reason == "state_unknown"
    assert typing.asked == 0


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [(TokenEndpointBusy("503"), Unavailable), (ClientRefused("no"), Conflict), (SecretMissing("none"), Conflict)],
)
def test_a_provider_that_gives_no_code_leaves_no_link(trouble: Exception, expected: type[Exception]) -> None:
    typing = Typing()
    typing.grants.consents.consents.clear()
    typing.provider.scripts["device_authorization"].append(trouble)
    with pytest.raises(expected):
        typing.flow.begin(typing.grants.now(), actor="key_1")
    assert typing.grants.consents.consents == {}


def test_the_device_code_is_in_no_log_and_in_no_text_of_a_consent() -> None:
    typing = Typing(PENDING)
    assert "device-code-1" not in repr(typing.consent)
    typing.look()
    typing.grants.trail.flush()
    assert "device-code-1" not in repr(typing.grants.log.streams)


# --- the audit log ----------------------------------------------------------------------------------------------------


def test_without_the_audit_log_nothing_is_asked() -> None:
    typing = Typing()
    typing.grants.log.faults.before("write", AuditUnavailable("down"))
    with pytest.raises(AuditUnavailable):
        typing.look()
    assert typing.asked == 0


def test_an_audit_log_that_went_down_since_the_first_question_lets_no_grant_in() -> None:
    typing = Typing(PENDING, answer())
    typing.look()
    typing.grants.log.faults.before("write", AuditUnavailable("down"))
    with pytest.raises(AuditUnavailable):
        typing.look()
    assert dict(typing.provider.asked)["revoke"]["token"] == "refresh-1"
    assert typing.grants.vault.secrets == {}


# --- meanwhile --------------------------------------------------------------------------------------------------------


def test_a_link_from_before_a_revocation_does_not_undo_it() -> None:
    typing = Typing()
    typing.grants.clock.advance(1)
    account = typing.grants.now()
    revoked = account.changed(state=AccountState.REVOKED, updated_at=typing.grants.clock())
    typing.grants.accounts.replace(revoked, expected=account)
    assert typing.refused().reason == "revoked_meanwhile"
    assert typing.asked == 0


def test_a_revocation_while_the_provider_answers_wins() -> None:
    typing = Typing()

    def revoke() -> TokenAnswer:
        typing.grants.clock.advance(1)
        typing.grants.revocation().revoke(typing.grants.now(), actor="key_1", reason="incident")
        return answer()

    typing.provider.scripts["device_token"].append(revoke)
    with pytest.raises(ConsentRefused) as caught:
        typing.look()
    assert caught.value.reason == "conflict"
    assert typing.grants.now().state is AccountState.REVOKED
    assert typing.grants.vault.read(typing.grants.now().id) is None
    assert "refresh-1" in [asked["token"] for kind, asked in typing.provider.asked if kind == "revoke"]


def test_a_grant_that_comes_for_a_link_that_was_ended_meanwhile_is_given_back() -> None:
    typing = Typing()

    def end() -> TokenAnswer:
        typing.grants.consents.consents.clear()
        return answer()

    typing.provider.scripts["device_token"].append(end)
    assert typing.refused().reason == "state_unknown"
    assert dict(typing.provider.asked)["revoke"]["token"] == "refresh-1"


def test_one_grant_too_many_ends_the_link_before_the_provider_is_asked() -> None:
    typing = Typing()
    definition = replace(definition_of("oidc"), live_refresh_tokens=1)
    account = typing.grants.now()
    typing.grants.accounts.accounts[account.id] = account.changed(grants=(typing.grants.clock(),))
    typing.grants.definitions = lambda _: definition
    typing.flow = typing.grants.device()
    assert typing.refused().reason == "too_many_grants"
    assert typing.asked == 0


def test_connecting_again_keeps_id_name_aliases_and_limits() -> None:
    kept: dict[str, Any] = {"display_name": "Ann", "aliases": ("a@example.org",), "limits": (("per_day", 5),)}
    typing = Typing(answer(), state=AccountState.CONSENT_REQUIRED, reason="grant_expired_or_revoked", **kept)
    connected = typing.look()
    assert isinstance(connected, Connected)
    assert (connected.account.id, connected.account.reason) == (mailbox().id, "")
    assert {name: getattr(connected.account, name) for name in kept} == kept


# --- crashes ----------------------------------------------------------------------------------------------------------


def test_whoever_dies_while_asking_holds_the_others_up_for_one_turn() -> None:
    typing = Typing(PENDING)
    typing.grants.clock.advance(6)
    typing.provider.scripts["device_token"].appendleft(crash)
    with pytest.raises(Crash):
        typing.look(after=0)
    assert isinstance(typing.look(after=TURN - 1), DevicePage)
    assert typing.asked == 1
    assert isinstance(typing.look(after=1), DevicePage)
    assert typing.asked == 2


def test_an_answer_that_dies_with_its_reader_ends_in_a_refusal_and_a_new_link_connects() -> None:
    typing = Typing(TokenError("expired_token", finding="device_code_expired"), answer())
    typing.provider.scripts["device_token"].appendleft(crash)
    with pytest.raises(Crash):
        typing.look()
    typing.grants.clock.advance(TURN)
    assert typing.refused().reason == "device_code_expired"
    typing.provider.scripts["device_authorization"].append(GIVEN)
    typing.ticket = typing.flow.begin(typing.grants.now(), actor="key_1").rpartition("/")[2]
    assert isinstance(typing.look(), Connected)


def dying(point: tuple[int, bool] | None) -> tuple[Typing, Trap]:
    """Let the process die at one call of the load that gets the tokens, before or after its effect."""
    typing = Typing(answer(), TokenError("expired_token", finding="device_code_expired"), answer(2))
    trap = Trap()
    for port in ("accounts", "registrations", "vault", "credentials", "events", "log", "consents"):
        getattr(typing.grants, port).faults = trap.named(port)
    trap.at, trap.after_effect = point or (-1, False)
    if point is None:
        typing.look()
    else:
        with pytest.raises(Crash):
            typing.look()
    return typing, trap


CALLS = dying(None)[1].seen
POINTS = [(number, after) for number in range(len(CALLS)) for after in (False, True)]


@pytest.mark.parametrize("point", POINTS, ids=[f"{'after' if after else 'before'} {CALLS[n]}" for n, after in POINTS])
def test_a_crash_leaves_a_mailbox_that_waits_or_one_that_sends(point: tuple[int, bool]) -> None:
    typing, _ = dying(point)
    grants = typing.grants
    for _ in range(2):
        # The page renews itself; the provider gives the tokens once.
        if grants.now().state is AccountState.ACTIVE:
            break
        try:
            typing.look(after=TURN)
        except ConsentRefused:
            typing.provider.scripts["device_authorization"].append(GIVEN)
            typing.ticket = typing.flow.begin(grants.now(), actor="key_1").rpartition("/")[2]
    if grants.now().state is not AccountState.ACTIVE:
        assert isinstance(typing.look(), Connected)
    assert grants.lifecycle().usable(grants.now(), needed_for=45)
