"""Accounts, providers, the consent pages and the OAuth callback. This function alone may create a token's secret."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from mailbearer.api.accounts import Accounts
from mailbearer.api.answering import answer
from mailbearer.api.connect import Connect
from mailbearer.config import read_settings
from mailbearer.wiring import Wiring

if TYPE_CHECKING:
    from mailbearer.http import Route

_NEEDS = (
    "api_url",
    "accounts_table",
    "consents_table",
    "registrations_table",
    "incidents_table",
    "ledgers_table",
    "queue_url",
    "content_bucket",
    "secrets_prefix",
    "audit_log_group",
    "event_bus",
)


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, *_NEEDS))


def routes_of(joined: Wiring) -> tuple[Route, ...]:
    """Give all routes of this function."""
    return (*Accounts(joined).routes(), *Connect(joined).routes())


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one API Gateway request (payload format 2.0)."""
    return answer(event, wiring(), routes_of(wiring()))
