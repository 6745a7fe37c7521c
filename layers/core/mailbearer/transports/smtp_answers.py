"""What the replies of SMTP servers mean, by code (RFC 5321, RFC 3463, RFC 4954), never by prose."""

from __future__ import annotations

import binascii
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from mailbearer.message import Outcome, Remedy
from mailbearer.transports.outcomes import refused, words

_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?")
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: +|$)")
_IDENTIFIER = re.compile(r"#?[A-Za-z][A-Za-z0-9]+")


class Stage(StrEnum):
    """How far the dialogue has come."""

    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, its lines joined; `enhanced` is the RFC 3463 code or empty."""

    code: int
    enhanced: str
    text: str

    @property
    def good(self) -> bool:
        """Tell whether the command was carried out."""
        return 200 <= self.code < 300  # noqa: PLR2004 - RFC 5321 section 4.2.1

    @property
    def temporary(self) -> bool:
        """Tell whether the same may succeed later."""
        return 400 <= self.code < 500  # noqa: PLR2004 - RFC 5321 section 4.2.1

    @property
    def provider_code(self) -> str:
        """Give what the server said in numbers."""
        return f"{self.code} {self.enhanced}".rstrip()


def parse_reply(lines: list[bytes]) -> Reply | None:
    """Put the lines of one reply together, or give None if they are none."""
    matches = [_REPLY_LINE.fullmatch(line) for line in lines]
    codes = {match[1] for match in matches if match}
    if len(codes) != 1 or not all(matches):
        return None
    texts: list[str] = []
    enhanced = ""
    for match in matches:
        text = (match[3] or b"").decode("utf-8", "replace").strip() if match else ""
        found = _ENHANCED.match(text)
        if found:
            enhanced = enhanced or found[1]
            text = text[found.end() :]
        texts.append(text)
    return Reply(int(codes.pop()), enhanced, "\n".join(texts))


def is_last(line: bytes) -> bool:
    """Tell whether this is the last line of its reply."""
    return line[3:4] != b"-"


_Meaning: TypeAlias = tuple[str, Remedy]

_BLOCKED = ("sending_blocked", Remedy.HOLD)
_CONTENT_REFUSED = ("content_refused", Remedy.NONE)
_DAILY_LIMIT = ("daily_limit", Remedy.HOLD)
_MAILBOX_FULL = ("mailbox_full", Remedy.HOLD)
_RECIPIENT_REJECTED = ("recipient_rejected", Remedy.NONE)
_SENDER_REFUSED = ("sender_refused", Remedy.NONE)
_SIGN_IN_REFUSED = ("sign_in_refused", Remedy.HOLD)
_THROTTLED = ("throttled", Remedy.RETRY)
_TOKEN_REJECTED = ("token_rejected", Remedy.REFRESH)
_TOO_LARGE = ("message_too_large", Remedy.NONE)
_TOO_MANY_RECIPIENTS = ("too_many_recipients", Remedy.NONE)

# Identifiers that Exchange and Yahoo put into the text where one number has several meanings.
_IDENTIFIERS: dict[tuple[int, str], dict[str, _Meaning]] = {
    (535, "5.7.139"): {"SmtpClientAuthentication": ("smtp_auth_disabled", Remedy.HOLD)},
    (535, "5.7.0"): {"#AUTH005": ("login_throttled", Remedy.RETRY)},
    (554, "5.2.0"): {
        "SendAsDenied": _SENDER_REFUSED,
        "SendAsDeniedException": _SENDER_REFUSED,
        "SubmissionQuotaExceeded": _DAILY_LIMIT,
        "SubmissionQuotaExceededException": _DAILY_LIMIT,
        "RefuseQuota": _DAILY_LIMIT,
        "QuotaExceededException": _MAILBOX_FULL,
        "HipNotify": _BLOCKED,
        "HipSend": _BLOCKED,
        "Suspend": _BLOCKED,
        "TransientError": ("deferred", Remedy.RETRY),
    },
}
_IDENTIFIERS[(554, "5.2.252")] = _IDENTIFIERS[(554, "5.2.0")]

# While signing in (RFC 4954 section 6); the last rule for a code has an empty enhanced code.
_SIGN_IN: dict[tuple[int, str], _Meaning] = {
    (432, "4.3.2"): _THROTTLED,
    (432, ""): _SIGN_IN_REFUSED,
    (454, ""): ("login_throttled", Remedy.RETRY),
    (504, ""): ("mechanism_refused", Remedy.HOLD),
    (530, ""): _SIGN_IN_REFUSED,
    (534, ""): _SIGN_IN_REFUSED,
    (535, "5.7.139"): _SIGN_IN_REFUSED,
    (535, "5.7.9"): _SIGN_IN_REFUSED,
    (535, ""): _TOKEN_REJECTED,
    (538, ""): _SIGN_IN_REFUSED,
}

# In the mail transaction, both codes together; the rule for a basic code alone has an empty enhanced code.
_EXACT: dict[tuple[int, str], _Meaning] = {
    (530, ""): _SIGN_IN_REFUSED,
    (552, ""): _TOO_LARGE,
    (552, "5.7.0"): _CONTENT_REFUSED,  # Google: an attachment of a kind that may not be sent
    (553, ""): _SENDER_REFUSED,
}

# In the mail transaction, whatever the basic code.
_ENHANCED_MEANINGS: dict[str, _Meaning] = {
    "4.3.2": _THROTTLED,
    "4.5.3": _TOO_MANY_RECIPIENTS,
    "5.1.1": _RECIPIENT_REJECTED,
    "5.1.2": _RECIPIENT_REJECTED,
    "5.1.3": _RECIPIENT_REJECTED,
    "5.1.6": _RECIPIENT_REJECTED,
    "5.1.7": _SENDER_REFUSED,
    "5.1.8": _SENDER_REFUSED,
    "5.1.10": _RECIPIENT_REJECTED,
    "5.1.90": _DAILY_LIMIT,
    "5.1.92": _DAILY_LIMIT,
    "5.2.2": _MAILBOX_FULL,
    "5.2.3": _TOO_LARGE,
    "5.2.252": _SENDER_REFUSED,
    "5.3.4": _TOO_LARGE,
    "5.4.5": _DAILY_LIMIT,
    "5.4.6": _BLOCKED,
    "5.5.3": _TOO_MANY_RECIPIENTS,
    "5.7.3": _SIGN_IN_REFUSED,
    "5.7.57": _SIGN_IN_REFUSED,
    "5.7.60": _SENDER_REFUSED,
    "5.7.232": ("tenant_limit", Remedy.HOLD),
    "5.7.233": ("tenant_limit", Remedy.HOLD),
}
# Exchange: 5.7.501 to 5.7.7xx are bans of an account, a tenant or the address it sends from.
_BAN = re.compile(r"5\.7\.[57]\d\d")

# What is left: a 5xx without a known enhanced code.
_STAGE_MEANINGS: dict[Stage, _Meaning] = {
    Stage.GREETING: ("service_refused", Remedy.RETRY),
    Stage.EHLO: ("service_refused", Remedy.HOLD),
    Stage.STARTTLS: ("tls_unavailable", Remedy.HOLD),
    Stage.AUTH: _SIGN_IN_REFUSED,
    Stage.MAIL: _SENDER_REFUSED,
    Stage.RCPT: _RECIPIENT_REJECTED,
    Stage.DATA: _CONTENT_REFUSED,
    Stage.CONTENT: _CONTENT_REFUSED,
}


def classify(stage: Stage, reply: Reply, *, secret: str, challenge: str = "") -> Outcome:
    """Say what a 4xx or 5xx reply means; `challenge` is what the server said at a failed sign-in (RFC 7628)."""
    code, remedy = _meaning(stage, reply, challenge)
    return refused(code, words(reply.provider_code, f"{reply.text} {challenge}", secret=secret), remedy)


def _meaning(stage: Stage, reply: Reply, challenge: str) -> _Meaning:
    if reply.code == 421:  # noqa: PLR2004 - RFC 5321 section 3.8: it may come at any time
        return "service_unavailable", Remedy.RETRY
    known = _by_identifier(reply)
    known = known or (_signing_in(reply, challenge) if stage is Stage.AUTH else _in_transaction(stage, reply))
    return known or (("deferred", Remedy.RETRY) if reply.temporary else _STAGE_MEANINGS[stage])


def _by_identifier(reply: Reply) -> _Meaning | None:
    known = _IDENTIFIERS.get((reply.code, reply.enhanced), {})
    found = _IDENTIFIER.findall(reply.text) if known else []
    return next((known[identifier] for identifier in found if identifier in known), None)


def _signing_in(reply: Reply, challenge: str) -> _Meaning | None:
    known = _SIGN_IN.get((reply.code, reply.enhanced)) or _SIGN_IN.get((reply.code, ""))
    if known == _TOKEN_REJECTED and _scope_is_missing(challenge):
        return "scope_missing", Remedy.HOLD
    return known


def _in_transaction(stage: Stage, reply: Reply) -> _Meaning | None:
    if _BAN.fullmatch(reply.enhanced):
        return _BLOCKED
    if stage is Stage.RCPT and (reply.enhanced == "5.2.2" or reply.code == 553):  # noqa: PLR2004 - RFC 5321 section 4.2.2
        # At this stage both speak of the recipient's mailbox, later of the sender's.
        return _RECIPIENT_REJECTED
    exact = _EXACT.get((reply.code, reply.enhanced)) or _ENHANCED_MEANINGS.get(reply.enhanced)
    return exact or _EXACT.get((reply.code, ""))


def _scope_is_missing(challenge: str) -> bool:
    """Read the challenge's status: a number as text for XOAUTH2, a word of RFC 6750 for OAUTHBEARER."""
    try:
        status = json.loads(challenge).get("status")
    except (ValueError, AttributeError):
        return False
    return str(status).lower() in {"403", "insufficient_scope"}


def decode_challenge(text: str) -> str:
    """Decode the base64 of a 334; what is no base64 is given back as nothing."""
    try:
        return binascii.a2b_base64(text.encode("ascii", "replace"), strict_mode=True).decode("utf-8", "replace")
    except binascii.Error:
        return ""
