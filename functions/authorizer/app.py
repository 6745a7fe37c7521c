"""Turn an API key into a caller.

A wrong key gives an empty caller, and the function behind answers 401 with a problem document.
"""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

from mailbearer.caller import split_bearer
from mailbearer.config import read_settings
from mailbearer.ids import is_id
from mailbearer.wiring import Wiring


@cache
def wiring() -> Wiring:
    """Join what this function needs, once."""
    return Wiring(read_settings(os.environ, "keys_table"))


def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer a REQUEST authorizer call (payload 2.0, simple response); the API caches the answer for 60 s."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    parts = split_bearer(headers.get("authorization", ""))
    key = wiring().keys.get(parts[0]) if parts and is_id("key_", parts[0]) else None
    if key is None or parts is None or not key.proves(parts[1], time.time()):
        return {"isAuthorized": True, "context": {"key_id": ""}}
    context_of_caller = {
        "key_id": key.id,
        "scopes": " ".join(sorted(key.scopes)),
        "accounts": " ".join(sorted(key.accounts)),
    }
    return {"isAuthorized": True, "context": context_of_caller}
