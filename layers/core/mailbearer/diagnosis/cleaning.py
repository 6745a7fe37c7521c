"""Text of a provider made fit to be shown: no secret, no markup, no control character, not long."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote_plus

LONGEST = 300
_LOOKED_AT = 65_536
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OPAQUE = re.compile(r"[A-Za-z0-9_~+/=.%-]{24,}")
_TAG = re.compile(r"<[^<>]{0,2000}>")
# Where a paste holds a secret: by the names that OAuth gives its parameters, and after an authentication scheme.
_NAMES = (
    "access_token|refresh_token|id_token|client_secret|client_assertion|assertion|code|code_verifier|device_code|"
    "user_code|password|passwd|pass|subject_token|actor_token|token|state|authorization|cookie|set-cookie|api_key|secret"
)
_SECRET = re.compile(rf"(?<![A-Za-z_-])(?:{_NAMES})[\"']?\s*[=:]\s*(?:b?[\"'])?([^\s\"'&,;<>}}]+)", re.IGNORECASE)
_SCHEME = re.compile(
    r"\b(?:Bearer|Basic|Zoho-oauthtoken|XOAUTH2|OAUTHBEARER|PLAIN|LOGIN)[ =]+([^\s\"',;]+)", re.IGNORECASE
)
_CERTAIN = re.compile(
    r"(?<![A-Za-z_-])(?:client_secret|password|passwd|access_token|refresh_token|device_code|code_verifier)"
    r"(?:=|[\"']\s{0,9}:\s{0,9}b?[\"'])[\"']?([^\s\"'&,;<>}\\]{4,})",
    re.IGNORECASE,
)
_SHORTEST = 4


def secrets_in(text: str) -> frozenset[str]:
    """Find the values in a paste that have the place of a secret."""
    looked_at = text[:_LOOKED_AT]
    found = {match[1] for pattern in (_SECRET, _SCHEME) for match in pattern.finditer(looked_at)}
    found |= {unquote_plus(value) for value in found}
    # A value that stands where a password does is one, whatever it looks like; beside a colon it may be prose.
    certain = {match[1] for match in _CERTAIN.finditer(looked_at)}
    # `code` is also what Google and Microsoft call a number or a word of theirs.
    return frozenset(certain) | frozenset(
        value for value in found if len(value) >= _SHORTEST and not re.fullmatch("[A-Za-z_]+|[0-9]{1,8}", value)
    )


def struck(text: str, secrets: frozenset[str]) -> str:
    """Give a text without the secrets that stood in the same paste."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "[…]")
    return text


def clean(text: str, secrets: frozenset[str] = frozenset()) -> str:
    """Give a text on one line, of at most `LONGEST` characters, without secrets, long opaque runs and markup."""
    text = struck(text[: 8 * LONGEST], secrets)
    # Administrators' texts have been seen escaped twice.
    text = html.unescape(html.unescape(text))
    text = _TAG.sub(" ", text).replace("<", " ").replace(">", " ")
    text = _OPAQUE.sub(_struck_out, text)
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:LONGEST]


def _struck_out(run: re.Match[str]) -> str:
    """Keep trace ids, addresses of pages and words; strike out what looks like a token."""
    said = run[0]
    harmless = _UUID.fullmatch(said) or re.fullmatch(r"[A-Za-z]+|//?[\w.-]+(/[\w.?=-]{0,23})*", said)
    return said if harmless else "[…]"
