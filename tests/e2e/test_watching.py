"""What an operator sees of a deployed stack: the id that leads through it, and what was counted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer.transports.graph import client_request_id
from tests.e2e.local_stack import message, until

if TYPE_CHECKING:
    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(180)]

ADDRESS = "followed@acme.example"


def emf_lines(stack: LocalStack, service: str) -> list[dict[str, Any]]:
    """Read the EMF documents in a function's log group."""
    group = f"/aws/lambda/mailbearer-local-{service}"
    pages = stack.aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    texts = [line.strip() for page in pages for event in page["events"] for line in event["message"].splitlines()]
    return [json.loads(text) for text in texts if text.startswith('{"_aws"')]


def test_one_id_leads_from_the_answer_to_what_graph_was_told_and_the_message_is_counted(
    local_stack: LocalStack,
) -> None:
    local_stack.connect(ADDRESS, "microsoft")
    answer = local_stack.call("POST", "/v1/messages", message(ADDRESS))
    request_id, sent = answer.headers["x-request-id"], answer.json()
    assert request_id
    mail = local_stack.one_mail(sent)
    assert mail["details"]["client_request_id"] == client_request_id(request_id)
    assert local_stack.audited("message.accepted", sent["id"])["request_id"] == request_id
    facts = local_stack.audited("message.sent", sent["id"])["facts"]
    assert (facts["correlation_id"], facts["provider"]) == (request_id, "microsoft")

    def counted() -> dict[str, Any] | None:
        lines = emf_lines(local_stack, "delivery-worker")
        return next(
            (line for line in lines if (line.get("provider"), line.get("outcome")) == ("microsoft", "sent")), None
        )

    assert until("the message is counted by its provider", counted)["messages"][0] >= 1


def test_the_dashboard_is_there_under_the_name_that_the_stack_tells(local_stack: LocalStack) -> None:
    name = local_stack.output("DashboardName")
    body = json.loads(local_stack.aws("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    shown = [arn for widget in body["widgets"] if widget["type"] == "alarm" for arn in widget["properties"]["alarms"]]
    assert "${" not in json.dumps(body)
    assert any(arn.endswith(":alarm:mailbearer-local-dead-letters") for arn in shown)
