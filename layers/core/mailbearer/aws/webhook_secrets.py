"""Secrets Manager: one secret for each webhook, with what signs its deliveries."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from mailbearer.aws.failures import calling
from mailbearer.aws.secret_values import read_value
from mailbearer.errors import SecretMissing
from mailbearer.webhook import OldSecret, SigningSecrets

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_DESCRIPTION = "Signing secrets of one webhook, written by Mailbearer. Do not edit."


class SecretsManagerWebhookVault:
    """The signing secrets of webhooks, each under `<prefix>/webhooks/<webhook id>`."""

    def __init__(self, client: SecretsManagerClient, prefix: str, *, kms_key_id: str = "") -> None:
        self._client = client
        self._prefix = prefix
        self._kms_key_id = kms_key_id

    def put(self, webhook_id: str, secrets: SigningSecrets) -> None:
        """Keep a webhook's secrets, the first or later ones. Raises `Unavailable`."""
        name, body = self._name(webhook_id), _body(secrets)
        key: dict[str, Any] = {"KmsKeyId": self._kms_key_id} if self._kms_key_id else {}
        with calling("secretsmanager:CreateSecret"):
            try:
                self._client.create_secret(Name=name, Description=_DESCRIPTION, SecretString=body, **key)
            except self._client.exceptions.ResourceExistsException:
                self._client.put_secret_value(SecretId=name, SecretString=body)

    def read(self, webhook_id: str) -> SigningSecrets | None:
        """Read them. Raises `Unavailable`, and `SecretMissing` if somebody wrote over them."""
        name = self._name(webhook_id)
        found = read_value(self._client, name)
        if found is None:
            return None
        body, _ = found
        try:
            return SigningSecrets(
                base64.b64decode(body["current"], validate=True),
                tuple(
                    OldSecret(base64.b64decode(old["value"], validate=True), float(old["until"]))
                    for old in body["previous"]
                ),
                rotated_at=float(body["rotated_at"]),
            )
        except (KeyError, TypeError, ValueError):
            # The cause could show a part of the secret, so it is not chained.
            raise SecretMissing(f"The secret {name} holds no signing secrets. Rotate the webhook's secret.") from None

    def retire(self, webhook_id: str) -> None:
        """Remove them at once: the webhook of this id does not come back. Raises `Unavailable`."""
        with calling("secretsmanager:DeleteSecret"):
            try:
                self._client.delete_secret(SecretId=self._name(webhook_id), ForceDeleteWithoutRecovery=True)
            except self._client.exceptions.ResourceNotFoundException:
                return

    def _name(self, webhook_id: str) -> str:
        return f"{self._prefix}/webhooks/{webhook_id}"


def _body(secrets: SigningSecrets) -> str:
    previous = [{"value": _text(old.value), "until": old.until} for old in secrets.previous]
    return json.dumps({"current": _text(secrets.current), "previous": previous, "rotated_at": secrets.rotated_at})


def _text(secret: bytes) -> str:
    return base64.b64encode(secret).decode()
