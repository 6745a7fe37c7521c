"""The registrations table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailbearer.aws import items
from mailbearer.aws.small_tables import SmallTable
from mailbearer.registration import Endpoints, Flow, Registration, SmtpServer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class DynamoDBRegistrationStore:
    """Registrations; there are a handful."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._table = SmallTable(client, table, _read, what="registration", key="name")

    def create(self, registration: Registration) -> bool:
        """Put the registration if its name is new; tell whether it was."""
        return self._table.create(registration)

    def replace(self, new: Registration, *, expected: Registration) -> Registration:
        """Write `new` if the stored revision still is that of `expected`; give the registration that stands there.

        Raises `NotFound` if there is none.
        """
        return self._table.replace(new, expected=expected)

    def get(self, name: str) -> Registration | None:
        """Read one registration."""
        return self._table.get(name)

    def listing(self) -> list[Registration]:
        """List all registrations by name."""
        return sorted(self._table.listing(), key=lambda registration: registration.name)


def _read(values: dict[str, Any]) -> Registration:
    better: dict[str, Any] = {"flow": Flow(values["flow"]), "endpoints": items.unpack(Endpoints, values["endpoints"])}
    if "smtp" in values:
        better["smtp"] = items.unpack(SmtpServer, values["smtp"])
    return items.unpack(Registration, values, **better)
