"""The replies of SMTP servers (RFC 5321, RFC 3463), and what they mean at each stage."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from mailbearer.transports.outcomes import explained, refused

if TYPE_CHECKING:
    from mailbearer.message import Outcome

_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?")
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: +|$)")


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
    """One reply, its lines joined; `enhanced` is the RFC 3463 code or empty, `raw` the lines as they came."""

    code: int
    enhanced: str
    text: str
    raw: str = field(default="", repr=False)

    @property
    def good(self) -> bool:
        """Tell whether the command was carried out."""
        return 200 <= self.code < 300  # noqa: PLR2004 - RFC 5321 section 4.2.1

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
    raw = b"\r\n".join(lines).decode("utf-8", "replace")
    return Reply(int(codes.pop()), enhanced, "\n".join(texts), raw)


def is_last(line: bytes) -> bool:
    """Tell whether this is the last line of its reply."""
    return line[3:4] != b"-"


def classify(stage: Stage, reply: Reply, *, secret: str, provider: str = "", challenge: Reply | None = None) -> Outcome:
    """Say what a 4xx or 5xx reply means; `challenge` is the 334 before it at a failed sign-in (RFC 7628 section 3.2.3).

    `provider` is the registration's kind: a few codes are a provider's own.
    """
    from mailbearer.diagnosis import Evidence  # noqa: PLC0415 - an accepted message needs none of it

    said = f"{challenge.raw}\r\n{reply.raw}" if challenge else reply.raw
    evidence = Evidence(provider=provider, surface="smtp", smtp=said, stage=stage, secrets=frozenset({secret}))
    return refused(*explained(evidence, secret=secret))
