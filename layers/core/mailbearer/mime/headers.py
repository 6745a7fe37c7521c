"""Header fields of RFC 5322, folded; in ASCII whatever the script (RFC 2047, 2231), but for addresses (RFC 6532)."""

from __future__ import annotations

import binascii
import re
import time
from typing import TYPE_CHECKING

from mailbearer.errors import Fault, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailbearer.message import Address

LINE_LIMIT = 998
"""The longest line SMTP carries, without its CRLF (RFC 5321 section 4.5.3.1.6)."""

_FOLD_AT = 78
_ENCODED_FOLD_AT = 76
_WORD_LIMIT = 75
_Q_OPEN, _B_OPEN, _CLOSE = "=?utf-8?q?", "=?utf-8?b?", "?="
_WORD_ROOM = _WORD_LIMIT - len(_Q_OPEN) - len(_CLOSE)
_LONGEST_QUOTED_NAME = 70
_LONGEST_PLAIN_PARAMETER = 60
_SEGMENT = 55
_BLANK = 32

_PLAIN_TEXT = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_PLAIN_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
# No ";" and no "=": some parsers take what is between quotes for another parameter.
_TOKEN_VALUE = re.compile(r"[A-Za-z0-9 ._+()@,:\[\]{}~^!#$&'/-]*")
_FIELD_NAME = re.compile(r"[!-9;-~]+")
_ADDRESS = re.compile(
    r"""(?:[\xa1-\U0010ffffA-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+|"(?:[ !#-\[\]-~]|\\[ -~])*")"""
    r"""@(?:[A-Za-z0-9._-]+|\[[!-Z^-~]+\])"""
)
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_WORDS = re.compile(r" *[^ ]+")

_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# RFC 2047 section 5(3): what may stand for itself in a word of a phrase, which is the narrowest place.
_Q_TABLE = tuple(chr(byte) if chr(byte) in _ALPHANUMERIC + "!*+-/" else f"={byte:02X}" for byte in range(256))
# RFC 5987 section 3.2.1.
_PERCENT_TABLE = tuple(
    chr(byte) if chr(byte) in _ALPHANUMERIC + "!#$&+-.^_`|~" else f"%{byte:02X}" for byte in range(256)
)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def refused(field: str, reason: str) -> InvalidInput:
    """Make the error for a value that cannot be written; the parser at the door refuses these first."""
    return InvalidInput((Fault(f"/{field.lower().replace('-', '_')}", "not_writable", f"{field}: {reason}"),))


def checked(field: str, value: str) -> str:
    """Give `value` back. Raises `InvalidInput` if it could break out of its header field."""
    if _UNSAFE.search(value):
        raise refused(field, "control characters and line breaks cannot stand in a header field.")
    return value


def text_field(name: str, value: str) -> str:
    """Write an unstructured field; tokens without blanks stay whole, since software may read them."""
    if not _FIELD_NAME.fullmatch(name):
        raise refused("headers", f"{name[:40]!r} is not the name of a header field.")
    if len(name) + 2 + len(value) <= _FOLD_AT and _PLAIN_TEXT.fullmatch(value) and "=?" not in value:
        return f"{name}: {value}\r\n"
    checked(name, value)
    if not value:
        return f"{name}: \r\n"
    if _PLAIN_TEXT.fullmatch(value) and "=?" not in value:
        words = _WORDS.findall(value)
        if max(map(len, words)) + len(name) + 2 <= LINE_LIMIT:
            return fold(name, words, glue="")
    return fold(name, encoded_words(value, len(name) + 2), limit=_ENCODED_FOLD_AT)


def token_field(name: str, tokens: Iterable[str]) -> str:
    """Write a field of tokens that must never be encoded: message ids and URLs in angle brackets."""
    written = [checked(name, token) for token in tokens]
    for token in written:
        if not token.isascii() or len(token) + len(name) + 2 > LINE_LIMIT:
            raise refused(name, "a value is too long or not in ASCII.")
    return fold(name, written)


def address_field(name: str, addresses: Iterable[Address]) -> str:
    """Write a list of mailboxes (RFC 5322 section 3.4)."""
    tokens: list[str] = []
    for address in addresses:
        if tokens:
            tokens[-1] += ","
        tokens += _mailbox(name, address)
    return fold(name, tokens)


def date_field(moment: float) -> str:
    """Write the Date field in UTC."""
    t = time.gmtime(moment)
    clock = f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
    return f"Date: {_DAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year:04} {clock} +0000\r\n"


def fold(name: str, tokens: Iterable[str], *, glue: str = " ", limit: int = _FOLD_AT) -> str:
    """Write tokens as one field, breaking lines between them; without glue each but the first has its own blanks."""
    lines: list[str] = []
    line = f"{name}:"
    first = True
    for token in tokens:
        piece = (glue or " ") + token if first else glue + token
        if not first and len(line) + len(piece) > limit:
            lines.append(line)
            line = ""
        line += piece
        first = False
    lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def parameter(name: str, value: str) -> list[str]:
    """Write one parameter of a structured field, in pieces to fold between (RFC 2231 sections 3 and 4)."""
    if len(value) <= _LONGEST_PLAIN_PARAMETER and _TOKEN_VALUE.fullmatch(value) and value == value.strip(" "):
        return [f'{name}="{value}"']
    pieces = ["".join(_PERCENT_TABLE[byte] for byte in char.encode("utf-8", "replace")) for char in value]
    segments = [""]
    for piece in pieces:
        if len(segments[-1]) + len(piece) > _SEGMENT:
            segments.append("")
        segments[-1] += piece
    if len(segments) == 1:
        return [f"{name}*=utf-8''{segments[0]}"]
    head, *tail = segments
    return [f"{name}*0*=utf-8''{head};"] + [
        f"{name}*{number}*={segment}{';' if number < len(tail) else ''}" for number, segment in enumerate(tail, 1)
    ]


def encoded_words(text: str, used: int) -> list[str]:
    """Write text as encoded words of at most 75 characters, splitting none; `used` columns of line one are taken."""
    data = text.encode("utf-8")
    blanks = data.count(b" ")
    quoted = (sum(len(_Q_TABLE[byte]) for byte in data) - 2 * blanks) * 3 <= len(data) * 4 + 8
    words: list[str] = []
    start, size = 0, 0
    room = max(min(_WORD_ROOM, _ENCODED_FOLD_AT - used - len(_Q_OPEN) - len(_CLOSE)), 16)
    for end, char in enumerate(text):
        raw = char.encode("utf-8")
        width = sum(1 if byte == _BLANK else len(_Q_TABLE[byte]) for byte in raw) if quoted else len(raw)
        limit = room if quoted else room // 4 * 3
        if size + width > limit:
            words.append(_encoded_word(text[start:end], quoted=quoted))
            start, size, room = end, 0, _WORD_ROOM
        size += width
    words.append(_encoded_word(text[start:], quoted=quoted))
    return words


def _encoded_word(text: str, *, quoted: bool) -> str:
    data = text.encode("utf-8")
    if quoted:
        return _Q_OPEN + "".join(_Q_TABLE[byte] for byte in data).replace("=20", "_") + _CLOSE
    return _B_OPEN + binascii.b2a_base64(data, newline=False).decode("ascii") + _CLOSE


def _mailbox(field: str, address: Address) -> list[str]:
    email, name = address.email, address.name
    if not _ADDRESS.fullmatch(email):
        raise refused(field, f"{email[:80]!r} is not an address with a domain in ASCII.")
    checked(field, email)
    if not name:
        return [email]
    if _PLAIN_PHRASE.fullmatch(name) and "=?" not in name and len(name) <= _LONGEST_QUOTED_NAME:
        return [*name.split(" "), f"<{email}>"]
    checked(field, name)
    if name.isascii() and "=?" not in name and len(name) <= _LONGEST_QUOTED_NAME and name == name.strip(" "):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return [f'"{escaped}"', f"<{email}>"]
    return [*encoded_words(name, len(field) + 2), f"<{email}>"]
