"""The function behind Secrets Manager's rotation of registrations' secrets; a schedule lets it tidy up after itself."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from mailbearer.config import read_settings
from mailbearer.errors import MailbearerError
from mailbearer.observability import count, logger
from mailbearer.wiring import Wiring

_NEEDS = ("registrations_table", "secrets_prefix", "content_bucket", "audit_log_group")
# Secrets Manager puts a hyphen and six characters of its own behind a secret's name.
_SUFFIX = len("-AbCdEf")


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, *_NEEDS))


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Do one step of a rotation, or tidy up; an error lets Secrets Manager try again."""
    wiring().trail.request_id = context.aws_request_id
    if "Step" not in event:
        return _tend()
    name = _registration(event["SecretId"])
    deadline = wiring().clock() + context.get_remaining_time_in_millis() / 1000
    try:
        done = wiring().credential_rotation.step(
            name, step=event["Step"], token=event["ClientRequestToken"], deadline=deadline
        )
    except MailbearerError as error:
        wiring().trail.note(
            "credential.rotation_failed", name, "failed", reason=error.code, rotation=event["ClientRequestToken"]
        )
        logger().error("step of a rotation failed", extra={"registration": name, "step": event["Step"]})
        raise
    finally:
        wiring().trail.flush()
    return {"registration": name, "step": event["Step"], "done": done}


def _tend() -> dict[str, Any]:
    tended = wiring().credential_tending.run()
    count(credentials_retired=tended.retired)
    if tended.problems:
        logger().warning("registrations not tended", extra={"problems": tended.problems})
    return {"dated": tended.dated, "retired": tended.retired, "problems": tended.problems}


def _registration(secret_id: str) -> str:
    """Give the registration's name out of the ARN (or name) of its secret."""
    name = secret_id.rpartition(":secret:")[2][:-_SUFFIX] if secret_id.startswith("arn:") else secret_id
    return name.removeprefix(f"{wiring().settings.secrets_prefix}/registrations/")
