"""A client of Secrets Manager that behaves as AWS documents it, where moto and the local engine are looser."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NoReturn

from botocore.exceptions import ClientError

# Built by name, as boto3 builds a client's own.
_EXCEPTIONS: dict[str, type[ClientError]] = {
    name: type(name, (ClientError,), {})
    for name in (
        "InvalidParameterException",
        "InvalidRequestException",
        "ResourceExistsException",
        "ResourceNotFoundException",
    )
}


@dataclass
class Secret:
    """Versions by id, labels to version ids."""

    versions: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    deleted: bool = False


class SecretsManager:
    """As much of the client as the adapter uses; `calls` names the calls that were made."""

    exceptions = SimpleNamespace(**_EXCEPTIONS)

    def __init__(self) -> None:
        self.secrets: dict[str, Secret] = {}
        self.calls: list[str] = []
        self.failures: list[Exception] = []
        self._numbers = itertools.count()

    def create_secret(self, *, Name: str, **more: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        self._begin("CreateSecret")
        if Name in self.secrets:
            _refuse(
                "InvalidRequestException" if self.secrets[Name].deleted else "ResourceExistsException", "CreateSecret"
            )
        self.secrets[Name] = Secret()
        if "SecretString" in more:
            self._put(self.secrets[Name], self._new_token(), more["SecretString"])
        return {"Name": Name}

    def put_secret_value(self, *, SecretId: str, SecretString: str, **more: str) -> dict[str, Any]:  # noqa: N803
        self._begin("PutSecretValue")
        secret = self._alive(SecretId, "PutSecretValue")
        token = more.get("ClientRequestToken") or self._new_token()
        if secret.versions.get(token, SecretString) != SecretString:
            _refuse("ResourceExistsException", "PutSecretValue")
        self._put(secret, token, SecretString)
        return {"Name": SecretId, "VersionId": token}

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:  # noqa: N803
        self._begin("GetSecretValue")
        secret = self._alive(SecretId, "GetSecretValue")
        if VersionStage not in secret.labels:
            _refuse("ResourceNotFoundException", "GetSecretValue")
        version = secret.labels[VersionStage]
        return {"Name": SecretId, "VersionId": version, "SecretString": secret.versions[version]}

    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        self._begin("DescribeSecret")
        secret = self._there(SecretId, "DescribeSecret")
        stages: dict[str, list[str]] = {}
        for label, version in secret.labels.items():
            stages.setdefault(version, []).append(label)
        return {"VersionIdsToStages": stages} | ({"DeletedDate": 0} if secret.deleted else {})

    def update_secret_version_stage(self, *, SecretId: str, VersionStage: str, RemoveFromVersionId: str) -> None:  # noqa: N803
        self._begin("UpdateSecretVersionStage")
        secret = self._alive(SecretId, "UpdateSecretVersionStage")
        if VersionStage == "AWSCURRENT" or secret.labels.get(VersionStage) != RemoveFromVersionId:
            _refuse("InvalidParameterException", "UpdateSecretVersionStage")
        del secret.labels[VersionStage]

    def delete_secret(self, *, SecretId: str, RecoveryWindowInDays: int) -> None:  # noqa: N803
        self._begin("DeleteSecret")
        assert 7 <= RecoveryWindowInDays <= 30
        self._alive(SecretId, "DeleteSecret").deleted = True

    def restore_secret(self, *, SecretId: str) -> None:  # noqa: N803
        self._begin("RestoreSecret")
        self._there(SecretId, "RestoreSecret").deleted = False

    def _begin(self, operation: str) -> None:
        self.calls.append(operation)
        if self.failures:
            raise self.failures.pop(0)

    def _new_token(self) -> str:
        return f"{next(self._numbers):032d}"

    def _put(self, secret: Secret, token: str, value: str) -> None:
        assert 32 <= len(token) <= 64
        if token in secret.versions:
            # The same value under the same token: the request is ignored, the labels stay where they are.
            return
        secret.versions[token] = value
        if "AWSCURRENT" in secret.labels:
            secret.labels["AWSPREVIOUS"] = secret.labels["AWSCURRENT"]
        secret.labels["AWSCURRENT"] = token

    def _there(self, name: str, operation: str) -> Secret:
        if name not in self.secrets:
            _refuse("ResourceNotFoundException", operation)
        return self.secrets[name]

    def _alive(self, name: str, operation: str) -> Secret:
        secret = self._there(name, operation)
        if secret.deleted:
            _refuse("InvalidRequestException", operation)
        return secret


def _refuse(name: str, operation: str) -> NoReturn:
    raise _EXCEPTIONS[name]({"Error": {"Code": name}}, operation)
