"""Connecting a mailbox (semantics.md, Consent): one use, ten minutes, the mailbox pinned, or nothing is stored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mailbearer.account import Account, AccountState, DeviceCode
from mailbearer.connecting.granting import Connected
from mailbearer.connecting.tickets import CONSENT_LIFE
from mailbearer.errors import (
    AuditUnavailable,
    ClientRefused,
    Conflict,
    ConsentRefused,
    GrantRefused,
    TokenAnswerInvalid,
    TokenEndpointBusy,
    TokenError,
    Unavailable,
)
from mailbearer.providers import definition_of
from mailbearer.token import planned_version
from tests.fakes import ScriptedAuthorizationServer, ScriptedTransport
from tests.unit.grants import REGISTRATION, Grants, answer, mailbox, registration

if TYPE_CHECKING:
    from mailbearer.connecting.consent import ConsentPage
    from mailbearer.ports.provider import TokenAnswer

ISSUER = "https://id.example"


class Connecting:
    """One mailbox on its way through consent, with a scripted provider."""

    def __init__(self, *answers: TokenAnswer | Exception, userinfo: Any = ({"email": "ann@example.org"},)) -> None:
        self.provider = ScriptedAuthorizationServer(redeem=answers, userinfo=userinfo, revoke=[True] * 5)
        self.grants = Grants(self.provider)
        self.flow = self.grants.consent()
        self.account = mailbox(state=AccountState.PENDING_CONSENT)
        self.grants.accounts.create(self.account)
        self.begin()

    def begin(self) -> None:
        self.link = self.flow.begin(self.grants.now(), actor="key_1")
        self.ticket = self.link.rpartition("/")[2]
        (self.state,) = parse_qs(urlsplit(self.page().authorization_url).query)["state"]

    def page(self) -> ConsentPage:
        return self.flow.page(self.ticket, self.flow.tickets.find(self.ticket))

    @property
    def nonce(self) -> str:
        (consent,) = self.grants.consents.consents.values()
        return consent.nonce

    def finish(self, **query: str) -> Connected:
        return self.flow.finish({"state": self.state, "code": "code-1", "iss": ISSUER} | query)

    def refused(self, **query: str) -> ConsentRefused:
        """Finish, expect a refusal, and see that it is audited and that nothing is stored."""
        with pytest.raises(ConsentRefused) as caught:
            self.finish(**query)
        self.grants.trail.flush()
        assert self.grants.reasons("consent.refused")[-1] == caught.value.reason
        assert self.grants.vault.secrets == {}
        assert self.grants.now().state is AccountState.PENDING_CONSENT
        assert self.grants.events.published == []
        return caught.value


def claims(connecting: Connecting, **changes: Any) -> dict[str, Any]:
    now = connecting.grants.clock()
    values = {"iss": ISSUER, "aud": "client-1", "exp": now + 3600, "nonce": connecting.nonce, "sub": "1"}
    return values | {"email": "ann@example.org"} | changes


# --- the good end -----------------------------------------------------------------------------------------------------


def test_a_consent_makes_the_mailbox_active_and_its_token_usable() -> None:
    connecting = Connecting(answer(scope="openid mail.send"))
    connected = connecting.finish()
    account = connecting.grants.now()
    assert connected == Connected(account, missing=(), excessive=())
    assert account.state is AccountState.ACTIVE
    assert account.scopes_granted == ("openid", "mail.send")
    assert account.token.version == planned_version(account.id, 1)
    assert connecting.grants.lifecycle().usable(account, needed_for=45) == "access-1"
    assert connecting.grants.actions() == [
        "consent.begin intended",
        "consent.grant intended",
        "consent.granted granted",
    ]
    assert [name for name, _ in connecting.grants.events.published] == ["account.connected"]


def test_the_code_goes_once_with_the_verifier_and_the_exact_redirect_uri() -> None:
    connecting = Connecting(answer())
    (consent,) = connecting.grants.consents.consents.values()
    connecting.finish()
    asked = dict(connecting.provider.asked)["redeem"]
    assert asked["code"] == "code-1"
    assert asked["verifier"] == consent.verifier
    assert asked["redirect_uri"] == "https://api.example/oauth/callback"
    assert asked["client_secret"] == "client-secret"
    assert len(consent.verifier) == 43


def test_the_page_shows_the_mailbox_and_may_be_opened_again_until_the_consent_is_used() -> None:
    connecting = Connecting(answer())
    for _ in range(3):
        page = connecting.page()
        assert (page.account, page.registration.name) == (connecting.account, REGISTRATION)
    connecting.finish()
    with pytest.raises(ConsentRefused) as refused:
        connecting.page()
    assert refused.value.status == 410


def test_the_provider_learns_neither_the_link_nor_the_table_the_state() -> None:
    connecting = Connecting(answer())
    (consent,) = connecting.grants.consents.consents.values()
    assert connecting.ticket not in connecting.state
    assert connecting.state not in consent.state_hash
    assert connecting.ticket not in repr(consent)
    assert consent.verifier not in repr(consent)


def test_scopes_that_are_missing_or_too_many_are_told() -> None:
    connecting = Connecting(answer(scope="openid profile mail.read"))
    connected = connecting.finish()
    assert (connected.missing, connected.excessive) == (("mail.send",), ("mail.read",))
    connecting.grants.trail.flush()
    (event,) = [event for event in connecting.grants.log.events if event.action == "consent.granted"]
    assert dict(event.facts)["scope_missing"] == "mail.send"
    assert dict(event.facts)["scope_excessive"] == "mail.read"


def test_a_scope_that_goes_unsaid_is_the_one_that_was_asked_for() -> None:
    connecting = Connecting(answer(scope=None))
    assert connecting.finish().missing == ()
    assert connecting.grants.secret().scope == "openid mail.send"


# --- whose mailbox it is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told", [{"email": "Ann@Example.org"}, {"preferred_username": "ann@example.org"}, {"upn": "ANN@example.org"}]
)
def test_the_id_token_proves_the_mailbox_without_another_call(told: dict[str, str]) -> None:
    connecting = Connecting(userinfo=())
    values = {name: value for name, value in claims(connecting).items() if name != "email"}
    connecting.provider.scripts["redeem"].append(answer(claims=values | told))
    assert connecting.finish().account.state is AccountState.ACTIVE
    assert connecting.provider.calls["userinfo"] == 0


def test_userinfo_proves_the_mailbox_where_the_id_token_says_nothing_of_it() -> None:
    connecting = Connecting()
    values = {name: value for name, value in claims(connecting).items() if name != "email"}
    connecting.provider.scripts["redeem"].append(answer(claims=values))
    connecting.finish()
    assert connecting.provider.calls["userinfo"] == 1


@pytest.mark.parametrize("userinfo", [None, {}, {"sub": "1"}])
def test_the_mail_server_proves_the_mailbox_where_nobody_else_can(userinfo: Any) -> None:
    connecting = Connecting(answer(), userinfo=[userinfo])
    connecting.finish()
    assert connecting.grants.transport.verified == ["access-1"]


@pytest.mark.parametrize(("verified", "reason"), [(None, "identity_unproven"), (False, "identity_mismatch")])
def test_what_nobody_can_prove_is_given_back(verified: bool | None, reason: str) -> None:
    connecting = Connecting(answer(), userinfo=[None])
    connecting.grants.transport = ScriptedTransport(verifies=[verified])
    assert connecting.refused().reason == reason
    assert dict(connecting.provider.asked)["revoke"]["token"] == "refresh-1"


@pytest.mark.parametrize(
    "userinfo",
    [
        {"email": "ben@example.org"},
        {"email": "ann@example.org", "email_verified": False},
        {"email": "ann@example.org", "email_verified": "false"},
        {"email": "ann@example.org.evil.example"},
    ],
)
def test_another_mailbox_or_an_unverified_address_is_refused_and_the_token_given_back(userinfo: Any) -> None:
    connecting = Connecting(answer(), userinfo=[userinfo])
    refused = connecting.refused()
    assert (refused.reason, refused.status) == ("identity_mismatch", 403)
    asked = dict(connecting.provider.asked)["revoke"]
    assert (asked["token"], asked["hint"]) == ("refresh-1", "refresh_token")


def test_userinfo_that_fails_proves_nothing() -> None:
    connecting = Connecting(answer(), userinfo=[TokenEndpointBusy("503"), TokenEndpointBusy("503")])
    connecting.grants.transport = ScriptedTransport(verifies=[None])
    refused = connecting.refused()
    assert (refused.reason, refused.status) == ("identity_unproven", 503)


def test_userinfo_that_cannot_answer_is_asked_once_more_for_a_grant_hangs_on_it() -> None:
    connecting = Connecting(answer(), userinfo=[TokenEndpointBusy("503"), {"email": "ann@example.org"}])
    connecting.grants.transport = ScriptedTransport(verifies=[None])
    assert connecting.finish().account.state is AccountState.ACTIVE


def test_the_mail_server_proves_the_mailbox_of_a_token_that_userinfo_does_not_take() -> None:
    connecting = Connecting(answer(), userinfo=[TokenError("insufficient_scope")])
    connecting.grants.transport = ScriptedTransport(verifies=[True])
    assert connecting.finish().account.state is AccountState.ACTIVE


def test_a_provider_that_cannot_take_the_token_back_is_audited() -> None:
    connecting = Connecting(answer(), userinfo=[{"email": "ben@example.org"}])
    connecting.provider.scripts["revoke"].appendleft(TokenEndpointBusy("503"))
    connecting.refused()
    assert "token.revoke_failed failed" in connecting.grants.log.actions


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        ("iss", {"iss": "https://evil.example"}),
        ("aud", {"aud": "client-2"}),
        ("aud", {"aud": ["client-2", "client-3"]}),
        ("aud", {"aud": None}),
        ("exp", {"exp": 1_749_000_000}),
        ("exp", {"exp": "soon"}),
        ("exp", {"exp": None}),
        ("nonce", {"nonce": "of another consent"}),
        ("nonce", {"nonce": None}),
        ("nonce", {"nonce": ["a list"]}),
        ("azp", {"azp": "client-2"}),
        ("azp", {"azp": {}}),
    ],
)
def test_an_id_token_of_something_else_is_refused(fault: str, changes: dict[str, Any]) -> None:
    connecting = Connecting()
    connecting.provider.scripts["redeem"].append(answer(claims=claims(connecting, **changes)))
    refused = connecting.refused()
    assert refused.reason == "id_token_invalid"
    assert fault in refused.detail


def test_an_audience_may_be_a_list() -> None:
    connecting = Connecting()
    connecting.provider.scripts["redeem"].append(answer(claims=claims(connecting, aud=["other", "client-1"])))
    assert connecting.finish().account.state is AccountState.ACTIVE


def test_without_the_scope_openid_no_nonce_was_sent_and_none_has_to_come_back() -> None:
    connecting = Connecting()
    registrations = connecting.grants.registrations.registrations
    registrations[REGISTRATION] = registration(scopes=("mail.send",))
    connecting.provider.scripts["redeem"].append(answer(claims=claims(connecting, nonce=None)))
    assert connecting.finish().account.state is AccountState.ACTIVE


def test_the_first_claim_that_counts_names_the_mailbox_whatever_the_others_say() -> None:
    connecting = Connecting()
    told = claims(connecting, email="ben@example.org", preferred_username="ann@example.org")
    connecting.provider.scripts["redeem"].append(answer(claims=told))
    assert connecting.refused().reason == "identity_mismatch"


def test_userinfo_of_another_subject_than_the_id_tokens_says_nothing() -> None:
    connecting = Connecting(userinfo=[{"sub": "2", "email": "ann@example.org"}])
    connecting.provider.scripts["redeem"].append(answer(claims=claims(connecting, email="")))
    connecting.grants.transport = ScriptedTransport(verifies=[None])
    assert connecting.refused().reason == "identity_unproven"


def at(connecting: Connecting, kind: str, **changes: Any) -> None:
    """Let the one registration be of another kind."""
    registrations = connecting.grants.registrations.registrations
    registrations[REGISTRATION] = registration(kind=kind, **changes)


def test_what_a_tenants_administrator_can_set_proves_no_mailbox_at_microsoft() -> None:
    connecting = Connecting(userinfo=[{"email": "ann@example.org"}])
    at(connecting, "microsoft")
    connecting.provider.scripts["redeem"].append(answer(claims=claims(connecting)))
    connecting.grants.transport = ScriptedTransport(verifies=[None])
    assert connecting.refused().reason == "identity_unproven"


@pytest.mark.parametrize(("verified", "good"), [(True, True), ("true", True), (None, False), (False, False)])
def test_google_has_to_say_that_an_address_is_verified(verified: object, good: bool) -> None:
    connecting = Connecting()
    at(connecting, "google")
    told = claims(connecting, email_verified=verified)
    connecting.provider.scripts["redeem"].append(answer(claims=told))
    if good:
        assert connecting.finish().account.state is AccountState.ACTIVE
    else:
        assert connecting.refused().reason == "identity_mismatch"


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_state_is_used_once_by_one_of_twenty() -> None:
    connecting = Connecting(answer())

    def finish(_: int) -> str:
        try:
            connecting.finish()
        except ConsentRefused as error:
            return error.reason
        return "connected"

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(finish, range(20)))
    assert sorted(results) == ["connected"] + 19 * ["state_unknown"]
    assert connecting.provider.calls["redeem"] == 1


@pytest.mark.parametrize("state", ["", "guessed", "x" * 5000])
def test_a_state_that_we_never_gave_is_refused_without_a_call(state: str) -> None:
    connecting = Connecting()
    refused = connecting.refused(state=state)
    assert (refused.reason, refused.status) == ("state_unknown", 410)
    assert connecting.provider.calls["redeem"] == 0


def test_a_late_answer_is_refused_although_the_table_still_has_the_consent() -> None:
    connecting = Connecting()
    connecting.grants.clock.advance(CONSENT_LIFE + 1)
    assert connecting.refused().reason == "state_unknown"
    with pytest.raises(ConsentRefused):
        connecting.page()
    assert connecting.provider.calls["redeem"] == 0


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"iss": "https://evil.example"}, "issuer_mismatch"),
        ({"iss": "https://id.example/"}, "issuer_mismatch"),
        ({"code": ""}, "code_missing"),
        ({"error": "access_denied", "code": ""}, "denied"),
        ({"error": "server_error", "code": ""}, "provider_error"),
        ({"error": "<script>alert(1)</script>"}, "provider_error"),
    ],
)
def test_a_bad_answer_is_refused_without_a_token_call(query: dict[str, str], reason: str) -> None:
    connecting = Connecting()
    refused = connecting.refused(**query)
    assert refused.reason == reason
    assert "<" not in refused.detail
    assert connecting.provider.calls["redeem"] == 0


def test_an_issuer_that_is_promised_has_to_come() -> None:
    connecting = Connecting()
    registrations = connecting.grants.registrations.registrations
    registrations[REGISTRATION] = registration(issuer_in_callback=True)
    assert connecting.refused(iss="").reason == "issuer_mismatch"


def test_an_issuer_that_is_not_promised_may_stay_away() -> None:
    connecting = Connecting(answer())
    assert connecting.finish(iss="").account.state is AccountState.ACTIVE


def test_a_refused_answer_has_used_the_state_up() -> None:
    connecting = Connecting(answer())
    connecting.refused(iss="https://evil.example")
    assert connecting.refused().reason == "state_unknown"


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (GrantRefused("code used twice"), "invalid_grant"),
        (ClientRefused("secret"), "registration_refused"),
        (TokenEndpointBusy("503"), "token_endpoint_unavailable"),
        (TokenAnswerInvalid("no access_token"), "token_answer_invalid"),
        (TokenError("?"), "token_error"),
    ],
)
def test_a_code_that_brings_no_token_is_used_once_and_refused(trouble: TokenError, reason: str) -> None:
    connecting = Connecting(trouble)
    refused = connecting.refused()
    assert (refused.reason, refused.status) == (reason, 502)
    assert connecting.provider.calls["redeem"] == 1


def test_no_refresh_token_is_refused_and_the_access_token_given_back() -> None:
    connecting = Connecting(answer(refresh_token=""))
    assert connecting.refused().reason == "refresh_token_missing"
    asked = dict(connecting.provider.asked)["revoke"]
    assert (asked["token"], asked["hint"]) == ("access-1", "access_token")


def test_a_registration_without_its_secret_is_refused_without_a_call() -> None:
    connecting = Connecting()
    connecting.grants.credentials.secrets.clear()
    assert connecting.refused().reason == "registration_incomplete"
    assert connecting.provider.calls["redeem"] == 0


def test_a_mailbox_that_was_removed_meanwhile_is_gone() -> None:
    connecting = Connecting()
    connecting.grants.accounts.accounts.clear()
    with pytest.raises(ConsentRefused) as refused:
        connecting.finish()
    assert (refused.value.reason, refused.value.status) == ("subject_gone", 410)


def test_a_link_from_before_a_revocation_does_not_undo_it() -> None:
    connecting = Connecting(answer())
    connecting.grants.clock.advance(1)
    account = connecting.grants.now()
    revoked = account.changed(state=AccountState.REVOKED, updated_at=connecting.grants.clock())
    connecting.grants.accounts.replace(revoked, expected=account)
    with pytest.raises(ConsentRefused) as caught:
        connecting.finish()
    assert caught.value.reason == "revoked_meanwhile"
    assert connecting.grants.now() == revoked
    connecting.grants.clock.advance(1)
    connecting.begin()
    assert connecting.finish().account.state is AccountState.ACTIVE


@pytest.mark.parametrize(
    ("query", "good"),
    [
        ({"location": "us", "accounts-server": "https://accounts.zoho.com"}, True),
        ({}, True),
        ({"location": "eu", "accounts-server": "https://accounts.zoho.eu"}, False),
        ({"accounts-server": "https://accounts.zoho.com.evil.example"}, False),
    ],
)
def test_a_code_is_redeemed_in_no_other_data_centre_than_the_registrations(query: dict[str, str], good: bool) -> None:
    connecting = Connecting(answer(claims=None), userinfo=[None])
    at(connecting, "zoho", endpoints=definition_of("zoho").endpoints)
    if good:
        assert connecting.finish(**query, iss="").account.state is AccountState.ACTIVE
        return
    refused = connecting.refused(**query, iss="")
    assert refused.reason == "data_centre_mismatch"
    assert connecting.provider.calls["redeem"] == 0


def test_a_device_code_has_no_callback() -> None:
    connecting = Connecting()
    consents = connecting.grants.consents.consents
    (consent,) = consents.values()
    device = DeviceCode(code="d", user_code="u", verification_uri="https://id.example/", interval=5, ask_at=0)
    consents[consent.state_hash] = replace(consent, device=device)
    assert connecting.refused().reason == "state_unknown"


def test_nobody_to_ask_is_a_conflict() -> None:
    grants = Grants()
    with pytest.raises(Conflict):
        grants.consent().begin(mailbox(provider="gone"), actor="key_1")


# --- the audit log ----------------------------------------------------------------------------------------------------


def test_without_the_audit_log_no_consent_begins() -> None:
    connecting = Connecting()
    connecting.grants.consents.consents.clear()
    connecting.grants.log.faults.before("write", AuditUnavailable("down"))
    with pytest.raises(AuditUnavailable):
        connecting.flow.begin(connecting.account, actor="key_1")
    assert connecting.grants.consents.consents == {}


def test_without_the_audit_log_no_access_is_granted() -> None:
    connecting = Connecting(answer())
    connecting.grants.log.faults.before("write", AuditUnavailable("down"))
    with pytest.raises(AuditUnavailable):
        connecting.finish()
    assert connecting.provider.calls["redeem"] == 0
    assert connecting.grants.vault.secrets == {}
    assert connecting.grants.now().state is AccountState.PENDING_CONSENT


def test_no_secret_of_a_consent_is_in_the_audit_log() -> None:
    connecting = Connecting(answer())
    (consent,) = connecting.grants.consents.consents.values()
    connecting.finish()
    connecting.grants.trail.flush()
    told = repr(connecting.grants.log.streams)
    secrets = [consent.verifier, consent.nonce, connecting.ticket, connecting.state, "code-1", "access-1", "refresh-1"]
    assert [secret for secret in [*secrets, "client-secret"] if secret in told] == []


# --- connecting again -------------------------------------------------------------------------------------------------


def reconnect(grants: Grants, **changes: Any) -> tuple[Account, Connected]:
    """Lead a mailbox that has been connected before through consent again."""
    before = grants.now()
    grants.accounts.accounts[before.id] = before = before.changed(**changes)
    flow = grants.consent()
    ticket = flow.begin(before, actor="key_1").rpartition("/")[2]
    page = flow.page(ticket, flow.tickets.find(ticket))
    (state,) = parse_qs(urlsplit(page.authorization_url).query)["state"]
    return before, flow.finish({"state": state, "code": "c"})


@pytest.mark.parametrize("state", [AccountState.CONSENT_REQUIRED, AccountState.REVOKED, AccountState.ACTIVE])
def test_connecting_again_keeps_the_id_and_takes_a_new_fence(state: AccountState) -> None:
    grants = Grants()
    grants.connect(token={"failures": 3, "answer_lost_at": 1.0, "backoff_until": grants.clock() + 900})
    before, connected = reconnect(grants, state=state, reason="gone")
    account = connected.account
    assert account.id == before.id
    assert (account.state, account.reason) == (AccountState.ACTIVE, "")
    assert account.token.fence > before.token.fence
    assert (account.token.failures, account.token.answer_lost_at, account.token.backoff_until) == (0, 0, 0)
    assert grants.lifecycle().usable(account, needed_for=45) == "access-2"


def test_a_revoked_mailbox_gets_its_secret_back() -> None:
    grants = Grants()
    grants.connect()
    grants.revocation().revoke(grants.now(), actor="key_1", reason="requested")
    _, connected = reconnect(grants)
    assert grants.lifecycle().usable(connected.account, needed_for=45) == "access-2"


def test_a_refresh_of_the_old_grant_cannot_overwrite_the_new_one() -> None:
    grants = Grants()
    grants.connect(ends_in=-1)
    grants.provider.faults.after("refresh", lambda: reconnect(grants))
    process = grants.lifecycle()
    with pytest.raises(TokenError):
        process.usable(grants.now(), needed_for=45)
    assert grants.secret().refresh_token == "refresh-3"
    assert process.usable(grants.now(), needed_for=45) == "access-3"


def test_a_change_of_the_mailbox_during_the_consent_is_kept() -> None:
    grants = Grants()
    grants.connect()

    def rename() -> None:
        grants.accounts.accounts[grants.now().id] = grants.now().changed(display_name="Ann")

    grants.vault.faults.after("open", rename)
    grants.provider.faults.after("redeem", rename)
    _, connected = reconnect(grants)
    assert (connected.account.display_name, connected.account.state) == ("Ann", AccountState.ACTIVE)


def test_a_refresh_that_begins_during_the_consent_does_not_spoil_it() -> None:
    grants = Grants()
    grants.connect()
    grants.vault.faults.after("open", lambda: grants.change(fence=7, lease_owner="other", lease_until=2e9))
    _, connected = reconnect(grants)
    assert connected.account.token.fence > 7
    assert connected.account.token.lease_owner == ""


@pytest.mark.parametrize(
    ("port", "operation"),
    [("provider", "redeem"), ("accounts", "replace"), ("vault", "open")],
)
@pytest.mark.parametrize("state", [AccountState.ACTIVE, AccountState.CONSENT_REQUIRED, AccountState.PENDING_CONSENT])
def test_a_revocation_during_the_consent_wins(state: AccountState, port: str, operation: str) -> None:
    grants = Grants()
    grants.connect(state=state)

    def revoke() -> None:
        grants.revocation().revoke(grants.now(), actor="key_1", reason="incident")

    getattr(grants, port).faults.before(operation, revoke)
    with pytest.raises(ConsentRefused) as refused:
        reconnect(grants)
    assert refused.value.reason == "conflict"
    assert grants.now().state is AccountState.REVOKED
    assert grants.vault.read(grants.now().id) is None
    assert "refresh-2" in grants.provider.revoked


def test_a_bus_that_is_down_changes_nothing() -> None:
    connecting = Connecting(answer())
    connecting.grants.events.faults.before("publish", Unavailable("bus"))
    assert connecting.finish().account.state is AccountState.ACTIVE
    assert "event.unpublished failed" in connecting.grants.actions()


def test_a_link_made_after_a_revocation_outlives_the_end_of_that_revocation() -> None:
    grants = Grants()
    account = grants.connect()
    grants.provider.faults.before("revoke", TokenEndpointBusy("503"))
    grants.revocation().revoke(account, actor="key_1", reason="requested")
    grants.clock.advance(10)
    ticket = grants.consent().begin(grants.now(), actor="key_1").rpartition("/")[2]
    grants.clock.advance(100)
    assert grants.revocation().finish(grants.now()).secret_retired
    grants.consent().page(ticket, grants.tickets().find(ticket))
