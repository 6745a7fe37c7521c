"""Secrets Manager: one secret for each mailbox.

Reads always name AWSCURRENT. A value that was retired is a tombstone, and a tombstone reads as nothing.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mailbearer.aws.failures import calling
from mailbearer.aws.secret_values import read_value
from mailbearer.errors import LeaseLost, SecretMissing, Unavailable
from mailbearer.token import StoredToken, TokenSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient

_TOMBSTONE = {"revoked": True}
_DESCRIPTION = "OAuth2 tokens of one mailbox, written by Mailbearer. Do not edit."
_RECOVERY_DAYS = 7  # the shortest that Secrets Manager takes; within it the mailbox may be connected again
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 2.0


class SecretsManagerTokenVault:
    """The token sets of mailboxes, each under `<prefix>/accounts/<account id>`.

    `patience` is how long, in seconds, a put is repeated while it fails; the last try may end a little later.
    """

    def __init__(
        self,
        client: SecretsManagerClient,
        prefix: str,
        *,
        kms_key_id: str = "",
        patience: float = 10,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._kms_key_id = kms_key_id
        self._patience = patience
        self._monotonic = monotonic
        self._sleep = sleep

    def read(self, account_id: str) -> StoredToken | None:
        """Read the current token set, or None if there is none."""
        name = self._name(account_id)
        found = read_value(self._client, name)
        if found is None or found[0] == _TOMBSTONE:
            return None
        body, version = found
        try:
            return StoredToken(TokenSet(**body), version)
        except TypeError:
            # The cause could show a part of the secret, so it is not chained.
            raise SecretMissing(f"The secret {name} holds no token set. Connect the mailbox again.") from None

    def store(self, account_id: str, tokens: TokenSet, version: str) -> None:
        """Make `tokens` current as version `version`; the same call again changes nothing.

        Raises `Unavailable` when the vault cannot take it now, `SecretMissing` if the mailbox has no secret (or one
        marked deleted), and `LeaseLost` if that version holds other tokens, so that the caller has to read again.
        """
        self._patiently(lambda: self._put(account_id, tokens, version))

    def open(self, account_id: str, tokens: TokenSet, version: str) -> None:
        """Store as `store` does, making the mailbox's secret if it is not there (or bringing it back)."""
        self._patiently(lambda: self._open(account_id, tokens, version))

    def retire(self, account_id: str) -> None:
        """Overwrite the value with a tombstone, strip its labels and schedule the secret's deletion; safe to repeat."""
        name = self._name(account_id)
        gone = (self._client.exceptions.ResourceNotFoundException, self._client.exceptions.InvalidRequestException)
        with calling("secretsmanager:DeleteSecret"):
            try:
                # No version of our own choosing: a tombstone put under a version that exists would change nothing.
                self._client.put_secret_value(SecretId=name, SecretString=json.dumps(_TOMBSTONE))
                self._strip_previous(name)
                self._client.delete_secret(SecretId=name, RecoveryWindowInDays=_RECOVERY_DAYS)
            except gone:
                # There is no secret, or it is marked deleted, which we do only after the tombstone was put.
                return

    def _strip_previous(self, name: str) -> None:
        """Take AWSPREVIOUS off, so that the tokens before the tombstone have no label to be read by."""
        for version, stages in self._client.describe_secret(SecretId=name).get("VersionIdsToStages", {}).items():
            if "AWSPREVIOUS" in stages:
                # It may have moved on meanwhile: then another run is retiring the same secret.
                with suppress(self._client.exceptions.InvalidParameterException):
                    self._client.update_secret_version_stage(
                        SecretId=name, VersionStage="AWSPREVIOUS", RemoveFromVersionId=version
                    )

    def _open(self, account_id: str, tokens: TokenSet, version: str) -> None:
        name = self._name(account_id)
        key: dict[str, Any] = {"KmsKeyId": self._kms_key_id} if self._kms_key_id else {}
        refused = (self._client.exceptions.ResourceExistsException, self._client.exceptions.InvalidRequestException)
        with calling("secretsmanager:CreateSecret"):
            try:
                # Without a value, so that there is one way for a version to come about, and it bears the planned id.
                self._client.create_secret(Name=name, Description=_DESCRIPTION, **key)
            except refused:
                if "DeletedDate" in self._client.describe_secret(SecretId=name):
                    self._client.restore_secret(SecretId=name)
        self._put(account_id, tokens, version)

    def _put(self, account_id: str, tokens: TokenSet, version: str) -> None:
        name = self._name(account_id)
        with calling("secretsmanager:PutSecretValue"):
            try:
                self._client.put_secret_value(SecretId=name, ClientRequestToken=version, SecretString=_body(tokens))
            except self._client.exceptions.ResourceExistsException as error:
                raise LeaseLost(f"Version {version} of {name} holds other tokens.") from error
            except (
                self._client.exceptions.ResourceNotFoundException,
                self._client.exceptions.InvalidRequestException,
            ) as error:
                raise SecretMissing(f"There is no secret {name}. Connect the mailbox again.") from error

    def _patiently(self, put: Callable[[], None]) -> None:
        """Repeat until it works or time is up: a token set not stored is lost, and the same put twice is one."""
        end = self._monotonic() + self._patience
        pause = _FIRST_PAUSE
        while True:
            try:
                return put()
            except Unavailable:
                if self._monotonic() + pause > end:
                    raise
            self._sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _name(self, account_id: str) -> str:
        return f"{self._prefix}/accounts/{account_id}"


def _body(tokens: TokenSet) -> str:
    return json.dumps(
        {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "expires_at": tokens.expires_at,
            "obtained_at": tokens.obtained_at,
            "scope": tokens.scope,
        }
    )
