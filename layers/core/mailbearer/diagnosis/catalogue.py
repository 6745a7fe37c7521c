"""All rows of the table, by our code."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from mailbearer.diagnosis import (
    callback_codes,
    client_table,
    mail_table,
    mailbox_table,
    smtp_table,
    table,
    transport_table,
)
from mailbearer.diagnosis.finding import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTS = (table, client_table, mail_table, smtp_table, transport_table, callback_codes, mailbox_table)


@cache
def rows() -> Mapping[str, Diagnosis]:
    """Give every row by its code."""
    found = (value for part in PARTS for value in vars(part).values() if isinstance(value, Diagnosis))
    return MappingProxyType({diagnosis.code: diagnosis for diagnosis in found})


def row(code: str) -> Diagnosis:
    """Give the row of a code, or the one for what is unknown."""
    return rows().get(code, table.UNKNOWN)
