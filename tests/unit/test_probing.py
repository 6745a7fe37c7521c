"""Proving that a token opens its mailbox, has its scopes and is the same mailbox's, sending nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.definition import ProbeBy
from mailbearer.errors import (
    ClientRefused,
    GrantDead,
    GrantRefused,
    RefreshDeferred,
    SecretMissing,
    TokenEndpointBusy,
    TokenError,
    TokenRefused,
    Unavailable,
)
from mailbearer.ports.provider import TokenFacts
from mailbearer.probing.prober import PROBE_EVERY, SLOWEST
from mailbearer.providers import definition_of
from mailbearer.registration import Flow
from tests.fakes import ScriptedAuthorizationServer, ScriptedTransport
from tests.unit.grants import REGISTRATION, Grants, answer

if TYPE_CHECKING:
    from mailbearer.definition import Definition

INTROSPECTION = "https://id.example/introspect"
TOKENINFO = "https://id.example/tokeninfo"


def played(
    *,
    verifies: tuple[bool | None, ...] = (),
    probes: tuple[ProbeBy, ...] = (),
    forced: bool = True,
    ends_in: float = 3600,
    **scenes: Any,
) -> Grants:
    """Give a mailbox of a provider that plays these scenes; with `forced` its refresh of these five minutes is used."""
    server = ScriptedAuthorizationServer(**scenes)
    grants = Grants(server)
    grants.transport = ScriptedTransport(verifies=verifies)
    endpoints = replace(
        grants.registrations.registrations[REGISTRATION].endpoints,
        introspection_url=INTROSPECTION if "introspect" in scenes else "",
        tokeninfo_url=TOKENINFO if "tokeninfo" in scenes else "",
    )
    register(grants, endpoints=endpoints)
    if probes:
        definition = replace(definition_of("oidc"), probes=probes)
        grants.definitions = lambda _: definition
    now = grants.clock()
    grants.connect(
        ends_in=ends_in,
        token={"forced_at": now if forced else 0, "due_at": now + 2700},
        scopes_granted=("openid", "mail.send"),
    )
    return grants


def register(grants: Grants, **changes: Any) -> None:
    """Change the registration."""
    held = grants.registrations.registrations
    held[REGISTRATION] = replace(held[REGISTRATION], **changes)


def look(grants: Grants) -> bool | None:
    """Probe once."""
    return grants.prober().probe(grants.now()).valid


def later(grants: Grants) -> None:
    """Wait until the next probe is due."""
    grants.clock.now = grants.now().probe.due_at


def told(grants: Grants) -> list[str]:
    """Give the names of what was published."""
    return [name for name, _ in grants.events.published]


# --- whether the token is good ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("userinfo", "verifies", "valid", "how"),
    [
        ({"sub": "1"}, None, True, "userinfo"),
        (None, True, True, "mail"),
        (None, False, False, "mail"),
        (None, None, None, ""),
        (TokenRefused("401"), None, False, "userinfo"),
        (TokenRefused("401: of another audience"), True, True, "mail"),
        (TokenRefused("401"), False, False, "userinfo"),
        (TokenEndpointBusy("503"), True, True, "mail"),
        (TokenError("HTTP 404"), None, None, ""),
    ],
)
def test_userinfo_or_the_mail_server_says_whether_a_token_is_good(
    userinfo: Any, verifies: bool | None, valid: bool | None, how: str
) -> None:
    grants = played(userinfo=[userinfo], verifies=(verifies,))
    assert look(grants) is valid
    outcome = {True: "valid", False: "invalid", None: "unknown"}[valid]
    assert f"token.validated {outcome}" in grants.actions()
    probe = grants.now().probe
    assert (probe.outcome, probe.how, probe.at) == (outcome, how, grants.clock())
    assert probe.valid_at == (grants.clock() if valid else 0)


@pytest.mark.parametrize(
    ("facts", "verifies", "valid"),
    [
        (TokenFacts(active=True), (), True),
        (TokenFacts(active=False), (False,), False),
        (TokenFacts(active=False), (True,), True),
        (ClientRefused("may not introspect"), (True,), True),
        (SecretMissing("no credential"), (None,), None),
        (TokenEndpointBusy("503"), (None,), None),
    ],
)
def test_introspection_is_asked_where_there_is_one(
    facts: Any, verifies: tuple[bool | None, ...], valid: bool | None
) -> None:
    grants = played(introspect=[facts], userinfo=[None], verifies=verifies)
    assert look(grants) is valid
    assert (
        grants.now().probe.how
        == {True: "mail" if verifies else "introspection", False: "introspection", None: ""}[valid]
    )


def test_after_a_refusal_only_the_mail_side_is_asked() -> None:
    grants = played(introspect=[TokenFacts(active=False)], verifies=(True,))  # userinfo is not in the script
    assert look(grants) is True
    assert grants.now().probe.how == "mail"


def test_a_grant_that_has_ended_is_known_although_the_mail_host_still_takes_its_tokens() -> None:
    grants = played(
        introspect=[TokenFacts(active=True), TokenFacts(active=False)],
        refresh=[GrantRefused("invalid_grant")],
        verifies=(True,),
        forced=False,
    )
    assert look(grants) is True
    later(grants)
    assert look(grants) is False
    assert grants.now().state is AccountState.CONSENT_REQUIRED


def test_a_server_that_doubts_every_token_costs_one_refresh_and_no_more() -> None:
    grants = played(
        introspect=[TokenFacts(active=False) for _ in range(5)],
        refresh=[answer(2)],
        verifies=(True, True, True, True, True),
        forced=False,
    )
    for _ in range(4):
        assert look(grants) is True
        later(grants)
    assert grants.now().probe.how == "mail"


def test_who_says_yes_is_the_last_that_is_asked() -> None:
    grants = played(introspect=[TokenFacts(active=True)])
    assert look(grants)
    assert grants.transport.verified == []


@pytest.mark.parametrize("name", ["aud", "azp"])
def test_tokeninfo_has_to_name_our_client(name: str) -> None:
    own, foreign = (TokenFacts(active=True, claims={name: client}) for client in ("client-1", "client-2"))
    probes = (ProbeBy.TOKENINFO, ProbeBy.MAIL)
    assert look(played(tokeninfo=[own], probes=probes)) is True
    grants = played(tokeninfo=[foreign], probes=probes, verifies=(True,))
    assert look(grants) is False
    assert grants.now().probe.code == "token_of_another_client"
    assert grants.transport.verified == []


def test_a_service_accounts_token_is_issued_to_its_number() -> None:
    facts = TokenFacts(active=True, claims={"aud": "117", "azp": "117", "email": "ann@example.org"})
    grants = played(tokeninfo=[facts], probes=(ProbeBy.TOKENINFO,))
    register(grants, flow=Flow.JWT_BEARER)
    assert look(grants) is True


def test_nobody_is_asked_whose_an_applications_own_token_is() -> None:
    grants = played(verifies=(True,))
    register(grants, flow=Flow.CLIENT_CREDENTIALS)
    assert look(grants) is True
    assert (grants.now().probe.how, grants.now().probe.identity) == ("mail", "")


# --- when to look again -----------------------------------------------------------------------------------------------


def test_the_next_probe_comes_after_a_quarter_of_an_hour_and_not_for_all_at_once() -> None:
    grants = played(userinfo=[{}] * 20)
    dues = set()
    for _ in range(20):
        look(grants)
        due = grants.now().probe.due_at - grants.clock()
        assert 0.9 * PROBE_EVERY <= due <= 1.1 * PROBE_EVERY
        dues.add(due)
    assert len(dues) == 20


def test_while_nobody_can_tell_the_pauses_grow_to_an_hour_and_nothing_else_changes() -> None:
    grants = played(userinfo=[{"email": "ann@example.org"}, *[TokenEndpointBusy("503")] * 6], verifies=(None,) * 6)
    look(grants)
    seen = grants.now().probe
    pauses = []
    for _ in range(6):
        grants.clock.advance(1)
        assert look(grants) is None
        probe = grants.now().probe
        pauses.append(probe.due_at - grants.clock())
        assert probe == replace(seen, at=grants.clock(), outcome="unknown", due_at=probe.due_at)
    assert pauses[0] <= 1.1 * PROBE_EVERY
    assert 0.9 * SLOWEST <= pauses[-1] <= 1.1 * SLOWEST
    assert grants.now().state is AccountState.ACTIVE
    assert told(grants) == []


def test_a_probe_waits_for_the_refresh_that_is_not_due_yet() -> None:
    grants = played(ends_in=-1)
    due_at = grants.now().token.due_at
    assert look(grants) is None
    assert grants.now().probe.due_at == due_at
    assert "token.validated unknown" not in grants.actions()


def test_a_mailbox_that_changed_during_the_probe_keeps_its_change() -> None:
    grants = Grants()
    account = grants.connect()

    def rename() -> None:
        grants.accounts.accounts[account.id] = grants.now().changed(display_name="Ann")

    grants.provider.faults.after("userinfo", rename)
    assert grants.prober().probe(account).account.display_name == "Ann"
    assert grants.now().probe.valid_at == grants.clock()


def test_a_steady_probe_reads_the_account_once_and_writes_it_once() -> None:
    grants = Grants()
    prober = grants.prober()
    prober.probe(grants.connect())
    before = len(grants.accounts.faults.calls)
    reads = len(grants.vault.faults.calls)
    account = grants.accounts.get(grants.now().id)
    assert account is not None
    prober.probe(account)
    assert grants.accounts.faults.calls[before:] == ["get", "replace"]
    assert len(grants.vault.faults.calls) == reads


# --- no token to look with --------------------------------------------------------------------------------------------


def test_a_dead_grant_is_told_as_such() -> None:
    grants = Grants()
    grants.connect(state=AccountState.CONSENT_REQUIRED, reason="gone")
    with pytest.raises(GrantDead):
        grants.prober().probe(grants.now())


def test_a_mailbox_whose_registration_is_gone_is_not_due_at_each_run() -> None:
    grants = Grants()
    grants.connect(provider="gone")
    with pytest.raises(ClientRefused):
        grants.prober().probe(grants.now())
    assert grants.now().probe.due_at > grants.clock()


def test_an_operator_who_asks_ends_the_back_off() -> None:
    grants = played(refresh=[answer(2)], userinfo=[{}], ends_in=-1)
    grants.change(backoff_until=grants.clock() + 3000)
    assert grants.prober().probe(grants.now(), asked=True).valid is True
    assert grants.now().token.backoff_until == 0


def test_a_probe_that_finds_no_token_is_not_due_at_each_run() -> None:
    grants = played(refresh=[TokenEndpointBusy("503")], ends_in=-1)
    grants.change(due_at=grants.clock())
    with pytest.raises(RefreshDeferred):
        look(grants)
    assert (grants.now().probe.outcome, grants.now().probe.due_at > grants.clock()) == ("unknown", True)


# --- a token that is refused ------------------------------------------------------------------------------------------


def test_a_refused_token_is_refreshed_once_and_looked_at_again() -> None:
    grants = played(userinfo=[TokenRefused("401"), {}], refresh=[answer(2)], verifies=(False,), forced=False)
    assert look(grants) is True
    assert (grants.now().probe.outcome, grants.now().probe.code) == ("valid", "")
    assert told(grants) == []


def test_a_grant_that_was_revoked_at_the_provider_is_known_with_the_next_probe() -> None:
    grants = played(userinfo=[TokenRefused("401")], refresh=[GrantRefused("revoked")], verifies=(False,), forced=False)
    probed = grants.prober().probe(grants.now())
    assert probed.valid is False
    assert probed.account.state is grants.now().state is AccountState.CONSENT_REQUIRED
    assert grants.now().reason == "grant_expired_or_revoked"
    assert told(grants) == ["token.rejected"]
    assert grants.now().due_at == grants.now().notice_at == grants.clock(), "its owner is to be told"


def test_a_fresh_token_that_is_refused_too_is_a_finding_that_is_told_once() -> None:
    refused = [TokenRefused("401")] * 6
    grants = played(userinfo=refused, refresh=[answer(2), answer(3), answer(4)], verifies=(False,) * 6, forced=False)
    for _ in range(3):
        assert look(grants) is False
        later(grants)
    assert grants.now().probe.code == "fresh_token_refused"
    assert told(grants) == ["token.unusable"]
    assert grants.actions().count("token.unusable invalid") == 1
    assert grants.now().state is AccountState.ACTIVE


def test_a_refused_token_that_nobody_could_renew_is_no_finding_yet() -> None:
    grants = played(userinfo=[TokenRefused("401")], refresh=[TokenEndpointBusy("503")], verifies=(False,), forced=False)
    grants.change(refreshed_at=grants.clock() - 1800)
    assert look(grants) is False
    assert (grants.now().probe.outcome, grants.now().probe.code) == ("invalid", "")
    assert told(grants) == []


def test_a_finding_ends_with_a_token_that_is_good() -> None:
    grants = played(userinfo=[TokenRefused("401"), {}], verifies=(False,))
    look(grants)
    assert grants.now().probe.code == "fresh_token_refused"
    later(grants)
    assert look(grants) is True
    assert grants.now().probe.code == ""


# --- drift ------------------------------------------------------------------------------------------------------------


def active(scope: str, **claims: str) -> TokenFacts:
    return TokenFacts(active=True, scope=scope, claims=claims)


def test_a_scope_that_went_or_came_is_audited_and_published_once_for_each_change() -> None:
    scopes = ["openid mail.send", "openid", "openid", "openid mail.send mail.read", "mail.send", "mail.send"]
    grants = played(introspect=[active(scope) for scope in scopes])
    for _ in scopes:
        look(grants)
        grants.clock.advance(1)
    grants.actions()
    events = [event for event in grants.log.events if event.action == "token.scope_drift"]
    assert [(event.outcome, dict(event.facts)) for event in events] == [
        ("drifted", {"scope_missing": "mail.send"}),
        ("drifted", {"scope_excessive": "mail.read"}),
        ("mended", {}),
    ]
    assert told(grants) == ["token.scope_drift"] * 3
    assert grants.now().scopes_granted == ("mail.send",)


def test_scopes_compare_by_the_names_they_were_asked_for() -> None:
    grants = played(
        tokeninfo=[active("https://www.googleapis.com/auth/userinfo.email https://mail.google.com/ openid")]
    )
    google: Definition = definition_of("google")
    grants.definitions = lambda _: google
    account = grants.now().changed(
        scopes_wanted=("openid", "email", "https://mail.google.com/"), scopes_granted=("https://mail.google.com/",)
    )
    grants.accounts.accounts[account.id] = account
    look(grants)
    assert told(grants) == []


def test_what_a_refresh_has_told_already_is_not_told_again() -> None:
    grants = played(refresh=[answer(2, scope="openid")], introspect=[active("openid")])
    grants.lifecycle().rotate(grants.now())
    assert told(grants) == ["token.scope_drift"]
    look(grants)
    assert told(grants) == ["token.scope_drift"]


@pytest.mark.parametrize("name", ["ann@example.org", "Sales@Example.org"])
def test_the_mailbox_itself_and_its_aliases_are_no_drift(name: str) -> None:
    grants = played(userinfo=[{"email": name}])
    account = grants.now().changed(aliases=("sales@example.org",))
    grants.accounts.accounts[account.id] = account
    look(grants)
    assert (told(grants), grants.now().probe.identity) == ([], name.lower())


def test_another_mailbox_behind_the_token_is_audited_and_published_once() -> None:
    grants = played(userinfo=[{"email": "ann@example.org"}, *[{"email": "eve@example.org"}] * 3])
    for _ in range(4):
        assert look(grants) is True
        grants.clock.advance(1)
    assert told(grants) == ["account.identity_drift"]
    assert grants.actions().count("account.identity_drift drifted") == 1
    assert grants.now().probe.identity == "eve@example.org"


def test_an_address_that_is_not_verified_names_nobody() -> None:
    grants = played(userinfo=[{"email": "eve@example.org", "email_verified": False}])
    look(grants)
    assert (told(grants), grants.now().probe.identity) == ([], "")


def test_introspection_names_the_mailbox_as_its_user() -> None:
    grants = played(introspect=[active("openid mail.send", username="eve@example.org")])
    look(grants)
    assert told(grants) == ["account.identity_drift"]


def test_an_event_bus_that_is_down_changes_nothing() -> None:
    grants = played(userinfo=[{"email": "eve@example.org"}])
    grants.events.faults.before("publish", Unavailable("bus"))
    assert look(grants) is True
    assert "event.unpublished failed" in grants.actions()
