"""What template.yaml describes, made on moto: tables, queues, bucket, log groups, bus, environments and roles."""

from __future__ import annotations

import fnmatch
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import boto3
from jsonschema import ValidationError

from mailbearer.aws.clients import Clients
from mailbearer.caller import ApiKey, hash_secret
from mailbearer.config import read_settings
from mailbearer.credential import Credential
from mailbearer.providers import register
from mailbearer.wiring import Wiring
from sandbox.deploy import load_template
from tests.fakes.events import check_detail
from tests.permissions import Permission

if TYPE_CHECKING:
    from sandbox.world import World

ROOT = Path(__file__).resolve().parents[2]
REGION, ACCOUNT = "eu-central-1", "123456789012"
API_URL = "https://api.example"
REGISTRATION, CLIENT_SECRET = "google-main", "the-client-secret-of-google-main"
KEY_ID, KEY_SECRET = "key_01JD0000000000000000000000", "5e" * 32
FOLDERS = {
    "messages_api": "MessagesApi",
    "accounts_api": "AccountsApi",
    "delivery_worker": "DeliveryWorker",
    "token_rotator": "TokenRotator",
    "credential_rotator": "CredentialRotator",
    "admin_api": "AdminApi",
    "notifier": "Notifier",
    "auditor": "Auditor",
    "authorizer": "Authorizer",
}
_SERVICES = {"cloudwatch-logs": "logs", "eventbridge": "events", "secrets-manager": "secretsmanager"}
_LONGEST_KEY = 2048
# What names no one resource: to IAM it concerns all of the account's, or the one dashboard.
_LISTED = {
    "cloudwatch:DescribeAlarms": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*",
    "cloudwatch:GetDashboard": f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/mailbearer-test",
    "logs:DescribeLogGroups": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group::log-stream:",
}
_ACTIONS = {
    "s3:CopyObject": "s3:PutObject",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}


@dataclass
class Deployment:
    """The stack's resources, and the role of the function that is running."""

    world: World
    template: dict[str, Any] = field(default_factory=lambda: load_template(ROOT / "template.yaml"))
    names: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    denied: list[str] = field(default_factory=list)
    used: set[Permission] = field(default_factory=set)
    published: list[list[tuple[str, dict[str, Any]]]] = field(default_factory=list)
    running: str = ""
    refused: tuple[str, ...] = ()
    """What AWS refuses just now: `action resource`, with `*` for anything."""

    # --- the template -------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make what the template describes, as far as moto has it, then the key and the registration."""
        self.clients = Clients(lambda: boto3.Session("testing", "testing", region_name=REGION))
        for name, resource in self.template["Resources"].items():
            make = getattr(self, f"_make_{resource['Type'].replace('::', '_').lower()}", None)
            if make:
                make(name, resource.get("Properties", {}))
        self.wiring = Wiring(
            read_settings(
                self.environment("messages_api") | self.environment("accounts_api") | self.environment("admin_api")
            ),
            clients=self.clients,
        )
        key = ApiKey(
            id=KEY_ID, name="test", secret_hash=hash_secret(KEY_SECRET), scopes=frozenset({"admin"}), created_at=1
        )
        self.wiring.keys.create(key)
        tenant = self.world.tenants["google"]
        self.wiring.registrations.create(
            register(
                "google",
                name=REGISTRATION,
                client_id="client-1",
                now=1,
                issuer=tenant.issuer,
                authorize_url=tenant.authorize_url,
                token_url=tenant.token_url,
                revoke_url=tenant.revoke_url,
                userinfo_url=tenant.userinfo_url,
                api_base_url=tenant.api_base_url or "",
                local=True,
            )
        )
        self.wiring.credentials.create(REGISTRATION, Credential(client_secret=CLIENT_SECRET))

    def _make_aws_dynamodb_table(self, name: str, properties: dict[str, Any]) -> None:
        wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        table = {each: properties[each] for each in wanted if each in properties}
        self.names[name] = f"mailbearer-{name}"
        self.clients.dynamodb.create_table(TableName=self.names[name], **table)

    def _make_aws_sqs_queue(self, name: str, properties: dict[str, Any]) -> None:
        queue = self.resolve(properties["QueueName"])
        wanted = ("FifoQueue", "DeduplicationScope", "FifoThroughputLimit")
        given = {each: properties[each] for each in wanted if each in properties}
        attributes: Any = {each: "true" if value is True else value for each, value in given.items()}
        self.names[name] = self.clients.sqs.create_queue(QueueName=queue, Attributes=attributes)["QueueUrl"]

    def _make_aws_s3_bucket(self, name: str, properties: dict[str, Any]) -> None:
        self.names[name] = f"mailbearer-{name.removesuffix('Bucket').lower()}"
        self.clients.s3.create_bucket(
            Bucket=self.names[name],
            CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
            ObjectLockEnabledForBucket=properties.get("ObjectLockEnabled", False),
        )

    def _make_aws_kms_key(self, name: str, properties: dict[str, Any]) -> None:
        key = self.clients.client("kms").create_key(KeySpec=properties["KeySpec"], KeyUsage=properties["KeyUsage"])
        self.names[name] = key["KeyMetadata"]["KeyId"]

    def _make_aws_logs_loggroup(self, name: str, properties: dict[str, Any]) -> None:
        self.names[name] = self.resolve(properties["LogGroupName"])
        self.clients.logs.create_log_group(logGroupName=self.names[name])

    def _make_aws_events_eventbus(self, name: str, properties: dict[str, Any]) -> None:
        self.names[name] = self.resolve(properties["Name"])
        self.clients.events.create_event_bus(Name=self.names[name])

    def _make_aws_events_rule(self, name: str, properties: dict[str, Any]) -> None:
        if "ScheduleExpression" in properties:
            self.names[name] = self.resolve(properties["Name"])
            schedule = properties["ScheduleExpression"]
            self.clients.events.put_rule(Name=self.names[name], ScheduleExpression=schedule)

    def _make_aws_scheduler_schedulegroup(self, name: str, properties: dict[str, Any]) -> None:
        self.names[name] = self.resolve(properties["Name"])
        self.clients.scheduler.create_schedule_group(Name=self.names[name])

    def _make_aws_iam_role(self, name: str, properties: dict[str, Any]) -> None:
        del properties
        self.names[name] = f"mailbearer-{name}"

    def environment(self, folder: str) -> dict[str, str]:
        """Give a function's environment as the template has it."""
        own = self.template["Resources"][f"{FOLDERS[folder]}Function"]["Properties"]["Environment"]["Variables"]
        everybodys = self.template["Globals"]["Function"]["Environment"]["Variables"]
        return {name: self.resolve(value) for name, value in (everybodys | own).items()}

    def resolve(self, value: Any) -> str:
        """Work out a text of the template: Ref, Sub, GetAtt Arn, and If, of which every condition but one is false."""
        if isinstance(value, dict):
            ((function, argument),) = value.items()
            if function == "Ref":
                return self._named(argument)
            if function == "Fn::GetAtt":
                return self._arn(argument[0])
            if function == "Fn::If":
                return self.resolve(argument[1] if argument[0] == "HasPublicUrl" else argument[2])
            text = argument
            for name in {part.partition("}")[0] for part in text.split("${")[1:]}:
                text = text.replace(
                    f"${{{name}}}", self._arn(name[:-4]) if name.endswith(".Arn") else self._named(name)
                )
            return str(text)
        return str(value)

    def _named(self, name: str) -> str:
        fixed = {
            "Stage": "test",
            "LocalStage": "true",
            "PublicUrl": API_URL,
            "KmsKeyArn": "",
            "JwtIssuer": "",
            "JwtAudience": "",
            "OwnerTopicArn": "",
            "MessageEvents": "all",
            "LogLevel": "INFO",
            "WorkerMaximumConcurrency": "10",
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::AccountId": ACCOUNT,
        }
        return (fixed | self.parameters)[name] if name in fixed else self.names[name]

    def _arn(self, name: str) -> str:
        kind, named = self.template["Resources"][name]["Type"], self.names[name]
        return {
            "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{named}",
            "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{named.rpartition('/')[2]}",
            "AWS::KMS::Key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{named}",
            "AWS::S3::Bucket": f"arn:aws:s3:::{named}",
            "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{named}",
            "AWS::Scheduler::ScheduleGroup": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule-group/{named}",
            "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{named}",
            "AWS::Events::EventBus": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{named}",
            "AWS::Events::Rule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{named}",
        }[kind]

    # --- the role -----------------------------------------------------------------------------------------------------

    def watch(self, name: str, sent: Any) -> None:
        """Note a call that the role of the running function does not allow."""
        if not self.running:
            return
        _, service, operation = name.split(".")
        service = _SERVICES.get(service, service)
        action = f"{service}:{operation}"
        action = _ACTIONS.get(action, action)
        resource = _LISTED.get(action) or self._resource_of(service, sent)
        if service == "kms" and self._key_allows(action):
            return
        (policy,) = self.template["Resources"][f"{FOLDERS[self.running]}Role"]["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]:
            if "Fn::If" in statement or action not in statement["Action"]:
                continue
            allowed = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
            if any(fnmatch.fnmatchcase(resource, self.resolve(each)) for each in allowed):
                self.used.add(Permission(self.running, statement["Sid"], action))
                return
        self.denied.append(f"{self.running}: {action} on {resource}")

    def refuses(self, name: str, sent: Any) -> bool:
        """Tell whether AWS refuses a call just now."""
        if not (self.running and self.refused):
            return False
        _, service, operation = name.split(".")
        service = _SERVICES.get(service, service)
        call = f"{service}:{operation} {self._resource_of(service, sent)}"
        return any(fnmatch.fnmatchcase(call, each) for each in self.refused)

    def _key_allows(self, action: str) -> bool:
        """Tell whether the signing key's own policy lets the running function do this."""
        role = {"AWS": {"Fn::GetAtt": [f"{FOLDERS[self.running]}Role", "Arn"]}}
        statements = self.template["Resources"]["SigningKey"]["Properties"]["KeyPolicy"]["Statement"]
        return any(each["Principal"] == role and action in each.get("Action", ()) for each in statements)

    def _check_events(self, entries: list[dict[str, str]]) -> None:
        """Keep what one call publishes, and note what is not as its schema says."""
        told = [(entry["DetailType"], json.loads(entry["Detail"])) for entry in entries]
        self.published.append(told)
        for kind, detail in told:
            try:
                check_detail(kind, detail)
            except (KeyError, ValidationError) as error:
                self.denied.append(f"{self.running}: {kind} is not as its schema says: {error}")

    def _resource_of(self, service: str, sent: Any) -> str:  # noqa: C901, PLR0911 - one for each service
        if service == "s3":
            bucket, _, key = unquote(urlsplit(sent.url).path).strip("/").partition("/")
            if not urlsplit(sent.url).hostname.startswith("s3."):
                bucket, key = urlsplit(sent.url).hostname.partition(".")[0], f"{bucket}/{key}".strip("/")
            return f"arn:aws:s3:::{bucket}/{key}".rstrip("/")
        if service == "scheduler":
            group = parse_qsl(urlsplit(sent.url).query) or [("groupName", json.loads(sent.body)["GroupName"])]
            return f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/{group[0][1]}/{urlsplit(sent.url).path[11:]}"
        if service == "lambda":
            return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{urlsplit(sent.url).path.split('/')[3]}"
        text = sent.body.decode() if isinstance(sent.body, bytes) else sent.body
        body = json.loads(text) if text.startswith("{") else dict(parse_qsl(text))
        if service == "dynamodb":
            # DynamoDB takes keys of up to 2048 bytes and calls a longer one a mistake; moto takes any.
            assert all(len(each.get("S", "").encode()) <= _LONGEST_KEY for each in body.get("Key", {}).values())
            table = body.get("TableName") or next(iter(body["RequestItems"]))
            index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
            return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}{index}"
        if service == "sqs":
            return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{body['QueueUrl'].rpartition('/')[2]}"
        if service == "secretsmanager":
            return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{body.get('SecretId') or body['Name']}"
        if service == "kms":
            return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{body['KeyId'].rpartition('/')[2]}"
        if service == "logs":
            return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{body['logGroupName']}"
        assert service == "events", service
        if "Name" in body:
            return f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{body['Name']}"
        self._check_events(body["Entries"])
        return f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{body['Entries'][0]['EventBusName']}"
