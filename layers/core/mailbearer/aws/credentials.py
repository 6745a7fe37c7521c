"""Secrets Manager: one secret for each registration, holding its credentials in the order in which to try them."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from mailbearer.aws.failures import calling
from mailbearer.aws.items import pack
from mailbearer.aws.secret_values import read_value
from mailbearer.credential import Credential
from mailbearer.errors import Conflict, SecretMissing

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_DESCRIPTION = "Credentials of one registration, written by Mailbearer. Do not edit."
_FIELDS = frozenset(field.name for field in fields(Credential))


class SecretsManagerCredentialVault:
    """The credentials of registrations, each registration's under `<prefix>/registrations/<name>`."""

    def __init__(self, client: SecretsManagerClient, prefix: str, *, kms_key_id: str = "") -> None:
        self._client = client
        self._prefix = prefix
        self._kms_key_id = kms_key_id

    def read(self, registration: str) -> tuple[Credential, ...]:
        """Read the credentials, at least one, in the order in which to try them. Raises `SecretMissing`."""
        name = self._name(registration)
        found = read_value(self._client, name)
        credentials = _credentials(found[0]) if found else ()
        if not credentials:
            raise SecretMissing(f"There are no credentials in {name}. Add the registration again.")
        return credentials

    def create(self, registration: str, credential: Credential) -> None:
        """Keep a first credential; the same again changes nothing.

        Raises `Conflict` if the registration has others.
        """
        name = self._name(registration)
        key: dict[str, Any] = {"KmsKeyId": self._kms_key_id} if self._kms_key_id else {}
        refused = (self._client.exceptions.ResourceExistsException, self._client.exceptions.InvalidRequestException)
        with calling("secretsmanager:CreateSecret"):
            try:
                self._client.create_secret(
                    Name=name, Description=_DESCRIPTION, SecretString=_body((credential,)), **key
                )
            except refused as error:
                found = read_value(self._client, name)
                if found is None:
                    raise Conflict(f"The secret {name} is being deleted. Restore it or wait for its end.") from error
                if not any(_same(kept, credential) for kept in _credentials(found[0])):
                    raise Conflict(f"The registration {registration} has other credentials.") from error

    def _name(self, registration: str) -> str:
        return f"{self._prefix}/registrations/{registration}"


def _body(credentials: tuple[Credential, ...]) -> str:
    return json.dumps({"credentials": [pack(credential) for credential in credentials]})


def _credentials(body: dict[str, Any]) -> tuple[Credential, ...]:
    entries = body.get("credentials")
    if not isinstance(entries, list):
        return ()
    return tuple(
        Credential(**{name: value for name, value in entry.items() if name in _FIELDS})
        for entry in entries
        if isinstance(entry, dict)
    )


def _same(one: Credential, other: Credential) -> bool:
    return (one.client_secret, one.private_key, one.certificate) == (
        other.client_secret,
        other.private_key,
        other.certificate,
    )
