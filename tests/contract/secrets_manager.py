"""A client of Secrets Manager that behaves as AWS documents it, where moto and the local engine are looser."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

from botocore.exceptions import ClientError

from tests.fakes.faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """Versions by id (None: one without a value, as a rotation begins), labels to version ids."""

    versions: dict[str, str | None] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    deleted: bool = False
    rotation_enabled: bool = False
    rotation_rules: dict[str, Any] = field(default_factory=dict)

    def forget_unlabelled(self) -> None:
        """Forget the versions that have no label, as Secrets Manager may at any time (it waits a day)."""
        self.versions = {version: value for version, value in self.versions.items() if version in self.labels.values()}


class SecretsManager:
    """As much of the client as the adapter uses; `calls` names the calls that were made.

    `drops_pending`: see `update_secret_version_stage`.
    """

    exceptions = SimpleNamespace(**_EXCEPTIONS)

    def __init__(self, *, drops_pending: bool = False) -> None:
        self.drops_pending = drops_pending
        self.secrets: dict[str, Secret] = {}
        self.calls: list[str] = []
        self.failures: list[Exception] = []
        self.faults = Faults()
        self._numbers = itertools.count()

    def create_secret(self, *, Name: str, **more: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        with self._effect("CreateSecret"):
            if Name in self.secrets:
                deleted = self.secrets[Name].deleted
                _refuse("InvalidRequestException" if deleted else "ResourceExistsException", "CreateSecret")
            self.secrets[Name] = Secret()
            if "SecretString" in more:
                self._put(self.secrets[Name], self._new_token(), more["SecretString"], ["AWSCURRENT"])
            return {"Name": Name}

    def put_secret_value(self, *, SecretId: str, SecretString: str, **more: Any) -> dict[str, Any]:  # noqa: N803
        with self._effect("PutSecretValue"):
            secret = self._alive(SecretId, "PutSecretValue")
            token = more.get("ClientRequestToken") or self._new_token()
            if secret.versions.get(token) not in {None, SecretString}:
                _refuse("ResourceExistsException", "PutSecretValue")
            self._put(secret, token, SecretString, more.get("VersionStages", ["AWSCURRENT"]))
            return {"Name": SecretId, "VersionId": token}

    def get_secret_value(self, *, SecretId: str, VersionStage: str, **more: str) -> dict[str, Any]:  # noqa: N803
        with self._effect("GetSecretValue"):
            secret = self._alive(SecretId, "GetSecretValue")
            version = secret.labels.get(VersionStage, "")
            if more.get("VersionId", version) != version or secret.versions.get(version) is None:
                _refuse("ResourceNotFoundException", "GetSecretValue")
            return {"Name": SecretId, "VersionId": version, "SecretString": secret.versions[version]}

    def describe_secret(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        with self._effect("DescribeSecret"):
            secret = self._there(SecretId, "DescribeSecret")
            stages: dict[str, list[str]] = {}
            for label, version in secret.labels.items():
                stages.setdefault(version, []).append(label)
            described: dict[str, Any] = {"Name": SecretId, "VersionIdsToStages": stages}
            if secret.rotation_enabled:
                described |= {"RotationEnabled": True, "RotationRules": secret.rotation_rules}
            return described | ({"DeletedDate": 0} if secret.deleted else {})

    def update_secret_version_stage(self, *, SecretId: str, VersionStage: str, **more: str) -> None:  # noqa: N803
        """Move a label from the version that has it to another, or take it off.

        AWSPREVIOUS goes to the version that AWSCURRENT was taken from. Some accounts have seen AWSPENDING vanish from
        the version that AWSCURRENT came to, others not: `drops_pending` says which.
        """
        with self._effect("UpdateSecretVersionStage"):
            secret = self._alive(SecretId, "UpdateSecretVersionStage")
            source, target = more.get("RemoveFromVersionId"), more.get("MoveToVersionId")
            if target is not None and target not in secret.versions:
                _refuse("ResourceNotFoundException", "UpdateSecretVersionStage")
            holder = secret.labels.get(VersionStage)
            if source != holder and not (holder is None and target) and not (target == holder and source is None):
                _refuse("InvalidParameterException", "UpdateSecretVersionStage")
            if target is None and VersionStage == "AWSCURRENT":
                _refuse("InvalidParameterException", "UpdateSecretVersionStage")
            if target is None:
                del secret.labels[VersionStage]
                return
            self._attach(secret, VersionStage, target)
            if VersionStage == "AWSCURRENT" and self.drops_pending and secret.labels.get("AWSPENDING") == target:
                del secret.labels["AWSPENDING"]

    def rotate_secret(
        self,
        *,
        SecretId: str,  # noqa: N803
        ClientRequestToken: str = "",  # noqa: N803
        RotationRules: dict[str, Any] | None = None,  # noqa: N803
        **_more: Any,
    ) -> str:
        """Begin a rotation and give its token: a version without a value that is labelled AWSPENDING.

        While that label is on another version than AWSCURRENT is, a rotation is under way: no other begins, this one
        is tried again. The calls to the function are the test's to make.
        """
        with self._effect("RotateSecret"):
            secret = self._alive(SecretId, "RotateSecret")
            secret.rotation_enabled = True
            secret.rotation_rules = RotationRules or secret.rotation_rules
            under_way = secret.labels.get("AWSPENDING")
            if under_way not in {None, secret.labels["AWSCURRENT"]}:
                _refuse("InvalidRequestException", "RotateSecret")
            token = ClientRequestToken or self._new_token()
            secret.versions.setdefault(token, None)
            secret.labels["AWSPENDING"] = token
            return token

    def delete_secret(self, *, SecretId: str, RecoveryWindowInDays: int) -> None:  # noqa: N803
        assert 7 <= RecoveryWindowInDays <= 30
        with self._effect("DeleteSecret"):
            self._alive(SecretId, "DeleteSecret").deleted = True

    def restore_secret(self, *, SecretId: str) -> None:  # noqa: N803
        with self._effect("RestoreSecret"):
            self._there(SecretId, "RestoreSecret").deleted = False

    @contextmanager
    def _effect(self, operation: str) -> Iterator[None]:
        self.calls.append(operation)
        if self.failures:
            raise self.failures.pop(0)
        refused = None
        with self.faults.around(operation):
            try:
                yield
            except ClientError as error:
                # A refusal is an answer, and can be lost like any other.
                refused = error
        if refused is not None:
            raise refused

    def _new_token(self) -> str:
        return f"{next(self._numbers):032d}"

    def _put(self, secret: Secret, token: str, value: str, labels: list[str]) -> None:
        assert 32 <= len(token) <= 64
        if secret.versions.get(token) is not None:
            # The same value under the same token: the request is ignored, the labels stay where they are.
            return
        secret.versions[token] = value
        for label in labels:
            self._attach(secret, label, token)

    def _attach(self, secret: Secret, label: str, version: str) -> None:
        before = secret.labels.get(label)
        if label == "AWSCURRENT" and before not in {None, version}:
            secret.labels["AWSPREVIOUS"] = str(before)
        secret.labels[label] = version

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
