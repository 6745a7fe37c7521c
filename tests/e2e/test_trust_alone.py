"""Trust on a stack of its own, since each of these would disturb whoever else uses it.

The audit log refuses, an export is judged far from AWS, tokens of an own issuer are taken, and everything is shut.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import pytest

from sandbox.local import COMMAND
from tests.e2e.local_stack import ROADS, LocalStack, message, queue_message_id, started, until
from tests.integration.oauth.issuers import AUDIENCE, Issuer, signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.timeout(240)]

ADDRESSES = {str(road.values[1]): str(road.values[0]) for road in ROADS}
"""The mailboxes that the stack begins with, each with its tenant."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with started(tmp_path_factory.mktemp("trust-stack")) as stack:
        yield stack


def invoke(stack: LocalStack, function: str, event: dict[str, str]) -> dict[str, Any]:
    """Start a function as its schedule does."""
    answer = stack.aws("lambda").invoke(
        FunctionName=stack.output(function), Qualifier="live", Payload=json.dumps(event).encode()
    )
    said: dict[str, Any] = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, said
    return said


def test_every_described_route_but_five_wants_a_key_and_those_five_are_guarded_pages_and_documents(
    alone: LocalStack,
) -> None:
    described = alone.call("GET", "/openapi.json", key="").json()["paths"]
    methods = {"get", "post", "put", "patch", "delete"}
    routes = [(method, path) for path, offered in described.items() for method in offered if method in methods]
    answers = {
        (method, path): alone.call(method.upper(), path.replace("{ticket}", "none"), key="") for method, path in routes
    }
    assert len(answers) > 50
    assert {path: answer.status_code for (_, path), answer in answers.items() if answer.status_code != 401} == {
        "/health": 200,
        "/openapi.json": 200,
        "/docs": 200,
        "/connect/{ticket}": 410,
        "/oauth/callback": 410,
    }
    assert answers["get", "/health"].json().keys() == {"status"}
    for path in ("/health", "/openapi.json", "/docs", "/connect/{ticket}", "/oauth/callback"):
        fields = answers["get", path].headers
        assert fields["x-frame-options"] == "DENY", path
        assert "frame-ancestors 'none'" in fields["content-security-policy"], path
        assert (fields["referrer-policy"], fields["x-content-type-options"]) == ("no-referrer", "nosniff"), path


@contextmanager
def unwritable_log(stack: LocalStack) -> Iterator[None]:
    """Refuse every function the audit log, as the engine enforces it on their roles."""
    iam = stack.aws("iam")
    pages = iam.get_paginator("list_roles").paginate()
    roles = [role["RoleName"] for page in pages for role in page["Roles"]]
    statement = {"Effect": "Deny", "Action": ["logs:PutLogEvents", "logs:CreateLogStream"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for role in roles:
        iam.put_role_policy(RoleName=role, PolicyName="no-audit-log", PolicyDocument=policy)
    try:
        yield
    finally:
        for role in roles:
            iam.delete_role_policy(RoleName=role, PolicyName="no-audit-log")


def test_while_the_log_cannot_be_written_nobody_gets_in_and_the_rest_goes_on_and_is_told_later(
    alone: LocalStack,
) -> None:
    waiting = alone.add("late@acme.example", "oidc")
    leaving = alone.connect("leaving@acme.example", "oidc")
    orders = next(each["id"] for each in alone.get("/v1/accounts")["data"] if each["address"] == "orders@acme.example")
    before = sum(map(len, alone.audit().values()))
    with unwritable_log(alone):
        for path, body in (
            ("/v1/accounts", {"provider": "own-mail-host", "address": "new@acme.example"}),
            (f"/v1/accounts/{waiting['id']}/import", {"refresh_token": "one-from-elsewhere"}),
            (f"/v1/accounts/{orders}/consent", {}),
            ("/v1/keys", {"name": "new", "scopes": ["messages:send"]}),
            ("/v1/webhooks", {"url": "http://127.0.0.1:8099/hook", "events": ["*"]}),
        ):
            refused = alone.call("POST", path, body)
            assert (refused.status_code, refused.json()["code"]) == (503, "audit_unavailable"), path
        assert alone.consent(waiting["consent_url"], "oidc", "late@acme.example").status_code == 503
        assert alone.get(f"/v1/accounts/{waiting['id']}")["status"] == "pending_consent"

        sent = alone.send("orders@acme.example")
        alone.settled(sent["id"], "sent")
        assert alone.call("POST", f"/v1/accounts/{orders}/rotate").status_code == 200
        assert alone.call("POST", f"/v1/accounts/{leaving}/revoke").json()["status"] == "revoked"
        assert alone.grant("leaving@acme.example")["revoked"]
        assert sum(map(len, alone.audit().values())) == before
        assert alone.kept("audit-spool/")
    alone.rotate()
    assert alone.kept("audit-spool/") == []
    alone.audited("account.revoked", leaving)
    assert [event["action"] for event in alone.operate("audit", "search", "--subject", sent["id"])] == [
        "message.accepted",
        "message.sent",
    ]
    time.sleep(3)  # what is younger is not signed yet
    assert invoke(alone, "AuditorFunctionName", {"task": "digest"})["flaws"] == 0
    assert alone.operate("audit", "verify")["good"] is True


def test_an_export_is_judged_by_a_command_that_has_neither_aws_nor_configuration(
    alone: LocalStack, tmp_path: Path
) -> None:
    whole = tmp_path / "audit.jsonl"
    alone.operate("audit", "export", "--output", str(whole))
    lines = whole.read_text().splitlines()
    (at, *_) = (number for number, line in enumerate(lines) if "message.sent" in line)

    def judged(*changed: str) -> tuple[int, set[str]]:
        """Give the exit code and the kinds of flaws of an export with other lines."""
        file = tmp_path / "changed.jsonl"
        file.write_text("".join(f"{line}\n" for line in changed))
        arguments = [str(COMMAND), "audit", "verify", "--export", str(file), "--json"]
        done = subprocess.run(arguments, cwd=tmp_path, env={}, check=False, capture_output=True, text=True, timeout=60)
        return done.returncode, {flaw["kind"] for flaw in json.loads(done.stdout)["flaws"]}

    assert judged(*lines) == (0, set())
    forged = lines[at].replace("message.sent", "message.lost")
    assert judged(*lines[:at], forged, *lines[at + 1 :]) == (1, {"changed", "export_changed"})
    code, kinds = judged(*lines[:at], *lines[at + 1 :])
    assert code == 1
    assert kinds & {"removed", "cut"}
    code, kinds = judged(*(line for line in lines if '"kind":"digest"' not in line))
    assert (code, "digest_missing" in kinds) == (1, True)


@contextmanager
def trusting(stack: LocalStack, issuer: str) -> Iterator[None]:
    """Deploy the authorizer as the parameters JwtIssuer and JwtAudience do."""
    functions, name = stack.aws("lambda"), stack.output("AuthorizerFunctionName")
    usual = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]

    def deploy(**changes: str) -> None:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": usual | changes})
        version = functions.publish_version(FunctionName=name)["Version"]
        functions.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    deploy(JWT_ISSUER=issuer, JWT_AUDIENCE=AUDIENCE)
    try:
        yield
    finally:
        deploy()


def test_a_token_of_the_own_issuer_sends_in_its_own_name_and_only_as_far_as_it_says(alone: LocalStack) -> None:
    accounts = {each["address"]: each["id"] for each in alone.get("/v1/accounts")["data"]}
    orders, issuer = accounts["orders@acme.example"], Issuer()
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "shop", "exp": time.time() + 600, "scope": "messages:send"}
    bound = {"mailbearer_accounts": [orders], "scope": "messages:send accounts:read"}
    with issuer.running(), trusting(alone, issuer.url):

        def answered(method: str, path: str, body: object = None, key: Any = None, **changes: Any) -> Any:
            return alone.call(method, path, body, key=issuer.sign(claims | changes, key=key))

        sent = answered("POST", "/v1/messages", message("support@acme.example"))
        assert sent.status_code == 202, sent.text
        shown = answered("GET", "/v1/accounts", **bound).json()["data"]
        assert [each["id"] for each in shown] == [orders]
        foreign = answered("POST", "/v1/messages", message("support@acme.example"), **bound)
        nowhere = answered("POST", "/v1/messages", message("nobody@acme.example"), **bound)
        assert (foreign.status_code, foreign.json()["code"]) == (nowhere.status_code, nowhere.json()["code"])
        assert answered("GET", "/v1/accounts").status_code == 403
        for wrong in ({"aud": "another"}, {"iss": issuer.url + "/"}, {"exp": time.time() - 5}, {"sub": ""}):
            assert answered("GET", "/v1/accounts", **wrong).status_code == 401, wrong
        assert answered("GET", "/v1/accounts", key=signing_key("two")).status_code == 401
        assert alone.call("GET", "/v1/accounts").status_code == 200, "keys go on beside tokens"
    alone.settled(sent.json()["id"], "sent")
    assert alone.audited("message.accepted", sent.json()["id"])["actor"].startswith("jwt_")


class Stream:
    """Drops messages for every mailbox on the queue until it is stopped."""

    def __init__(self, stack: LocalStack) -> None:
        self.ids: list[str] = []
        self._stack, self._over = stack, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._over.wait(0.3):
            for address in ADDRESSES:
                key = f"stream-{number}"
                self._stack.drop(message(address, idempotency_key=key))
                self.ids.append(queue_message_id(key))
                number += 1


def test_everything_is_shut_under_load_with_every_key_and_what_was_held_goes_once(
    alone: LocalStack, tmp_path: Path
) -> None:
    page = tmp_path / "incident.md"
    alone.control.plan_fault("revoke", "503", tenant="google", times=1)
    with Stream(alone) as stream:
        until("mail goes out", lambda: len(alone.control.mail()) > 9)
        declared = alone.operate(
            *("incident", "declare", "--all", "--disable-keys", "--reason", "We do not know yet."),
            *("--report", str(page), "--yes"),
        )
        time.sleep(2)
    contained = declared["containment"]
    assert (contained["complete"], list(contained["being_retried"].values())) == (True, ["unreached"])
    assert contained["keys_disabled"] >= 1
    assert [alone.grant(address)["revoked"] for address in ADDRESSES] == [False, True, True]
    incident = declared["incident"]["id"]
    shut_at = datetime.fromisoformat(contained["shut_at"]).timestamp()

    # No call of the API before its keys are back: the gateway would remember the refusal for a minute.
    until("the queue is empty", lambda: alone.queued() == 0)
    resolved = alone.world.operate("incident", "resolve", incident, "--enable-keys", "--yes", "--json")
    assert json.loads(resolved.stdout)["resolution"]["keys_enabled"] == contained["keys_disabled"]
    until("its keys are in force again", lambda: alone.call("GET", "/v1/accounts").ok or None, seconds=75)
    messages = [alone.get(f"/v1/messages/{each}") for each in stream.ids]
    assert Counter(each["status"] for each in messages).keys() == {"sent", "held"}
    last = max(datetime.fromisoformat(each["sent_at"]).timestamp() for each in messages if each["sent_at"])
    assert last < shut_at + 5, "a worker that had begun may end its call, and no other begins"
    alone.operate("incident", "report", incident, "--report", str(page))
    told = {json.loads(line)["message"] for line in page.with_suffix(".jsonl").read_text().splitlines()}
    assert {each["id"] for each in messages if each["sent_at"]} <= told
    assert not told & {each["id"] for each in messages if each["status"] == "held"}

    until("the provider that was down is told, too", comes_back(alone, incident))
    accounts = {each["address"]: each["id"] for each in alone.get("/v1/accounts")["data"]}
    for address, tenant in ADDRESSES.items():
        link = alone.call("POST", f"/v1/accounts/{accounts[address]}/consent", {}).json()["consent_url"]
        assert alone.consent(link, tenant, address).status_code == 200
    for each in stream.ids:
        alone.settled(each, "sent")
    seen = Counter(mail["headers"]["message-id"] for mail in alone.control.mail())
    assert [each["id"] for each in messages if seen[each["message_id"]] != 1] == []


def comes_back(stack: LocalStack, incident: str) -> Callable[[], bool]:
    """Give what lets the schedule look again at mailboxes whose grants are not revoked yet, and says if it is done."""

    def done() -> bool:
        for account in stack.get("/v1/accounts")["data"]:
            if account["incident"] == incident:
                stack.aws("dynamodb").update_item(
                    TableName=stack.output("AccountsTableName"),
                    Key={"id": {"S": account["id"]}},
                    UpdateExpression="SET due_at = :now",
                    ExpressionAttributeValues={":now": {"N": str(time.time() - 1)}},
                )
        stack.rotate()
        return all(each["incident"] != incident for each in stack.get("/v1/accounts")["data"])

    return done
