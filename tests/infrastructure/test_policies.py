"""Who may do what to queues, buckets and the signing key, and what encrypts everything, as the template says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sandbox.deploy import load_template

TEMPLATE = load_template(Path(__file__).resolve().parents[2] / "template.yaml")
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
KEY = {"Ref": "KmsKeyArn"}
NOTHING = {"Ref": "AWS::NoValue"}
SERVICES = {"events.amazonaws.com", "sns.amazonaws.com"}
GUARDED = {"AWS::SQS::Queue": "AWS::SQS::QueuePolicy", "AWS::S3::Bucket": "AWS::S3::BucketPolicy"}


def names_of(kind: str) -> list[str]:
    return [name for name, resource in RESOURCES.items() if resource["Type"] == kind]


def properties(name: str) -> dict[str, Any]:
    found: dict[str, Any] = RESOURCES[name]["Properties"]
    return found


def statements(name: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = properties(name)["PolicyDocument"]["Statement"]
    return listed


guarded = pytest.mark.parametrize("name", [name for kind in GUARDED for name in names_of(kind)])


def policy_of(name: str) -> str:
    """Find the one policy of a queue or a bucket."""
    (found,) = [
        policy
        for policy in names_of(GUARDED[RESOURCES[name]["Type"]])
        if {"Ref": name} in [properties(policy).get("Bucket"), *properties(policy).get("Queues", [])]
    ]
    return found


@guarded
def test_nobody_comes_without_tls_or_from_another_account(name: str) -> None:
    kind = "sqs" if RESOURCES[name]["Type"] == "AWS::SQS::Queue" else "s3"
    arn = {"Fn::GetAtt": [name, "Arn"]}
    everything = arn if kind == "sqs" else [arn, {"Fn::Sub": f"${{{name}.Arn}}/*"}]
    denials = {each["Sid"]: each for each in statements(policy_of(name)) if each["Effect"] == "Deny"}
    for sid, condition in {
        "TlsOnly": {"Bool": {"aws:SecureTransport": "false"}},
        "ThisAccountOnly": {
            "StringNotEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    }.items():
        wanted = {"Principal": "*", "Action": f"{kind}:*", "Resource": everything, "Condition": condition}
        assert denials[sid].items() >= wanted.items()


@guarded
def test_a_policy_allows_but_aws_services_that_act_for_this_account_and_they_may_only_send(name: str) -> None:
    for each in statements(policy_of(name)):
        if each["Effect"] == "Deny":
            continue
        principals = each["Principal"]["Service"]
        assert set([principals] if isinstance(principals, str) else principals) <= SERVICES
        assert each["Action"] == "sqs:SendMessage"
        ((_, condition),) = each["Condition"].items()
        assert condition.keys() <= {"aws:SourceAccount", "aws:SourceArn"}


@pytest.mark.parametrize("name", names_of("AWS::S3::Bucket"))
def test_no_bucket_can_be_made_public_or_be_written_by_acl(name: str) -> None:
    bucket = properties(name)
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_what_is_in_the_archive_is_removed_by_nobody_and_kept_for_as_long_as_a_deployment_says() -> None:
    denials = {each["Sid"]: each for each in statements("ArchiveBucketPolicy")}
    never = denials["NobodyRemoves"]
    assert (never["Effect"], never["Principal"], never.get("Condition")) == ("Deny", "*", None)
    assert set(never["Action"]) == {"s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion"}
    assert never["Resource"] == {"Fn::Sub": "${ArchiveBucket.Arn}/*"}
    kept = denials["OnlyByDeployment"]
    assert (kept["Effect"], kept["Principal"]) == ("Deny", "*")
    assert set(kept["Action"]) >= {"s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"}
    # A request that CloudFormation did not make has no aws:CalledVia, and ForAllValues of nothing is true.
    assert kept["Condition"] == {"ForAllValues:StringNotEquals": {"aws:CalledVia": ["cloudformation.amazonaws.com"]}}
    archive = properties("ArchiveBucket")
    assert archive["ObjectLockEnabled"] is True
    assert archive["VersioningConfiguration"] == {"Status": "Enabled"}


def test_the_auditor_alone_signs_and_nobody_can_lend_the_right() -> None:
    administer, sign = properties("SigningKey")["KeyPolicy"]["Statement"]
    assert set(administer["NotAction"]) == {"kms:CreateGrant", "kms:Sign"}
    assert sign["Principal"] == {"AWS": {"Fn::GetAtt": ["AuditorRole", "Arn"]}}
    assert set(sign["Action"]) == {"kms:GetPublicKey", "kms:Sign"}
    signers = [name for name in names_of("AWS::IAM::Role") if "kms:Sign" in str(properties(name)["Policies"])]
    assert set(signers) <= {"AuditorRole"}


@pytest.mark.parametrize("name", names_of("AWS::Logs::LogGroup"))
def test_a_log_group_is_encrypted_with_the_key_that_is_given(name: str) -> None:
    assert properties(name)["KmsKeyId"] == {"Fn::If": ["HasKmsKey", KEY, NOTHING]}


@pytest.mark.parametrize("name", names_of("AWS::DynamoDB::Table"))
def test_a_table_is_encrypted_with_the_key_that_is_given(name: str) -> None:
    sealed = {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}
    assert properties(name)["SSESpecification"] == {"Fn::If": ["HasKmsKey", sealed, NOTHING]}


@pytest.mark.parametrize("name", names_of("AWS::SQS::Queue"))
def test_a_queue_is_encrypted_with_the_key_that_is_given_or_with_that_of_sqs(name: str) -> None:
    queue = properties(name)
    assert queue["KmsMasterKeyId"] == {"Fn::If": ["HasKmsKey", KEY, NOTHING]}
    assert queue["SqsManagedSseEnabled"] == {"Fn::If": ["HasKmsKey", NOTHING, True]}


@pytest.mark.parametrize("name", names_of("AWS::S3::Bucket"))
def test_a_bucket_is_encrypted_with_the_key_that_is_given(name: str) -> None:
    (rule,) = properties(name)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    wanted = {"SSEAlgorithm": {"Fn::If": ["HasKmsKey", "aws:kms", "AES256"]}}
    assert rule["ServerSideEncryptionByDefault"].items() >= wanted.items()
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {"Fn::If": ["HasKmsKey", KEY, NOTHING]}


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, resource in RESOURCES.items()
        if "SECRETS_PREFIX" in resource["Properties"].get("Environment", {}).get("Variables", {})
        and any("CreateSecret" in str(role["Properties"]["Policies"]) for role in [RESOURCES[f"{name[:-8]}Role"]])
    ],
)
def test_who_makes_secrets_is_told_of_the_key(name: str) -> None:
    assert properties(name)["Environment"]["Variables"]["KMS_KEY_ID"] == KEY


def test_no_role_names_everything_as_its_resource() -> None:
    for name in names_of("AWS::IAM::Role"):
        for policy in properties(name)["Policies"]:
            for either in policy["PolicyDocument"]["Statement"]:
                statement = either["Fn::If"][1] if "Fn::If" in either else either
                assert statement["Effect"] == "Allow"
                assert "NotAction" not in statement
                assert "NotResource" not in statement
                resources = (
                    statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
                )
                assert all(isinstance(each, dict) for each in resources), f"{name}: {statement['Sid']}"
                assert not [action for action in statement["Action"] if "*" in action]


@pytest.mark.parametrize("name", names_of("AWS::Lambda::Permission"))
def test_who_calls_a_function_is_one_service_of_this_account(name: str) -> None:
    permission = properties(name)
    assert permission["Principal"].endswith(".amazonaws.com")
    assert permission.keys() & {"SourceArn", "SourceAccount"}
