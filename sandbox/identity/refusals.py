"""How each provider words a refusal at its token endpoint."""

from __future__ import annotations

import enum
import time
import uuid
from typing import Any


class Reason(enum.Enum):
    """Why a token request was refused, finer than RFC 6749's codes."""

    CODE_UNKNOWN = "code unknown"
    CODE_USED = "code used before"
    CODE_EXPIRED = "code expired"
    REDIRECT_MISMATCH = "redirect_uri differs"
    VERIFIER_MISMATCH = "code_verifier does not match"
    REFRESH_UNKNOWN = "refresh token unknown"
    REFRESH_EXPIRED = "refresh token expired"
    GRANT_REVOKED = "grant revoked"
    REFRESH_REUSED = "rotated refresh token used again"
    SCOPE_NOT_GRANTED = "scope never granted"
    CLIENT_UNKNOWN = "client unknown"
    CLIENT_NOT_AUTHENTICATED = "client authentication failed"
    INVALID_GRANT = "invalid_grant on demand"
    """Played by a fault, without a cause."""
    INVALID_CLIENT = "invalid_client on demand"


_ERROR_OF = {
    Reason.CLIENT_UNKNOWN: "invalid_client",
    Reason.CLIENT_NOT_AUTHENTICATED: "invalid_client",
    Reason.INVALID_CLIENT: "invalid_client",
    Reason.SCOPE_NOT_GRANTED: "invalid_scope",
}

_GOOGLE: dict[Reason, tuple[int, str, str]] = {
    Reason.CODE_UNKNOWN: (400, "invalid_grant", "Malformed auth code."),
    Reason.CODE_USED: (400, "invalid_grant", "Bad Request"),
    Reason.CODE_EXPIRED: (400, "invalid_grant", "Bad Request"),
    Reason.REDIRECT_MISMATCH: (400, "redirect_uri_mismatch", "Bad Request"),
    Reason.VERIFIER_MISMATCH: (400, "invalid_grant", "Invalid code verifier."),
    Reason.REFRESH_UNKNOWN: (400, "invalid_grant", "Bad Request"),
    Reason.SCOPE_NOT_GRANTED: (400, "invalid_scope", "Some requested scopes were invalid."),
    Reason.CLIENT_UNKNOWN: (401, "invalid_client", "The OAuth client was not found."),
    Reason.CLIENT_NOT_AUTHENTICATED: (401, "invalid_client", "Unauthorized"),
    Reason.INVALID_CLIENT: (401, "invalid_client", "Unauthorized"),
}
_GOOGLE_OTHERWISE = (400, "invalid_grant", "Token has been expired or revoked.")

# AADSTS numbers and the OAuth error that goes with each; the texts are this sandbox's own.
_MICROSOFT: dict[Reason, tuple[int, str, int, str]] = {
    Reason.CODE_UNKNOWN: (400, "invalid_grant", 9002313, "Invalid request. Request is malformed or invalid."),
    Reason.CODE_USED: (400, "invalid_grant", 54005, "OAuth2 Authorization code was already redeemed."),
    Reason.CODE_EXPIRED: (400, "invalid_grant", 70008, "The provided authorization code has expired."),
    Reason.REDIRECT_MISMATCH: (400, "invalid_grant", 50011, "The redirect URI in the request does not match."),
    Reason.VERIFIER_MISMATCH: (400, "invalid_grant", 501481, "The Code_Verifier does not match the code_challenge."),
    Reason.REFRESH_UNKNOWN: (400, "invalid_grant", 70000, "The provided value for 'refresh_token' is not valid."),
    Reason.REFRESH_EXPIRED: (400, "invalid_grant", 700082, "The refresh token has expired due to inactivity."),
    Reason.SCOPE_NOT_GRANTED: (400, "invalid_grant", 70000, "One or more scopes requested are unauthorized."),
    Reason.CLIENT_UNKNOWN: (400, "unauthorized_client", 700016, "Application was not found in the directory."),
    Reason.CLIENT_NOT_AUTHENTICATED: (401, "invalid_client", 7000215, "Invalid client secret provided."),
    Reason.INVALID_CLIENT: (401, "invalid_client", 7000215, "Invalid client secret provided."),
}
_MICROSOFT_OTHERWISE = (400, "invalid_grant", 50173, "The provided grant has expired due to it being revoked.")


def refusal(tenant: str, reason: Reason) -> tuple[int, dict[str, Any]]:
    """Return the status and body with which this tenant says no."""
    if tenant == "google":
        status, error, description = _GOOGLE.get(reason, _GOOGLE_OTHERWISE)
        return status, {"error": error, "error_description": description}
    if tenant == "microsoft":
        status, error, number, text = _MICROSOFT.get(reason, _MICROSOFT_OTHERWISE)
        return status, microsoft_body(error, number, text)
    error = _ERROR_OF.get(reason, "invalid_grant")
    return 401 if error == "invalid_client" else 400, {"error": error, "error_description": reason.value}


def microsoft_body(error: str, number: int, text: str) -> dict[str, Any]:
    """Return an Entra ID error object; trace and correlation ids are random."""
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    return {
        "error": error,
        "error_description": (
            f"AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
        ),
        "error_codes": [number],
        "timestamp": stamp,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }
