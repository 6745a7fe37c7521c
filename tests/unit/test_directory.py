"""The mailboxes: adding, changing, pausing and finding them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailbearer.account import Account, AccountState
from mailbearer.addresses import unsafe_in_header
from mailbearer.caller import Caller
from mailbearer.errors import AuditUnavailable, Conflict, InvalidInput, MailbearerError, NotFound
from mailbearer.registration import Flow
from tests.unit.grants import ADMIN, REGISTRATION, Grants, mailbox, registration

BODY = {"provider": REGISTRATION, "address": "ann@example.org"}
FIELDS = (
    *("provider", "address", "transport", "display_name", "aliases", "limits", "contacts", "carries_notices", "else"),
)
HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def add(grants: Grants, body: object) -> Account:
    directory = grants.directory()
    return directory.add(directory.draft(body), ADMIN)


def faults_of(body: object) -> list[tuple[str, str]]:
    grants = Grants()
    with pytest.raises(InvalidInput) as refused:
        add(grants, body)
    assert grants.accounts.accounts == {}
    return [(fault.pointer, fault.code) for fault in refused.value.faults]


# --- adding -----------------------------------------------------------------------------------------------------------


def test_a_new_mailbox_waits_for_consent_with_the_scopes_of_its_registration() -> None:
    grants = Grants()
    body = BODY | {
        "display_name": "Ann Äther",
        "aliases": ["sales@example.org"],
        "limits": {"per_day": 500, "concurrency": 2},
        "contacts": ["it@example.org"],
        "carries_notices": True,
    }
    account = add(grants, body)
    assert grants.accounts.get(account.id) == account
    assert account.state is AccountState.PENDING_CONSENT
    assert account.transport == "smtp"
    assert account.scopes_wanted == ("openid", "mail.send")
    assert account.aliases == ("sales@example.org",)
    assert account.limits == (("concurrency", 2), ("per_day", 500))
    assert (account.contacts, account.carries_notices) == (("it@example.org",), True)
    assert account.may_send_as("SALES@example.org")
    assert not account.may_send_as("ben@example.org")


def test_adding_is_audited_before_and_after_with_the_key() -> None:
    grants = Grants()
    add(grants, BODY)
    assert grants.actions() == ["account.add intended", "account.added added"]
    assert {event.actor for event in grants.log.events} == {"key_admin"}


def test_without_the_audit_log_no_mailbox_is_added() -> None:
    grants = Grants()
    grants.log.faults.before("write", AuditUnavailable("down"))
    with pytest.raises(AuditUnavailable):
        add(grants, BODY)
    assert grants.accounts.accounts == {}


def test_a_link_for_a_new_mailbox_is_stored_when_both_were_announced() -> None:
    grants = Grants()
    directory, draft = grants.directory(), grants.directory().draft(BODY)

    def announce() -> None:
        directory.announce(draft, ADMIN)

    grants.log.faults.after("write", lambda: grants.log.faults.before("write", AuditUnavailable("down")))
    with pytest.raises(AuditUnavailable):
        grants.consent().begin(draft.account, actor="key_1", announce=announce)
    assert grants.consents.consents == {}
    assert grants.consent().begin(draft.account, actor="key_1", announce=announce)
    assert grants.actions()[-2:] == ["consent.begin intended", "account.add intended"]
    assert (len(grants.consents.consents), grants.accounts.accounts) == (1, {})


def test_a_mailbox_that_is_added_anew_with_other_fields_is_audited_as_changed() -> None:
    grants = Grants()
    grants.registrations.registrations[REGISTRATION] = registration(flow=Flow.CLIENT_CREDENTIALS)
    first = add(grants, BODY)
    assert add(grants, BODY) == first
    assert grants.actions()[-1] == "account.added added"
    add(grants, BODY | {"contacts": ["ops@example.org"], "display_name": "Orders"})
    assert grants.actions()[-1] == "account.changed changed"
    assert dict(grants.log.events[-1].facts) == {"fields": "contacts display_name"}


def test_all_faults_come_at_once() -> None:
    body = {
        "provider": "nobody",
        "address": "no address",
        "display_name": "a\r\nBcc: x@example.org",
        "aliases": ["a@example.org", "b"],
        "limits": {"per_day": 0},
        "password": "hunter2",
    }
    assert faults_of(body) == [
        ("/password", "unknown_field"),
        ("/provider", "unknown_provider"),
        ("/address", "invalid_address"),
        ("/display_name", "invalid_display_name"),
        ("/aliases/1", "invalid_address"),
        ("/limits", "invalid_limits"),
    ]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"transport": "gmail"}, ("/transport", "transport_not_registered")),
        ({"transport": ["smtp"]}, ("/transport", "transport_not_registered")),
        ({"provider": None}, ("/provider", "unknown_provider")),
        ({"provider": ["acme"]}, ("/provider", "unknown_provider")),
        ({"provider": "x" * 5000}, ("/provider", "unknown_provider")),
        ({"provider": "\ud800"}, ("/provider", "unknown_provider")),
        ({"address": None}, ("/address", "invalid_address")),
        ({"display_name": 7}, ("/display_name", "invalid_display_name")),
        ({"display_name": "x" * 201}, ("/display_name", "invalid_display_name")),
        ({"display_name": "\ud800"}, ("/display_name", "invalid_display_name")),
        ({"aliases": "a@example.org"}, ("/aliases", "not_a_list")),
        ({"aliases": ["a@example.org"] * 51}, ("/aliases", "not_a_list")),
        ({"contacts": "a@example.org"}, ("/contacts", "not_a_list")),
        ({"contacts": ["a@example.org"] * 11}, ("/contacts", "not_a_list")),
        ({"contacts": ["a@example.org", "a"]}, ("/contacts/1", "invalid_address")),
        ({"carries_notices": "yes"}, ("/carries_notices", "not_a_boolean")),
        ({"carries_notices": 1}, ("/carries_notices", "not_a_boolean")),
        ({"limits": []}, ("/limits", "invalid_limits")),
        ({"limits": {"per_day": True}}, ("/limits", "invalid_limits")),
        ({"limits": {"per_century": 1}}, ("/limits", "invalid_limits")),
        ({"limits": {"per_day": 10**40}}, ("/limits", "invalid_limits")),
        ({"limits": {"hold_for": 28 * 86_400 + 1}}, ("/limits", "invalid_limits")),
        ({"a/b~c": 1}, ("/a~1b~0c", "unknown_field")),
    ],
)
def test_each_fault_points_at_its_field(changes: dict[str, Any], fault: tuple[str, str]) -> None:
    assert faults_of(BODY | changes) == [fault]


@pytest.mark.parametrize("body", [None, [], "text", 7, True])
def test_a_body_that_is_no_object_is_one_fault(body: object) -> None:
    assert faults_of(body) == [("", "not_an_object")]


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, HOSTILE)))
def test_nothing_but_our_own_errors_comes_out_of_a_hostile_body(body: dict[str, Any]) -> None:
    grants = Grants()
    directory = grants.directory()
    for fields in (body, BODY | body):
        try:
            directory.add(directory.draft(fields), ADMIN)
        except MailbearerError:
            continue
    account = mailbox("ben")
    grants.accounts.create(account)
    try:
        changed = directory.change(account, body, ADMIN)
    except InvalidInput:
        return
    assert not unsafe_in_header(changed.display_name)


@pytest.mark.parametrize("state", [state for state in AccountState if state is not AccountState.REVOKED])
def test_one_address_is_connected_once_through_one_registration(state: AccountState) -> None:
    grants = Grants()
    grants.accounts.create(mailbox(state=state))
    with pytest.raises(Conflict):
        add(grants, BODY | {"address": "ANN@Example.org"})


def test_a_revoked_mailbox_or_another_registration_is_no_hindrance() -> None:
    grants = Grants()
    grants.accounts.create(mailbox(state=AccountState.REVOKED))
    grants.accounts.create(replace(mailbox("other"), address="ann@example.org", provider="other"))
    assert add(grants, BODY).address == "ann@example.org"


# --- changing ---------------------------------------------------------------------------------------------------------


def added(state: AccountState = AccountState.ACTIVE) -> tuple[Grants, Account]:
    grants = Grants()
    account = mailbox(state=state, display_name="Ann", aliases=("old@example.org",))
    grants.accounts.create(account)
    return grants, account


def test_only_what_is_given_is_changed() -> None:
    grants, account = added()
    changed = grants.directory().change(account, {"aliases": ["new@example.org"]}, ADMIN)
    assert (changed.display_name, changed.aliases) == ("Ann", ("new@example.org",))
    assert grants.now() == changed
    assert grants.actions() == ["account.changed changed"]


@pytest.mark.parametrize("name", ["address", "provider", "status", "transport"])
def test_what_a_mailbox_is_cannot_be_changed(name: str) -> None:
    grants, account = added()
    with pytest.raises(InvalidInput):
        grants.directory().change(account, {name: "x"}, ADMIN)
    assert grants.now() == account


def test_a_change_keeps_what_a_refresh_wrote_meanwhile() -> None:
    grants, account = added()
    grants.change(fence=5, version="v5")
    changed = grants.directory().change(account, {"display_name": "Bea"}, ADMIN)
    assert (changed.display_name, changed.token.fence, changed.token.version) == ("Bea", 5, "v5")


def test_a_mailbox_that_changed_its_state_meanwhile_is_a_conflict() -> None:
    grants, account = added()
    grants.accounts.accounts[account.id] = account.changed(state=AccountState.REVOKED)
    with pytest.raises(Conflict):
        grants.directory().pause(account, ADMIN)
    assert grants.now().state is AccountState.REVOKED


def test_pausing_and_resuming_are_audited_and_safe_to_repeat() -> None:
    grants, account = added()
    directory = grants.directory()
    paused = directory.pause(account, ADMIN)
    assert directory.pause(paused, ADMIN) is paused
    active = directory.resume(paused, ADMIN)
    assert directory.resume(active, ADMIN) is active
    assert (paused.state, active.state) == (AccountState.PAUSED, AccountState.ACTIVE)
    assert grants.actions() == ["account.paused paused", "account.resumed resumed"]
    assert [kind for kind, _ in grants.events.published] == ["account.paused", "account.resumed"]


@pytest.mark.parametrize("verb", ["pause", "resume"])
@pytest.mark.parametrize("state", [AccountState.PENDING_CONSENT, AccountState.CONSENT_REQUIRED, AccountState.REVOKED])
def test_only_a_connected_mailbox_is_paused_or_resumed(verb: str, state: AccountState) -> None:
    grants, account = added(state)
    with pytest.raises(Conflict):
        getattr(grants.directory(), verb)(account, ADMIN)
    assert grants.now() == account


def test_a_mailbox_is_forgotten_only_when_its_revocation_is_finished() -> None:
    grants, account = added()
    for unfit in (account, replace(account, state=AccountState.REVOKED, revocation_pending=True)):
        with pytest.raises(Conflict):
            grants.directory().remove(unfit, ADMIN)
    done = account.changed(state=AccountState.REVOKED)
    grants.accounts.accounts[account.id] = done
    grants.directory().remove(done, ADMIN)
    assert grants.accounts.accounts == {}
    assert grants.actions() == ["account.deleted deleted"]


# --- finding ----------------------------------------------------------------------------------------------------------


def test_an_account_is_found_by_id_and_by_address_without_case() -> None:
    grants, account = added()
    assert grants.directory().find(account.id, ADMIN) == account
    assert grants.directory().find("ANN@example.org", ADMIN) == account


@pytest.mark.parametrize("named", ["", "acc_1", "nobody@example.org", "x" * 5000, "x@" * 3000, "../keys", "key_1"])
def test_what_is_not_there_and_what_is_somebody_elses_look_the_same(named: str) -> None:
    grants, account = added()
    bound = Caller(key_id="key_2", scopes=frozenset({"accounts:read"}), accounts=frozenset({"acc_other"}))
    with pytest.raises(NotFound) as missing:
        grants.directory().find(named, ADMIN)
    with pytest.raises(NotFound) as foreign:
        grants.directory().find(account.id, bound)
    assert str(missing.value) == str(foreign.value)


def test_a_bound_key_lists_its_own_accounts_only() -> None:
    grants, account = added()
    grants.accounts.create(mailbox("ben"))
    bound = Caller(
        key_id="key_2", scopes=frozenset({"accounts:read"}), accounts=frozenset({account.id, "acc_that_was_deleted"})
    )
    assert grants.directory().listing(bound, limit=10, cursor="") == ([account], "")


def test_a_list_goes_on_where_its_cursor_says() -> None:
    grants = Grants()
    for number in range(5):
        grants.accounts.create(mailbox(f"box{number}"))
    seen, cursor = grants.directory().listing(ADMIN, limit=2, cursor="")
    while cursor:
        more, cursor = grants.directory().listing(ADMIN, limit=2, cursor=cursor)
        seen += more
    assert sorted(account.address for account in seen) == [f"box{number}@example.org" for number in range(5)]
