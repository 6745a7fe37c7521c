"""One id leads from the answer of the API to the provider's call, and everything between can be found by it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mailbearer.credential import Credential
from mailbearer.providers import register
from mailbearer.transports.graph import client_request_id
from tests.functions.deployment import API_URL
from tests.functions.stack import event

if TYPE_CHECKING:
    from tests.functions.stack import Stack

pytestmark = pytest.mark.slow

REQUEST = "JKJaXmPLvHcESHA="


def connect_graph(stack: Stack, address: str) -> None:
    """Connect a mailbox through Graph, whose calls take an id of ours."""
    tenant, control = stack.world.tenants["microsoft"], stack.world.control
    control.register_client("microsoft", "client-2", "secret-2", redirect_uris=[f"{API_URL}/oauth/callback"])
    if stack.wiring.registrations.get("entra") is None:
        registration = register(
            "microsoft",
            name="entra",
            client_id="client-2",
            now=1,
            issuer=tenant.issuer,
            authorize_url=tenant.authorize_url,
            token_url=tenant.token_url,
            userinfo_url=tenant.userinfo_url,
            api_base_url=tenant.api_base_url or "",
            transport="graph",
            local=True,
        )
        stack.wiring.registrations.create(registration)
        stack.wiring.credentials.create("entra", Credential(client_secret="secret-2"))
    control.add_mailbox("microsoft", address)
    added = stack.accounts("accounts-post", body={"provider": "entra", "address": address})
    assert added.status == 201, added.text
    assert stack.consent(added.json["consent_url"]).status == 200


def test_one_id_leads_from_the_answer_to_the_providers_call(stack: Stack) -> None:
    connect_graph(stack, "cleo@contoso.example")
    stack.output = ""
    accepted = stack.messages(
        "messages-post", body={"account": "cleo@contoso.example", "to": "b@c.example", "text": "x"}
    )
    assert (accepted.status, accepted.headers["x-request-id"]) == (202, REQUEST)
    stack.deliver()
    told = {each["action"]: each for each in stack.audit() if each["subject"] == accepted.json["id"]}
    assert told["message.accepted"]["request_id"] == REQUEST
    sent = told["message.sent"]["facts"]
    assert (sent["correlation_id"], sent["provider"]) == (REQUEST, "microsoft")
    assert int(sent["ms"]) >= 0
    (mail,) = stack.world.control.mail()
    assert mail["details"]["client_request_id"] == client_request_id(REQUEST)
    assert stack.counts()["messages", frozenset({"microsoft", "sent"})] == 1


def test_what_others_drop_on_the_queue_is_found_by_its_sqs_message_id(stack: Stack) -> None:
    stack.connect()
    dropped = event("sqs-raw")
    stack.invoke("delivery_worker", dropped)
    facts = {each["action"]: each["facts"] for each in stack.audit() if each["action"].startswith("message.")}
    assert facts.keys() == {"message.accepted", "message.sent"}
    assert {each["correlation_id"] for each in facts.values()} == {dropped["Records"][0]["messageId"]}


def test_a_refusal_names_its_request_too(stack: Stack) -> None:
    refused = stack.messages("messages-post-invalid")
    assert (refused.status, refused.headers["x-request-id"]) == (422, REQUEST)


def test_what_keeps_a_message_on_the_queue_is_logged_with_the_id(stack: Stack) -> None:
    broken = event("sqs-raw")
    (record,) = broken["Records"]
    record["body"] = json.dumps(
        {"mailbearer_job": 1, "id": "msg_gone", "account": "a", "attempt": 0, "correlation": REQUEST}
    )
    assert stack.invoke("delivery_worker", broken)["batchItemFailures"]
    (line,) = [json.loads(line) for line in stack.output.splitlines() if "message stays on the queue" in line]
    assert (line["correlation_id"], line["sqs_message_id"]) == (REQUEST, record["messageId"])
