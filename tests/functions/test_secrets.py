"""Every token, code and secret that was ever given, searched in all that is written outside Secrets Manager."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.functions.deployment import CLIENT_SECRET, KEY_SECRET
from tests.functions.stack import event

if TYPE_CHECKING:
    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow


def test_no_secret_is_printed_or_kept_in_a_table_a_queue_the_bucket_or_the_audit_log(stack: Stack) -> None:
    control = stack.world.control
    account = stack.connect()
    stack.messages("messages-post")
    stack.messages("messages-post-invalid")
    stack.deliver()
    stack.invoke("authorizer", event("authorizer-valid"))
    stack.accounts("accounts-rotate")
    stack.accounts("accounts-validate")
    for fault in ("503", "html", "invalid_client", "answer_lost", "no_access_token"):
        control.plan_fault("token", fault, tenant="google")
        stack.change(stack.account(), token={"due_at": 1.0, "backoff_until": 0.0})
        stack.invoke("token_rotator", event("schedule"))
    stack.change(stack.account(), token={"due_at": 1.0, "backoff_until": 0.0})
    stack.invoke("token_rotator", event("schedule"))
    control.plan_fault("gmail", "status", tenant="google", status=401)
    stack.invoke("delivery_worker", event("sqs-raw"))
    stack.invoke("delivery_worker", event("sqs-mixed"))
    again = stack.accounts("accounts-consent").json["consent_url"]
    stack.consent(again)
    ticket = again.rpartition("/")[2]
    stack.accounts("accounts-revoke")

    given = control.secrets()
    assert len(given) >= 6
    written = stack.everything()
    assert account.id in written
    secrets = {*given, CLIENT_SECRET, KEY_SECRET, ticket}
    assert [secret for secret in secrets if secret in written] == []
