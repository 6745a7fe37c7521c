"""An emergency on a deployed stack: the drill, and a real one over every provider of the sandbox."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.local_stack import message, queue_message_id, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(240)]


def test_the_drill_passes_and_leaves_nothing_behind(local_stack: LocalStack) -> None:
    def of_the_sandbox() -> set[str]:
        return {one["id"] for one in local_stack.operate("accounts", "list") if one["provider"] == "sandbox"}

    before = of_the_sandbox()
    drilled = local_stack.operate("incident", "drill")
    assert [step["step"] for step in drilled["steps"] if not step["passed"]] == []
    assert drilled["verdict"] == "passed"
    assert drilled["seconds_until_shut"] < 10
    assert drilled["seconds_until_last_send"] < 10
    listed = local_stack.operate("incident", "list")
    assert (drilled["incident"], True, "resolved") in [(one["id"], one["drill"], one["state"]) for one in listed]
    assert of_the_sandbox() == before
    intent = local_stack.audited("incident.declare", drilled["incident"])
    assert intent["facts"]["drill"] == "true"


def test_a_real_incident_shuts_revokes_reports_and_resolves(local_stack: LocalStack, tmp_path: Path) -> None:
    address = "stolen@acme.example"
    account = local_stack.connect(address, "oidc")
    before = local_stack.send(address)
    local_stack.settled(before["id"], "sent")
    page = tmp_path / "incident.md"
    declared = local_stack.operate(
        *("incident", "declare", "--account", address, "--reason", "A laptop is gone."),
        *("--disable-keys", "--report", str(page), "--yes"),
    )
    incident = declared["incident"]["id"]
    assert (declared["incident"]["state"], declared["containment"]["complete"]) == ("contained", True)
    assert local_stack.grant(address)["revoked"]
    shut = local_stack.get(f"/v1/accounts/{account}")
    assert (shut["status"], shut["reason"], shut["incident"]) == ("revoked", "incident", incident)
    for path, body in (
        ("/v1/messages", message(address)),
        (f"/v1/accounts/{account}/consent", {}),
        (f"/v1/accounts/{account}/rotate", {}),
        (f"/v1/accounts/{account}/import", {"refresh_token": "x"}),
        ("/v1/accounts", {"provider": "own-mail-host", "address": address}),
    ):
        refused = local_stack.call("POST", path, body)
        assert (refused.status_code, refused.json()["code"]) == (409, "incident_declared"), path
    local_stack.drop(message(address, idempotency_key="meanwhile"))
    held = local_stack.settled(queue_message_id("meanwhile"), "held")
    assert held["problem"]["code"] == "incident_declared"

    def reported() -> list[str] | None:
        local_stack.operate("incident", "report", incident, "--report", str(page))
        rows = [json.loads(line)["message"] for line in page.with_suffix(".jsonl").read_text().splitlines()]
        return rows if rows == [before["id"]] else None

    until("the report names the one message that was sent", reported)
    assert address in page.read_text()
    resolved = local_stack.operate("incident", "resolve", incident, "--yes")
    assert resolved["resolution"]["returned"] == {"owner_asked": 1}
    waiting = local_stack.get(f"/v1/accounts/{account}")
    assert (waiting["status"], waiting["reason"], waiting["incident"]) == (
        "consent_required",
        "incident_resolved",
        None,
    )
    link = local_stack.call("POST", f"/v1/accounts/{account}/consent", {}).json()["consent_url"]
    local_stack.consent(link, "oidc", address)
    assert local_stack.settled(held["id"], "sent")["id"] == held["id"]
