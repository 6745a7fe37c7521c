"""While the audit log cannot be written: no new access to anything, and everything else goes on and is told later.

Nothing is acknowledged to SQS before its events are written or kept.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.account import AccountState
from mailbearer.auditing.signatures import checker
from mailbearer.auditing.verification import judge
from tests.functions.stack import event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailbearer.account import Account
    from tests.functions.stack import Answer, Stack

pytestmark = pytest.mark.slow
LOG = "logs:PutLogEvents *mailbearer/test/audit"
SPOOL = "s3:PutObject */audit-spool/*"


@pytest.fixture
def restored(stack: Stack) -> Iterator[Stack]:
    yield stack
    stack.refused = ()
    # Whatever still waits in memory belongs to this test.
    stack.restart()


def spooled(stack: Stack) -> list[dict[str, Any]]:
    """Read what waits for the log."""
    client, bucket = stack.clients.s3, stack.names["ContentBucket"]
    listed = client.list_objects_v2(Bucket=bucket, Prefix="audit-spool/").get("Contents", [])
    bodies = [client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed]
    return [told for body in bodies for told in json.loads(body)]


def waiting(stack: Stack) -> list[str]:
    return sorted(f"{told['action']} {told['outcome']}" for told in spooled(stack))


def consenting(stack: Stack) -> str:
    """Bring a mailbox up to the provider's page."""
    stack.world.control.add_mailbox("google", "new@tenant.example")
    added = stack.accounts("accounts-post", body={"provider": "google-main", "address": "new@tenant.example"})
    return str(added.json["consent_url"])


def begin_consent(stack: Stack, account: Account) -> Answer:
    return stack.accounts("accounts-consent", path=f"/v1/accounts/{account.id}/consent")


def give_token(stack: Stack, account: Account) -> Answer:
    body = {"refresh_token": "granted-elsewhere"}
    return stack.accounts("accounts-import", path=f"/v1/accounts/{account.id}/import", body=body)


NEW_ACCESS: dict[str, Callable[[Stack, Account], Answer]] = {
    "a mailbox": lambda stack, _: stack.accounts("accounts-post"),
    "a consent link": begin_consent,
    "an import": give_token,
    "a key": lambda stack, _: stack.admin("keys-post"),
    "a webhook": lambda stack, _: stack.admin("webhooks-post"),
}


@pytest.mark.parametrize("refused", [(LOG,), (LOG, SPOOL)], ids=["log", "log and spool"])
@pytest.mark.parametrize("ask", NEW_ACCESS.values(), ids=NEW_ACCESS)
def test_new_access_is_not_given_without_a_log(
    restored: Stack, refused: tuple[str, ...], ask: Callable[[Stack, Account], Answer]
) -> None:
    pending = restored.mailbox("pending@tenant.example", AccountState.CONSENT_REQUIRED)
    tables = ("AccountsTable", "ConsentsTable", "KeysTable", "WebhooksTable")
    before = [restored.clients.dynamodb.scan(TableName=restored.names[each])["Items"] for each in tables]
    restored.refused = refused
    answer = ask(restored, pending)
    assert (answer.status, answer.json["code"]) == (503, "audit_unavailable")
    assert [restored.clients.dynamodb.scan(TableName=restored.names[each])["Items"] for each in tables] == before
    assert spooled(restored) == []


def test_a_grant_is_not_redeemed_without_a_log(restored: Stack) -> None:
    url = consenting(restored)
    page = restored.accounts("connect-get", path=url.removeprefix("https://api.example"))
    link = page.text.partition('href="')[2].partition('"')[0].replace("&amp;", "&")
    back = restored.world.control.consent(link)
    restored.refused = (LOG,)
    assert restored.accounts("oauth-callback", query=back.parameters).status == 503
    account = restored.account("new@tenant.example")
    assert account.state is AccountState.PENDING_CONSENT
    assert restored.wiring.vault.read(account.id) is None


def test_refreshes_revocations_and_sends_go_on_and_are_told_later(restored: Stack) -> None:
    ann, bob = restored.connect("ann@tenant.example"), restored.connect("bob@tenant.example")
    restored.change(bob, token={"due_at": bob.token.refreshed_at})
    told_before = len(restored.audit())
    restored.refused = (LOG,)
    assert restored.messages("messages-post", body=_mail(ann)).status == 202
    assert restored.deliver()["batchItemFailures"] == []
    assert restored.invoke("token_rotator", event("schedule"))["refreshed"] == 1
    revoked = restored.accounts("accounts-revoke", path=f"/v1/accounts/{ann.id}/revoke", body={})
    assert (revoked.status, restored.account("ann@tenant.example").state) == (200, AccountState.REVOKED)
    kept = spooled(restored)
    assert {
        "account.revoke intended",
        "account.revoked revoked",
        "message.accepted accepted",
        "message.sent sent",
        "token.refresh intended",
        "token.refreshed refreshed",
    } <= set(waiting(restored))
    assert len(restored.audit()) == told_before

    restored.refused = ()
    restored.invoke("token_rotator", event("schedule"))
    assert spooled(restored) == []
    written = {told["id"]: told for told in restored.audit()}
    for told in kept:
        assert {name: written[told["id"]].get(name) for name in told} == told
    assert verdict_is_good(restored)


def test_events_that_were_written_twice_after_a_crash_are_no_tampering(restored: Stack) -> None:
    ann = restored.connect("ann@tenant.example")
    restored.refused = (LOG,)
    restored.accounts("accounts-revoke", path=f"/v1/accounts/{ann.id}/revoke", body={})
    client, bucket = restored.clients.s3, restored.names["ContentBucket"]
    lot = client.list_objects_v2(Bucket=bucket, Prefix="audit-spool/")["Contents"][-1]
    content = client.get_object(Bucket=bucket, Key=lot["Key"])["Body"].read()
    restored.refused = ()
    restored.invoke("token_rotator", event("schedule"))
    # As if it had died between writing the events and removing the lot.
    client.put_object(Bucket=bucket, Key=lot["Key"], Body=content)
    restored.invoke("token_rotator", event("schedule"))
    twice = [told["id"] for told in json.loads(content)]
    written = [told["id"] for told in restored.audit()]
    assert [written.count(event_id) for event_id in twice] == [2] * len(twice)
    assert verdict_is_good(restored)


def test_nothing_is_acknowledged_whose_events_neither_log_nor_spool_took(restored: Stack) -> None:
    ann = restored.connect("ann@tenant.example")
    assert restored.messages("messages-post", body=_mail(ann)).status == 202
    template = event("sqs-raw")["Records"][0]
    queued = restored.on(restored.names["MessageQueue"])
    sent = {"Records": [template | {"messageId": each["MessageId"], "body": each["Body"]} for each in queued]}
    restored.refused = (LOG, SPOOL)
    with pytest.raises(Exception, match="PutObject"):
        restored.invoke("delivery_worker", sent)
    restored.refused = ()
    # SQS brings it again. The mail is out already, and goes out once; what was noted the first time is told now.
    assert restored.invoke("delivery_worker", sent)["batchItemFailures"] == []
    actions = restored.actions()
    assert (actions.count("message.sent sent"), actions.count("message.seen_again sent")) == (1, 1)


def test_what_was_done_over_http_is_answered_and_told_with_the_next_request(restored: Stack) -> None:
    ann = restored.connect("ann@tenant.example")
    restored.refused = (LOG, SPOOL)
    revoked = restored.accounts("accounts-revoke", path=f"/v1/accounts/{ann.id}/revoke", body={})
    assert (revoked.status, restored.account("ann@tenant.example").state) == (200, AccountState.REVOKED)
    restored.refused = ()
    assert "account.revoked revoked" not in restored.actions()
    restored.accounts("accounts-list")
    assert "account.revoked revoked" in restored.actions()


def _mail(account: Account) -> dict[str, str]:
    return {"account": account.id, "to": "carla@customer.example", "subject": "Hello", "text": "Hello"}


def verdict_is_good(stack: Stack) -> bool:
    """Judge the whole log."""
    with stack.started("auditor") as app:
        wiring = app.wiring()
        evidence = wiring.gathering.gather(since=0, until=int(time.time() * 1000) + 1)
        return judge(evidence, checker(wiring.signer.public_key())).good
