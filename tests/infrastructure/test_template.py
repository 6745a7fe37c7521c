"""What template.yaml promises, read from the template itself."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from samtranslator.translator.transform import transform

from mailbearer.revocation import LONGEST_IN_FLIGHT
from sandbox.deploy import load_template
from sandbox.local import FUNCTIONS

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = load_template(ROOT / "template.yaml")
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
FUNCTION_NAMES = {folder: output.removesuffix("FunctionName") for folder, output in FUNCTIONS.items()}
every_function = pytest.mark.parametrize("name", FUNCTION_NAMES.values())
# Which permission belongs to the name of an environment variable.
SERVICE_OF = {
    "MESSAGES_TABLE": ("dynamodb", "MessagesTable"),
    "ACCOUNTS_TABLE": ("dynamodb", "AccountsTable"),
    "CONSENTS_TABLE": ("dynamodb", "ConsentsTable"),
    "KEYS_TABLE": ("dynamodb", "KeysTable"),
    "REGISTRATIONS_TABLE": ("dynamodb", "RegistrationsTable"),
    "SUPPRESSIONS_TABLE": ("dynamodb", "SuppressionsTable"),
    "WEBHOOKS_TABLE": ("dynamodb", "WebhooksTable"),
    "LEDGERS_TABLE": ("dynamodb", "LedgersTable"),
    "TEMPLATES_TABLE": ("dynamodb", "TemplatesTable"),
    "QUEUE_URL": ("sqs", "MessageQueue"),
    "DEAD_LETTER_QUEUE_URL": ("sqs", '"DeadLetterQueue'),
    "NOTIFICATION_QUEUE_URL": ("sqs", '"NotificationQueue'),
    "NOTIFICATION_DEAD_LETTER_QUEUE_URL": ("sqs", "NotificationDeadLetterQueue"),
    "SCHEDULE_GROUP": ("scheduler", "ScheduleGroup"),
    "SCHEDULE_ROLE_ARN": ("iam", "ScheduleRole"),
    "ROTATION_QUEUE_URL": ("sqs", "RotationQueue"),
    "CONTENT_BUCKET": ("s3", "ContentBucket"),
    "ARCHIVE_BUCKET": ("s3", "ArchiveBucket"),
    "AUDIT_LOG_GROUP": ("logs", "AuditLogGroup"),
    "EVENT_BUS": ("events", "EventBus"),
    "SECRETS_PREFIX": ("secretsmanager", "secret:mailbearer/${Stage}/"),
}


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    return {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == kind}


def function(name: str) -> dict[str, Any]:
    properties: dict[str, Any] = RESOURCES[f"{name}Function"]["Properties"]
    return properties


def statements(name: str) -> list[dict[str, Any]]:
    (policy,) = RESOURCES[f"{name}Role"]["Properties"]["Policies"]
    listed: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return [statement for statement in listed if "Fn::If" not in statement]


def allowed(name: str) -> set[tuple[str, str]]:
    """Give every (action, resource as text) of a function's role."""
    return {
        (action, json.dumps(statement["Resource"])) for statement in statements(name) for action in statement["Action"]
    }


@every_function
def test_a_function_has_its_own_role_and_a_log_group_with_an_end(name: str) -> None:
    assert function(name)["Role"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
    assert function(name)["LoggingConfig"]["LogGroup"] == {"Ref": f"{name}LogGroup"}
    assert RESOURCES[f"{name}LogGroup"]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@every_function
def test_a_role_names_each_action_and_each_resource(name: str) -> None:
    for action, resource in allowed(name):
        assert "*" not in action
        assert resource not in {'"*"', '["*"]'}
        assert "Ref" in resource or "GetAtt" in resource or "Sub" in resource


@every_function
def test_a_function_logs_to_its_own_group_and_the_audit_log_only(name: str) -> None:
    groups = {resource for action, resource in allowed(name) if action == "logs:PutLogEvents"}
    audit = set() if name == "Authorizer" else {'{"Fn::GetAtt": ["AuditLogGroup", "Arn"]}'}
    assert groups == {f'{{"Fn::GetAtt": ["{name}LogGroup", "Arn"]}}'} | audit


@every_function
def test_a_function_is_told_of_just_what_its_role_may_touch(name: str) -> None:
    told = set(function(name)["Environment"]["Variables"]) & SERVICE_OF.keys()
    services = {"dynamodb", "sqs", "s3", "logs", "events", "scheduler", "iam", "secretsmanager"}
    if name == "Auditor":
        services |= {"cloudwatch", "lambda"}  # it describes the stack
    for variable, (service, resource) in SERVICE_OF.items():
        reachable = any(action.startswith(f"{service}:") and resource in text for action, text in allowed(name))
        assert reachable == (variable in told), variable
    assert {action.partition(":")[0] for action, _ in allowed(name)} <= services


@every_function
def test_the_key_is_allowed_only_when_one_is_given(name: str) -> None:
    (policy,) = RESOURCES[f"{name}Role"]["Properties"]["Policies"]
    (conditional,) = [each["Fn::If"] for each in policy["PolicyDocument"]["Statement"] if "Fn::If" in each]
    condition, statement, otherwise = conditional
    assert (condition, otherwise) == ("HasKmsKey", {"Ref": "AWS::NoValue"})
    assert statement["Resource"] == {"Ref": "KmsKeyArn"}


@pytest.mark.parametrize("name", ["MessagesApi", "Authorizer"])
def test_a_function_that_takes_requests_for_mail_cannot_read_a_secret(name: str) -> None:
    assert not [action for action, _ in allowed(name) if action.startswith("secretsmanager:")]


def test_only_accounts_api_creates_secrets_of_mailboxes() -> None:
    able = {
        name
        for name in FUNCTION_NAMES.values()
        for action, resource in allowed(name)
        if action == "secretsmanager:CreateSecret" and "/webhooks/*" not in resource
    }
    assert able == {"AccountsApi"}


@every_function
def test_a_registrations_secret_is_only_read_but_by_the_function_that_rotates_it(name: str) -> None:
    actions = {action for action, resource in allowed(name) if "/registrations/*" in resource}
    assert actions <= {"secretsmanager:GetSecretValue"} or name == "CredentialRotator"


def test_what_rotates_registrations_secrets_makes_and_deletes_none_and_sees_no_mailboxs_token() -> None:
    secrets = {(action, text) for action, text in allowed("CredentialRotator") if action.startswith("secretsmanager:")}
    assert all("/registrations/*" in text for _, text in secrets)
    assert not {action for action, _ in secrets} & {"secretsmanager:CreateSecret", "secretsmanager:DeleteSecret"}


def test_a_function_hands_a_role_to_the_scheduler_alone_and_just_the_one_that_brings_bodies_to_the_queue() -> None:
    handed = [
        (statement["Resource"], statement["Condition"])
        for name in FUNCTION_NAMES.values()
        for statement in statements(name)
        if "iam:PassRole" in statement["Action"]
    ]
    to_scheduler = {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    assert handed == [({"Fn::GetAtt": ["ScheduleRole", "Arn"]}, to_scheduler)] * 2


def test_the_schedules_role_is_for_schedules_of_this_stacks_group_and_sends_to_its_queues_only() -> None:
    role = RESOURCES["ScheduleRole"]["Properties"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"]["StringEquals"].keys() == {"aws:SourceAccount", "aws:SourceArn"}
    assert "schedule-group/${ScheduleGroup}" in json.dumps(trust["Condition"])
    enqueue, _ = role["Policies"][0]["PolicyDocument"]["Statement"]
    assert enqueue["Action"] == ["sqs:SendMessage"]
    queues = [{"Fn::GetAtt": ["MessageQueue", "Arn"]}, {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}]
    assert enqueue["Resource"] == queues


def test_only_this_accounts_secrets_manager_may_rotate() -> None:
    permission = RESOURCES["CredentialRotatorPermission"]["Properties"]
    assert permission["Principal"] == "secretsmanager.amazonaws.com"
    assert permission["SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_the_authorizer_reads_keys_and_writes_nothing_but_when_they_were_used() -> None:
    table = '{"Fn::GetAtt": ["KeysTable", "Arn"]}'
    beyond_logs = {(action, text) for action, text in allowed("Authorizer") if not action.startswith("logs:")}
    assert beyond_logs == {("dynamodb:GetItem", table), ("dynamodb:UpdateItem", table)}
    (writing,) = [each for each in statements("Authorizer") if each["Action"] == ["dynamodb:UpdateItem"]]
    assert writing["Condition"] == {
        "ForAllValues:StringEquals": {"dynamodb:Attributes": ["id", "last_used_at"]},
        "StringEqualsIfExists": {"dynamodb:ReturnValues": "NONE"},
    }


def test_an_issuer_and_its_audience_are_given_together_or_not_at_all() -> None:
    (rule,) = TEMPLATE["Rules"]["TokensNeedBoth"]["Assertions"]
    assert json.dumps(rule["Assert"]).count("JwtIssuer") == json.dumps(rule["Assert"]).count("JwtAudience") == 2
    pattern = TEMPLATE["Parameters"]["JwtIssuer"]["AllowedPattern"]
    for good in ("", "https://id.example", "https://id.example/tenant/", "http://127.0.0.1:8080"):
        assert re.fullmatch(pattern, good), good
    for bad in ("http://id.example", "id.example", "https://id.example?x", "https://", "http://127.0.0.1.example"):
        assert not re.fullmatch(pattern, bad), bad


def test_every_route_wants_a_key_but_the_health_check_the_description_and_the_consent_pages() -> None:
    public = {
        route["RouteKey"] for route in of_type("AWS::ApiGatewayV2::Route").values() if "AuthorizerId" not in route
    }
    described = {"GET /openapi.json", "GET /docs"}
    assert public == {"GET /health", *described, "GET /connect/{ticket}", "GET /oauth/callback"}
    guarded = [route for route in of_type("AWS::ApiGatewayV2::Route").values() if route["RouteKey"] not in public]
    assert all(
        (route["AuthorizationType"], route["AuthorizerId"]) == ("CUSTOM", {"Ref": "ApiKeyAuthorizer"})
        for route in guarded
    )


def test_the_access_log_holds_neither_paths_nor_queries() -> None:
    entry = json.loads(RESOURCES["HttpApiStage"]["Properties"]["AccessLogSettings"]["Format"])
    assert not {"$context.path", "$context.requestPath", "$context.authorizer.principalId"} & set(entry.values())
    assert entry["route"] == "$context.routeKey"


def test_the_queue_hides_a_batch_six_times_as_long_as_the_worker_may_take() -> None:
    assert RESOURCES["MessageQueue"]["Properties"]["VisibilityTimeout"] == {"Ref": "MessageVisibilitySeconds"}
    visibility = TEMPLATE["Parameters"]["MessageVisibilitySeconds"]
    # AWS refuses to map a queue whose messages come back before the function's time-out.
    assert visibility["MinValue"] >= function("DeliveryWorker")["Timeout"]
    assert visibility["Default"] >= 6 * function("DeliveryWorker")["Timeout"]


def test_a_message_that_crashed_five_workers_lies_fourteen_days_on_the_dead_letter_queue() -> None:
    assert RESOURCES["MessageQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] == 5
    assert RESOURCES["DeadLetterQueue"]["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize("name", of_type("AWS::Lambda::EventSourceMapping"))
def test_one_bad_message_does_not_take_its_neighbours_with_it(name: str) -> None:
    source = RESOURCES[name]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["BatchSize"] == 10


def test_a_mailbox_on_the_rotation_queue_is_a_group_of_its_own_and_forgotten_within_the_hour() -> None:
    queue = RESOURCES["RotationQueue"]["Properties"]
    assert queue["FifoQueue"] is True
    assert queue["QueueName"]["Fn::Sub"].endswith(".fifo")
    assert (queue["DeduplicationScope"], queue["FifoThroughputLimit"]) == ("messageGroup", "perMessageGroupId")
    # AWS refuses to map a queue whose messages come back before the function's time-out.
    assert function("TokenRotator")["Timeout"] <= queue["VisibilityTimeout"] < queue["MessageRetentionPeriod"] <= 3600


@pytest.mark.parametrize("name", of_type("AWS::DynamoDB::Table"))
def test_a_table_is_paid_by_use_restorable_and_forgets_what_expired(name: str) -> None:
    table = RESOURCES[name]["Properties"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


@pytest.mark.parametrize(
    "name", [*of_type("AWS::DynamoDB::Table"), "MessageQueue", "DeadLetterQueue", "ContentBucket", "AuditLogGroup"]
)
def test_what_cannot_be_had_again_outlives_the_stack(name: str) -> None:
    assert (RESOURCES[name]["DeletionPolicy"], RESOURCES[name]["UpdateReplacePolicy"]) == (
        "RetainExceptOnCreate",
        "Retain",
    )


@every_function
def test_somebody_hears_of_a_functions_errors_and_throttles(name: str) -> None:
    watched = {
        alarm["MetricName"]
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        if alarm.get("Dimensions") == [{"Name": "FunctionName", "Value": {"Ref": f"{name}Function"}}]
    }
    assert watched >= {"Errors", "Throttles"}


@pytest.mark.parametrize("name", of_type("AWS::CloudWatch::Alarm"))
def test_an_alarm_says_what_to_do(name: str) -> None:
    alarm = RESOURCES[name]["Properties"]
    assert len(alarm["AlarmDescription"].split(". ")) >= 2
    assert alarm["AlarmActions"]["Fn::If"][0] == "HasAlarmTopic"


def test_every_function_is_arm64_on_the_newest_python() -> None:
    shared = TEMPLATE["Globals"]["Function"]
    assert (shared["Architectures"], shared["Runtime"]) == (["arm64"], "python3.13")


def test_with_snap_start_everything_calls_the_published_version() -> None:
    callers = json.dumps(RESOURCES)
    for name in FUNCTION_NAMES.values():
        alias, itself = {"Ref": f"{name}Function.Alias"}, {"Fn::GetAtt": [f"{name}Function", "Arn"]}
        either = json.dumps({"Fn::If": ["HasSnapStart", alias, itself]})
        assert either in callers
        assert callers.count(json.dumps(itself)) == callers.count(either), (
            f"{name} is called past its published version"
        )


class NoManagedPolicies:
    """Tells SAM of no managed policy: the template uses none."""

    def load(self) -> dict[str, str]:
        return {}


def versions(template: dict[str, Any]) -> set[str]:
    """Give the logical ids of the function versions that SAM makes of a template."""
    made = transform(copy.deepcopy(template), {}, NoManagedPolicies())
    return {name for name, resource in made["Resources"].items() if resource["Type"] == "AWS::Lambda::Version"}


def packaged(layer: str) -> dict[str, Any]:
    """Give the template as `sam package` leaves it, for a layer of this content."""
    template = copy.deepcopy(TEMPLATE)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/function"
        elif resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = f"s3://bucket/{layer}"
    return template


def test_a_new_layer_makes_a_new_version_of_every_function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    before = versions(packaged("one"))
    assert len(before) == len(FUNCTION_NAMES)
    assert versions(packaged("one")) == before
    assert not versions(packaged("two")) & before


def test_the_outputs_name_every_function_and_table() -> None:
    outputs = TEMPLATE["Outputs"]
    assert {f"{name}FunctionName" for name in FUNCTION_NAMES.values()} <= outputs.keys()
    assert {f"{name}Name" for name in of_type("AWS::DynamoDB::Table")} <= outputs.keys()


def test_each_function_has_its_folder() -> None:
    folders = {properties["CodeUri"] for properties in of_type("AWS::Serverless::Function").values()}
    assert folders == {f"functions/{folder}" for folder in FUNCTIONS}
    assert all((ROOT / folder / "app.py").is_file() for folder in folders)


def test_a_revocation_answers_with_the_time_for_which_a_worker_may_still_be_at_it() -> None:
    assert RESOURCES["DeliveryWorkerFunction"]["Properties"]["Timeout"] == LONGEST_IN_FLIGHT
