"""Reading SMTP replies out of a dialogue, a single reply, or what a library made of one."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field

# What transcripts put before a line: whose it is. The client's lines hold its secrets and are never looked at.
_SERVER = re.compile(r"^\s*(?:\[[^\]]{0,40}\]\s*)?(?:S:|<-+|<<+|<~*|server:|reply:|retcode:?)\s*", re.IGNORECASE)
_CLIENT = re.compile(r"^\s*(?:\[[^\]]{0,40}\]\s*)?(?:C:|-+>|>>*|~>|client:|send:)", re.IGNORECASE)
_QUOTED = re.compile(r"^b?(['\"])(.*?)(?:\\r\\n)?\1$")
_LINE = re.compile(r"([2-5][0-9]{2})([ -]|$)(.*)")
_ENHANCED = re.compile(r"\s*#?([245]\.\d{1,3}\.\d{1,3})(?![\d.])\s*")
# smtplib's exceptions: (535, b'5.7.8 ...'); also inside a mapping of recipients.
_PAIR = re.compile(r"\(\s{0,9}([245][0-9]{2})\s{0,9},\s{0,9}b?(['\"])(.{0,1000}?)\2\s{0,9}\)", re.DOTALL)
# A reply in the middle of a sentence has an enhanced code or ends the line.
_INSIDE = re.compile(r"(?<![\d.])([245][0-9]{2})[ -]#?(?=[245]\.\d{1,3}\.\d{1,3}\b)")
_BOUNCE = re.compile(r"#[45]\.\d{1,3}\.\d{1,3}\b")
_BARE = re.compile(r"(?<![\d.])#?([45])\.(\d{1,3}\.\d{1,3})(?![\d.])")
_TOKENS = re.compile(r"[A-Za-z0-9]+")
_SHOWN = re.compile(
    r"#[A-Z]{3,6}[0-9]{3,5}\b|\b[A-Z][A-Za-z]{3,60}(?:Exception|Denied|Exceeded|Authentication)\b|"
    r"(?<=verdict is )\w{3,40}"
)
_CHALLENGE = 334
_REFUSED = 400
_MOST_LINES = 2000
_LOOKED_AT = 65_536  # characters in which a reply is looked for where it does not begin a line


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpReply:
    """The reply that decides: codes as text, the text, and what an XOAUTH2 or OAUTHBEARER challenge before it said."""

    code: str
    enhanced: str = ""
    text: str = field(default="", repr=False)
    challenge: str = ""

    @property
    def tokens(self) -> tuple[str, ...]:
        """Give the words of the text in lower case, in order."""
        return tuple(token.lower() for token in _TOKENS.findall(self.text))

    @property
    def raw(self) -> str:
        """Give the codes, and the identifiers that Exchange and Yahoo put beside them."""
        shown = dict.fromkeys(_SHOWN.findall(self.text[:2000]))
        parts = (self.code, self.enhanced, *list(shown)[:3], f"challenge {self.challenge}" if self.challenge else "")
        return " ".join(filter(None, parts))


def read_replies(text: str) -> SmtpReply | None:
    """Give the last refusal of a text, or its last reply; None if there is none."""
    replies = _replies(_server_lines(text)) or _scattered(text)
    if not replies:
        return None
    challenge = next((said for code, said in replies if int(code) == _CHALLENGE), "")
    refusals = [reply for reply in replies if int(reply[0]) >= _REFUSED]
    code, said = (refusals or replies)[-1]
    enhanced, rest = _without_enhanced(said)
    return SmtpReply(code=code, enhanced=enhanced, text=rest, challenge=_status(challenge))


def looks_like_smtp(text: str) -> bool:
    """Tell whether a text is a reply or a dialogue, by its form."""
    beginning = text[:_LOOKED_AT]
    return bool(_replies(_server_lines(text)) or any(sign.search(beginning) for sign in (_PAIR, _INSIDE, _BOUNCE)))


def _server_lines(text: str) -> list[str]:
    lines = [line.rstrip("\r") for line in text.replace("\r\n", "\n").split("\n", _MOST_LINES)[:_MOST_LINES]]
    kept = [line for line in lines if not _CLIENT.match(line)]
    bare = [line[found.end() :] if (found := _SERVER.match(line)) else line.strip() for line in kept]
    return [found[2] if (found := _QUOTED.match(line)) else line for line in bare]


def _replies(lines: list[str]) -> list[tuple[str, str]]:
    """Join the lines of each reply; a line without a code goes on with the one before."""
    replies: list[tuple[str, str]] = []
    going_on = False
    for line in lines:
        found = _LINE.match(line)
        if found and going_on and replies and replies[-1][0] == found[1]:
            replies[-1] = (found[1], f"{replies[-1][1]}\n{found[3]}")
        elif found:
            replies.append((found[1], found[3]))
        elif replies and line:
            replies[-1] = (replies[-1][0], f"{replies[-1][1]} {line}")
            continue
        going_on = bool(found and found[2] == "-")
    return replies


def _scattered(text: str) -> list[tuple[str, str]]:
    """Find replies in an exception's text or a bounce."""
    text = text[:_LOOKED_AT]
    if pairs := _PAIR.findall(text):
        return [(code, said.replace("\\r\\n", "\n").replace("\\n", "\n")) for code, _, said in pairs]
    if inside := list(_INSIDE.finditer(text)):
        return [(inside[-1][1], text[inside[-1].end() :])]
    if bare := _BARE.search(text):
        # A bounce names the enhanced code alone; its class stands for the reply code.
        return [(f"{bare[1]}50", text[bare.start() :].lstrip("#"))]
    return []


def _without_enhanced(said: str) -> tuple[str, str]:
    """Take the enhanced code off every line, and give the first."""
    found = ""
    lines = []
    for line in said.split("\n"):
        match = _ENHANCED.match(line)
        found = found or (match[1] if match else "")
        lines.append(line[match.end() :] if match else line)
    return found, "\n".join(lines)


def _status(challenge: str) -> str:
    """Decode a challenge (RFC 7628 section 3.2.3): its status is a number as text for XOAUTH2, else a word."""
    text = challenge.strip()
    if not text:
        return ""
    try:
        decoded = base64.b64decode(text.encode("ascii", "replace") + b"=" * (-len(text) % 4)).decode("utf-8", "replace")
        status = json.loads(text if text.startswith("{") else decoded).get("status")
    except (binascii.Error, ValueError, AttributeError, RecursionError):
        return ""
    said = str(status).lower()
    return said if re.fullmatch("[a-z0-9_]{1,40}", said) else ""
