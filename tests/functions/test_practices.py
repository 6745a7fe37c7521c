"""The auditor's other task: the fifteen practices, looked at with no more than its role allows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailbearer.registration import SANDBOX
from tests.functions.stack import event

if TYPE_CHECKING:
    from tests.functions.stack import Stack


def check(stack: Stack) -> dict[str, Any]:
    return stack.invoke("auditor", event("auditor-practices"))


def evidence(report: dict[str, Any], number: int) -> str:
    return "\n".join(each["seen"] for each in report["practices"][number - 1]["evidence"])


def test_all_rows_are_looked_at_with_what_the_role_allows(stack: Stack) -> None:
    stack.connect()
    robot = stack.accounts("accounts-post", body={"provider": SANDBOX.name, "address": "robot@sandbox.example"})
    assert robot.status == 201, robot.text
    for sender in ("ann@tenant.example", "robot@sandbox.example"):
        body = {"account": sender, "to": "carla@customer.example", "subject": "Hello", "text": "Hello."}
        assert stack.messages("messages-post", body=body, headers={"idempotency-key": sender}).status == 202
    stack.deliver()
    stack.invoke("auditor", event("auditor-digest"))
    report = check(stack)
    assert len(report["practices"]) == 15
    unread = [each["seen"] for row in report["practices"] for each in row["evidence"] if "Not known" in each["seen"]]
    # moto's stack has no HTTP: nobody answers at its address.
    assert [each for each in unread if "https://api.example/" not in each] == []
    assert "2 of 2 secrets described" in evidence(report, 4)
    assert "The schedule mailbearer-test-token-rotator is on" in evidence(report, 7)
    assert "The sandbox was last used" in evidence(report, 12)
    assert "that sent most are within their limits" in evidence(report, 13)


def test_a_report_is_kept_noted_counted_and_says_nothing_secret(stack: Stack) -> None:
    account = stack.connect()
    report = check(stack)
    # What is missing on moto, such as the functions themselves, fails, as it would on AWS.
    assert report["failed"]
    assert stack.metrics()["practices_failed"] == report["failed"]
    assert stack.metrics()["practices_warned"] == report["warned"]
    (noted,) = [told for told in stack.audit() if told["action"] == "practices.checked"]
    assert (noted["subject"], noted["outcome"]) == ("test", "failed")
    kept = stack.clients.s3.get_object(Bucket=stack.names["ArchiveBucket"], Key=noted["facts"]["report"])
    text = kept["Body"].read().decode()
    assert json.loads(text) == report
    stored = stack.wiring.vault.read(account.id)
    assert stored is not None
    assert not [secret for secret in (stored.tokens.access_token, stored.tokens.refresh_token) if secret in text]
    again = check(stack)
    assert "The schedule's newest report is" in evidence(again, 14)
