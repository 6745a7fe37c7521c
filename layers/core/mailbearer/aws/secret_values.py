from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailbearer.aws.failures import calling
from mailbearer.errors import SecretMissing

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def read_value(
    client: SecretsManagerClient, name: str, *, stage: str = "AWSCURRENT", version: str = ""
) -> tuple[dict[str, Any], str] | None:
    """Read a value and its version, the current one unless another stage (and the version that has it) is named.

    None if there is no secret, no such value, or it is marked deleted.
    """
    which: dict[str, Any] = {"VersionId": version} if version else {}
    with calling("secretsmanager:GetSecretValue"):
        try:
            answer = client.get_secret_value(SecretId=name, VersionStage=stage, **which)
        except (client.exceptions.ResourceNotFoundException, client.exceptions.InvalidRequestException):
            return None
    try:
        body = json.loads(answer["SecretString"])
    except (KeyError, ValueError):
        body = None
    if not isinstance(body, dict):
        # The cause could show the secret, so it is not chained.
        raise SecretMissing(f"The secret {name} holds something that is not ours.") from None
    return body, answer["VersionId"]
