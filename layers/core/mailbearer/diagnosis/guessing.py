"""Which provider spoke, and where, for evidence that does not say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailbearer.diagnosis.evidence import Evidence

TOKEN, CALLBACK, GMAIL, GRAPH, SMTP, INTROSPECTION = "token", "callback", "gmail", "graph", "smtp", "introspection"
SURFACES = (TOKEN, CALLBACK, GMAIL, GRAPH, SMTP, INTROSPECTION)
PROVIDERS = ("google", "microsoft", "yahoo", "aol", "zoho", "fastmail", "generic")
_OTHER_NAMES = {
    "gmail": "google",
    "workspace": "google",
    "outlook": "microsoft",
    "office365": "microsoft",
    "exchange": "microsoft",
    "entra": "microsoft",
    "azure": "microsoft",
    "oidc": "generic",
}
_LOOKED_AT = 16_384
# Signs in the order in which they are looked for; each is a name that only this provider writes.
_SIGNS = (
    (
        "zoho",
        re.compile(r"zoho|\"error\"\s*:\s*\"(?:access denied|invalid_code)\"|relaying disallowed as", re.IGNORECASE),
    ),
    ("aol", re.compile(r"\baol\.com", re.IGNORECASE)),
    ("yahoo", re.compile(r"yahoo|#(?:AUTH|MBR)\d{3}|INVALID_REFRESH_TOKEN|INVALID_INPUT", re.IGNORECASE)),
    ("fastmail", re.compile(r"fastmail", re.IGNORECASE)),
    (
        "microsoft",
        re.compile(
            r"AADSTS\d|client-request-id|\"error_codes\"|\"suberror\"|\"correlation_id\"|outlook\.com|office365|microsoft|"
            r"storedrv\.|aka\.ms/|SmtpClientAuthentication|x-ms-|admin_consent=|5\.7\.139|wascl|need admin approval",
            re.IGNORECASE,
        ),
    ),
    (
        "google",
        re.compile(
            r"gsmtp|google|\"error_subtype\"|googleapis|oauth client was (?:deleted|not found)|"
            r"authorization error\s+error \d|admin_policy_enforced|\bError \d\d\d \(.{1,40}\)!!1",
            re.IGNORECASE,
        ),
    ),
)


def provider_of(evidence: Evidence, surface: str) -> str:
    """Name the provider: as given, else by its signs, else `generic`."""
    given = evidence.provider.strip().lower()
    given = _OTHER_NAMES.get(given, given)
    if given in PROVIDERS and given != "generic":
        return given
    headers = " ".join(f"{name}: {value}" for name, value in evidence.headers.items())
    text = " ".join(part[:_LOOKED_AT] for part in (headers, evidence.body, evidence.smtp))
    found = next((name for name, sign in _SIGNS if sign.search(text)), "")
    if given == "generic":
        return given
    return found or {GMAIL: "google", GRAPH: "microsoft"}.get(surface, "generic")


def surface_named(given: str) -> str:
    """Give the surface that was named, or nothing."""
    named = given.strip().lower()
    return named if named in SURFACES else ""
