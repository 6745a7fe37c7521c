"""The consents table."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from mailbearer.account import Consent, DeviceCode
from mailbearer.aws import items
from mailbearer.aws.failures import calling
from mailbearer.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_TAKEN_BY = "taken_by"
# Every attribute a consent can have but its key.
_COMPARED = (*(field.name for field in fields(Consent) if field.name != "state_hash"), _TAKEN_BY)


class DynamoDBConsentStore:
    """Consents under way; DynamoDB removes forgotten ones some time after `expires_at`, so readers check it."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def put(self, consent: Consent) -> None:
        """Keep a consent."""
        with calling("dynamodb:PutItem"):
            self._client.put_item(TableName=self._table, Item=_to_item(consent))

    def get(self, state_hash: str) -> Consent | None:
        """Read a consent without consuming it."""
        with calling("dynamodb:GetItem"):
            answer = self._client.get_item(TableName=self._table, Key=_key(state_hash), ConsistentRead=True)
        return _from_item(answer.get("Item"))

    def replace(self, new: Consent, *, expected: Consent) -> Consent | None:
        """Write `new` if the consent still is as `expected` and nobody took it; give the one that stands, if any."""
        condition = items.unchanged(_to_item(expected), _COMPARED, key="state_hash")
        with calling("dynamodb:PutItem"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_to_item(new),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **condition.arguments(),
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                failure: Any = error.response
                return _from_item(failure.get("Item"))
        return new

    def take(self, state_hash: str) -> Consent | None:
        """Consume a consent: exactly one of many callers gets it, also if an answer is lost and the call repeated.

        A bare delete that was done while its answer was lost finds nothing when the SDK repeats it. So the caller puts
        its mark first, which it recognises as its own, and deletes afterwards.
        """
        mine = str(uuid.uuid4())
        with calling("dynamodb:UpdateItem"):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_key(state_hash),
                    UpdateExpression=f"SET {_TAKEN_BY} = :mine",
                    ConditionExpression=(
                        f"attribute_exists(state_hash) AND (attribute_not_exists({_TAKEN_BY}) OR {_TAKEN_BY} = :mine)"
                    ),
                    ExpressionAttributeValues={":mine": {"S": mine}},
                    ReturnValues="ALL_NEW",
                )
            except self._client.exceptions.ConditionalCheckFailedException:
                return None
        # The mark keeps everybody out already; what cannot be deleted now goes with the table's TTL.
        with suppress(Unavailable), calling("dynamodb:DeleteItem"):
            self._client.delete_item(TableName=self._table, Key=_key(state_hash))
        return _consent(answer["Attributes"])


def _key(state_hash: str) -> items.Item:
    return {"state_hash": {"S": state_hash}}


def _to_item(consent: Consent) -> items.Item:
    return items.encode(items.pack(consent) | {"expires_at": items.whole_seconds(consent.expires_at)})


def _from_item(item: Any) -> Consent | None:
    return _consent(item) if item and _TAKEN_BY not in item else None


def _consent(item: Any) -> Consent:
    values = items.decode(item)
    device = values.get("device")
    return items.unpack(Consent, values, device=items.unpack(DeviceCode, device) if device else None)
