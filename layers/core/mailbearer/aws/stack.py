"""The deployed stack as AWS describes it: read-only calls, each of which names its permission when it is refused."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mailbearer.aws.failures import calling, code
from mailbearer.errors import Unavailable
from mailbearer.ports.stack import Alarm, DeployedFunction, SecretFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mailbearer.aws.clients import Clients

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_GONE = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "QueueDoesNotExist",
        "ResourceNotFound",
        "ResourceNotFoundException",
    }
)
_PAGES = 5  # of a hundred alarms each


class AwsStackInspector:
    """Describes functions, alarms, logs, rules, secrets, tables, queues and buckets of this account and Region."""

    def __init__(self, clients: Clients) -> None:
        self._lambda = clients.client("lambda")
        self._cloudwatch = clients.client("cloudwatch")
        self._dynamodb = clients.dynamodb
        self._events = clients.events
        self._logs = clients.logs
        self._s3 = clients.s3
        self._secrets = clients.secretsmanager
        self._sqs = clients.sqs

    def function(self, name: str) -> DeployedFunction | None:
        """Read a function's configuration; None if there is no such function."""
        with _reading("lambda:GetFunctionConfiguration") as found:
            found.append(self._lambda.get_function_configuration(FunctionName=name))
        if not found:
            return None
        (answer,) = found
        return DeployedFunction(
            name=name,
            log_group=answer.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{name}",
            environment=answer.get("Environment", {}).get("Variables", {}),
        )

    def alarms(self, prefix: str) -> tuple[Alarm, ...]:
        """List the alarms whose names begin so, at most 500."""
        alarms: list[Alarm] = []
        more: dict[str, str] = {}
        for _ in range(_PAGES):
            with _reading("cloudwatch:DescribeAlarms") as found:
                found.append(self._cloudwatch.describe_alarms(AlarmNamePrefix=prefix, MaxRecords=100, **more))
            answer = found[0] if found else {}
            alarms += [
                Alarm(
                    name=alarm["AlarmName"],
                    state=alarm.get("StateValue", "INSUFFICIENT_DATA"),
                    enabled=alarm.get("ActionsEnabled", True),
                    targets=tuple(alarm.get("AlarmActions", ())),
                )
                for alarm in answer.get("MetricAlarms", ())
            ]
            if not answer.get("NextToken"):
                break
            more = {"NextToken": answer["NextToken"]}
        return tuple(alarms)

    def retention(self, log_group: str) -> int | None:
        """Give for how many days a log group keeps its lines, 0 = for ever; None if there is no such group."""
        with _reading("logs:DescribeLogGroups") as found:
            found.append(self._logs.describe_log_groups(logGroupNamePrefix=log_group, limit=50))
        groups = found[0].get("logGroups", ()) if found else ()
        return next((group.get("retentionInDays", 0) for group in groups if group["logGroupName"] == log_group), None)

    def wrote(self, log_group: str, *, since: float) -> bool:
        """Tell whether anything was logged since a moment (epoch seconds)."""
        # A page may be empty and yet not the last; a quarter of an hour of one function's log has few.
        more: dict[str, Any] = {}
        for _ in range(_PAGES):
            with _reading("logs:FilterLogEvents") as found:
                found.append(
                    self._logs.filter_log_events(logGroupName=log_group, startTime=int(since * 1000), limit=1, **more)
                )
            answer = found[0] if found else {}
            if answer.get("events"):
                return True
            if not answer.get("nextToken"):
                break
            more = {"nextToken": answer["nextToken"]}
        return False

    def rule_enabled(self, name: str) -> bool | None:
        """Tell whether a schedule is on; None if there is no such rule."""
        with _reading("events:DescribeRule") as found:
            found.append(self._events.describe_rule(Name=name))
        return found[0]["State"] == "ENABLED" if found else None

    def dashboard(self, name: str) -> bool:
        """Tell whether there is such a dashboard."""
        with _reading("cloudwatch:GetDashboard") as found:
            found.append(self._cloudwatch.get_dashboard(DashboardName=name))
        return bool(found)

    def secret(self, name: str) -> SecretFacts | None:
        """Describe a secret without reading its value; None if there is none."""
        with _reading("secretsmanager:DescribeSecret") as found:
            found.append(self._secrets.describe_secret(SecretId=name))
        if not found:
            return None
        return SecretFacts(key_id=found[0].get("KmsKeyId", ""), deleted="DeletedDate" in found[0])

    def sample(self, table: str, *, limit: int) -> tuple[str, ...]:
        """Give some items of a table, each as JSON."""
        with _reading("dynamodb:Scan") as found:
            found.append(self._dynamodb.scan(TableName=table, Limit=limit))
        return tuple(json.dumps(item, default=str) for item in (found[0]["Items"] if found else ()))

    def queue_policy(self, queue_url: str) -> tuple[Mapping[str, Any], ...]:
        """Give the statements of a queue's policy, none if it has no policy."""
        with _reading("sqs:GetQueueAttributes") as found:
            found.append(self._sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["Policy"]))
        return _statements(found[0].get("Attributes", {}).get("Policy", "") if found else "")

    def bucket_policy(self, bucket: str) -> tuple[Mapping[str, Any], ...]:
        """Give the statements of a bucket's policy, none if it has no policy."""
        with _reading("s3:GetBucketPolicy") as found:
            found.append(self._s3.get_bucket_policy(Bucket=bucket))
        return _statements(found[0]["Policy"] if found else "")


@contextmanager
def _reading(permission: str) -> Iterator[list[Any]]:
    """Collect an answer; what is not there leaves the list empty. Raises `Unavailable`."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 - loaded with the client long before

    found: list[Any] = []
    with calling(permission):
        try:
            yield found
        except ClientError as error:
            if code(error) in _DENIED:
                raise Unavailable(f"{permission} is not allowed.") from error
            if code(error) not in _GONE:
                raise


def _statements(policy: str) -> tuple[Mapping[str, Any], ...]:
    if not policy:
        return ()
    statements = json.loads(policy).get("Statement", [])
    return tuple(statements if isinstance(statements, list) else [statements])
