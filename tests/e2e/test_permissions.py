"""Roles and policies as the local engine enforces them on every call of the deployed functions.

What the whole session used is compared with what the roles allow by `python -m tests.permissions`, after all tests.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.engine import REGION
from tests.permissions import of_the_engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.local_stack import LocalStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def act(local_stack: LocalStack) -> Callable[[str, str], Any]:
    """Give what makes an AWS client that acts as the role of a function; one session, so that models are read once."""
    make: Any = boto3.Session(region_name=REGION).client
    config = Config(retries={"max_attempts": 1})

    @cache
    def assumed(function: str) -> dict[str, str]:
        role = local_stack.aws("lambda").get_function_configuration(FunctionName=local_stack.output(function))["Role"]
        lent = local_stack.aws("sts").assume_role(RoleArn=role, RoleSessionName="an-intruder")["Credentials"]
        return {
            "aws_access_key_id": lent["AccessKeyId"],
            "aws_secret_access_key": lent["SecretAccessKey"],
            "aws_session_token": lent["SessionToken"],
        }

    endpoint = local_stack.world.engine.endpoint_url
    return lambda function, service: make(service, endpoint_url=endpoint, config=config, **assumed(function))


def refused(call: Any, **named: Any) -> bool:
    """Tell whether a call is refused for want of a permission."""
    try:
        call(**named)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 403} and "AccessDenied" in str(error)
    return False


def test_every_call_of_a_function_so_far_was_allowed_by_its_role(local_stack: LocalStack) -> None:
    local_stack.settled(local_stack.send("orders@acme.example")["id"], "sent")
    used, refusals = of_the_engine(local_stack.decisions())
    assert {each.function for each in used} >= {"authorizer", "accounts_api", "messages_api", "delivery_worker"}
    assert [each for each in refusals if "an-intruder" not in each] == []


def test_a_defect_in_what_takes_requests_brings_no_token_out(
    local_stack: LocalStack, act: Callable[[str, str], Any]
) -> None:
    secrets = local_stack.aws("secretsmanager").list_secrets()["SecretList"]
    (token,) = [each["Name"] for each in secrets if "/accounts/" in each["Name"]][:1]
    for function in (
        "MessagesApiFunctionName",
        "AuthorizerFunctionName",
        "NotifierFunctionName",
        "AdminApiFunctionName",
    ):
        assert refused(act(function, "secretsmanager").get_secret_value, SecretId=token), function
    assert not refused(act("DeliveryWorkerFunctionName", "secretsmanager").get_secret_value, SecretId=token)


def test_no_function_changes_the_audit_log_or_the_archive_or_who_may_do_what(
    local_stack: LocalStack, act: Callable[[str, str], Any]
) -> None:
    group, archive = local_stack.output("AuditLogGroup"), local_stack.output("ArchiveBucketName")
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for function in [name for name in local_stack.world.stack.outputs if name.endswith("FunctionName")]:
        logs = act(function, "logs")
        assert refused(logs.delete_log_group, logGroupName=group), function
        assert refused(logs.put_retention_policy, logGroupName=group, retentionInDays=1), function
        s3 = act(function, "s3")
        assert refused(s3.delete_object, Bucket=archive, Key="digests/1"), function
        assert refused(s3.put_bucket_policy, Bucket=archive, Policy=policy), function
        iam = act(function, "iam")
        assert refused(iam.put_role_policy, RoleName="any", PolicyName="all", PolicyDocument=policy), function


def test_the_auditor_alone_signs(local_stack: LocalStack, act: Callable[[str, str], Any]) -> None:
    asked = {
        "KeyId": local_stack.output("SigningKeyArn"),
        "Message": b"0" * 32,
        "MessageType": "DIGEST",
        "SigningAlgorithm": "ECDSA_SHA_256",
    }
    for function in [name for name in local_stack.world.stack.outputs if name.endswith("FunctionName")]:
        is_refused = refused(act(function, "kms").sign, **asked)
        assert is_refused == (function != "AuditorFunctionName"), function
