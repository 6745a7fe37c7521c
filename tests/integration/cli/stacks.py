"""A deployed stage as far as the operator's command sees it: its resources on moto, behind an endpoint on loopback."""

from __future__ import annotations

import json
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import boto3
import requests

REGION = "eu-west-1"
API_URL = "https://api.example.org"
AUDIT_GROUP = "/mailbearer/prod/audit"
ACCOUNTS, KEYS, REGISTRATIONS, BUCKET = "accounts-1", "keys-1", "registrations-1", "content-1"
INCIDENTS, ARCHIVE, BUS = "incidents-1", "archive-1", "mailbearer-prod"
MESSAGES, QUEUE, DEAD_LETTERS = "messages-1", "messages", "dead-letters"
OUTPUTS = {
    "ApiUrl": API_URL,
    "QueueUrl": f"https://sqs.{REGION}.amazonaws.com/123456789012/{QUEUE}",
    "DeadLetterQueueUrl": f"https://sqs.{REGION}.amazonaws.com/123456789012/{DEAD_LETTERS}",
    "MessagesTableName": MESSAGES,
    "AccountsTableName": ACCOUNTS,
    "KeysTableName": KEYS,
    "RegistrationsTableName": REGISTRATIONS,
    "ContentBucketName": BUCKET,
    "AuditLogGroup": AUDIT_GROUP,
    "IncidentsTableName": INCIDENTS,
    "ArchiveBucketName": ARCHIVE,
    "EventBusName": BUS,
    "SecretsPrefix": "mailbearer/prod",
    "CredentialRotatorArn": f"arn:aws:lambda:{REGION}:123456789012:function:mailbearer-prod-credential-rotator",
}
_NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"


class AwsEndpoint(ThreadingHTTPServer):
    """AWS on loopback, like a local engine: it hands each request to moto under the address that moto listens for.

    DescribeStacks it answers itself, for the stacks it was told of: moto's CloudFormation needs many more packages.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.stacks: dict[str, dict[str, str]] = {}
        self.denied: dict[str, str] = {}
        """The error code with which a service refuses everything."""
        self.rotations: list[dict[str, Any]] = []
        """What RotateSecret was asked for; moto would call the function."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: AwsEndpoint

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        # The credential scope (Signature Version 4) names Region and service.
        _, _, region, service, _ = self.headers["Authorization"].partition("Credential=")[2].split(",")[0].split("/")
        if service in self.server.denied:
            self._deny(service, self.server.denied[service])
            return
        if service == "cloudformation":
            self._describe_stacks(parse_qs(sent.decode()))
            return
        if self.headers.get("X-Amz-Target") == "secretsmanager.RotateSecret":
            self.server.rotations.append(json.loads(sent))
            self._answer(200, b"{}", "application/x-amz-json-1.1")
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        answer = requests.post(
            f"https://{service}.{region}.amazonaws.com{self.path}", data=sent, headers=headers, timeout=5
        )
        self._answer(answer.status_code, answer.content, answer.headers["Content-Type"])

    def _describe_stacks(self, asked: dict[str, list[str]]) -> None:
        (name,) = asked["StackName"]
        outputs = self.server.stacks.get(name)
        if asked["Action"] != ["DescribeStacks"] or outputs is None:
            self._deny("cloudformation", "ValidationError", f"Stack with id {name} does not exist")
            return
        members = "".join(
            f"<member><OutputKey>{key}</OutputKey><OutputValue>{escape(value)}</OutputValue></member>"
            for key, value in outputs.items()
        )
        stack = f"<StackName>{name}</StackName><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>{members}</Outputs>"
        result = f"<DescribeStacksResult><Stacks><member>{stack}</member></Stacks></DescribeStacksResult>"
        self._answer(200, f'<DescribeStacksResponse xmlns="{_NAMESPACE}">{result}</DescribeStacksResponse>'.encode())

    def _deny(self, service: str, code: str, message: str = "No.") -> None:
        if service != "cloudformation":
            self._answer(400, json.dumps({"__type": code, "message": message}).encode(), "application/x-amz-json-1.0")
            return
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        self._answer(400, f'<ErrorResponse xmlns="{_NAMESPACE}">{error}</ErrorResponse>'.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass

    def _answer(self, status: int, content: bytes, content_type: str = "text/xml") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@cache
def client(service: str) -> Any:
    """Give one client of a service for all tests: making one costs more than most tests do with it."""
    make: Any = boto3.Session("test", "test", region_name=REGION).client  # the stubs know each service by its own name
    return make(service)


def make_resources() -> None:
    """Make the tables, the bucket and the log group that the command uses."""
    _make_table(ACCOUNTS, "id", indexed=("address",))
    _make_table(MESSAGES, "id")
    _make_table(KEYS, "id")
    _make_table(REGISTRATIONS, "name")
    _make_table(INCIDENTS, "id")
    client("s3").create_bucket(
        Bucket=ARCHIVE, CreateBucketConfiguration={"LocationConstraint": REGION}, ObjectLockEnabledForBucket=True
    )
    client("events").create_event_bus(Name=BUS)
    client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    client("logs").create_log_group(logGroupName=AUDIT_GROUP)
    for queue in (QUEUE, DEAD_LETTERS):
        client("sqs").create_queue(QueueName=queue)


def audit_events() -> list[dict[str, Any]]:
    """Read the audit log, the oldest event first."""
    answer = client("logs").filter_log_events(logGroupName=AUDIT_GROUP)
    return [json.loads(entry["message"]) for entry in answer["events"]]


def _make_table(name: str, key: str, *, indexed: tuple[str, ...] = ()) -> None:
    indexes: list[Any] = [
        {
            "IndexName": f"by_{attribute}",
            "KeySchema": [{"AttributeName": attribute, "KeyType": "HASH"}, {"AttributeName": key, "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        for attribute in indexed
    ]
    more: dict[str, Any] = {"GlobalSecondaryIndexes": indexes} if indexes else {}
    client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute in (key, *indexed)],
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        **more,
    )
