"""How each provider words a refusal at its token endpoint."""

from __future__ import annotations

import enum
import time
import uuid
from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError


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
    CREDENTIAL_MISSING = "no client credential was sent"
    CREDENTIAL_EXPIRED = "the client secret has expired"
    ASSERTION_MALFORMED = "client assertion malformed"
    ASSERTION_OTHER_CLIENT = "client assertion of another client"
    ASSERTION_KEY_UNKNOWN = "client assertion signed with an unknown certificate"
    ASSERTION_KEY_EXPIRED = "client assertion signed with an expired certificate"
    ASSERTION_SIGNATURE = "client assertion's signature is wrong"
    ASSERTION_AUDIENCE = "client assertion for another audience"
    ASSERTION_TIME = "client assertion outside its time, or for more than 10 minutes"
    ASSERTION_REPLAYED = "client assertion without a new jti"
    SCOPE_NOT_DEFAULT = "client credentials need one scope that ends in /.default"
    RESOURCE_UNKNOWN = "resource unknown"
    DEVICE_PENDING = "the person has not decided yet"
    DEVICE_TOO_FAST = "polled too fast"
    DEVICE_EXPIRED = "device code expired"
    DEVICE_DENIED = "the person denied"
    DEVICE_UNKNOWN = "device code unknown"
    DEVICE_USED = "device code used before"
    DEVICE_SCOPE = "scope not for devices"
    JWT_MALFORMED = "assertion malformed"
    JWT_NO_VERIFIER = "no key for the assertion"
    JWT_SIGNATURE = "assertion's signature is wrong"
    JWT_AUDIENCE = "assertion for another audience"
    JWT_TIME = "assertion outside its time"
    ACCOUNT_NOT_FOUND = "service account unknown"
    ROBOT_DISABLED = "service account disabled"
    NO_SCOPE = "no scope"
    NOT_DELEGATED = "not delegated"
    SUBJECT_UNKNOWN = "sub unknown"
    TOO_MANY_TOKENS = "too many access tokens"
    INVALID_GRANT = "invalid_grant on demand"
    """Played by a fault, without a cause."""
    INVALID_CLIENT = "invalid_client on demand"


class GrantRefusedError(InvalidGrantError):  # type: ignore[misc]
    """A refusal whose cause the provider's own error body tells."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(description=reason.value)
        self.reason = reason


_ASSERTION_REFUSED = (
    Reason.ASSERTION_MALFORMED,
    Reason.ASSERTION_OTHER_CLIENT,
    Reason.ASSERTION_KEY_UNKNOWN,
    Reason.ASSERTION_KEY_EXPIRED,
    Reason.ASSERTION_SIGNATURE,
    Reason.ASSERTION_AUDIENCE,
    Reason.ASSERTION_TIME,
    Reason.ASSERTION_REPLAYED,
)
_ERROR_OF = {
    Reason.CLIENT_UNKNOWN: "invalid_client",
    Reason.CLIENT_NOT_AUTHENTICATED: "invalid_client",
    Reason.CREDENTIAL_MISSING: "invalid_client",
    Reason.CREDENTIAL_EXPIRED: "invalid_client",
    Reason.INVALID_CLIENT: "invalid_client",
    Reason.SCOPE_NOT_GRANTED: "invalid_scope",
    Reason.DEVICE_PENDING: "authorization_pending",
    Reason.DEVICE_TOO_FAST: "slow_down",
    Reason.DEVICE_EXPIRED: "expired_token",
    Reason.DEVICE_DENIED: "access_denied",
    **dict.fromkeys(_ASSERTION_REFUSED, "invalid_client"),
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
    Reason.CREDENTIAL_MISSING: (401, "invalid_client", "client_secret is missing."),
    Reason.CREDENTIAL_EXPIRED: (401, "invalid_client", "Unauthorized"),
    **dict.fromkeys(_ASSERTION_REFUSED, (401, "invalid_client", "Unauthorized")),
    Reason.INVALID_CLIENT: (401, "invalid_client", "Unauthorized"),
    Reason.DEVICE_PENDING: (428, "authorization_pending", "Precondition Required"),
    Reason.DEVICE_TOO_FAST: (403, "slow_down", "Forbidden"),
    Reason.DEVICE_EXPIRED: (400, "expired_token", "Bad Request"),
    Reason.DEVICE_DENIED: (403, "access_denied", "Forbidden"),
    Reason.DEVICE_UNKNOWN: (400, "invalid_grant", "Malformed device code."),
    Reason.DEVICE_SCOPE: (400, "invalid_scope", "Invalid device flow scope."),
    Reason.JWT_MALFORMED: (400, "invalid_grant", "Invalid JWT: Failed to parse the assertion."),
    Reason.JWT_NO_VERIFIER: (400, "invalid_grant", "Invalid JWT: No valid verifier found for issuer."),
    Reason.JWT_SIGNATURE: (400, "invalid_grant", "Invalid JWT Signature."),
    Reason.JWT_AUDIENCE: (400, "invalid_grant", "Invalid JWT: Failed audience check."),
    Reason.JWT_TIME: (
        400,
        "invalid_grant",
        (
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
            "Check your iat and exp values in the JWT claim."
        ),
    ),
    Reason.ACCOUNT_NOT_FOUND: (400, "invalid_grant", "Invalid grant: account not found"),
    Reason.ROBOT_DISABLED: (400, "invalid_grant", "Robot is disabled."),
    Reason.NO_SCOPE: (400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."),
    Reason.NOT_DELEGATED: (
        401,
        "unauthorized_client",
        (
            "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of "
            "the scopes requested."
        ),
    ),
    Reason.SUBJECT_UNKNOWN: (400, "invalid_grant", "Invalid email or User ID"),
}
_GOOGLE_OTHERWISE = (400, "invalid_grant", "Token has been expired or revoked.")

_NOT_VERIFIED = "Client assertion failed signature validation. [Reason"
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
    Reason.CREDENTIAL_MISSING: (401, "invalid_client", 7000218, "'client_assertion' or 'client_secret' is missing."),
    Reason.CREDENTIAL_EXPIRED: (401, "invalid_client", 7000222, "The provided client secret keys are expired."),
    Reason.ASSERTION_MALFORMED: (401, "invalid_client", 50027, "JWT token is invalid or malformed."),
    Reason.ASSERTION_OTHER_CLIENT: (400, "invalid_client", 700021, "Client assertion does not match 'client_id'."),
    Reason.ASSERTION_KEY_UNKNOWN: (401, "invalid_client", 700027, f"{_NOT_VERIFIED} - The key was not found.]"),
    Reason.ASSERTION_KEY_EXPIRED: (401, "invalid_client", 700027, f"{_NOT_VERIFIED} - The key used is expired.]"),
    Reason.ASSERTION_SIGNATURE: (401, "invalid_client", 700027, f"{_NOT_VERIFIED} - The signature is wrong.]"),
    Reason.ASSERTION_AUDIENCE: (401, "invalid_client", 700023, "Client assertion audience does not match."),
    Reason.ASSERTION_TIME: (401, "invalid_client", 700024, "Client assertion is not within its valid time range."),
    Reason.ASSERTION_REPLAYED: (401, "invalid_client", 50027, "JWT token is invalid: its 'jti' is not new."),
    Reason.INVALID_CLIENT: (401, "invalid_client", 7000215, "Invalid client secret provided."),
    Reason.SCOPE_NOT_DEFAULT: (400, "invalid_scope", 1002012, "The scope must be one resource's '/.default'."),
    Reason.RESOURCE_UNKNOWN: (400, "invalid_resource", 500011, "The resource principal was not found in the tenant."),
    Reason.DEVICE_PENDING: (400, "authorization_pending", 70016, "Authorization is pending. Continue polling."),
    Reason.DEVICE_TOO_FAST: (400, "slow_down", 70016, "Authorization is pending. Poll less often."),
    Reason.DEVICE_EXPIRED: (400, "expired_token", 70020, "This device code has expired."),
    Reason.DEVICE_DENIED: (400, "access_denied", 65004, "User declined to consent to access the app."),
    Reason.DEVICE_UNKNOWN: (400, "invalid_grant", 70000, "The provided value for 'device_code' is not valid."),
    Reason.DEVICE_USED: (400, "invalid_grant", 54005, "The device code was already redeemed."),
}
_MICROSOFT_OTHERWISE = (400, "invalid_grant", 50173, "The provided grant has expired due to it being revoked.")


def refusal(tenant: str, reason: Reason) -> tuple[int, dict[str, Any]]:
    """Return the status and body with which this tenant says no."""
    if reason is Reason.TOO_MANY_TOKENS:
        # Zoho's words, blank and all; no tenant here has a guard of this kind of its own.
        text = "You have made too many requests continuously. Please try again after some time."
        return 400, {"error": "Access Denied", "error_description": text}
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
