"""The process of the local AWS engine: MiniStack with roles and policies in force, and a record of what they decided.

Run by path (`python -P sandbox/engine_process.py FILE`), since nothing else of the sandbox belongs into the engine.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator

if TYPE_CHECKING:
    from collections.abc import Callable

_COLONS_OF_A_LOG_GROUP = 6
_LISTED = {
    "logs": "logs:{region}:{account}:log-group::log-stream:",
    "monitoring": "cloudwatch:{region}:{account}:alarm:*",
}


class Record:
    """Writes each decision once: a line of JSON with the role, the action, and the statement or what was refused.

    What is allowed is named by its statement and not by its resource, and so the file stays small.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: set[tuple[str, str, str, str]] = set()

    def note(self, role: str, action: str, *, statement: str = "", refused: str = "") -> None:
        """Write one decision, unless it is known."""
        row = (role, action, statement, refused)
        if row in self._seen:
            return
        self._seen.add(row)
        # Opened each time, because a signal ends the engine, which would leave a buffer unwritten.
        with open(self._path, "a", encoding="ascii") as stream:  # noqa: PTH123 - the engine has no use for Path
            line = dict(zip(("role", "action", "statement", "refused"), row, strict=True))
            stream.write(json.dumps(line) + "\n")


def watch(record: Record) -> None:
    """Note what the engine's evaluator of policies decides."""
    evaluate: Callable[..., Any] = iam_evaluator.evaluate
    enforce: Callable[..., Any] = iam_evaluator.enforce

    def evaluated(context: Any, *policies: Any) -> Any:
        result = evaluate(context, *policies)
        if result.decision == "Allow":
            record.note(context.principal_arn, context.action, statement=result.matched_sid)
        return result

    def enforced(key: str, action: str, service: str, region: str, **named: Any) -> Any:
        refusal = enforce(key, action, service, region, **named)
        if refusal is not None:
            # Credentials that the engine does not know have no role.
            role = getattr(refusal, "principal_arn", "") or key
            record.note(role, action, refused=str(named.get("resource_arn", "*")))
        return refusal

    vars(iam_evaluator).update(evaluate=evaluated, enforce=enforced)


def _dashboard_in(body: bytes, query: dict[str, list[str]]) -> str:
    """Read which dashboard a request is about; empty if it is about none."""
    asked = json.loads(body) if body.startswith(b"{") else {}
    return str(asked.get("DashboardName") or "".join(query.get("DashboardName", ())))


def name_resources_as_aws_does() -> None:
    """Mend the names by which the engine looks some resources up in policies."""
    named: Callable[..., str] = iam_actions.extract_resource_arn

    def as_aws(*request: Any) -> str:
        arn = named(*request)
        service, _, _, _, body, query, region, account = request
        if service == "logs" and arn.count(":") == _COLONS_OF_A_LOG_GROUP:
            # What IAM compares, and what `Fn::GetAtt` gives, ends so.
            return f"{arn}:*"
        if service == "scheduler":
            # The engine takes every schedule for one of the group `default`.
            (group,) = query.get("groupName") or [json.loads(body or b"{}").get("GroupName", "default")]
            return arn.replace(":schedule/default/", f":schedule/{group}/")
        if service == "events":
            # A rule of the default bus is named without it.
            return arn.replace(":rule/default/", ":rule/")
        if service == "monitoring" and (dashboard := _dashboard_in(body, query)):
            return f"arn:aws:cloudwatch::{account}:dashboard/{dashboard}"
        if arn == "*" and service in _LISTED:
            # Listing by the beginning of a name concerns all of the account's.
            return f"arn:aws:{_LISTED[service].format(region=region, account=account)}"
        return arn

    vars(iam_actions)["extract_resource_arn"] = as_aws


def know_services_as_aws_does() -> None:
    """Say of a service that acts in its own name, as SNS does when it brings a queue something, that it is one."""
    evaluate: Callable[..., Any] = iam_evaluator.evaluate_resource_policy

    def as_aws(policy: Any, context: Any, *rest: Any, **named: Any) -> Any:
        if context.principal_type == "Service":
            context.service_context["aws:principalisawsservice"] = "true"
        return evaluate(policy, context, *rest, **named)

    vars(iam_evaluator)["evaluate_resource_policy"] = as_aws


def take_loopback_for_tls() -> None:
    """Let calls over loopback count as made by TLS, which the policies of queues and buckets demand."""
    pin: Callable[..., None] = app.pin_request_origin
    vars(app)["pin_request_origin"] = lambda source_ip, _by_tls: pin(source_ip, secure_transport=True)


def leave_health_to_the_stack() -> None:
    """Let `GET /health` reach the stack's API; the engine's own health page has an address of its own."""
    vars(app)["_HEALTH_PATHS"] = ("/_ministack/health",)


if __name__ == "__main__":
    watch(Record(sys.argv.pop()))
    name_resources_as_aws_does()
    know_services_as_aws_does()
    take_loopback_for_tls()
    leave_health_to_the_stack()
    app.main()
