"""The deployed stack from outside: its functions are called with events, and what they wrote is read back."""

from __future__ import annotations

import importlib
import io
import json
import logging
import os
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from mailbearer import observability
from mailbearer.account import Account, AccountState
from mailbearer.ids import new_id
from tests.functions.deployment import ACCOUNT, API_URL, CLIENT_SECRET, FOLDERS, REGION, REGISTRATION, ROOT, Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType


EVENTS = ROOT / "events"


def event(name: str) -> dict[str, Any]:
    """Read an event as AWS sends it from `events/`."""
    loaded: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return loaded


def request(name: str, **changes: Any) -> dict[str, Any]:
    """Read an HTTP event, with another path, method, body, query, header fields or caller."""
    asked = event(name)
    context = asked["requestContext"]
    if "path" in changes:
        asked["rawPath"] = context["http"]["path"] = changes["path"]
    if "method" in changes:
        context["http"]["method"] = changes["method"]
    if "body" in changes:
        asked["body"] = json.dumps(changes["body"])
    if "query" in changes:
        asked["queryStringParameters"] = changes["query"]
    if "caller" in changes:
        context["authorizer"] = {"lambda": changes["caller"]}
    asked["headers"] |= changes.get("headers", {})
    return asked


@dataclass(frozen=True, slots=True)
class Context:
    """What Lambda tells a handler of its invocation."""

    function_name: str
    remaining: float = 300
    aws_request_id: str = "2f1d2c6e-5c0a-4b57-9f0e-3d5a4f1b2c3d"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:mailbearer:live"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.remaining * 1000)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler gave."""

    raw: dict[str, Any]

    @property
    def status(self) -> int:
        return int(self.raw["statusCode"])

    @property
    def headers(self) -> dict[str, str]:
        given: dict[str, str] = self.raw["headers"]
        return given

    @property
    def text(self) -> str:
        return str(self.raw["body"])

    @property
    def json(self) -> Any:
        return json.loads(self.raw["body"])


@dataclass
class Stack(Deployment):
    """The deployed stack, seen from outside; `output` is all that the functions printed."""

    output: str = ""
    told_before: set[str] = field(default_factory=set)

    # --- calling ------------------------------------------------------------------------------------------------------

    def app(self, folder: str) -> ModuleType:
        """Import a function as Lambda does."""
        return importlib.import_module(f"functions.{folder}.app")

    @contextmanager
    def started(self, folder: str) -> Iterator[ModuleType]:
        """Give a function in its process, with its own environment, its output kept and its role watched."""
        app = self.app(folder)
        environment = self.environment(folder) | {"AWS_LAMBDA_FUNCTION_NAME": f"mailbearer-test-{folder}"}
        credentials = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
        log = logging.getLogger(environment["POWERTOOLS_SERVICE_NAME"])
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in (environment | credentials).items():
                patch.setenv(name, value)
            observability.logger.cache_clear()
            observability.metrics.cache_clear()
            # Powertools keeps a logger of this name for the life of the process, with the stream it had at first.
            log.filters.clear()
            for handler in log.handlers:
                if isinstance(handler, logging.StreamHandler):
                    handler.setStream(out)
            self.running = folder
            try:
                yield app
            finally:
                self.running = ""
                self.output += out.getvalue() + err.getvalue()
        denied, self.denied = self.denied, []
        assert not denied, denied

    def invoke(self, folder: str, sent: dict[str, Any], *, remaining: float = 300) -> dict[str, Any]:
        """Call a function's handler with an event."""
        with self.started(folder) as app:
            given: dict[str, Any] = app.lambda_handler(sent, Context(folder, remaining))
        # What Lambda gives on has to be JSON in UTF-8.
        json.dumps(given, ensure_ascii=False).encode()
        return given

    def messages(self, name: str, **changes: Any) -> Answer:
        """Ask the messages API."""
        return Answer(self.invoke("messages_api", request(name, **changes)))

    def accounts(self, name: str, **changes: Any) -> Answer:
        """Ask the accounts API."""
        return Answer(self.invoke("accounts_api", request(name, **changes)))

    def admin(self, name: str, **changes: Any) -> Answer:
        """Ask the API of keys, webhooks and the audit log."""
        return Answer(self.invoke("admin_api", request(name, **changes)))

    def restart(self) -> None:
        """End every process of the functions."""
        for folder in FOLDERS:
            wiring = self.app(folder).wiring
            if wiring.cache_info().currsize and "egress" in vars(wiring()):
                # The end of a process closes its connections.
                wiring().egress.close()
            wiring.cache_clear()

    # --- state --------------------------------------------------------------------------------------------------------

    def fresh(self) -> None:
        """Empty the stack and the sandbox, but for the key and the registration."""
        for logical, resource in self.template["Resources"].items():
            if resource["Type"] != "AWS::DynamoDB::Table" or logical in {"KeysTable", "RegistrationsTable"}:
                continue
            table, keys = self.names[logical], [key["AttributeName"] for key in resource["Properties"]["KeySchema"]]
            for item in self.clients.dynamodb.scan(TableName=table)["Items"]:
                self.clients.dynamodb.delete_item(TableName=table, Key={key: item[key] for key in keys})
        for logical in (
            "MessageQueue",
            "DeadLetterQueue",
            "RotationQueue",
            "NotificationQueue",
            "NotificationDeadLetterQueue",
        ):
            self.clients.sqs.delete_queue(QueueUrl=self.names[logical])
            self._make_aws_sqs_queue(logical, self.template["Resources"][logical]["Properties"])
        for stored in self.clients.s3.list_objects_v2(Bucket=self.names["ContentBucket"]).get("Contents", []):
            self.clients.s3.delete_object(Bucket=self.names["ContentBucket"], Key=stored["Key"])
        for name in self.schedules():
            self.clients.scheduler.delete_schedule(Name=name, GroupName=self.names["ScheduleGroup"])
        self.told_before |= {each["id"] for each in self.audit()}
        self.published.clear()
        self.world.control.clear()
        self.world.control.register_client(
            "google", "client-1", CLIENT_SECRET, redirect_uris=[f"{API_URL}/oauth/callback"]
        )
        self.output = ""

    def mailbox(self, address: str = "ann@tenant.example", state: AccountState = AccountState.ACTIVE) -> Account:
        """Put a mailbox into its table that has no token, for tests in which nothing is sent."""
        account = Account(
            id=new_id("acc_", time.time(), os.urandom),
            provider=REGISTRATION,
            address=address,
            transport="gmail",
            state=state,
            created_at=1,
            updated_at=1,
        )
        self.wiring.accounts.create(account)
        return account

    def connect(self, address: str = "ann@tenant.example") -> Account:
        """Connect a mailbox as its owner and an operator do, over the API and the pages."""
        self.world.control.add_mailbox("google", address)
        added = self.accounts("accounts-post", body={"provider": REGISTRATION, "address": address})
        assert added.status == 201, added.text
        assert self.consent(added.json["consent_url"]).status == 200
        return self.account(address)

    def consent(self, consent_url: str, **person: Any) -> Answer:
        """Open the consent page, go on to the provider, decide there, and come back."""
        page = self.accounts("connect-get", path=consent_url.removeprefix(API_URL))
        assert page.status == 200, page.text
        link = page.text.partition('href="')[2].partition('"')[0].replace("&amp;", "&")
        back = self.world.control.consent(link, **person)
        name = "oauth-callback-denied" if "error" in back.parameters else "oauth-callback"
        return self.accounts(name, query=back.parameters)

    def account(self, address: str = "ann@tenant.example") -> Account:
        """Read an account from its table."""
        (found,) = self.wiring.accounts.by_address(address)
        return found

    def change(self, account: Account, *, token: Mapping[str, Any] | None = None, **fields: Any) -> Account:
        """Change an account in its table."""
        changed = account.changed(token=replace(account.token, **(token or {})), **fields)
        assert self.wiring.accounts.replace(changed, expected=account) == changed
        return changed

    def deliver(self) -> dict[str, Any]:
        """Hand what is on the queue to the worker."""
        records = []
        while taken := self.on(self.names["MessageQueue"]):
            records += taken
        template = event("sqs-raw")["Records"][0]
        sent = [template | {"messageId": each["MessageId"], "body": each["Body"]} for each in records]
        return self.invoke("delivery_worker", {"Records": sent})

    def on(self, queue_url: str) -> list[Any]:
        """Take up to ten messages from a queue."""
        taken = self.clients.sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
        ).get("Messages", [])
        for each in taken:
            self.clients.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=each["ReceiptHandle"])
        return list(taken)

    def schedules(self) -> list[str]:
        """Name the schedules that wait."""
        found = self.clients.scheduler.list_schedules(GroupName=self.names["ScheduleGroup"])["Schedules"]
        return sorted(each["Name"] for each in found)

    def audit(self) -> list[dict[str, Any]]:
        """Read what this test brought into the audit log."""
        streams = self.clients.logs.get_paginator("filter_log_events")
        found = streams.paginate(logGroupName=self.names["AuditLogGroup"]).search("events[]")
        in_order = [json.loads(each["message"]) for each in sorted(found, key=lambda each: int(each["timestamp"]))]
        return [told for told in in_order if told["id"] not in self.told_before]

    def actions(self) -> list[str]:
        """Name what is in the audit log, as `subject.verb outcome`."""
        return [f"{each['action']} {each['outcome']}" for each in self.audit()]

    def metrics(self) -> dict[str, int]:
        """Add up the metrics that the functions wrote as EMF documents, those by the function alone."""
        return {name: number for (name, words), number in self.counts().items() if not words}

    def counts(self) -> dict[tuple[str, frozenset[str]], int]:
        """Add up the metrics by name and the values of their dimensions but the function."""
        sums: dict[tuple[str, frozenset[str]], int] = {}
        for line in self.output.splitlines():
            if not line.startswith('{"_aws"'):
                continue
            document = json.loads(line)
            for directive in document["_aws"]["CloudWatchMetrics"]:
                assert directive["Namespace"] == "Mailbearer"
                (dimensions,) = directive["Dimensions"]
                assert "service" in dimensions
                words = frozenset(document[name] for name in dimensions if name != "service")
                for metric in directive["Metrics"]:
                    (value,) = document[metric["Name"]]
                    identity = (metric["Name"], words)
                    sums[identity] = sums.get(identity, 0) + int(value)
        return sums

    def everything(self) -> str:
        """Give all that is written anywhere but in Secrets Manager: output, tables, queues, bucket, logs."""
        parts = [self.output]
        for logical, resource in self.template["Resources"].items():
            if resource["Type"] == "AWS::DynamoDB::Table":
                parts.append(json.dumps(self.clients.dynamodb.scan(TableName=self.names[logical])["Items"]))
            if resource["Type"] == "AWS::SQS::Queue":
                parts.append(json.dumps(self.on(self.names[logical])))
        for stored in self.clients.s3.list_objects_v2(Bucket=self.names["ContentBucket"]).get("Contents", []):
            body = self.clients.s3.get_object(Bucket=self.names["ContentBucket"], Key=stored["Key"])["Body"]
            parts.append(body.read().decode())
        return "\n".join([*parts, json.dumps(self.audit())])
