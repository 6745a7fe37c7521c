"""Secrets Manager: one secret for each registration, holding its credentials in the order in which to try them.

A set of credentials is read and written as a whole. Whoever changes it puts the new set aside under a label of its own
first and then moves AWSCURRENT from the version that was read: if somebody else has moved it meanwhile, that fails, so
no change is lost. A version's id comes from its content and its forerunner, which makes each write safe to repeat.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from contextlib import suppress
from dataclasses import fields
from dataclasses import replace as with_version
from typing import TYPE_CHECKING, Any

from mailbearer.aws.failures import calling
from mailbearer.aws.items import pack
from mailbearer.aws.secret_values import read_value
from mailbearer.credential import OVERLAP, Credential, CredentialSet
from mailbearer.errors import Conflict, SecretMissing
from mailbearer.ports.vaults import RotationStages

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_DESCRIPTION = "Credentials of one registration, written by Mailbearer. Do not edit."
_FIELDS = frozenset(field.name for field in fields(Credential))
_NEXT = "MAILBEARER_NEXT"
_VERSIONS = uuid.UUID("6f1cf4d4-2f55-4c39-a1cd-6d0a4e6f9a51")
_DAY = 86_400.0


class SecretsManagerCredentialVault:
    """The credentials of registrations, each registration's under `<prefix>/registrations/<name>`."""

    def __init__(self, client: SecretsManagerClient, prefix: str, *, kms_key_id: str = "") -> None:
        self._client = client
        self._prefix = prefix
        self._kms_key_id = kms_key_id

    def read(self, registration: str) -> tuple[Credential, ...]:
        """Read the credentials, at least one, in the order in which to try them. Raises `SecretMissing`."""
        return self.stored(registration).credentials

    def stored(self, registration: str) -> CredentialSet:
        """Read all that the secret holds, with its version. Raises `SecretMissing`."""
        name = self._name(registration)
        found = read_value(self._client, name)
        kept = _set(*found) if found else None
        if kept is None or not kept.credentials:
            raise SecretMissing(f"There are no credentials in {name}. Add the registration again.")
        return kept

    def create(self, registration: str, credential: Credential) -> None:
        """Keep a first credential; the same again changes nothing.

        Raises `Conflict` if the registration has others.
        """
        name = self._name(registration)
        key: dict[str, Any] = {"KmsKeyId": self._kms_key_id} if self._kms_key_id else {}
        refused = (self._client.exceptions.ResourceExistsException, self._client.exceptions.InvalidRequestException)
        with calling("secretsmanager:CreateSecret"):
            try:
                body = _body(CredentialSet(credentials=(credential,)))
                self._client.create_secret(Name=name, Description=_DESCRIPTION, SecretString=body, **key)
            except refused as error:
                found = read_value(self._client, name)
                if found is None:
                    raise Conflict(f"The secret {name} is being deleted. Restore it or wait for its end.") from error
                if not any(kept.is_same(credential) for kept in _set(*found).credentials):
                    raise Conflict(f"The registration {registration} has other credentials.") from error

    def replace(self, registration: str, new: CredentialSet, *, expected: CredentialSet) -> CredentialSet:
        """Make `new` current if the secret still stands as `expected` was read; give what stands there afterwards."""
        body = _body(new)
        version = str(uuid.uuid5(_VERSIONS, f"{expected.version} {hashlib.sha256(body.encode()).hexdigest()}"))
        self._put(registration, version, body, _NEXT)
        if not self._move(registration, "AWSCURRENT", to=version, away_from=expected.version):
            return self.stored(registration)
        # A version that keeps no label is forgotten in time. Another change may have taken this one already.
        self._move(registration, _NEXT, away_from=version)
        return with_version(new, version=version)

    def schedule(self, registration: str, *, function: str, every: float, at_once: bool) -> None:
        """Let Secrets Manager rotate the secret. Raises `Conflict` if a rotation is under way."""
        name = self._name(registration)
        with calling("secretsmanager:RotateSecret"):
            try:
                self._client.rotate_secret(
                    SecretId=name,
                    RotationLambdaARN=function,
                    RotationRules={"AutomaticallyAfterDays": round(every / _DAY)},
                    RotateImmediately=at_once,
                )
            except self._client.exceptions.ResourceNotFoundException as error:
                raise SecretMissing(f"There is no secret {name}. Add the registration again.") from error
            except self._client.exceptions.InvalidRequestException as error:
                raise Conflict(f"A rotation of {name} is under way and has not ended.") from error

    def stages(self, registration: str, token: str) -> RotationStages:
        """Tell how far Secrets Manager is with the rotation `token`. Raises `SecretMissing`."""
        name = self._name(registration)
        with calling("secretsmanager:DescribeSecret"):
            try:
                described = self._client.describe_secret(SecretId=name)
            except self._client.exceptions.ResourceNotFoundException as error:
                raise SecretMissing(f"There is no secret {name}. Add the registration again.") from error
        labels = described.get("VersionIdsToStages", {}).get(token, [])
        return RotationStages(
            enabled=bool(described.get("RotationEnabled")),
            current="AWSCURRENT" in labels,
            pending="AWSPENDING" in labels,
            every=_interval(described.get("RotationRules") or {}),
        )

    def pending(self, registration: str, token: str) -> CredentialSet | None:
        """Read what a rotation has put forward, None if nothing yet."""
        found = read_value(self._client, self._name(registration), stage="AWSPENDING", version=token)
        kept = _set(*found) if found else None
        # Secrets Manager may begin a rotation with a copy of what is current.
        return kept if kept is not None and kept.rotation == token else None

    def propose(self, registration: str, token: str, new: CredentialSet) -> CredentialSet:
        """Put a set forward as the outcome of a rotation; give the one that stands there, perhaps another's."""
        try:
            self._put(registration, token, _body(new), "AWSPENDING")
        except Conflict:
            stands = self.pending(registration, token)
            if stands is None:
                raise
            return stands
        return new

    def promote(self, registration: str, token: str, *, expected: CredentialSet) -> None:
        """Make what the rotation put forward current; safe to repeat. Raises `Conflict` if somebody else wrote."""
        if not self._move(registration, "AWSCURRENT", to=token, away_from=expected.version):
            raise Conflict(f"Somebody else has just changed the credentials of {registration}. Do it again.")

    def settle(self, registration: str, token: str) -> None:
        """Take AWSPENDING off the rotation's version, which ends it; safe to repeat."""
        self._move(registration, "AWSPENDING", away_from=token)

    def _put(self, registration: str, version: str, body: str, label: str) -> None:
        name = self._name(registration)
        with calling("secretsmanager:PutSecretValue"):
            try:
                self._client.put_secret_value(
                    SecretId=name, ClientRequestToken=version, SecretString=body, VersionStages=[label]
                )
            except self._client.exceptions.ResourceExistsException as error:
                raise Conflict(f"Version {version} of {name} holds other credentials.") from error
            except (
                self._client.exceptions.ResourceNotFoundException,
                self._client.exceptions.InvalidRequestException,
            ) as error:
                raise SecretMissing(f"There is no secret {name}. Add the registration again.") from error

    def _move(self, registration: str, label: str, *, to: str = "", away_from: str) -> bool:
        """Move a label, or take it off; tell whether it is where it should be."""
        name = self._name(registration)
        target: dict[str, Any] = {"MoveToVersionId": to} if to else {}
        with calling("secretsmanager:UpdateSecretVersionStage"):
            try:
                self._client.update_secret_version_stage(
                    SecretId=name, VersionStage=label, RemoveFromVersionId=away_from, **target
                )
            except (
                self._client.exceptions.InvalidParameterException,
                self._client.exceptions.ResourceNotFoundException,
            ):
                # It is not there any more: moved by somebody else, or by this very call, which the SDK has repeated.
                labels = self._client.describe_secret(SecretId=name).get("VersionIdsToStages", {})
                return label in labels.get(to, []) if to else label not in labels.get(away_from, [])
        return True

    def _name(self, registration: str) -> str:
        return f"{self._prefix}/registrations/{registration}"


def _body(kept: CredentialSet) -> str:
    body: dict[str, Any] = {"credentials": [pack(credential) for credential in kept.credentials]}
    if kept.overlap != OVERLAP:
        body["overlap"] = kept.overlap
    if kept.rotation:
        body["rotation"] = kept.rotation
    return json.dumps(body)


def _set(body: dict[str, Any], version: str) -> CredentialSet:
    entries = body.get("credentials")
    return CredentialSet(
        credentials=tuple(
            Credential(**{name: value for name, value in entry.items() if name in _FIELDS})
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, dict)
        ),
        overlap=float(body.get("overlap", OVERLAP)),
        rotation=str(body.get("rotation", "")),
        version=version,
    )


def _interval(rules: Any) -> float:
    """Give the seconds between rotations; a schedule written as `rate(...)` is read, one in cron's words is not."""
    if "AutomaticallyAfterDays" in rules:
        return float(rules["AutomaticallyAfterDays"]) * _DAY
    words = str(rules.get("ScheduleExpression", "")).removeprefix("rate(").removesuffix(")").split()
    with suppress(ValueError, KeyError, IndexError):
        return float(words[0]) * {"hour": 3600.0, "hours": 3600.0, "day": _DAY, "days": _DAY}[words[1]]
    return 0.0
