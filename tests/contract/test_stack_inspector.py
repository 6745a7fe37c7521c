from __future__ import annotations

import io
import json
import time
import zipfile
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from botocore.stub import Stubber

from mailbearer.aws.stack import AwsStackInspector
from mailbearer.errors import Unavailable
from mailbearer.ports.stack import Alarm, DeployedFunction, SecretFacts
from tests.fakes import FakeStackInspector

if TYPE_CHECKING:
    from mailbearer.ports.stack import StackInspector
    from tests.contract.conftest import World

TLS_ONLY = {
    "Sid": "TlsOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sqs:*",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"


class FakeStage:
    """Makes things that the fake then tells of."""

    def __init__(self) -> None:
        self.inspector = FakeStackInspector()

    def function(self, name: str, log_group: str, environment: dict[str, str]) -> None:
        self.inspector.functions[name] = DeployedFunction(name=name, log_group=log_group, environment=environment)

    def alarm(self, name: str, *, enabled: bool) -> None:
        self.inspector.standing_alarms[name] = Alarm(
            name=name, state="INSUFFICIENT_DATA", enabled=enabled, targets=(TOPIC,)
        )

    def log_group(self, name: str, days: int) -> None:
        self.inspector.retentions[name] = days

    def log(self, group: str, at: float) -> None:
        self.inspector.logged.setdefault(group, []).append(at)

    def rule(self, name: str, *, on: bool) -> None:
        self.inspector.rules[name] = on

    def dashboard(self, name: str) -> None:
        self.inspector.dashboards.add(name)

    def secret(self, name: str, key_id: str) -> None:
        self.inspector.secrets[name] = SecretFacts(key_id=key_id)

    def delete_secret(self, name: str) -> None:
        self.inspector.secrets[name] = SecretFacts(deleted=True)

    def table(self, *ids: str) -> str:
        self.inspector.items["table"] = [json.dumps({"id": {"S": one}}) for one in ids]
        return "table"

    def queue(self, *statements: dict[str, Any]) -> str:
        self.inspector.queue_policies["queue"] = statements
        return "queue"

    def bucket(self, *statements: dict[str, Any]) -> str:
        self.inspector.bucket_policies["bucket"] = statements
        return "bucket"


class AwsStage:
    """Makes the same on moto."""

    def __init__(self, world: World) -> None:
        self._world, self._clients = world, world.clients
        self.inspector = AwsStackInspector(world.clients)

    def function(self, name: str, log_group: str, environment: dict[str, str]) -> None:
        assert log_group == f"/aws/lambda/{name}"  # moto knows no other
        trust = {"Version": "2012-10-17", "Statement": []}
        role = self._clients.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("app.py", "")
        self._clients.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role["Role"]["Arn"],
            Handler="app.handler",
            Code={"ZipFile": archive.getvalue()},
            Environment={"Variables": environment},
        )

    def alarm(self, name: str, *, enabled: bool) -> None:
        self._clients.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/Lambda",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            ActionsEnabled=enabled,
            AlarmActions=[TOPIC],
        )

    def log_group(self, name: str, days: int) -> None:
        self._clients.logs.create_log_group(logGroupName=name)
        if days:
            self._clients.logs.put_retention_policy(logGroupName=name, retentionInDays=days)

    def log(self, group: str, at: float) -> None:
        self._clients.logs.create_log_stream(logGroupName=group, logStreamName="stream")
        event: Any = {"timestamp": int(at * 1000), "message": "{}"}
        self._clients.logs.put_log_events(logGroupName=group, logStreamName="stream", logEvents=[event])

    def rule(self, name: str, *, on: bool) -> None:
        state: Any = "ENABLED" if on else "DISABLED"
        self._clients.events.put_rule(Name=name, ScheduleExpression="rate(5 minutes)", State=state)

    def dashboard(self, name: str) -> None:
        self._clients.client("cloudwatch").put_dashboard(DashboardName=name, DashboardBody='{"widgets": []}')

    def secret(self, name: str, key_id: str) -> None:
        self._clients.secretsmanager.create_secret(Name=name, SecretString="value", KmsKeyId=key_id)

    def delete_secret(self, name: str) -> None:
        self._clients.secretsmanager.delete_secret(SecretId=name, RecoveryWindowInDays=7)

    def table(self, *ids: str) -> str:
        name = self._world.table("accounts")
        for one in ids:
            self._clients.dynamodb.put_item(TableName=name, Item={"id": {"S": one}})
        return name

    def queue(self, *statements: dict[str, Any]) -> str:
        url = self._world.queue()
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
            self._clients.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        return url

    def bucket(self, *statements: dict[str, Any]) -> str:
        name = self._world.bucket()
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
            self._clients.s3.put_bucket_policy(Bucket=name, Policy=policy)
        return name


Stage: TypeAlias = FakeStage | AwsStage


@pytest.fixture(params=["fake", "aws"])
def stage(request: pytest.FixtureRequest) -> Stage:
    return FakeStage() if request.param == "fake" else AwsStage(request.getfixturevalue("world"))


def test_a_function_is_told_with_its_environment_and_log_group(stage: Stage) -> None:
    name, group = "mailbearer-x-notifier", "/aws/lambda/mailbearer-x-notifier"
    stage.function(name, group, {"STAGE": "x"})
    inspector: StackInspector = stage.inspector
    found = inspector.function(name)
    assert found == DeployedFunction(name=name, log_group=group, environment={"STAGE": "x"})
    assert inspector.function("mailbearer-x-other") is None
    assert "STAGE" not in repr(found)


def test_a_function_that_was_given_a_log_group_is_told_with_that(world: World) -> None:
    with Stubber(world.clients.made("lambda")) as stub:
        stub.add_response("get_function_configuration", {"LoggingConfig": {"LogGroup": "/its/own"}})
        found = AwsStackInspector(world.clients).function("any")
    assert found == DeployedFunction(name="any", log_group="/its/own", environment={})


def test_alarms_are_told_by_the_beginning_of_their_names(stage: Stage) -> None:
    for name, enabled in (("a-one", True), ("a-two", False), ("b-one", True)):
        stage.alarm(name, enabled=enabled)
    found = [(alarm.name, alarm.enabled, alarm.targets) for alarm in stage.inspector.alarms("a-")]
    assert sorted(found) == [("a-one", True, (TOPIC,)), ("a-two", False, (TOPIC,))]
    assert stage.inspector.alarms("c-") == ()


def test_a_log_group_keeps_its_lines_for_days_or_for_ever_or_is_not_there(stage: Stage) -> None:
    stage.log_group("/group/ends", 30)
    stage.log_group("/group/ends-never", 0)
    found = [stage.inspector.retention(f"/group/{name}") for name in ("ends", "ends-never", "end")]
    assert found == [30, 0, None]


def test_a_log_group_was_written_to_since_a_moment_or_was_not(stage: Stage) -> None:
    now = time.time()
    stage.log_group("/group/written", 30)
    stage.log("/group/written", now - 600)
    assert stage.inspector.wrote("/group/written", since=now - 900)
    assert not stage.inspector.wrote("/group/written", since=now - 300)
    assert not stage.inspector.wrote("/group/none", since=0)


def test_a_schedule_is_on_or_off_or_not_there(stage: Stage) -> None:
    stage.rule("on", on=True)
    stage.rule("off", on=False)
    assert [stage.inspector.rule_enabled(name) for name in ("on", "off", "none")] == [True, False, None]


def test_a_dashboard_is_there_or_not(stage: Stage) -> None:
    stage.dashboard("there")
    assert (stage.inspector.dashboard("there"), stage.inspector.dashboard("none")) == (True, False)


def test_a_secret_is_described_and_one_that_is_about_to_go_says_so(stage: Stage) -> None:
    for name in ("kept", "gone"):
        stage.secret(f"mailbearer/x/{name}", "key-1")
    stage.delete_secret("mailbearer/x/gone")
    assert stage.inspector.secret("mailbearer/x/kept") == SecretFacts(key_id="key-1")
    gone = stage.inspector.secret("mailbearer/x/gone")
    assert gone is not None
    assert gone.deleted
    assert stage.inspector.secret("mailbearer/x/none") is None


def test_a_sample_of_a_table_is_as_large_as_asked_for(stage: Stage) -> None:
    table = stage.table("one", "two", "three")
    assert len(stage.inspector.sample(table, limit=2)) == 2
    assert json.loads(stage.inspector.sample(table, limit=9)[0]).keys() == {"id"}


def test_policies_are_told_statement_by_statement(stage: Stage) -> None:
    assert stage.inspector.queue_policy(stage.queue(TLS_ONLY)) == (TLS_ONLY,)
    assert stage.inspector.queue_policy(stage.queue()) == ()
    over_s3 = TLS_ONLY | {"Action": "s3:*", "Resource": "arn:aws:s3:::bucket/*"}
    assert stage.inspector.bucket_policy(stage.bucket(over_s3)) == (over_s3,)
    assert stage.inspector.bucket_policy(stage.bucket()) == ()


def test_a_call_that_is_not_allowed_names_the_permission(world: World) -> None:
    clients = world.clients
    inspector = AwsStackInspector(clients)
    with Stubber(clients.made("events")) as stub:
        stub.add_client_error("describe_rule", "AccessDeniedException")
        with pytest.raises(Unavailable, match=r"^events:DescribeRule is not allowed\.$"):
            inspector.rule_enabled("any")
    with Stubber(clients.made("secretsmanager")) as stub:
        stub.add_client_error("describe_secret", "InternalServiceError")
        with pytest.raises(Unavailable, match=r"^secretsmanager:DescribeSecret failed: InternalServiceError\.$"):
            inspector.secret("any")


def test_all_pages_of_alarms_are_read_and_no_more_than_five(world: World) -> None:
    with Stubber(world.clients.made("cloudwatch")) as stub:
        for number in range(5):
            alarm = {"AlarmName": f"a-{number}", "StateValue": "OK", "ActionsEnabled": True, "AlarmActions": []}
            stub.add_response("describe_alarms", {"MetricAlarms": [alarm], "NextToken": f"page-{number}"})
        found = AwsStackInspector(world.clients).alarms("a-")
    assert [alarm.name for alarm in found] == [f"a-{number}" for number in range(5)]
