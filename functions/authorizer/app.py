"""Turn an API key, or a token of the stack's issuer, into a caller.

A wrong one gives an empty caller, and the function behind answers 401 with a problem document.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from mailbearer.config import read_settings
from mailbearer.errors import Unauthenticated
from mailbearer.wiring import Wiring


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, "keys_table"))


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer a REQUEST authorizer call (payload 2.0, simple response); the API caches the answer for 60 s."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    try:
        caller = wiring().admission.caller_of(headers.get("authorization", ""))
    except Unauthenticated as error:
        # Why a token was refused goes to the access log; of a key nothing is told.
        return {"isAuthorized": True, "context": {"key_id": ""} | ({"refusal": error.detail} if error.detail else {})}
    context_of_caller = {
        "key_id": caller.key_id,
        "scopes": " ".join(sorted(caller.scopes)),
        "accounts": " ".join(sorted(caller.accounts)),
    }
    return {"isAuthorized": True, "context": context_of_caller}
