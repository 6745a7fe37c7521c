"""The two SASL mechanisms that carry a bearer token: XOAUTH2, and OAUTHBEARER (RFC 7628)."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field

_XOAUTH2 = re.compile(r"user=(?P<user>[^\x01]*)\x01auth=Bearer (?P<token>[^\x01]+)\x01\x01", re.IGNORECASE)
_GS2 = re.compile(r"[ny],(?:a=(?P<user>[^,\x01]*))?,\x01(?P<pairs>(?:[A-Za-z]+=[^\x01]*\x01)*)\x01")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Whom the client says it is, and its token."""

    user: str
    """Empty: whoever the token belongs to (OAUTHBEARER only)."""
    token: str = field(repr=False)


def read_credentials(mechanism: str, response: str) -> Credentials | None:
    """Decode a base64 initial response; None if it is not in the mechanism's form."""
    try:
        text = base64.b64decode(response, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    if mechanism == "XOAUTH2":
        found = _XOAUTH2.fullmatch(text)
        return Credentials(found["user"], found["token"]) if found and found["user"] else None
    found = _GS2.fullmatch(text)
    if found is None:
        return None
    pairs = dict(pair.split("=", 1) for pair in found["pairs"].split("\x01") if pair)
    scheme, _, token = pairs.get("auth", "").partition(" ")
    user = (found["user"] or "").replace("=2C", ",").replace("=3D", "=")
    return Credentials(user, token) if scheme.lower() == "bearer" and token else None


def failure_challenge(mechanism: str, *, scope: str, issuer: str | None) -> bytes:
    """Return the base64 JSON that goes with 334 before the 535."""
    if mechanism == "XOAUTH2":
        body = {"status": "400", "schemes": "Bearer", "scope": scope}
    else:
        body = {"status": "invalid_token", "scope": scope}
        if issuer is not None:
            body["openid-configuration"] = f"{issuer}/.well-known/openid-configuration"
    return base64.b64encode(json.dumps(body).encode())
