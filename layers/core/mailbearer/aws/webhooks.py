"""The webhooks table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.aws import items
from mailbearer.aws.small_tables import SmallTable
from mailbearer.webhook import Webhook

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDBWebhookStore:
    """Webhooks; there are at most a hundred."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = SmallTable(client, table, _read, what="webhook")

    def create(self, webhook: Webhook) -> bool:
        """Put the webhook if its id is new; tell whether it was."""
        return self._table.create(webhook)

    def get(self, webhook_id: str) -> Webhook | None:
        """Read one."""
        return self._table.get(webhook_id)

    def replace(self, new: Webhook, *, expected: Webhook) -> Webhook:
        """Write `new` if the stored revision still is that of `expected`; give the webhook that stands there.

        Raises `NotFound` if there is none.
        """
        return self._table.replace(new, expected=expected)

    def delete(self, webhook_id: str) -> None:
        """Remove one; no error if there is none."""
        self._table.delete(webhook_id)

    def listing(self) -> list[Webhook]:
        """List all by id."""
        return sorted(self._table.listing(), key=lambda webhook: webhook.id)


def _read(values: dict[str, Any]) -> Webhook:
    return items.unpack(Webhook, values, accounts=frozenset(values.get("accounts", ())))
