"""Compares what the functions' roles allow with what the functions did in a whole test session: nothing unused.

Two tiers tell what was done: the local stack, on whose engine roles and policies are in force, see
`sandbox.engine_process`, and the handlers on moto, each of whose calls is looked up in the role. `make test` names the
directory for what they tell in PERMISSION_RECORDS, then runs `python -m tests.permissions`. What is missing shows at
once: a call is refused.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.deploy import load_template
from sandbox.local import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).resolve().parents[1]
RECORDS = "PERMISSION_RECORDS"
"""The environment variable that names where the processes of a session leave what they saw, a file each."""


class Permission(NamedTuple):
    """One action of one statement of a function's role."""

    function: str
    statement: str
    action: str

    def __str__(self) -> str:
        return f"{self.function}: {self.action} ({self.statement})"


TIERS = ("local-stack", "handlers")
OF_THE_SERVICE = {
    "OwnLogs": "Lambda itself writes a function's output, as the function's role",
    "Key": "S3, SQS, DynamoDB and Secrets Manager use the key in the caller's name; only with KmsKeyArn",
}
"""Statements that no function's code uses."""
OF_THE_MAPPING = {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"}
"""What Lambda's poller does as the role of a function that a queue feeds; without them AWS refuses the mapping."""
CHECKED_ELSEWHERE = {
    "iam:PassRole": "EventBridge Scheduler checks it when a schedule is made, and neither engine plays that",
}
"""Actions that nobody calls."""
WITHOUT_A_CALL = {
    "TellGoneContent": "with it S3 says of an object that is gone 404 and not 403",
    "KeepAudit": "while the audit log cannot be written, by one adapter for all: tests/contract/test_audit_spool.py",
}
"""Statements whose effect is no call, or one for a failure that has its test elsewhere."""
IN_NEED = {
    Permission("delivery_worker", "Schedules", "scheduler:UpdateSchedule"): (
        "where a copy of the message has made the schedule already: tests/contract/test_schedules.py"
    ),
    Permission("token_rotator", "KeptAudit", "s3:PutObject"): "as KeepAudit",
    Permission("token_rotator", "Drain", "sqs:SendMessage"): (
        "where whoever asked for it first has died: tests/unit/test_invitations.py"
    ),
}
"""Single permissions for a failure that has its test elsewhere."""


def allowed(template: Mapping[str, Any]) -> set[Permission]:
    """Give everything that the roles of the template's functions allow."""
    found = set()
    for folder, output in FUNCTIONS.items():
        role = template["Resources"][f"{output.removesuffix('FunctionName')}Role"]["Properties"]
        for policy in role["Policies"]:
            for either in policy["PolicyDocument"]["Statement"]:
                statement = either["Fn::If"][1] if "Fn::If" in either else either
                found |= {Permission(folder, statement["Sid"], action) for action in statement["Action"]}
    return found


def excused(permission: Permission, fed: Iterable[str]) -> bool:
    """Tell whether a permission is used by AWS in the function's name; `fed` are the functions that a queue feeds."""
    return (
        permission.statement in OF_THE_SERVICE | WITHOUT_A_CALL
        or permission in IN_NEED
        or permission.action in CHECKED_ELSEWHERE
        or (permission.function in fed and permission.action in OF_THE_MAPPING)
    )


def fed_by_queues(template: Mapping[str, Any]) -> set[str]:
    """Name the functions that an event source mapping calls."""
    said = json.dumps(
        [
            each["Properties"]["FunctionName"]
            for each in template["Resources"].values()
            if each["Type"] == "AWS::Lambda::EventSourceMapping"
        ]
    )
    return {folder for folder, output in FUNCTIONS.items() if f'"{output.removesuffix("Name")}"' in said}


def of_the_engine(record: str) -> tuple[set[Permission], list[str]]:
    """Read the local engine's record: what the functions used, and what they were refused."""
    used, refused = set(), []
    for line in record.splitlines():
        told = json.loads(line)
        folder = _folder(told["role"])
        if told["refused"]:
            refused.append(f"{folder or told['role']}: {told['action']} on {told['refused']}")
        elif folder:
            used.add(Permission(folder, told["statement"], told["action"]))
    return used, refused


def keep(used: Iterable[Permission], name: str) -> None:
    """Leave what a process saw for the comparison at the end, if there will be one."""
    if directory := os.environ.get(RECORDS):
        Path(directory).mkdir(parents=True, exist_ok=True)
        (Path(directory) / f"{name}.json").write_text(json.dumps(sorted(used)))


def unused(template: Mapping[str, Any], used: Iterable[Permission]) -> list[Permission]:
    """Name what is allowed and was never used."""
    fed = fed_by_queues(template)
    return sorted(each for each in allowed(template) - set(used) if not excused(each, fed))


def main() -> int:
    """Print what no test used; give 1 if there is something, 2 if a tier left no record."""
    directory = Path(os.environ.get(RECORDS, ""))
    kept = {path.stem: json.loads(path.read_text()) for path in directory.glob("*.json")}
    for tier in TIERS:
        if not any(name.startswith(tier) for name in kept):
            print(f"The tier {tier} left no record in {RECORDS}={directory}: run the whole of make test.")  # noqa: T201
            return 2
    template = load_template(ROOT / "template.yaml")
    left = unused(template, (Permission(*each) for rows in kept.values() for each in rows))
    for permission in left:
        print(f"Allowed, and used by no test: {permission}")  # noqa: T201
    if not left:
        print(f"Every one of the {len(allowed(template))} permissions of {len(FUNCTIONS)} functions is used.")  # noqa: T201
    return 1 if left else 0


def _folder(role: str) -> str:
    """Find the function whose session this is: its deployed name ends with the folder's, with hyphens."""
    name = role.rpartition("/")[2]
    return next((folder for folder in FUNCTIONS if name.endswith(f"-{folder.replace('_', '-')}")), "")


if __name__ == "__main__":
    sys.exit(main())
