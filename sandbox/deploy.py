"""Do what `sam package` and `sam deploy` do, against the local engine, with the unchanged template.yaml."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from sandbox import package

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.engine import Engine

TEMPLATE = Path("template.yaml")
BUCKET = "mailbearer-artefacts"
DEPLOY_SECONDS = 120.0
CODE_PROPERTIES = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


class DeployError(Exception):
    """The stack could not be made; the message names each resource that failed."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack: its name and its outputs."""

    name: str
    outputs: Mapping[str, str]


def load_template(path: Path) -> dict[str, Any]:
    """Read a template, with the short forms of intrinsic functions (`!Ref`) in their long form (`{"Ref": ...}`)."""
    with path.open() as stream:
        template: dict[str, Any] = yaml.load(stream, Loader=_Loader)  # noqa: S506 - a SafeLoader with more tags # nosec B506
    return template


def deploy(engine: Engine, root: Path, cache: Path, *, stage: str, public_url: str) -> Stack:
    """Build, upload and create the stack `mailbearer-<stage>`, and give its API the address `public_url`."""
    template = load_template(root / TEMPLATE)
    _upload_code(engine, template, root, cache)
    name = f"mailbearer-{stage}"
    parameters = {
        "Stage": stage,
        "LocalStage": "true",
        "MessageEvents": "all",
        "PublicUrl": public_url,
        "OwnerTopicArn": engine.client("sns").create_topic(Name=f"{name}-owners")["TopicArn"],
        # Each is a process of its own here.
        "WorkerMaximumConcurrency": "2",
        # Whoever kills a worker here wants to see what becomes of its messages.
        "MessageVisibilitySeconds": "125",
    }
    outputs = _create_stack(engine, name, template, parameters)
    _enable_expiry(engine, template, name)
    _limit_concurrency(engine)
    _lock_archive(engine, template, outputs["ArchiveBucketName"])
    _give_address(engine, outputs["HttpApiId"], public_url)
    return Stack(name, outputs)


def _lock_archive(engine: Engine, template: Mapping[str, Any], bucket: str) -> None:
    """Lock what will be put into the archive: the engine's CloudFormation leaves that out."""
    parameters = template["Parameters"]
    retention: Any = {
        "Mode": parameters["ArchiveLockMode"]["Default"],
        "Days": parameters["AuditRetentionDays"]["Default"],
    }
    engine.client("s3").put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}},
    )


def _upload_code(engine: Engine, template: dict[str, Any], root: Path, cache: Path) -> None:
    s3 = engine.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for resource in template["Resources"].values():
        code = CODE_PROPERTIES.get(resource["Type"])
        if code is None:
            continue
        source = root / resource["Properties"][code]
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            archive = package.layer_archive(root, cache)
        else:
            archive = package.function_archive(source)
        key = package.digest(archive)
        s3.put_object(Bucket=BUCKET, Key=key, Body=archive)
        resource["Properties"][code] = f"s3://{BUCKET}/{key}"


def _create_stack(engine: Engine, name: str, template: dict[str, Any], parameters: Mapping[str, str]) -> dict[str, str]:
    key = f"{name}.template"
    engine.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(template).encode())
    cloudformation = engine.client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateURL=f"{engine.endpoint_url}/{BUCKET}/{key}",
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    deadline = time.monotonic() + DEPLOY_SECONDS
    while True:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        if stack["StackStatus"] != "CREATE_IN_PROGRESS":
            raise DeployError(_failures(cloudformation, stack))
        if time.monotonic() > deadline:
            raise DeployError(f"The stack {name} was not ready within {DEPLOY_SECONDS:.0f} s.")
        time.sleep(0.1)


def _failures(cloudformation: Any, stack: Mapping[str, Any]) -> str:
    lines = [f"The stack {stack['StackName']} ended in {stack['StackStatus']}. {stack.get('StackStatusReason', '')}"]
    events = cloudformation.describe_stack_events(StackName=stack["StackName"])["StackEvents"]
    for event in reversed(events):
        if event["ResourceStatus"].endswith("_FAILED"):
            reason = event.get("ResourceStatusReason", "no reason given")
            lines.append(f"  {event['LogicalResourceId']}, {event['ResourceType']}: {reason}")
    return "\n".join(lines)


def _enable_expiry(engine: Engine, template: Mapping[str, Any], stack: str) -> None:
    """Enable the tables' time to live, which the engine does not read from a template."""
    cloudformation = engine.client("cloudformation")
    dynamodb = engine.client("dynamodb")
    for resource in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]:
        if resource["ResourceType"] == "AWS::DynamoDB::Table":
            properties = template["Resources"][resource["LogicalResourceId"]]["Properties"]
            dynamodb.update_time_to_live(
                TableName=resource["PhysicalResourceId"],
                TimeToLiveSpecification=properties["TimeToLiveSpecification"],
            )


def _limit_concurrency(engine: Engine) -> None:
    """Set the queue's concurrency as a number: the engine keeps a parameter as text, and then fails to poll."""
    functions = engine.client("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        maximum = int(mapping["ScalingConfig"]["MaximumConcurrency"])
        functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": maximum})


def _give_address(engine: Engine, api_id: str, public_url: str) -> None:
    """Let the API answer at the root of `public_url`, as an API with a domain of its own does on AWS."""
    gateway = engine.client("apigatewayv2")
    domain = urlsplit(public_url).hostname
    gateway.create_domain_name(DomainName=domain)
    gateway.create_api_mapping(DomainName=domain, ApiId=api_id, Stage="$default")


class _Loader(yaml.SafeLoader):
    """A safe loader which knows the tags of CloudFormation."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)
