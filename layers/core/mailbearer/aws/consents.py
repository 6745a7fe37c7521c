"""The consents table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.account import Consent
from mailbearer.aws import items
from mailbearer.aws.failures import calling

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDBConsentStore:
    """Consents under way; DynamoDB removes forgotten ones some time after `expires_at`, so readers check it."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def put(self, consent: Consent) -> None:
        """Keep a consent."""
        values = items.pack(consent) | {"expires_at": items.whole_seconds(consent.expires_at)}
        with calling("dynamodb:PutItem"):
            self._client.put_item(TableName=self._table, Item=items.encode(values))

    def get(self, state_hash: str) -> Consent | None:
        """Read a consent without consuming it."""
        with calling("dynamodb:GetItem"):
            answer = self._client.get_item(TableName=self._table, Key=_key(state_hash), ConsistentRead=True)
        return _from_item(answer["Item"]) if "Item" in answer else None

    def take(self, state_hash: str) -> Consent | None:
        """Consume a consent: exactly one of many callers gets it.

        If the answer to the delete is lost and the SDK asks again, nobody gets it: the mailbox's owner starts anew.
        """
        with calling("dynamodb:DeleteItem"):
            answer = self._client.delete_item(TableName=self._table, Key=_key(state_hash), ReturnValues="ALL_OLD")
        return _from_item(answer["Attributes"]) if answer.get("Attributes") else None


def _key(state_hash: str) -> items.Item:
    return {"state_hash": {"S": state_hash}}


def _from_item(item: Any) -> Consent:
    return items.unpack(Consent, items.decode(item))
