from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mailbearer.aws.failures import calling
from mailbearer.errors import SecretMissing

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


def read_value(client: SecretsManagerClient, name: str) -> tuple[dict[str, Any], str] | None:
    """Read the current value and its version; None if there is no secret, no current value, or it is marked deleted."""
    with calling("secretsmanager:GetSecretValue"):
        try:
            answer = client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
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
