"""An emergency whose command died at once, through the real handlers: the schedule shuts, the API lets nobody in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.incident import Incident, IncidentState, Reach
from mailbearer.incidents.declaring import Emergency
from mailbearer.message import Status
from tests.functions.stack import event

if TYPE_CHECKING:
    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow


def declared(stack: Stack, reach: Reach = Reach.ALL, target: str = "", **more: Any) -> Incident:
    """Put an incident on record, and let the command die."""
    wanted = Emergency(reach=reach, target=target, reason="A laptop is gone.", since=time.time() - 60, **more)
    return stack.wiring.declaration.declare(wanted, actor="operator")


def run(stack: Stack) -> dict[str, Any]:
    return stack.invoke("token_rotator", event("schedule"))


def problem(answer: Any, status: int, code: str) -> None:
    assert (answer.status, answer.json["code"]) == (status, code)


def test_one_run_of_the_schedule_shuts_and_ends_the_grants(stack: Stack) -> None:
    account = stack.connect()
    incident = declared(stack)
    run(stack)
    shut = stack.account()
    assert (shut.state, shut.incident, shut.revocation_pending) == (AccountState.REVOKED, incident.id, False)
    assert stack.wiring.vault.read(account.id) is None
    assert stack.wiring.incident_book.find(incident.id).state is IncidentState.CONTAINED
    actions = stack.actions()
    assert {"account.revoke intended", "account.revoked revoked", "incident.contained contained"} <= set(actions)


def test_the_schedule_disables_keys_and_enables_them_again(stack: Stack) -> None:
    account = stack.connect()
    body = {"name": "bound", "scopes": ["messages:send"], "accounts": [account.id]}
    key = stack.admin("keys-post", body=body).json["id"]
    incident = declared(stack, Reach.ACCOUNT, account.id, disable_keys=True)
    run(stack)
    disabled = stack.wiring.keys.get(key)
    assert disabled is not None
    assert (disabled.disabled, disabled.reason) == (True, incident.id)
    book = stack.wiring.incident_book
    book.change(
        book.find(incident.id),
        lambda one: one.is_open,
        state=IncidentState.RESOLVED,
        resolved_at=time.time(),
        enable_keys=True,
    )
    run(stack)
    enabled = stack.wiring.keys.get(key)
    assert enabled is not None
    assert not enabled.disabled
    assert (stack.account().state, stack.account().reason) == (AccountState.CONSENT_REQUIRED, "incident_resolved")


def test_while_it_is_open_nobody_sends_connects_or_resumes_what_it_covers(stack: Stack) -> None:
    account = stack.connect()
    link = stack.accounts("accounts-consent", path=f"/v1/accounts/{account.id}/consent").json["consent_url"]
    stack.messages("messages-post", body={"account": account.id, "to": "bob@example.net", "text": "Hello"})
    declared(stack)
    run(stack)
    for name, verb, body in (
        ("accounts-consent", "consent", None),
        ("accounts-import", "import", {"refresh_token": "x"}),
        ("accounts-rotate", "rotate", None),
    ):
        problem(stack.accounts(name, path=f"/v1/accounts/{account.id}/{verb}", body=body), 409, "incident_declared")
    new = {"provider": account.provider, "address": "new@tenant.example"}
    problem(stack.accounts("accounts-post", body=new), 409, "incident_declared")
    problem(
        stack.messages("messages-post", body={"account": account.id, "to": "b@c.example", "text": "x"}),
        409,
        "incident_declared",
    )
    page = stack.accounts("connect-get", path=link.removeprefix("https://api.example"))
    assert page.status == 409
    assert "emergency" in page.text
    stack.deliver()
    (record,) = stack.wiring.messages.get_many(
        stack.wiring.messages.by_account(account.id, since=0, limit=9, cursor="").ids
    ).values()
    assert (record.status, record.problem_code) == (Status.HELD, "incident_declared")


def test_a_sandbox_mailbox_comes_back_by_the_schedule_alone(stack: Stack) -> None:
    added = stack.accounts("accounts-post", body={"provider": "sandbox", "address": "box@tenant.example"}).json["id"]
    incident = declared(stack, Reach.ACCOUNT, added)
    run(stack)
    assert stack.account("box@tenant.example").is_shut
    book = stack.wiring.incident_book
    book.change(
        book.find(incident.id), lambda one: one.is_open, state=IncidentState.RESOLVED, resolved_at=time.time() - 400
    )
    run(stack)
    assert stack.account("box@tenant.example").state is AccountState.ACTIVE
    run(stack)
    assert book.find(incident.id).settled_at
