"""The owner of a mailbox whose grant died is told once, with a link that leads to a new consent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailbearer.account import DRAIN_PATIENCE, Account, AccountState
from mailbearer.connecting.invitations import INVITATION_LIFE
from mailbearer.errors import ConsentRefused, GrantDead, Unavailable
from tests.unit.grants import Grants


def dead(grants: Grants) -> Account:
    """Let the grant of a mailbox die."""
    account = grants.connect()
    grants.provider.refresh_tokens.clear()
    with pytest.raises(GrantDead):
        grants.lifecycle().refresh(account.id, needed_until=account.token.expires_at + 1)
    return grants.now()


def run(grants: Grants) -> None:
    grants.rotation().run(deadline=grants.clock() + 290)


def told(grants: Grants) -> list[dict[str, object]]:
    return [detail for name, detail in grants.events.published if name == "account.reconnect_wanted"]


def ticket(grants: Grants) -> str:
    (detail,) = told(grants)
    return str(detail["reconnect_url"]).rpartition("/")[2]


def test_the_owner_is_told_once_with_the_next_run() -> None:
    grants = Grants()
    account = dead(grants)
    for _ in range(3):
        run(grants)
        grants.clock.advance(300)
    (detail,) = told(grants)
    assert detail["account"] == account.id
    assert detail["reason"] == account.reason
    assert grants.now().due_at == 0


def test_the_link_is_for_that_mailbox_as_long_as_mail_waits_for_it() -> None:
    grants = Grants()
    account = dead(grants)
    run(grants)
    grants.clock.advance(INVITATION_LIFE - 1)
    assert grants.invitations().opened(ticket(grants)).id == account.id
    assert grants.invitations().opened(ticket(grants)).id == account.id, "it leads to as many tries as it takes"
    grants.clock.advance(2)
    with pytest.raises(ConsentRefused) as refused:
        grants.invitations().opened(ticket(grants))
    assert refused.value.reason == "state_unknown"


@pytest.mark.parametrize("state", [AccountState.ACTIVE, AccountState.REVOKED, AccountState.PAUSED])
def test_the_link_is_good_for_nothing_once_the_mailbox_needs_no_consent(state: AccountState) -> None:
    grants = Grants()
    account = dead(grants)
    run(grants)
    grants.accounts.accounts[account.id] = replace(grants.now(), state=state)
    with pytest.raises(ConsentRefused) as refused:
        grants.invitations().opened(ticket(grants))
    assert refused.value.reason == "not_needed"


def test_a_link_that_never_was_looks_like_one_that_is_too_old() -> None:
    with pytest.raises(ConsentRefused) as refused:
        Grants().invitations().opened("x" * 43)
    assert (refused.value.reason, refused.value.status) == ("state_unknown", 410)


def test_the_link_is_not_in_the_table_and_not_in_the_audit_log() -> None:
    grants = Grants()
    dead(grants)
    run(grants)
    grants.trail.flush()
    assert ticket(grants) not in repr(grants.consents.consents)
    assert ticket(grants) not in repr(grants.log.events)


def test_who_could_not_be_told_is_told_with_a_later_run() -> None:
    grants = Grants()
    dead(grants)
    grants.consents.faults.before("put", Unavailable("down"))
    run(grants)
    assert told(grants) == []
    assert grants.now().notice_at > grants.clock()
    grants.clock.advance(3600)
    run(grants)
    assert len(told(grants)) == 1


def test_held_mail_is_asked_for_again_if_nobody_has_drained_it() -> None:
    grants = Grants()
    now = grants.clock()
    account = grants.connect(drain_from=now, token={"due_at": now + 9e5})
    run(grants)
    assert grants.drained == []
    grants.clock.advance(DRAIN_PATIENCE)
    run(grants)
    assert grants.drained == [account.id]
    assert grants.now().drain_from == grants.clock()
    run(grants)
    assert grants.drained == [account.id]


def test_a_drained_mailbox_is_not_asked_for() -> None:
    grants = Grants()
    grants.connect(token={"due_at": grants.clock() + 9e5})
    grants.clock.advance(DRAIN_PATIENCE)
    run(grants)
    assert grants.drained == []
