"""Telling others, on a deployed stack: from the schedule over the bus and the notifier to a mail in a mailbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.local_stack import until

if TYPE_CHECKING:
    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(180)]


def test_the_owner_of_a_dead_grant_gets_the_link_by_mail_through_another_mailbox_and_over_the_topic(
    local_stack: LocalStack,
) -> None:
    address, desk = "absent@acme.example", "desk@acme.example"
    local_stack.connect(address, "oidc")
    carrier = local_stack.connect(desk, "oidc")
    local_stack.call("PATCH", f"/v1/accounts/{carrier}", {"carries_notices": True})
    assert local_stack.control.revoke_tokens(mailbox=address) == 1
    local_stack.settled(local_stack.send(address, subject="Waiting")["id"], "held")

    def notices() -> list[Any]:
        # Another test may have named another carrier, which is older and so comes first.
        mails = local_stack.control.mail()
        return [mail for mail in mails if address in mail["headers"].get("subject", "")]

    def mailed() -> bool:
        local_stack.rotate()
        return bool(notices())

    sqs, sns = local_stack.aws("sqs"), local_stack.aws("sns")
    url = sqs.create_queue(QueueName="e2e-owners")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic_may_write = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Resource": arn}
    policy = {"Version": "2012-10-17", "Statement": [topic_may_write | {"Action": "sqs:SendMessage"}]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    (topic,) = [each["TopicArn"] for each in sns.list_topics()["Topics"] if each["TopicArn"].endswith("-owners")]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    told: list[str] = []

    def published() -> bool:
        received = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2, MaxNumberOfMessages=10).get("Messages", [])
        told.extend(each["Body"] for each in received if address in each["Body"])
        return bool(told)

    try:
        until("the owner is written to", mailed)
        until("those who look after mailboxes are told", published)
    finally:
        # Others' dead grants are none of its business.
        local_stack.call("PATCH", f"/v1/accounts/{carrier}", {"carries_notices": False})
        sqs.delete_queue(QueueUrl=url)
    (mail,) = notices()
    assert mail["envelope"]["rcpt_to"] == [address]
    assert all("/connect/" in text for text in told)


def test_every_message_is_told_on_the_bus_of_a_stack_that_tells_all(local_stack: LocalStack) -> None:
    sqs, events = local_stack.aws("sqs"), local_stack.aws("events")
    url = sqs.create_queue(QueueName="e2e-told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus = {"EventBusName": local_stack.output("EventBusName")}
    pattern = {"source": ["mailbearer"], "detail-type": ["message.sent"], "detail": {"tags": ["told"]}}
    events.put_rule(Name="e2e-told", EventPattern=json.dumps(pattern), **bus)
    events.put_targets(Rule="e2e-told", Targets=[{"Id": "told", "Arn": arn}], **bus)

    address = "teller@acme.example"
    account = local_stack.connect(address, "oidc")
    sent = local_stack.send(address, tags=["told"], metadata={"order": "4711"})
    local_stack.settled(sent["id"], "sent")
    details: list[dict[str, Any]] = []

    def told() -> bool:
        received = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2, MaxNumberOfMessages=10).get("Messages", [])
        details.extend(json.loads(each["Body"])["detail"] for each in received)
        return bool(details)

    until("it is told", told)
    detail = details[0]
    assert (detail["message"], detail["account"], detail["status"]) == (sent["id"], account, "sent")
    assert detail["metadata"] == {"order": "4711"}
